"""Statements of an IAM policy, and their order in it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_statement.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANKS: Final = (
    "Describe",
    "Run",
    "Tag",
    "Terminate",
    "Pass",
    "Schedules",
    "MeetingsTable",
    "MeetingsAgenda",
    "MeetingsStream",
    "SentTable",
    "SendMail",
    "Deployments",
    "CloudflareToken",
    "ScheduleSecrets",
    "ScheduleSeed",
    "Logs",
    "FailedEvents",
)
"""The order of statements in a policy, by the prefixes of their names."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy; `conditions` in IAM's format."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str | list[str]]] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """Format it for a policy."""
        resource = self.resources[0] if len(self.resources) == 1 else list(self.resources)
        condition = {"Condition": self.conditions} if self.conditions else {}
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": resource,
            **condition,
        }

    @property
    def rank(self) -> tuple[int, str]:
        """Return its position in a policy."""
        kinds = (number for number, kind in enumerate(_RANKS) if self.sid.startswith(kind))
        return next(kinds), self.sid

    def with_actions(self, actions: tuple[str, ...]) -> Statement:
        """Allow these actions as well, on the same resources."""
        return replace(self, actions=tuple({*self.actions, *actions}))

"""The limit on what a sweep may delete at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.change import Delete
from chalicelib.plan import Presence

if TYPE_CHECKING:
    from chalicelib.plan import Plan
    from chalicelib.settings import Settings


class UnsafePlanError(Exception):
    """A plan deletes so much that its reason may be a mistake; nothing of it was done."""


def refuse_unsafe(plan: Plan, owned: int, settings: Settings) -> None:
    """Raise UnsafePlanError if the plan deletes more than both limits of what we own.

    A listing that came back thin (another region, another tag, a right lost) must not empty a
    zone. Both limits: the last desktop of a day is 100 %, and ten of a thousand are not many.
    """
    deletions = sum(isinstance(change, Delete) for change in plan.changes)
    if deletions <= settings.delete_limit or deletions * 100 <= owned * settings.delete_percent:
        return
    live = sum(finding.presence is Presence.LIVE for finding in plan.findings.values())
    reasons: dict[str, int] = {}
    for finding in plan.findings.values():
        count = sum(isinstance(change, Delete) for change in finding.changes)
        if count:
            reasons[finding.reason] = reasons.get(finding.reason, 0) + count
    why = ", ".join(f"{count}: {reason}" for reason, count in sorted(reasons.items()))
    tag = "=".join(settings.project_tag)
    raise UnsafePlanError(
        f"refused as unsafe, and nothing was changed: {deletions} of the {owned} records of "
        f"{settings.owner} would be deleted ({why}), while EC2 shows {live} running instances "
        f"tagged {tag}; the limits are {settings.delete_limit} records and "
        f"{settings.delete_percent} %. Check the region, the tag and the rights; "
        "`python -m ops plan NAME` shows what would be done, and if it is right, "
        "`python -m ops sweep NAME --force` does it"
    )

"""The desktop that calls the API: which instance AWS says it is, for which meeting and role.

A desktop is not trusted, so nothing of this is read from its request. API Gateway has verified
the signature, and the session name of an instance role's credentials is the instance's id:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable
EC2's tags say for which meeting and role that instance was launched, and the meeting's row that it
still has that role.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.ec2.instances import INSTANCE_ID, OWNER_TAG
from chalicelib.meeting_row.meeting import REASON, ROLES, Assignment
from chalicelib.meetings.state import is_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.resource_names import StageNames


KNOWN_FOR: Final = 300.0
"""Seconds for which an environment need not ask EC2 again about a desktop that only asks.

Each asks once a minute, and EC2 allows an account about ten unfiltered descriptions a second:
https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
"""
MOST_KNOWN: Final = 10_000


class NotOursError(Exception):
    """The caller is no desktop of this stage, or its role has another one: it never will be."""


class NotYetError(Exception):
    """AWS does not show yet that the caller is a desktop of a meeting; it should ask again."""


class EndedError(Exception):
    """The caller's meeting is over, or its own instance is ending."""

    def __init__(self, message: str, status: str = "", reason: str = "") -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class CallingDesktop:
    """A desktop whose meeting is not over, and that meeting's row."""

    instance_id: str
    role: str
    meeting: Meeting


class CallingDesktops:
    """Recognizes the desktops of a stage."""

    def __init__(
        self,
        *,
        project_tag: tuple[str, str],
        owner: str,
        instances: Instances,
        table: Meetings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._project_tag = project_tag
        self._owner = owner
        self._instances = instances
        self._table = table
        self._clock = clock
        self._known: dict[str, tuple[float, Instance]] = {}

    def recognize(self, instance_id: str, *, fresh: bool) -> CallingDesktop:
        """Find out which meeting and role the instance has, asking EC2 again if `fresh`.

        Raises NotOursError, NotYetError, EndedError, and the errors of EC2 and DynamoDB.
        """
        at, instance = self._known.get(instance_id, (-KNOWN_FOR, None))
        if instance is None or fresh or not 0 <= self._clock() - at < KNOWN_FOR:
            instance = self._describe(instance_id)
        assignment = self._assignment_of(instance)
        meeting = self._table.read_row(assignment.meeting_id)
        if meeting is None:
            raise NotOursError(f"meeting {assignment.meeting_id!r} has no row")
        return calling_desktop(instance, assignment.role, meeting)

    def _describe(self, instance_id: str) -> Instance:
        self._known.pop(instance_id, None)
        instance = self._instances.find(instance_id)
        if instance is None:
            raise NotYetError(f"EC2 does not show {instance_id} yet")
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[instance_id] = self._clock(), instance
        return instance

    def _assignment_of(self, instance: Instance) -> Assignment:
        """Read its tags; only the stage that launched it sets the owner's."""
        assignment = Assignment.of(instance)
        is_ours = instance.has_tag(self._project_tag) and instance.has_tag((OWNER_TAG, self._owner))
        if not (is_ours and assignment and assignment.role in ROLES):
            raise NotOursError(f"{instance.id} has no tags of a desktop of this stage")
        return assignment


def instance_of(caller_arn: str, stage: StageNames) -> str:
    """Return the id of the instance behind an ARN of the desktops' role. Raises NotOursError."""
    role = re.escape(
        f"arn:{stage.partition}:sts::{stage.account}:assumed-role/{stage.instance_profile}/"
    )
    found = re.fullmatch(rf"{role}({INSTANCE_ID})", caller_arn)
    if found is None:
        raise NotOursError("the caller has not signed with the role of this stage's desktops")
    return found[1]


def calling_desktop(instance: Instance, role: str, meeting: Meeting) -> CallingDesktop:
    """Decide whether the instance has the role.

    Raises EndedError if the meeting is over, NotYetError if the row does not name the role's
    desktop yet, and NotOursError if it names another one.
    """
    status, reason = meeting.status or "", meeting.text(REASON) or ""
    if is_over(meeting):
        raise EndedError("the meeting is over", status, reason)
    if instance.has_ended:
        raise EndedError(f"{instance.id} is {instance.state}", status)
    noted = meeting.instance_id(role)
    if noted is None:
        raise NotYetError(f"the row does not name the {role}'s desktop yet")
    if noted != instance.id:
        raise NotOursError(f"{noted} is the {role}'s desktop now, not {instance.id}")
    return CallingDesktop(instance.id, role, meeting)

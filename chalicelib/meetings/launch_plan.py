"""The decisions of a launch: whether it is due, who may start desktops, and the row's updates.

Pure. EC2 recognizes a repeated request by its token only within one Availability Zone, so a
meeting's row has what prevents a second desktop: the run in charge (`launch_lease`), and for each
role the one subnet in which a desktop may have been started (`<role>_subnet_id`). A launch leaves
that subnet for the next only after EC2 said that it started nothing there.
https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html#run-instances-idempotency
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.clock import format_time, parse_time
from chalicelib.ec2.instances import ROLE_TAG
from chalicelib.meeting_row.meeting import (
    MEET_TIME,
    REASON,
    REQUEST_HASH,
    ROLES,
    SCHEDULED_AT,
    Meeting,
    RowUpdate,
    Status,
    instance_attribute,
)
from chalicelib.meetings.lifetime import LEAD
from chalicelib.meetings.state import end_of, meet_time_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.ec2.instances import Instance

SLACK: Final = timedelta(minutes=1)
"""A schedule fires at some time within its minute, and clocks differ."""
PATIENCE: Final = timedelta(seconds=150)
"""After this no further attempt is expected: Lambda retries one and three minutes later.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""
REST: Final = timedelta(seconds=20)
"""The pause after a failed attempt, so that EC2 has finished what was asked."""
IN_FLIGHT: Final = timedelta(seconds=10)
"""How long after a run's end something that it requested may still happen."""

LEASE: Final = "launch_lease"
BEGUN_AT: Final = "launch_begun_at"

_MEETING_ID = re.compile(r"[!-~]{1,56}")  # a token is ASCII of at most 64 characters
_INSTANCE_IDS: Final = tuple(instance_attribute(role) for role in ROLES)


def subnet_attribute(role: str) -> str:
    """Name the attribute with the subnet in which the role's desktop was requested."""
    return f"{role}_subnet_id"


def meeting_id_of(event: object) -> str | None:
    """Return the id in a schedule's input; None if it is not one that can be launched."""
    match event:
        case {"meeting_id": str(meeting_id)} if _MEETING_ID.fullmatch(meeting_id):
            return meeting_id
        case _:
            return None


def why_not(meeting: Meeting, now: datetime, longest: timedelta) -> str | None:
    """Return why a meeting that is not over is not launched; None if it is to be."""
    start, ends_at = meet_time_of(meeting), end_of(meeting, longest)
    if start is None or ends_at is None:
        return f"the row has no valid {MEET_TIME}"
    if now < start - LEAD - SLACK and not is_begun(meeting):
        return f"it is not due before {format_time(start - LEAD)}"
    if now >= ends_at:
        return "its longest time is over"
    return None


def is_begun(meeting: Meeting) -> bool:
    """Return True if the launch has begun: then it goes on even if the meeting is moved."""
    return BEGUN_AT in meeting.item


def begun_at(meeting: Meeting) -> datetime | None:
    """Return when the launch began; None if it has not."""
    return _moment(meeting.text(BEGUN_AT) or "")


def is_confirmed(meeting: Meeting) -> bool:
    """Return True if the row is a meeting (see `reservation.py`); other makers' rows always are.

    Otherwise it was left by a request that died, whose links nobody has, or that request is being
    retried at this moment.
    """
    is_begun = meeting.status not in {None, Status.SCHEDULED}
    return is_begun or REQUEST_HASH not in meeting.item or SCHEDULED_AT in meeting.item


def missing_roles(meeting: Meeting) -> tuple[str, ...]:
    """Name the roles without a desktop in the row.

    One in the row is never replaced, not even if it has ended: its user may have shut it down.
    """
    return tuple(role for role in ROLES if meeting.instance_id(role) is None)


@dataclass(frozen=True)
class Lease:
    """The exclusive right of one run to start a meeting's desktops, until it expires."""

    until: datetime
    holder: str

    @classmethod
    def of(cls, meeting: Meeting) -> Lease | None:
        """Parse the row's lease; None if there is none, or it is malformed."""
        until, _, holder = (meeting.text(LEASE) or "").partition(" ")
        moment = _moment(until)
        return cls(moment, holder) if moment else None

    @property
    def text(self) -> str:
        """Format it for the row."""
        return f"{self.until.astimezone(UTC).isoformat(timespec='milliseconds')} {self.holder}"


def begin(meeting: Meeting, lease: Lease, now: datetime) -> RowUpdate:
    """Acquire the lease; the first to do so records when the launch began."""
    texts = {LEASE: lease.text}
    if begun_at(meeting) is None:
        texts[BEGUN_AT] = now.astimezone(UTC).isoformat(timespec="milliseconds")
    return RowUpdate(meeting, texts, (LEASE, REASON, "status", MEET_TIME, *_INSTANCE_IDS))


def rest(meeting: Meeting, now: datetime) -> RowUpdate | None:
    """Shorten the lease of a run that failed; None if it has none or a shorter one."""
    lease = Lease.of(meeting)
    if lease is None or lease.until <= now + REST:
        return None
    return RowUpdate(meeting, {LEASE: Lease(now + REST, lease.holder).text}, (LEASE,))


def intend(meeting: Meeting, role: str, subnet_id: str) -> RowUpdate | None:
    """Record where the role's desktop is about to be requested; None if that is recorded."""
    name = subnet_attribute(role)
    if meeting.text(name) == subnet_id:
        return None
    return RowUpdate(
        meeting, {name: subnet_id}, (name, instance_attribute(role), LEASE, REASON, "status")
    )


def note_desktop(meeting: Meeting, role: str, instance_id: str) -> RowUpdate | None:
    """Record the role's desktop, unless one is recorded; with the last, set LAUNCHED."""
    noted = {each: meeting.instance_id(each) for each in ROLES}
    if noted[role] is not None:
        return settle(meeting)
    texts = {instance_attribute(role): instance_id}
    noted[role] = instance_id
    return _with_status(meeting, texts, is_complete=all(noted.values()))


def settle(meeting: Meeting) -> RowUpdate | None:
    """Set the meeting LAUNCHED, if every desktop is recorded and it is not set yet."""
    return _with_status(meeting, {}, is_complete=not missing_roles(meeting))


def is_out_of_patience(meeting: Meeting, now: datetime) -> bool:
    """Return True if the launch began so long ago that no further attempt helps."""
    begun = begun_at(meeting)
    return begun is not None and now - begun > PATIENCE


def desktop_of(found: Iterable[Instance], role: str) -> tuple[Instance | None, tuple[str, ...]]:
    """Choose the role's desktop among a meeting's: the oldest, and the ids of any others."""
    mine = sorted(
        (each for each in found if each.tags.get(ROLE_TAG) == role),
        key=lambda each: (each.launched_at, each.id),
    )
    return (mine[0] if mine else None), tuple(each.id for each in mine[1:])


def _with_status(meeting: Meeting, texts: dict[str, str], *, is_complete: bool) -> RowUpdate | None:
    if is_complete and meeting.status in {None, Status.SCHEDULED}:
        texts["status"] = Status.LAUNCHED
    return RowUpdate(meeting, texts, (*_INSTANCE_IDS, REASON, "status")) if texts else None


def _moment(text: str) -> datetime | None:
    """Parse a time as this module formats it; None if it is not one."""
    return parse_time(text) if text.endswith("+00:00") else None

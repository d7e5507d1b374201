"""Admission: whether a visitor may enter the desktop, and what to tell those who may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from chalicelib.clock import in_minutes
from chalicelib.meeting_row.meeting import (
    NEVER_HEALTHY,
    REASON,
    Status,
    instance_attribute,
    link_attribute,
)
from chalicelib.meetings.desktop_reports import is_healthy
from chalicelib.meetings.lifetime import LEAD
from chalicelib.meetings.state import (
    CANCELLED,
    DESKTOP_LIMIT,
    JOINED_AT,
    LAUNCH_FAILED,
    MAX_LENGTH_TIMEOUT,
    NO_SHOW_TIMEOUT,
    PARTIAL_NO_SHOW_TIMEOUT,
    SUCCESS,
    SUCCESS_AT_15_MINUTES,
    end_of,
    has_data,
    is_over,
    meet_time_of,
)
from chalicelib.settings.meetings import SHORTEST_MEETING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chalicelib.meeting_row.meeting import Meeting

OPEN_STATUSES: Final = (Status.HEALTHY, Status.IN_PROGRESS)
"""The statuses in which a role's link is given out."""

_FAR: Final = timedelta(minutes=2)
_WAIT: Final = in_minutes(SHORTEST_MEETING)


class Phase(StrEnum):
    """The phases for a visitor, from booking to end, and those of invalid links."""

    SCHEDULED = "scheduled"
    STARTING = "starting"
    ADDRESS = "address"
    CHECKING = "checking"
    READY = "ready"
    LATE = "late"
    OVER = "over"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    TROUBLE = "trouble"


STEPS: Final = (Phase.SCHEDULED, Phase.STARTING, Phase.ADDRESS, Phase.CHECKING, Phase.READY)
"""The steps for a visitor when all goes well, in this order."""

_MESSAGES: Final = {
    Phase.SCHEDULED: (
        f"Your desktop starts {in_minutes(LEAD)} before the meeting. "
        "You can leave this page open until then, or come back later."
    ),
    Phase.STARTING: "A computer of your own is starting. This takes a few minutes.",
    Phase.ADDRESS: "It has started, and is being given its address.",
    Phase.CHECKING: "It has its address, and is being checked before you enter.",
    Phase.READY: (
        "You may enter now. If this page does not take you there by itself, use the button."
    ),
    Phase.LATE: (
        "It should be ready by now, but has not reported yet. Please leave this page open: it "
        f"shows as soon as you may enter. If your desktop is not ready {_WAIT} after the start, "
        "the meeting is ended; then tell the person who invited you."
    ),
    Phase.OVER: "Nobody can enter it any more. For another one, ask the person who invited you.",
    Phase.UNKNOWN: (
        "Please open the whole link, just as it was sent to you. "
        "If you did, ask the person who invited you for a new one."
    ),
    Phase.REFUSED: (
        "The role at its end must be 'teacher' or 'student'. "
        "Please open the whole link, just as it was sent to you."
    ),
    Phase.TROUBLE: (
        "That is our fault, not yours. Please leave this page open: it tries again by itself."
    ),
}

_ENDS: Final = {
    NO_SHOW_TIMEOUT: (
        f"Nobody came within {_WAIT}, so it was ended. "
        "For another one, ask the person who invited you."
    ),
    PARTIAL_NO_SHOW_TIMEOUT: (
        f"Not everybody came within {_WAIT}, so it was ended. "
        "For another one, ask the person who invited you."
    ),
    NEVER_HEALTHY: (
        f"Its desktops did not become ready within {_WAIT}, so it was ended. Please tell the "
        "person who invited you, so that the meeting can be booked again."
    ),
    MAX_LENGTH_TIMEOUT: "Its time was over, so it was ended.",
    CANCELLED: (
        "It was cancelled by the person who invited you, who can also tell you about another one."
    ),
    DESKTOP_LIMIT: (
        "Too many desktops were running at that time, so its own could not be started. Please tell "
        "the person who invited you, so that the meeting can be booked again."
    ),
    LAUNCH_FAILED: (
        "Its desktops could not be started. Please tell the person who invited you, "
        "so that the meeting can be booked again."
    ),
    SUCCESS: "It went well, and there is nothing left to do. Thank you for coming.",
    SUCCESS_AT_15_MINUTES: "It went well, and there is nothing left to do. Thank you for coming.",
}
_FINISHED: Final = (
    "Your desktop has finished and closes. For another one, ask the person who invited you."
)
_ENDED: Final = "It was ended by the person who booked it. Thank you for coming."
_PASSED: Final = "Its time has passed. For another one, ask the person who invited you."

_PAUSES: Final = {
    Phase.SCHEDULED: 60,
    Phase.STARTING: 5,
    Phase.ADDRESS: 2,
    Phase.CHECKING: 2,
    Phase.LATE: 5,
    Phase.TROUBLE: 5,
}
_SHORT_PAUSE: Final = 5


@dataclass(frozen=True)
class Admission:
    """A visitor's state with regard to a meeting.

    `link` is set only in the phase READY, `step` (one of STEPS) while there is something to wait
    for or to enter, and `retry_after`, in seconds, while the answer may still change. `file` is
    that of DCV's native clients, if the link has a ticket in it.
    """

    phase: Phase
    message: str
    status: str = ""
    link: str | None = None
    step: Phase | None = None
    retry_after: int | None = None
    warnings: tuple[str, ...] = ()
    file: str | None = field(default=None, repr=False)


UNKNOWN: Final = Admission(Phase.UNKNOWN, _MESSAGES[Phase.UNKNOWN])
"""There is no such meeting, or the key does not open it; which one is not revealed."""
REFUSED: Final = Admission(Phase.REFUSED, _MESSAGES[Phase.REFUSED])
"""There is no such role."""
TROUBLE: Final = Admission(
    Phase.TROUBLE, _MESSAGES[Phase.TROUBLE], retry_after=_PAUSES[Phase.TROUBLE]
)
"""The state could not be determined."""


def admit(
    meeting: Meeting,
    role: str,
    now: datetime,
    longest: timedelta,
    link_to: Callable[[str], str],
) -> Admission:
    """Decide the state of a role's visitor.

    The link is given out once it exists, the role's own desktop is healthy, and the status is
    HEALTHY or IN_PROGRESS, unless the meeting is being ended. `link_to` returns the link to an
    instance; any other address in the row is not given out, and causes a warning.
    """
    status = meeting.status or Status.SCHEDULED
    if is_over(meeting):
        reason = meeting.text(REASON) or ""
        said = _ENDS.get(reason, _MESSAGES[Phase.OVER])
        if reason == CANCELLED and JOINED_AT in meeting.item:
            said = _ENDED
        return Admission(Phase.OVER, said, status)
    if has_data(meeting, role):
        return Admission(Phase.OVER, _FINISHED, status)
    link, warnings = _own_link(meeting, role, link_to)
    if link and status in OPEN_STATUSES and is_healthy(meeting, role):
        return Admission(Phase.READY, _MESSAGES[Phase.READY], status, link, Phase.READY)
    meet_time, ends_at = meet_time_of(meeting), end_of(meeting, longest)
    if ends_at and now >= ends_at:
        return Admission(Phase.OVER, _PASSED, status, warnings=warnings)
    step = _step(meeting, role, meet_time, now, is_linked=link is not None)
    phase = Phase.LATE if meet_time and now >= meet_time else step
    pause = _PAUSES[phase]
    if phase is Phase.SCHEDULED and meet_time and meet_time - LEAD - now < _FAR:
        pause = _SHORT_PAUSE
    return Admission(
        phase, _MESSAGES[phase], status, step=step, retry_after=pause, warnings=warnings
    )


def _own_link(
    meeting: Meeting, role: str, link_to: Callable[[str], str]
) -> tuple[str | None, tuple[str, ...]]:
    """Return the role's link, or the problem with it."""
    link, instance_id = meeting.link(role), meeting.linked_instance(role)
    if link is None or (instance_id and link == link_to(instance_id)):
        return link, ()
    return None, (
        f"{link_attribute(role)} is not a link to a desktop of this stage: {link[:200]!r}",
    )


def _step(
    meeting: Meeting, role: str, meet_time: datetime | None, now: datetime, *, is_linked: bool
) -> Phase:
    """Return the step of the role's own desktop; the status is that of both."""
    if is_linked:
        return Phase.CHECKING
    if meeting.text(instance_attribute(role)):
        return Phase.ADDRESS
    is_booked = meeting.status in {None, "", Status.SCHEDULED}
    if is_booked and (meet_time is None or now < meet_time - LEAD):
        return Phase.SCHEDULED
    return Phase.STARTING

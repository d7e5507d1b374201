"""A meeting as it is shown to whom it was scheduled by."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from chalicelib.clock import format_time, in_minutes
from chalicelib.meeting_row.meeting import (
    DURATION,
    MEET_TIME,
    NEVER_HEALTHY,
    REASON,
    ROLES,
    ROOM_URL,
    TIME_ZONE,
    Status,
    mail_attribute,
)
from chalicelib.meetings.launch_plan import is_begun
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
    is_in_progress,
    is_over,
    length_of,
)
from chalicelib.settings.meetings import MINUTE, SHORTEST_MEETING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from chalicelib.meeting_row.meeting import Meeting


class State(StrEnum):
    """Where a meeting is for people."""

    UPCOMING = "upcoming"
    RUNNING = "running"
    OVER = "over"


OUTCOMES: Final = ("sent", "failed", "bounced")
"""What can have become of a letter."""

_LATE: Final = in_minutes(SHORTEST_MEETING)
_MESSAGES: Final[Mapping[str, str]] = {
    Status.SCHEDULED: f"Booked. Its desktops start {in_minutes(LEAD)} before the meeting.",
    Status.LAUNCHED: "Its desktops are starting.",
    Status.DNS_WRITTEN: "Its desktops have started and are being checked.",
    Status.HEALTHY: "A desktop is ready; nobody has entered yet.",
    Status.IN_PROGRESS: "It is in progress.",
}
_STARTING: Final = "Its desktops are being started."
_ENDS: Final = {
    SUCCESS: "It took place, and both sides have finished.",
    SUCCESS_AT_15_MINUTES: "It took place, and both sides have finished.",
    MAX_LENGTH_TIMEOUT: "Its time was over, so it was ended.",
    NO_SHOW_TIMEOUT: f"Nobody came within {_LATE}, so it was ended.",
    PARTIAL_NO_SHOW_TIMEOUT: f"Not everybody came within {_LATE}, so it was ended.",
    NEVER_HEALTHY: (
        f"Its desktops did not become ready within {_LATE}, so it was ended. The administrator of "
        "this service can find out why."
    ),
    LAUNCH_FAILED: (
        "Its desktops could not be started. The administrator of this service can find out why."
    ),
    DESKTOP_LIMIT: "Too many desktops were running at that time, so its own were not started.",
    CANCELLED: "It was cancelled.",
}
_ENDED_BY_HAND: Final = "It was ended before its time."
_OVER: Final = "It is over."
_UNDER_WAY: Final = "It is under way."


def view(
    meeting: Meeting, links: Mapping[str, str | None], now: datetime, longest: timedelta
) -> dict[str, Any]:
    """Return what is shown of a meeting. `message` says in a sentence how it is."""
    state, ends_at = state_of(meeting, now, longest), end_of(meeting, longest)
    document: dict[str, Any] = {
        "message": _message(meeting, state),
        "meeting_id": meeting.id,
        "state": state,
        "status": meeting.status,
        "reason": meeting.text(REASON),
        MEET_TIME: meeting.text(MEET_TIME),
        DURATION: length_of(meeting, longest) // MINUTE,
        "ends_at": format_time(ends_at) if ends_at else None,
        TIME_ZONE: meeting.text(TIME_ZONE),
        ROOM_URL: meeting.text(ROOM_URL),
        "actions": list(_actions(meeting, state)),
    }
    for role in ROLES:
        document[f"{role}_name"] = meeting.text(f"{role}_name") or ""
        document[f"{role}_email"] = meeting.text(f"{role}_email")
        document[f"{role}_link"] = None if state is State.OVER else links[role]
        document[f"{role}_mail"] = _outcome(meeting, role)
    return document


def _outcome(meeting: Meeting, role: str) -> str | None:
    """Return what became of the last letter to a role's person; None until that is known."""
    outcome = (meeting.text(mail_attribute(role)) or "").rpartition(" ")[2]
    return outcome if outcome in OUTCOMES else None


def state_of(meeting: Meeting, now: datetime, longest: timedelta) -> State:
    """Return where a meeting is for people."""
    ends_at = end_of(meeting, longest)
    if is_over(meeting) or ends_at is None or now >= ends_at:
        return State.OVER
    if is_begun(meeting) or meeting.status != Status.SCHEDULED:
        return State.RUNNING
    return State.UPCOMING


def _message(meeting: Meeting, state: State) -> str:
    if state is State.OVER:
        reason = meeting.text(REASON) or ""
        if reason == CANCELLED and JOINED_AT in meeting.item:
            return _ENDED_BY_HAND
        return _ENDS.get(reason, _OVER)
    if state is State.RUNNING and meeting.status == Status.SCHEDULED:
        return _STARTING
    return _MESSAGES.get(meeting.status or "", _UNDER_WAY)


def _actions(meeting: Meeting, state: State) -> tuple[str, ...]:
    """Name what can be done with it: `cancel` and `end` are the same for the API."""
    if state is State.OVER:
        return ()
    if is_in_progress(meeting):
        return ("extend", "end")
    return ("move", "extend", "cancel")

"""A meeting's state: what its row says of its times, of who has finished, and of its end. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.clock import parse_time
from chalicelib.meeting_row.meeting import (
    DURATION,
    EXPIRES_AT,
    MEET_TIME,
    REASON,
    ROLES,
    SEQUENCE,
    Meeting,
    Status,
)
from chalicelib.settings.meetings import MINUTE, SHORTEST_MEETING

if TYPE_CHECKING:
    from datetime import datetime

NO_SHOW_TIMEOUT: Final = "NO_SHOW_TIMEOUT"
PARTIAL_NO_SHOW_TIMEOUT: Final = "PARTIAL_NO_SHOW_TIMEOUT"
SUCCESS_AT_15_MINUTES: Final = "15_MIN_SUCCESS"
SUCCESS: Final = "SUCCESS"
MAX_LENGTH_TIMEOUT: Final = "MAX_LENGTH_TIMEOUT"
LAUNCH_FAILED: Final = "LAUNCH_FAILED"
CANCELLED: Final = "CANCELLED"
"""Cancelled, or ended once it was in progress, by whom it was scheduled."""
DESKTOP_LIMIT: Final = "DESKTOP_LIMIT"
"""Its desktops would have been more than MAX_DESKTOPS."""

JOINED_AT: Final = "joined_at"
"""Written together with IN_PROGRESS by the first who joins, and never removed.

The status may be set back by hand.
"""

SLACK: Final = timedelta(minutes=1)
"""A check that is early by no more than this counts as on time: clocks differ."""
BETWEEN_NOTES: Final = timedelta(minutes=1)
"""A visitor's presence is written at most this often."""
_MINUTES = re.compile("[0-9]{1,5}")


def meet_time_of(meeting: Meeting) -> datetime | None:
    """Return the meeting's start; None if the row has no valid one."""
    return time_of(meeting, MEET_TIME)


def time_of(meeting: Meeting, attribute: str) -> datetime | None:
    """Return the time in an attribute; None if there is no valid one."""
    return parse_time(meeting.text(attribute) or "")


def length_of(meeting: Meeting, longest: timedelta) -> timedelta:
    """Return how long the meeting may last from its start: what was booked, up to the longest."""
    text = meeting.text(DURATION) or ""
    booked = int(text) * MINUTE if _MINUTES.fullmatch(text) else longest
    return min(max(booked, SHORTEST_MEETING), longest)


def end_of(meeting: Meeting, longest: timedelta) -> datetime | None:
    """Return when the meeting's time is over; None if the row has no valid start."""
    start = meet_time_of(meeting)
    return start + length_of(meeting, longest) if start else None


def expiry(ends_at: datetime, kept: timedelta | None) -> dict[str, str]:
    """Return what a row has so that it expires, if it is to, this long after the meeting's end."""
    return {EXPIRES_AT: str(int((ends_at + kept).timestamp()))} if kept else {}


def sequence_of(meeting: Meeting) -> int:
    """Return how often the meeting's time or length was changed."""
    text = meeting.text(SEQUENCE) or ""
    return int(text) if text.isascii() and text.isdigit() else 0


def is_over(meeting: Meeting) -> bool:
    """Whether the meeting has been or is being ended: then nothing of it is started."""
    return meeting.status == Status.TERMINATED or REASON in meeting.item


def is_cancelled(meeting: Meeting) -> bool:
    """Whether a cancellation has been written that nobody has carried out yet."""
    return meeting.text(REASON) == CANCELLED and meeting.status != Status.TERMINATED


def is_in_progress(meeting: Meeting) -> bool:
    """Whether somebody has joined the meeting and it is not over."""
    return not is_over(meeting) and (
        meeting.status == Status.IN_PROGRESS or JOINED_AT in meeting.item
    )


def has_data(meeting: Meeting, role: str) -> bool:
    """Whether the role's side has finished: its desktop has left session data in the row."""
    value = meeting.item.get(data_attribute(role), {})
    return "NULL" not in value and any(value.values())


def has_all_data(meeting: Meeting) -> bool:
    """Whether both sides have finished."""
    return all(has_data(meeting, role) for role in ROLES)


def says_why_it_ended(meeting: Meeting) -> bool:
    """Whether the meeting has ended and its row lacks no reason.

    Desktops shut down once they have finished, so a meeting may be TERMINATED before it is claimed
    as a success.
    """
    is_claimed = REASON in meeting.item
    return meeting.status == Status.TERMINATED and (is_claimed or not has_all_data(meeting))


def data_attribute(role: str) -> str:
    """Name the attribute with the role's session data."""
    return f"{role}_session_data"


def waiting_attribute(role: str) -> str:
    """Name the attribute with the time when the role's visitor last asked and had to wait."""
    return f"{role}_waiting_at"


def is_within(meeting: Meeting, attribute: str, limit: timedelta, now: datetime) -> bool:
    """Whether the attribute's time is no longer ago. A time ahead of all clocks is invalid."""
    at = time_of(meeting, attribute)
    return at is not None and -SLACK <= now - at <= limit


def is_noted(meeting: Meeting, attribute: str, now: datetime) -> bool:
    """Whether the attribute was written so lately that it need not be written again."""
    at = time_of(meeting, attribute)
    return at is not None and abs(now - at) < BETWEEN_NOTES

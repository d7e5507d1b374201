"""What becomes of a meeting's row when it is moved, extended, shortened or cancelled. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import (
    DURATION,
    EXPIRES_AT,
    MEET_TIME,
    REASON,
    SCHEDULED_AT,
    SCHEDULES,
    SEQUENCE,
    Meeting,
    RowUpdate,
)
from chalicelib.meetings.booking import BookingError, Reader, passed
from chalicelib.meetings.ending import claim
from chalicelib.meetings.launch_plan import BEGUN_AT, LEASE, is_begun
from chalicelib.meetings.lifetime import LONGEST_AHEAD
from chalicelib.meetings.state import (
    CANCELLED,
    JOINED_AT,
    SLACK,
    end_of,
    expiry,
    is_in_progress,
    is_over,
    length_of,
    meet_time_of,
    sequence_of,
    time_of,
)
from chalicelib.settings.meetings import MINUTE

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from chalicelib.settings.meetings import MeetingsSettings

MOST_CHANGES: Final = 50
"""Each may be notified to both people, and a program may be mistaken."""

_CHANGEABLE: Final = frozenset({MEET_TIME, DURATION})
_FIXED: Final = f"cannot be changed; only {MEET_TIME} and {DURATION} can"
_RELIED_ON: Final = (
    "status",
    REASON,
    MEET_TIME,
    DURATION,
    SEQUENCE,
    SCHEDULES,
    SCHEDULED_AT,
    LEASE,
    BEGUN_AT,
    JOINED_AT,
)


class UnchangeableError(Exception):
    """The meeting cannot be changed like that in its state; `errors` says why, by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__("; ".join(errors.values()))


@dataclass(frozen=True)
class Change:
    """A requested change; None for what stays as it is."""

    meet_time: datetime | None
    length: timedelta | None

    @classmethod
    def parse(cls, body: bytes, now: datetime, settings: MeetingsSettings) -> Change:
        """Parse a request's body. Raises BookingError, also for fields that cannot be changed."""
        reader = Reader.of(body)
        errors = dict.fromkeys(sorted(reader.names - _CHANGEABLE), _FIXED)
        is_moved = MEET_TIME in reader.names
        moved_to = reader.time(MEET_TIME, now + settings.days_ahead) if is_moved else None
        length = reader.length(settings.longest)
        if errors | reader.errors:
            raise BookingError(errors | reader.errors)
        return cls(moved_to, length)


@dataclass(frozen=True)
class Changed:
    """A change of a meeting: its write, and its new time.

    `moves_launch` says that its desktops are to be launched at another time, by schedules whose
    names end with the row's new SCHEDULES.
    """

    update: RowUpdate
    start: datetime
    length: timedelta
    moves_launch: bool
    takes_more: bool
    """Whether it takes up time that it did not before."""

    @property
    def meeting(self) -> Meeting:
        """The row as it is after the write."""
        return self.update.result


def decide_change(
    meeting: Meeting, change: Change, now: datetime, settings: MeetingsSettings, suffix: str
) -> Changed | None:
    """Decide what to write for a change; None if it is so already.

    Once its launch has begun, a meeting can be moved only as far as its desktops may run, and once
    somebody has joined, not at all. Raises UnchangeableError, and BookingError for a time that has
    passed.
    """
    start, end = meet_time_of(meeting), end_of(meeting, settings.longest)
    if is_over(meeting) or start is None or end is None:
        raise UnchangeableError({MEET_TIME: "the meeting is over"})
    length = length_of(meeting, settings.longest)
    new_start, new_length = change.meet_time or start, change.length or length
    if (new_start, new_length) == (start, length):
        return None
    is_moved = new_start != start
    if is_moved and is_in_progress(meeting):
        raise UnchangeableError({MEET_TIME: "the meeting is in progress and cannot be moved"})
    if is_moved and new_start < now.replace(microsecond=0):
        raise BookingError({MEET_TIME: passed(now)})
    new_end = new_start + new_length
    if new_end < now + SLACK:
        raise BookingError({DURATION: "would be over by now; to end the meeting, cancel it"})
    latest = _latest_end(meeting, settings.longest)
    if latest and new_end > max(latest, end):
        said = f"its desktops run already, and until {format_time(latest)} at the latest"
        raise UnchangeableError({MEET_TIME if is_moved else DURATION: said})
    if sequence_of(meeting) >= MOST_CHANGES:
        said = f"was changed {MOST_CHANGES} times; cancel the meeting, and book another one"
        raise UnchangeableError({MEET_TIME if is_moved else DURATION: said})
    moves_launch = is_moved and not is_begun(meeting)
    texts = {MEET_TIME: format_time(new_start), SEQUENCE: str(sequence_of(meeting) + 1)}
    if change.length:
        texts[DURATION] = str(new_length // MINUTE)
    if moves_launch:
        texts[SCHEDULES] = suffix
    texts |= expiry(new_end, settings.kept)
    removed = (EXPIRES_AT,) if EXPIRES_AT in meeting.item and EXPIRES_AT not in texts else ()
    takes_more = new_start < start or new_end > end
    update = RowUpdate(meeting, texts, _RELIED_ON, removed)
    return Changed(update, new_start, new_length, moves_launch, takes_more)


def decide_cancellation(meeting: Meeting, now: datetime) -> RowUpdate | None:
    """Decide what to write to cancel a meeting, or to end it now; None if it is over.

    Its desktops are ended by whoever sees the claim in the row: the terminator, at once.
    """
    if is_over(meeting):
        return None
    return RowUpdate(meeting, claim(CANCELLED, now), (REASON, "status", SCHEDULED_AT))


def _latest_end(meeting: Meeting, longest: timedelta) -> datetime | None:
    """Return when its desktops are ended at the latest; None while they do not run."""
    begun_at = time_of(meeting, BEGUN_AT)
    return begun_at + LONGEST_AHEAD + longest if begun_at else None

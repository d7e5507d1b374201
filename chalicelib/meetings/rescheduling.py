"""Rescheduling: move, extend, shorten or cancel a meeting, with its schedules.

What a change needs is booked first, then the row is written on condition that it is as it was when
the change was decided, and then what it no longer needs is removed. So a meeting has its schedules
at any time, whenever a run dies; what is left over finds that it is not due, and does nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.meeting_row.meeting import SCHEDULED_AT, SCHEDULED_BY, typed
from chalicelib.meeting_row.table import RowChangedError, RowFullError, decide_again
from chalicelib.meetings.changes import decide_cancellation, decide_change
from chalicelib.meetings.launch_plan import begun_at, is_begun
from chalicelib.meetings.limits import Slot
from chalicelib.meetings.safety_net import book_look
from chalicelib.meetings.schedules import ScheduleError, launch_name, safety_name, schedules_of
from chalicelib.meetings.state import SLACK
from chalicelib.settings.meetings import SHORTEST_MEETING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from chalicelib.deadline import Deadline
    from chalicelib.meeting_row.meeting import Meeting, RowUpdate
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.changes import Change, Changed
    from chalicelib.meetings.limits import Limits
    from chalicelib.meetings.schedules import Schedules
    from chalicelib.resource_names import StageNames
    from chalicelib.settings.meetings import MeetingsSettings

_STEP_TIME = 1.0
"""Seconds that must be left to start a step."""


class NotFoundError(Exception):
    """The caller has no such meeting."""


@dataclass(frozen=True)
class Wish:
    """Whose meeting is to be changed, where, when, and by when."""

    meeting_id: str
    caller: str
    place: StageNames
    now: datetime
    deadline: Deadline


@dataclass(frozen=True)
class Rescheduled:
    """The row as it is now, whether this changed it, and what could not be tidied up."""

    meeting: Meeting
    is_changed: bool = False
    warnings: tuple[str, ...] = ()


class Rescheduling:
    """Changes meetings, each for the caller that scheduled it."""

    def __init__(
        self,
        *,
        settings: MeetingsSettings,
        table: Meetings,
        schedules: Schedules,
        limits: Limits,
        suffix: Callable[[], str] = lambda: f"m{secrets.token_hex(4)}",
    ) -> None:
        self._settings = settings
        self._table = table
        self._schedules = schedules
        self._limits = limits
        self._suffix = suffix

    def find(self, meeting_id: str, caller: str) -> Meeting:
        """Read a meeting that this caller scheduled. Raises NotFoundError."""
        meeting = self._table.read_row(meeting_id)
        if meeting is None or not is_callers(meeting, caller):
            raise NotFoundError("there is no such meeting, or another key scheduled it")
        return meeting

    def change(self, wish: Wish, change: Change) -> Rescheduled:
        """Move a meeting or change its length; the same change again changes nothing.

        Raises NotFoundError, UnchangeableError, BookingError and LimitError: nothing is changed.
        Raises ScheduleError, RowChangedError, RowFullError, OutOfTimeError and DynamoDB's errors:
        repeat it.
        """
        return decide_again(lambda: self._change(wish, change))

    def cancel(self, wish: Wish) -> Rescheduled:
        """Cancel a meeting, or end it now; one that is over is left as it is.

        The claim in the row ends it: whoever sees that ends its desktops. Raises NotFoundError;
        RowChangedError, RowFullError, OutOfTimeError and DynamoDB's errors: repeat it.
        """
        return decide_again(lambda: self._cancel(wish))

    def _change(self, wish: Wish, change: Change) -> Rescheduled:
        meeting = self.find(wish.meeting_id, wish.caller)
        changed = decide_change(meeting, change, wish.now, self._settings, self._suffix())
        if changed is None:
            return Rescheduled(meeting)
        if changed.takes_more:
            launched = begun_at(meeting)
            slot = Slot(meeting.id, wish.caller, changed.start, changed.length, launched)
            self._limits.require_room(wish.place, slot)
        self._book(wish, changed)
        wish.deadline.require(_STEP_TIME, f"change the row {meeting.id!r}")
        try:
            now = self._write(changed.update)
        except (RowChangedError, RowFullError):
            if changed.moves_launch:  # their names are of this attempt alone
                self._remove(wish.place, _names(changed.meeting))
            raise
        gone = _names(meeting) if changed.moves_launch else ()
        return Rescheduled(now, is_changed=True, warnings=self._remove(wish.place, gone))

    def _book(self, wish: Wish, changed: Changed) -> None:
        """Book what the meeting needs after the change: its two schedules, or further checks."""
        meeting = changed.meeting
        if changed.moves_launch:
            for each in schedules_of(meeting, changed.start, wish.now):
                wish.deadline.require(_STEP_TIME, f"create the schedule {each.name!r}")
                self._schedules.create_schedule(wish.place, each)
        elif is_begun(meeting):
            end = changed.start + changed.length
            for at in {changed.start + SHORTEST_MEETING, end}:
                wish.deadline.require(_STEP_TIME, f"book a check of {meeting.id!r}")
                soonest = max(at, wish.now + SLACK)
                book_look(self._schedules, wish.place, meeting.id, soonest)

    def _cancel(self, wish: Wish) -> Rescheduled:
        meeting = self.find(wish.meeting_id, wish.caller)
        update = decide_cancellation(meeting, wish.now)
        if update is None:
            return Rescheduled(meeting)
        wish.deadline.require(_STEP_TIME, f"cancel the meeting {meeting.id!r}")
        now = self._write(update)
        names: tuple[str, ...] = _names(meeting)
        warnings: tuple[str, ...] = ()
        try:
            book_look(self._schedules, wish.place, meeting.id, wish.now + 2 * SLACK)
        except ScheduleError as error:  # the schedule that it has, and the overseer, are left
            names, warnings = (launch_name(meeting),), (str(error),)
        warnings += self._remove(wish.place, names)
        return Rescheduled(now, is_changed=True, warnings=warnings)

    def _write(self, update: RowUpdate) -> Meeting:
        """Write the row; if the answer was lost, read whether it is written.

        Raises RowChangedError only if it is not.
        """
        try:
            return self._table.update_row(update)
        except (RowChangedError, ClientError, BotoCoreError) as error:
            try:
                now = self._table.read_row(update.meeting.id)
            except (ClientError, BotoCoreError):
                if isinstance(
                    error, RowChangedError
                ):  # the write that failed may be a repeated one
                    raise
                raise error from None
            if now and typed(update.texts).items() <= now.item.items():
                return now
            raise

    def _remove(self, place: StageNames, names: Iterable[str]) -> tuple[str, ...]:
        """Remove schedules; return why some could not be. Those do nothing when they are due."""
        left = []
        for name in names:
            try:
                self._schedules.delete_schedule(place, name)
            except ScheduleError as error:
                left.append(str(error))
        return tuple(left)


def is_callers(meeting: Meeting, caller: str) -> bool:
    """Whether it is a meeting, not the rest of a request, and was scheduled by the caller."""
    return SCHEDULED_AT in meeting.item and meeting.text(SCHEDULED_BY) == caller


def _names(meeting: Meeting) -> tuple[str, str]:
    return launch_name(meeting), safety_name(meeting)

"""Reservation: create a meeting's row and its two schedules together, or undo them.

The row is created first, then the schedule of the safety net, then that of the launch, so that no
desktop can start that nothing would terminate. Finally `scheduled_at` is written to the row. Until
then it is not a meeting yet; whoever writes `termination_reason` first, on condition that
`scheduled_at` is absent, has undone it for good. One of the two writes fails, so concurrent
retries of a request never undo each other's work; and what was undone under an Idempotency-Key
remains as a row that says so, while a retry creates the meeting under the next id of its seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import (
    AGENDA,
    API_URL,
    REASON,
    REQUEST_HASH,
    ROOM_URL,
    SCHEDULED_AT,
    SCHEDULED_BY,
    Meeting,
    RowUpdate,
    Status,
)
from chalicelib.meeting_row.table import RowChangedError, RowExistsError
from chalicelib.meetings.keys import hash_of, key_hash_attribute
from chalicelib.meetings.limits import Slot
from chalicelib.meetings.schedules import ScheduleError, launch_name, safety_name, schedules_of
from chalicelib.meetings.state import LAUNCH_FAILED, expiry
from chalicelib.settings.meetings import MEETING_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta

    from chalicelib.deadline import Deadline
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.booking import Booking
    from chalicelib.meetings.keys import Seed
    from chalicelib.meetings.limits import Limits
    from chalicelib.meetings.schedules import Schedules
    from chalicelib.resource_names import StageNames
    from chalicelib.settings.meetings import MeetingsSettings

MOST_ATTEMPTS: Final = 50
"""How often requests with one Idempotency-Key may fail."""
_STEP_TIME: Final = 1.0
"""Seconds that must be left to start a step, so that what was created can be undone."""


class NotReservedError(Exception):
    """The meeting could not be created; the message says why, and what is left of it, if any."""


class KeyReusedError(Exception):
    """The Idempotency-Key cannot be used for this request; the message says why.

    Nothing was done.
    """


@dataclass(frozen=True)
class Wanted:
    """A meeting to create, where and by when, when it was requested, and the seed of its id.

    `is_repeatable` says that the seed is an Idempotency-Key's: the same request may be running
    elsewhere, or have run before.
    """

    booking: Booking
    place: StageNames
    now: datetime
    seed: Seed
    is_repeatable: bool
    caller: str
    api_url: str
    keys_of: Callable[[str], Mapping[str, str]]
    """Return the keys of a meeting's links, by role; none for links without."""
    deadline: Deadline


@dataclass(frozen=True)
class Reserved:
    """A created meeting, the seed of its id and keys, and whether this request created it."""

    meeting: Meeting
    seed: Seed
    is_new: bool


class Reservations:
    """Creates meetings."""

    def __init__(
        self,
        *,
        settings: MeetingsSettings,
        table: Meetings,
        schedules: Schedules,
        limits: Limits,
    ) -> None:
        self._settings = settings
        self._table = table
        self._schedules = schedules
        self._limits = limits

    def made_before(self, wanted: Wanted) -> Reserved | None:
        """Find the meeting that the same request created before. Raises KeyReusedError."""
        for seed in _seeds(wanted):
            row = self._table.read_row(seed.meeting_id)
            if row is None:
                return None
            if not _is_undone(row):
                _require_same(row, wanted)
                return Reserved(row, seed, is_new=False) if _is_made(row) else None
        return None

    def reserve(self, wanted: Wanted) -> Reserved:
        """Create the meeting, or find the one that the same request created before.

        Raises KeyReusedError, LimitError if there is no room for it, and NotReservedError if it
        could not be created. What was created by
        then is undone; what could not be is named in the message, and a row that remains is either
        ended as LAUNCH_FAILED or has no `scheduled_at`.
        """
        for seed in _seeds(wanted):
            reserved = self._attempt(replace(wanted, seed=seed))
            if reserved:
                return reserved
        raise KeyReusedError(f"this Idempotency-Key failed {MOST_ATTEMPTS} times; use a new key")

    def _attempt(self, wanted: Wanted) -> Reserved | None:
        """Create the meeting of exactly this seed; None if it was undone."""
        meeting_id = wanted.seed.meeting_id
        row = self._table.read_row(meeting_id) if wanted.is_repeatable else None
        is_new = row is None
        if row is None:
            slot = Slot(
                meeting_id, wanted.caller, wanted.booking.meet_time, self._length_of(wanted)
            )
            self._limits.require_room(wanted.place, slot)
            row = self._make(wanted)
        if _is_undone(row):
            return None
        _require_same(row, wanted)
        if _is_made(row):
            return Reserved(row, wanted.seed, is_new=is_new)
        return self._complete(row, wanted, is_new=is_new)

    def _make(self, wanted: Wanted) -> Meeting:
        meeting_id = wanted.seed.meeting_id
        wanted.deadline.require(_STEP_TIME, f"create the row {meeting_id!r}")
        texts = self._texts_of(wanted)
        try:
            return self._table.make_row(meeting_id, texts)
        except RowExistsError as error:  # of a concurrent request, or of this one's own retry
            row = self._table.read_row(meeting_id)
            if row is None:
                raise NotReservedError(f"row {meeting_id!r} was deleted concurrently") from error
            return row
        except (ClientError, BotoCoreError) as error:
            return self._give_up(Meeting.made(meeting_id, texts), wanted, error)

    def _texts_of(self, wanted: Wanted) -> dict[str, str]:
        """Build the row, without its id; the room is a template."""
        settings, meeting_id = self._settings, wanted.seed.meeting_id
        texts = wanted.booking.row(wanted.now) | {
            API_URL: wanted.api_url,
            SCHEDULED_BY: wanted.caller,
            AGENDA: wanted.place.prefix,
        }
        if settings.room_url:
            texts[ROOM_URL] = settings.room_url.replace(MEETING_ID, meeting_id)
        keys = wanted.keys_of(meeting_id)
        texts |= {key_hash_attribute(role): hash_of(key) for role, key in keys.items()}
        return texts | expiry(wanted.booking.meet_time + self._length_of(wanted), settings.kept)

    def _length_of(self, wanted: Wanted) -> timedelta:
        return wanted.booking.length or self._settings.longest

    def _complete(self, row: Meeting, wanted: Wanted, *, is_new: bool) -> Reserved | None:
        made_at = format_time(wanted.now)
        try:
            for each in schedules_of(row, wanted.booking.meet_time, wanted.now):
                wanted.deadline.require(_STEP_TIME, f"create the schedule {each.name!r}")
                self._schedules.create_schedule(wanted.place, each)
            wanted.deadline.require(_STEP_TIME, f"confirm the row {row.id!r}")
            row = self._table.update_row(RowUpdate(row, {SCHEDULED_AT: made_at}, (REASON,)))
        except Exception as error:  # noqa: BLE001 (after any error, undo what was created)
            row = self._give_up(row, wanted, error)
        return None if _is_undone(row) else Reserved(row, wanted.seed, is_new=is_new)

    def _give_up(self, row: Meeting, wanted: Wanted, cause: Exception) -> Meeting:
        """Undo what was created by now, unless it is a meeting after all: then return its row.

        The row is also returned if another request undid it. Raises NotReservedError.
        """
        failed = f"meeting {row.id!r} could not be created: {cause}"
        try:
            now = self._end(row)
        except (ClientError, BotoCoreError) as error:
            now, failed = row, f"{failed}; nor could it be read afterwards: {error}"
        if now is None:
            raise NotReservedError(f"{failed}; nothing is left of it") from cause
        if _is_made(now):
            return now
        if wanted.is_repeatable and not _is_undone(now):
            raise NotReservedError(
                f"{failed}; the row remains without {SCHEDULED_AT}: repeating the request "
                "completes it"
            ) from cause
        left = self._withdraw(now, wanted)
        if isinstance(cause, RowChangedError) and wanted.is_repeatable:
            return now
        said = f"what is left: {'; '.join(left)}" if left else "everything was undone"
        raise NotReservedError(f"{failed}; {said}") from cause

    def _end(self, row: Meeting) -> Meeting | None:
        """End a row that is not a meeting yet; return it as it is then, in any case."""
        texts = {REASON: LAUNCH_FAILED, "status": Status.TERMINATED}
        for _ in range(2):
            try:
                return self._table.update_row(
                    RowUpdate(row, texts, ("status", REASON, SCHEDULED_AT))
                )
            except (RowChangedError, ClientError, BotoCoreError):
                now = self._table.read_row(row.id)  # a lost answer may have been a success
            if now is None or _is_made(now) or _is_undone(now):
                break
        return now

    def _withdraw(self, row: Meeting, wanted: Wanted) -> list[str]:
        """Remove the schedules, and a row that nobody can request; return what could not be.

        The safety net's schedule is kept if the row may still look like a meeting: it will end it.
        """
        left: list[str] = []
        self._unschedule(wanted.place, launch_name(row), left)
        may_deceive = not _is_undone(row)
        if not wanted.is_repeatable:
            try:
                self._table.take_back_row(row)
                may_deceive = False
            except (RowChangedError, ClientError, BotoCoreError) as error:
                left.append(f"the row: {error}")
        if not may_deceive:
            self._unschedule(wanted.place, safety_name(row), left)
        return left

    def _unschedule(self, place: StageNames, name: str, left: list[str]) -> None:
        try:
            self._schedules.delete_schedule(place, name)
        except ScheduleError as error:
            left.append(str(error))


def _seeds(wanted: Wanted) -> Iterator[Seed]:
    """Yield the seeds from which a request may have created its meeting, in order."""
    for number in range(MOST_ATTEMPTS if wanted.is_repeatable else 1):
        yield wanted.seed.attempt(number)


def _is_undone(row: Meeting) -> bool:
    """Return True if it was ended before it became a meeting."""
    return REASON in row.item and SCHEDULED_AT not in row.item


def _is_made(row: Meeting) -> bool:
    """Return True if it became a meeting, even if that is over."""
    return SCHEDULED_AT in row.item or (REASON not in row.item and row.status != Status.SCHEDULED)


def _require_same(row: Meeting, wanted: Wanted) -> None:
    if row.text(REQUEST_HASH) != wanted.booking.fingerprint:
        raise KeyReusedError("this Idempotency-Key was used to schedule another meeting")

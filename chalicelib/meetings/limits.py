"""Limits of a stage and of each key: how many meetings there may be in a day, and at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.clock import format_time
from chalicelib.ec2.instances import MEETING_TAG
from chalicelib.meeting_row.meeting import REASON, SCHEDULED_BY
from chalicelib.meetings.launch_plan import begun_at, is_begun
from chalicelib.meetings.lifetime import LEAD
from chalicelib.meetings.state import end_of, meet_time_of
from chalicelib.settings.meetings import DESKTOPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chalicelib.ec2.instances import Instance
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.resource_names import StageNames
    from chalicelib.settings.meetings import MeetingsSettings

_DAY: Final = timedelta(days=1)


class LimitError(Exception):
    """There is no room for the meeting.

    `limit` is the setting that says so, and `free_at` from when on there is room as far as is
    known now; None if that is more than a day away. The message says both.
    """

    def __init__(self, limit: str, what: str, free_at: datetime | None) -> None:
        self.limit = limit
        self.free_at = free_at
        frees = f"; there is room from {format_time(free_at)} on" if free_at else ""
        super().__init__(f"{what}{frees} ({limit})")


class StillRunningError(Exception):
    """There is room for the meeting, but desktops that should have ended are still running."""


@dataclass(frozen=True)
class Slot:
    """What a meeting takes up: its desktops run from a while before its start until its end.

    One that is moved after its launch keeps its desktops: they run since `launched`.
    """

    meeting_id: str
    caller: str | None
    start: datetime
    length: timedelta
    launched: datetime | None = None

    @property
    def begin(self) -> datetime:
        """When its desktops are launched."""
        due = self.start - LEAD
        return min(due, self.launched) if self.launched else due

    @property
    def end(self) -> datetime:
        """When its desktops are ended at the latest."""
        return self.start + self.length


class Limits:
    """Checks a stage's limits by its agenda.

    The agenda is about a second old, so requests within a second can pass a limit together. What
    costs money is checked again when desktops are launched.
    """

    def __init__(self, *, settings: MeetingsSettings, table: Meetings) -> None:
        self._settings = settings
        self._table = table

    def require_room(self, place: StageNames, wanted: Slot) -> None:
        """Raise LimitError if the meeting, new or changed, would be one too many."""
        first = _midnight(wanted.start)
        agenda = self._table.agenda(
            place.prefix, format_time(first - _DAY - LEAD), format_time(first + 2 * _DAY)
        )
        require_room(
            wanted, [each for each in agenda if each.id != wanted.meeting_id], self._settings
        )

    def require_desktops(
        self, place: StageNames, wanted: Slot, instances: Iterable[Instance]
    ) -> None:
        """Raise LimitError if the desktops of a meeting that is being launched are too many.

        `instances` are those of the stage. Meetings that are launched at the same time agree on
        their order, so that together they keep the limit. Raises StillRunningError if they are too
        many only as long as desktops run whose meetings need them no more: try again.
        """
        since = format_time(wanted.start - _DAY)
        agenda = self._table.agenda(place.prefix, since, format_time(wanted.start))
        before = {each.id for each in agenda if self._is_before(each, wanted)} - {wanted.meeting_id}
        running = {
            each.tags[MEETING_TAG]
            for each in instances
            if MEETING_TAG in each.tags and not each.has_ended
        }
        most = self._settings.max_desktops
        what = f"at most {most} desktops may run at the same time"
        if DESKTOPS * (len(before) + 1) > most:
            raise LimitError("MAX_DESKTOPS", f"{what}, and others come first", None)
        if DESKTOPS * (len((before | running) - {wanted.meeting_id}) + 1) > most:
            raise StillRunningError(f"{what}, and others still run")

    def _is_before(self, meeting: Meeting, wanted: Slot) -> bool:
        """Whether a meeting needs its desktops at the same time, and comes first."""
        slot = _slot_of(meeting, self._settings.longest)
        if slot is None or not _is_live(meeting) or slot.end <= wanted.begin:
            return False
        turn = slot.start, slot.meeting_id
        return is_begun(meeting) or turn < (wanted.start, wanted.meeting_id)


def require_room(wanted: Slot, agenda: Sequence[Meeting], settings: MeetingsSettings) -> None:
    """Raise LimitError if the meeting would be one too many among the others of that time."""
    mine = [each for each in agenda if each.text(SCHEDULED_BY) == wanted.caller]
    day = _midnight(wanted.start)
    for limit, most, others, whose in (
        ("KEY_MEETINGS_A_DAY", settings.key_meetings_a_day, mine, "of this key"),
        ("MAX_MEETINGS_A_DAY", settings.meetings_a_day, agenda, ""),
    ):
        same_day = [each for each in others if _counts(each) and _day_of(each) == day]
        if len(same_day) >= most:
            what = f"there are {len(same_day)} meetings {whose}".rstrip()
            raise LimitError(limit, f"{what} on {day:%Y-%m-%d} (UTC) already", day + _DAY)
    at_once = settings.max_desktops // DESKTOPS
    for limit, most, others, what in (
        (
            "KEY_MEETINGS_AT_ONCE",
            settings.key_meetings_at_once,
            mine,
            f"there are {settings.key_meetings_at_once} meetings of this key at that time already",
        ),
        (
            "MAX_DESKTOPS",
            at_once,
            agenda,
            f"all {settings.max_desktops} desktops are taken at that time",
        ),
    ):
        slots = [
            slot for each in others if _is_live(each) and (slot := _slot_of(each, settings.longest))
        ]
        if not _fits(wanted.begin, wanted.end, slots, most):
            raise LimitError(limit, what, _free_at(wanted, slots, most, day + 2 * _DAY))


def _fits(begin: datetime, end: datetime, slots: Sequence[Slot], most: int) -> bool:
    """Whether at any time in between there are fewer than `most`."""
    overlapping = [each for each in slots if each.begin < end and each.end > begin]
    moments = [begin, *(each.begin for each in overlapping if each.begin > begin)]
    return all(
        sum(each.begin <= moment < each.end for each in overlapping) < most for moment in moments
    )


def _free_at(
    wanted: Slot, slots: Sequence[Slot], most: int, known_until: datetime
) -> datetime | None:
    """Return the first later start at which it fits: when another one ends."""
    starts = sorted(each.end + LEAD for each in slots if each.end + LEAD > wanted.start)
    known = (start for start in starts if start + wanted.length <= known_until)
    fit = (start for start in known if _fits(start - LEAD, start + wanted.length, slots, most))
    return next(fit, None)


def _is_live(meeting: Meeting) -> bool:
    return REASON not in meeting.item


def _counts(meeting: Meeting) -> bool:
    """Whether it counts for its day: one that was cancelled before its launch does not."""
    return _is_live(meeting) or is_begun(meeting)


def _day_of(meeting: Meeting) -> datetime | None:
    start = meet_time_of(meeting)
    return _midnight(start) if start else None


def _midnight(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _slot_of(meeting: Meeting, longest: timedelta) -> Slot | None:
    start, end = meet_time_of(meeting), end_of(meeting, longest)
    if start is None or end is None:
        return None
    return Slot(meeting.id, meeting.text(SCHEDULED_BY), start, end - start, begun_at(meeting))

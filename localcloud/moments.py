"""The next moment at which something happens to a meeting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from chalicelib.meeting_row.meeting import MEET_TIME, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SCHEDULED: Final = {
    "launch": "desktops are launched for {people}",
    "safety": "the safety net checks on the meeting of {people}",
}
"""By what the names of the schedules begin with."""
_START: Final = "the meeting of {people} starts"


@dataclass(frozen=True)
class Moment:
    """A time, and what happens then."""

    time: datetime
    what: str


def next_moment(
    now: datetime,
    pending: Iterable[tuple[datetime, str]],
    rows: Iterable[Mapping[str, str]],
) -> Moment | None:
    """Return the next moment of the meetings that are not over; None if there is none.

    `pending` has the times and names of the one-off schedules, `rows` those of the table.
    """
    alive = {row["id"]: row for row in rows if row.get("status") != Status.TERMINATED}
    found = []
    for time, name in pending:
        kind, _, rest = name.partition("-")
        meeting = alive.get(rest.partition("-")[0])
        if meeting and kind in _SCHEDULED:
            found.append(Moment(time, _SCHEDULED[kind].format(people=_people(meeting))))
    for meeting in alive.values():
        start = datetime.fromisoformat(meeting[MEET_TIME]) if MEET_TIME in meeting else now
        if start > now:
            found.append(Moment(start, _START.format(people=_people(meeting))))
    return min(found, key=lambda each: each.time, default=None)


def _people(row: Mapping[str, str]) -> str:
    names = [row[name] for name in ("teacher_name", "student_name") if name in row]
    return " and ".join(names) or row["id"]

"""Meetings as the operator reads them: in lines of 80 columns, or as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chalicelib.meeting_row.meeting import DURATION, ENDED_AT, MEET_TIME, ROLES, SCHEDULED_BY
from chalicelib.meetings.launch_plan import BEGUN_AT
from chalicelib.meetings.lifetime import length_of, meet_time_of
from chalicelib.meetings.view import State, state_of, view
from chalicelib.settings.meetings import MINUTE
from ops.console import printable
from ops.desktop_hours import HOW_COUNTED, DesktopHours

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from chalicelib.meeting_row.meeting import Meeting

WIDTH: Final = 80

_NO_LINKS: Final = dict.fromkeys(ROLES)
"""Join links are for the meeting's people."""
_NOT_SHOWN: Final = frozenset({"actions", *(f"{role}_link" for role in ROLES)})
_ORDER: Final = (State.OVER, State.RUNNING, State.UPCOMING)
"""What is still to come is nearest to the prompt."""
_HEADINGS: Final = {State.OVER: "Over", State.RUNNING: "Running", State.UPCOMING: "Upcoming"}


@dataclass(frozen=True)
class Reading:
    """How meetings are read: at this time, by the stage's longest length, and at a price."""

    now: datetime
    longest: timedelta
    price: float | None = None
    """Of a desktop and hour, in any currency."""

    def state(self, meeting: Meeting) -> State:
        """Return where the meeting is."""
        return state_of(meeting, self.now, self.longest)

    def list_lines(self, meetings: Sequence[Meeting]) -> Iterator[str]:
        """Format meetings by their state, and their desktops' hours in total."""
        for state in _ORDER:
            those = [each for each in meetings if self.state(each) is state]
            if those:
                yield f"{_HEADINGS[state]} ({len(those)})"
            for each in those:
                yield from self.lines(each)
        total = DesktopHours.sum_of(self._hours(each) for each in meetings)
        count = f"{len(meetings)} meeting{'s' if len(meetings) != 1 else ''}"
        yield from _wrapped(f"{count}; their desktops: {self._used(total)}. {HOW_COUNTED}", "")

    def lines(self, meeting: Meeting) -> Iterator[str]:
        """Format a meeting: its id alone on a line, then what it is."""
        shown = self._view(meeting)
        yield f"  {printable(meeting.id)}"
        names = " and ".join(shown[f"{role}_name"] or f"a {role}" for role in ROLES)
        yield from _wrapped(f"{self.when(meeting)}: {names}")
        hours = self._hours(meeting)
        used = f" Desktops: {self._used(hours)}." if hours != DesktopHours() else ""
        yield from _wrapped(f"{shown['message']}{used}")

    def when(self, meeting: Meeting) -> str:
        """Say when and how long it is."""
        start = meet_time_of(meeting)
        if start is None:
            return "at an unknown time"
        minutes = length_of(meeting, self.longest) // MINUTE
        return f"{start:%Y-%m-%d %H:%M} UTC, {minutes} minutes"

    def detail_lines(self, meeting: Meeting) -> Iterator[str]:
        """Format everything about a meeting that its row says, line by line."""
        yield from self.lines(meeting)
        left_out = {"message", "meeting_id", MEET_TIME, DURATION, "teacher_name", "student_name"}
        for name, value in self.document(meeting).items():
            if value not in (None, []) and name not in left_out:
                yield f"    {name}: {_shown(value)}"

    def document(self, meeting: Meeting) -> dict[str, Any]:
        """Return a meeting for a script; `desktop_hours` is None if they are unknown."""
        hours = self._hours(meeting)
        return {
            **self._view(meeting),
            SCHEDULED_BY: meeting.text(SCHEDULED_BY),
            BEGUN_AT: meeting.text(BEGUN_AT),
            ENDED_AT: meeting.text(ENDED_AT),
            "desktops": sorted(meeting.instance_ids),
            "desktop_hours": None if hours.unknown else round(hours.hours, 4),
            "cost": self._cost(hours),
        }

    def list_document(self, meetings: Sequence[Meeting]) -> dict[str, Any]:
        """Return meetings for a script, with their desktops' hours in total."""
        total = DesktopHours.sum_of(self._hours(each) for each in meetings)
        return {
            "meetings": [self.document(each) for each in meetings],
            "desktop_hours": round(total.hours, 4),
            "meetings_of_unknown_hours": total.unknown,
            "price_per_hour": self.price,
            "cost": None if self.price is None else round(total.hours * self.price, 4),
        }

    def _view(self, meeting: Meeting) -> dict[str, Any]:
        shown = view(meeting, _NO_LINKS, self.now, self.longest)
        return {name: value for name, value in shown.items() if name not in _NOT_SHOWN}

    def _hours(self, meeting: Meeting) -> DesktopHours:
        return DesktopHours.of(meeting, self.now, self.longest)

    def _cost(self, hours: DesktopHours) -> float | None:
        return None if self.price is None or hours.unknown else round(hours.hours * self.price, 4)

    def _used(self, hours: DesktopHours) -> str:
        said = f"{hours.hours:.2f} hours"
        if self.price is not None:
            said += f", which cost {hours.hours * self.price:.2f} at {self.price:g} an hour"
        if hours.unknown:
            said += f" (unknown for {hours.unknown})"
        return said


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:.2f}" if isinstance(value, float) else printable(str(value))


def _wrapped(text: str, indent: str = "    ") -> list[str]:
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )

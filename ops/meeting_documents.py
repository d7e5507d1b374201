"""What an operator sees of meetings: lists, and JSON for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from chalicelib.clock import format_time, time_at
from chalicelib.meeting_row.meeting import ENDED_AT, EXPIRES_AT, REASON, ROLES, SCHEDULED_BY
from chalicelib.meetings.launch_plan import BEGUN_AT
from chalicelib.meetings.state import meet_time_of
from chalicelib.meetings.view import State, state_of, view
from ops.listing import Item, Said, counted, fields, listing, sentence
from ops.usage import HOW, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from chalicelib.meeting_row.meeting import Meeting

_COLOURS: Final = {State.RUNNING: "green", State.UPCOMING: "cyan", State.OVER: "dim"}
_NOT_SHOWN: Final = ("actions", *(f"{role}_link" for role in ROLES))
"""What of the view for people is theirs alone."""


@dataclass(frozen=True)
class Documents:
    """Meetings at a moment; `longest` is the stage's longest, and the price is per desktop."""

    now: datetime
    longest: timedelta
    price_per_hour: float | None = None

    def list_json(self, meetings: Sequence[Meeting]) -> dict[str, Any]:
        """Format a list for a script."""
        usage = self._total(meetings)
        return {
            "meetings": [self.one_json(each) for each in meetings],
            "hours": round(usage.hours, 2),
            "hours_unknown_of": usage.unknown,
            "price_per_hour": self.price_per_hour,
            "cost": self._cost(Usage(usage.hours)),
        }

    def one_json(self, meeting: Meeting) -> dict[str, Any]:
        """Format one meeting for a script, without join links."""
        usage = Usage.of(meeting, self.now, self.longest)
        shown = view(meeting, dict.fromkeys(ROLES), self.now, self.longest)
        return {
            **{name: value for name, value in shown.items() if name not in _NOT_SHOWN},
            SCHEDULED_BY: meeting.text(SCHEDULED_BY),
            BEGUN_AT: meeting.text(BEGUN_AT),
            ENDED_AT: meeting.text(ENDED_AT),
            EXPIRES_AT: _expiry(meeting),
            "desktops": {role: meeting.instance_id(role) for role in meeting.roles},
            "hours": None if usage.unknown else round(usage.hours, 2),
            "cost": self._cost(usage),
        }

    def list_lines(self, meetings: Sequence[Meeting], width: int) -> Iterator[Text]:
        """Format a list for a terminal, with a summary last."""
        if not meetings:
            yield Text("There is no meeting.")
            return
        columns = ("id", "start (UTC)", "booked by", "state", "hours")
        yield from listing(columns, [self._item(each) for each in meetings], width)
        for line in self._summary(meetings):
            yield from sentence(Said(line), width)

    def one_lines(self, meeting: Meeting, width: int) -> Iterator[Text]:
        """Format one meeting for a terminal."""
        document = self.one_json(meeting)
        desktops = document.pop("desktops")
        shown = document | {f"{role}_desktop": found for role, found in desktops.items()}
        if self.price_per_hour is None:
            del shown["cost"]
        pairs = [
            (name.replace("_", " "), str(value))
            for name, value in shown.items()
            if value not in {None, ""}
        ]
        yield from fields(pairs, width)

    def _item(self, meeting: Meeting) -> Item:
        state = state_of(meeting, self.now, self.longest)
        usage = Usage.of(meeting, self.now, self.longest)
        return Item(
            (
                Said(meeting.id),
                Said(start_of(meeting)),
                Said(meeting.text(SCHEDULED_BY) or "-"),
                Said(_state(meeting, state), _COLOURS[state]),
                Said(f"{'?' if usage.unknown else f'{usage.hours:.1f}':>5}"),
            )
        )

    def _summary(self, meetings: Sequence[Meeting]) -> Iterator[str]:
        usage = self._total(meetings)
        said = f"{counted(len(meetings), 'meeting')}; {usage.hours:,.1f} hours of desktops"
        if self.price_per_hour is not None:
            said += f", {self._cost(Usage(usage.hours)):,.2f} at {self.price_per_hour:g} an hour"
        yield said
        yield HOW
        if usage.unknown:
            its = "row does" if usage.unknown == 1 else "rows do"
            yield f"not counted: {usage.unknown} whose {its} not say from when to when"

    def _total(self, meetings: Sequence[Meeting]) -> Usage:
        return Usage.total(Usage.of(each, self.now, self.longest) for each in meetings)

    def _cost(self, usage: Usage) -> float | None:
        return None if self.price_per_hour is None else usage.cost(self.price_per_hour)


def start_of(meeting: Meeting) -> str:
    """Format a meeting's start, in UTC, for people."""
    start = meet_time_of(meeting)
    return f"{start:%Y-%m-%d %H:%M}" if start else "no valid time"


def _state(meeting: Meeting, state: State) -> str:
    detail = meeting.text(REASON) if state is State.OVER else meeting.status
    return f"{state}: {detail}" if detail and state is not State.UPCOMING else str(state)


def _expiry(meeting: Meeting) -> str | None:
    """Return when the row is removed; None if it is kept."""
    seconds = meeting.item.get(EXPIRES_AT, {}).get("N", "")
    return format_time(time_at(float(seconds))) if seconds.isdigit() else None

"""What an operator sees of meetings: tables, and JSON for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

from chalicelib.clock import format_time, time_at
from chalicelib.meeting_row.meeting import ENDED_AT, EXPIRES_AT, REASON, ROLES, SCHEDULED_BY
from chalicelib.meetings.launch_plan import BEGUN_AT
from chalicelib.meetings.state import meet_time_of
from chalicelib.meetings.view import State, state_of, view
from ops.console import printable
from ops.usage import HOW, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from chalicelib.meeting_row.meeting import Meeting

_WIDEST_ID: Final = 36
"""The width that is kept for ids: those of other programs may be UUIDs."""
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

    def list_table(self, meetings: Sequence[Meeting]) -> Table:
        """Format a list for a terminal; ids are never broken in one of 80 columns."""
        widest = max((len(each.id) for each in meetings), default=0)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.caption, table.caption_justify = self._summary(meetings), "left"
        table.add_column("id", overflow="fold", no_wrap=widest <= _WIDEST_ID)
        table.add_column("start (UTC)", no_wrap=True)
        for name in ("booked by", "state"):
            table.add_column(name, overflow="fold")
        table.add_column("hours", justify="right", no_wrap=True)
        for each in meetings:
            state = state_of(each, self.now, self.longest)
            table.add_row(
                _plain(each.id),
                start_of(each),
                _plain(each.text(SCHEDULED_BY) or "-"),
                f"[{_COLOURS[state]}]{_plain(_state(each, state))}[/]",
                self._hours(Usage.of(each, self.now, self.longest)),
            )
        return table

    def one_table(self, meeting: Meeting) -> Table:
        """Format one meeting for a terminal."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        document = self.one_json(meeting)
        desktops = document.pop("desktops")
        rows = document | {f"{role}_desktop": found for role, found in desktops.items()}
        if self.price_per_hour is None:
            del rows["cost"]
        for name, value in rows.items():
            if value not in {None, ""}:
                table.add_row(name.replace("_", " "), _plain(str(value)))
        return table

    def _summary(self, meetings: Sequence[Meeting]) -> str:
        usage = self._total(meetings)
        said = f"{len(meetings)} meeting{'' if len(meetings) == 1 else 's'}; "
        said += f"{usage.hours:.1f} hours of desktops"
        if self.price_per_hour is not None:
            said += f", {self._cost(Usage(usage.hours)):.2f} at {self.price_per_hour:g} an hour"
        lines = [said, HOW]
        if usage.unknown:
            lines.append(f"not counted: {usage.unknown} whose rows do not say from when to when")
        return "\n".join(lines)

    def _total(self, meetings: Sequence[Meeting]) -> Usage:
        return Usage.total(Usage.of(each, self.now, self.longest) for each in meetings)

    def _cost(self, usage: Usage) -> float | None:
        return None if self.price_per_hour is None else usage.cost(self.price_per_hour)

    @staticmethod
    def _hours(usage: Usage) -> str:
        return "?" if usage.unknown else f"{usage.hours:.1f}"


def start_of(meeting: Meeting) -> str:
    """Format a meeting's start, in UTC, for people."""
    start = meet_time_of(meeting)
    return f"{start:%Y-%m-%d %H:%M}" if start else "no valid time"


def _plain(text: str) -> str:
    """Return text of a row, which anybody may have written, as text and nothing else."""
    return escape(printable(text))


def _state(meeting: Meeting, state: State) -> str:
    detail = meeting.text(REASON) if state is State.OVER else meeting.status
    return f"{state}: {detail}" if detail and state is not State.UPCOMING else str(state)


def _expiry(meeting: Meeting) -> str | None:
    """Return when the row is removed; None if it is kept."""
    seconds = meeting.item.get(EXPIRES_AT, {}).get("N", "")
    return format_time(time_at(float(seconds))) if seconds.isdigit() else None

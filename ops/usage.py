"""The hours for which meetings used desktops, and what these cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.meeting_row.meeting import ENDED_AT
from chalicelib.meetings.launch_plan import BEGUN_AT
from chalicelib.meetings.state import time_of
from chalicelib.meetings.view import State, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from chalicelib.meeting_row.meeting import Meeting

HOW: Final = (
    "an hour is one desktop's, from the beginning of the launch to the end of the meeting, or to "
    "now while it runs"
)

_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Usage:
    """Hours of desktops, and the number of meetings for which they are not known."""

    hours: float = 0.0
    unknown: int = 0

    @classmethod
    def of(cls, meeting: Meeting, now: datetime, longest: timedelta) -> Usage:
        """Count a meeting's: none if no desktop was launched.

        Not known if the row lacks a time: of rows that others write, and of meetings that ended
        before rows said when.
        """
        desktops = sum(meeting.instance_id(role) is not None for role in meeting.roles)
        if not desktops:
            return cls()
        is_running = state_of(meeting, now, longest) is State.RUNNING
        begun_at, ended_at = time_of(meeting, BEGUN_AT), time_of(meeting, ENDED_AT)
        until = ended_at or (now if is_running else None)
        if begun_at is None or until is None:
            return cls(unknown=1)
        return cls(desktops * max(until - begun_at, timedelta()) / _HOUR)

    @classmethod
    def total(cls, usages: Iterable[Usage]) -> Usage:
        """Add them up."""
        every = [*usages]
        return cls(sum(each.hours for each in every), sum(each.unknown for each in every))

    def cost(self, price_per_hour: float) -> float | None:
        """Return what they cost, to the cent; None if any are not known."""
        return None if self.unknown else round(self.hours * price_per_hour, 2)

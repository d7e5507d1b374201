"""How long desktops of meetings ran, by the meetings' rows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.meeting_row.meeting import ENDED_AT
from chalicelib.meetings.launch_plan import BEGUN_AT
from chalicelib.meetings.lifetime import end_of, is_over, time_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from chalicelib.meeting_row.meeting import Meeting

HOW_COUNTED: Final = (
    "Each desktop counts from the begin of its meeting's launch until the meeting was ended, or "
    "until now. If its row does not say when, until the end that was booked."
)

_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class DesktopHours:
    """Hours of desktops; `unknown` counts meetings whose rows do not say when theirs started."""

    hours: float = 0.0
    unknown: int = 0

    @classmethod
    def of(cls, meeting: Meeting, now: datetime, longest: timedelta) -> DesktopHours:
        """Count one meeting's, of which `longest` is the longest in its stage."""
        desktops = sum(meeting.instance_id(role) is not None for role in meeting.roles)
        if not desktops:
            return cls()
        begun_at = time_of(meeting, BEGUN_AT)
        if begun_at is None:
            return cls(unknown=1)
        until = now
        if is_over(meeting):
            until = min(time_of(meeting, ENDED_AT) or end_of(meeting, longest) or now, now)
        return cls(desktops * max(until - begun_at, timedelta()) / _HOUR)

    @classmethod
    def sum_of(cls, every: Iterable[DesktopHours]) -> DesktopHours:
        """Add them up."""
        listed = list(every)
        return cls(sum(each.hours for each in listed), sum(each.unknown for each in listed))

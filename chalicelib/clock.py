"""Times: of a clock, and as they are written for programs and people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_DATE_ONLY = len("2026-W47-6")
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 8999
"""Far from where sums of times overflow."""


def time_at(seconds: float) -> datetime:
    """Return the time of a clock's reading."""
    return datetime.fromtimestamp(seconds, UTC)


def format_time(time: datetime) -> str:
    """Format a time as in rows, answers and logs: `2026-11-21T15:30:00Z`."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def parse_time(text: str) -> datetime | None:
    """Parse a time in ISO 8601; None if it is not one, or is centuries away.

    A time without an offset is UTC. A date alone is not a time.
    """
    text = text.strip()
    if len(text) <= _DATE_ONLY:
        return None
    try:
        time = datetime.fromisoformat(text)
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return time if _FIRST_YEAR <= time.year <= _LAST_YEAR else None


def in_minutes(duration: timedelta) -> str:
    """Format a duration for people: `15 minutes`."""
    return f"{duration // timedelta(minutes=1)} minutes"

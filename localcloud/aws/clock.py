"""The local cloud's clock: this machine's time plus an offset.

A meeting takes an hour; whoever plays one does not wait for it, but lets the time in between be
skipped. Nothing is run faster: between two skips every second is a second. What must agree on the
time gets it from here: when schedules come due, the age of instances, of stream records and of DNS
records, events, and what deployed code takes for now (see `runtime_start.py`).

What stays with this machine's own time: signatures of requests, log groups (which take nothing from
the future), visibility timeouts of queues, functions' timeouts, and the dates on which things were
made that nobody's decisions rest on.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that can be put forward, never back; any thread may ask it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0.0

    @property
    def ahead(self) -> float:
        """By how many seconds it is ahead of this machine."""
        return self._ahead

    def time(self) -> float:
        """Return the seconds since 1970, as `time.time` does."""
        return time.time() + self._ahead

    def monotonic(self) -> float:
        """Return seconds to measure with, as `time.monotonic` does; skipped ones count."""
        return time.monotonic() + self._ahead

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def reach(self, moment: datetime) -> None:
        """Put it forward to `moment`; a moment that has passed is reached already."""
        with self._lock:
            missing = (moment - self.now()).total_seconds()
            self._ahead += max(0.0, missing)

    def skip(self, seconds: float) -> None:
        """Advance it by this many seconds. Raises ValueError if they are negative."""
        if seconds < 0:
            raise ValueError(f"time does not go back, as {seconds} seconds would")
        with self._lock:
            self._ahead += seconds

"""The local cloud's clock: this machine's time plus an offset.

A meeting takes an hour; tests and the demo skip the time in between. Between two skips time passes
as usual. Schedules, events, the age of instances, stream records and DNS records, and deployed code
(see `runtime_start.py`) use this clock.

This machine's own time remains for signatures of requests, log groups (which accept nothing from
the future), visibility timeouts of queues, functions' timeouts, and creation dates without effect.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """A thread-safe clock that can be advanced, but not set back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0.0

    @property
    def ahead(self) -> float:
        """Its offset from this machine's clock in seconds."""
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
        """Advance it to `moment`, unless that has passed."""
        with self._lock:
            missing = (moment - self.now()).total_seconds()
            self._ahead += max(0.0, missing)

    def skip(self, seconds: float) -> None:
        """Advance it by this many seconds. Raises ValueError if they are negative."""
        if seconds < 0:
            raise ValueError(f"time does not go back, as it would by {seconds} seconds")
        with self._lock:
            self._ahead += seconds

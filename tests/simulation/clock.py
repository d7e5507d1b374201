"""The simulated time, which passes only when the simulation lets it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

START: Final = datetime(2026, 11, 11, 21, 0, tzinfo=UTC).timestamp()


class Clock:
    """Seconds since 1970; they never go back."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += max(0.0, seconds)

    def reach(self, moment: float) -> None:
        """Let time pass until the moment, if it lies ahead."""
        self.now = max(self.now, moment)

    @property
    def moment(self) -> datetime:
        """The time in whole seconds, as AWS dates things."""
        return datetime.fromtimestamp(int(self.now), UTC)

"""Advancing the clock: everything scheduled in between runs in order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock
    from .scheduler import OneOffs
    from .schedules import Schedules

_A_LITTLE: Final = timedelta(milliseconds=1)
"""Added to a moment measured by another clock, so that it is certainly reached."""


class TimeTravel:
    """Advances the clock from one scheduled event to the next.

    At each stop the rates and one-off schedules that are due fire, and `settle` waits for their
    consequences; then the time to the next one is skipped. So everything happens in the order, and
    at the time, in which it would without skipping.
    """

    def __init__(
        self,
        clock: Clock,
        schedules: Schedules,
        one_offs: OneOffs,
        settle: Callable[[], object],
    ) -> None:
        self.clock = clock
        self.one_offs = one_offs
        self._schedules = schedules
        self._settle = settle

    def until(self, moment: datetime) -> tuple[str, ...]:
        """Advance the clock to `moment`; return the names of the functions invoked."""
        invoked: tuple[str, ...] = ()
        while True:
            now = self.clock.now()  # consequences take time, in which more may fall due
            invoked += self._fire()
            if now >= moment:
                return invoked
            self.clock.reach(min(moment, *self._stops()))

    def to_next(self) -> tuple[str, ...] | None:
        """Advance the clock until the next one-off schedule has fired; None if there is none."""
        moment = self.one_offs.next_time()
        return None if moment is None else self.until(moment)

    def _fire(self) -> tuple[str, ...]:
        invoked = (*self.one_offs.fire_due(), *self._schedules.fire_due())
        self._settle()
        return invoked

    def _stops(self) -> list[datetime]:
        now, seconds = self.clock.now(), self._schedules.seconds_to_next()
        rate = [] if seconds is None else [now + timedelta(seconds=seconds) + _A_LITTLE]
        moment = self.one_offs.next_time()
        one_off = [] if moment is None else [moment]
        return [*rate, *one_off] or [datetime.max.replace(tzinfo=now.tzinfo)]

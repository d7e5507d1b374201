"""EventBridge's schedules: the deployed scheduled rules, which moto never fires."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

from . import rules
from .account import ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto.events.models import Rule

    from .functions import Functions
    from .rules import Event

RATE: Final = re.compile(
    r"rate\((?:(?P<one>1) (?P<unit>minute|hour|day)"
    r"|(?P<many>[2-9]|[1-9]\d+) (?P<units>minute|hour|day)s)\)\Z"
)
"""A rate as AWS takes it, the unit in the singular after 1 alone.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rate-expressions.html
"""

_SECONDS: Final = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


def _now() -> datetime:
    return datetime.now(UTC)


class Schedules:
    """Fires the enabled rules that have a ScheduleExpression: by hand, and on time while open.

    A rate's countdown begins when the rule is first seen, and counts seconds times `time_scale`;
    at a scale of 0 nothing comes due. A cron expression is fired by hand alone. As on AWS, the
    functions that have the rule's permission are invoked asynchronously, whether or not an
    earlier run of theirs has ended, and what was missed is not made up for. Targets that are no
    functions get nothing.
    """

    def __init__(
        self,
        functions: Functions,
        *,
        time_scale: float = 1.0,
        interval: float = 0.05,
        clock: Callable[[], datetime] = _now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._functions = functions
        self._time_scale = time_scale
        self._interval = interval
        self._clock = clock
        self._timer = timer
        self._due: dict[tuple[str, str], float] = {}
        self._looking = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="schedules", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to fire on time."""
        self._thread.start()

    def close(self) -> None:
        """Fire no more on time. What was invoked is not recalled."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def fire(self) -> tuple[str, ...]:
        """Fire every schedule now and return the names of the functions invoked.

        The countdowns go on as if it had not been.
        """
        return tuple(name for rule in self._schedules() for name in self._fire(rule))

    def fire_due(self) -> tuple[str, ...]:
        """Fire the schedules whose time has come, and begin the countdown of new ones."""
        invoked: list[str] = []
        with self._looking:
            now = self._timer()
            before, self._due = self._due, {}
            for rule in self._schedules():
                period = _seconds(rule) * self._time_scale
                if not period:
                    continue
                key = (rule.arn, str(rule.scheduled_expression))
                due = before.get(key, now + period)
                if due <= now:
                    invoked += self._fire(rule)
                    due = due + period if due + period > now else now + period
                self._due[key] = due
        return tuple(invoked)

    def seconds_to_next(self) -> float | None:
        """Return the timer's seconds until the next rate that was seen comes due, if any."""
        with self._looking:
            soonest = min(self._due.values(), default=None)
        return None if soonest is None else max(0.0, soonest - self._timer())

    def _watch(self) -> None:
        while not self._closing.wait(self._interval):
            self.fire_due()

    def _schedules(self) -> Iterator[Rule]:
        for rule in rules.rules_of_default_bus(self._functions.region):
            if rule.state == "ENABLED" and rule.scheduled_expression:
                yield rule

    def _fire(self, rule: Rule) -> list[str]:
        return rules.invoke_functions(rule, self._event(rule), self._functions)

    def _event(self, rule: Rule) -> Event:
        """Return what AWS gives to a schedule's target.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
        """
        return {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT_ID,
            "time": self._clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._functions.region,
            "resources": [rule.arn],
            "detail": {},
        }


def _seconds(rule: Rule) -> float:
    """Return the seconds of a rate, 0 for a schedule of another kind."""
    match = RATE.match(rule.scheduled_expression or "")
    if match is None:
        return 0.0
    return int(match["one"] or match["many"]) * _SECONDS[match["unit"] or match["units"]]

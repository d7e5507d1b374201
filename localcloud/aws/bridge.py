"""EC2's state-change events, which moto does not make."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from moto.ec2.models import ec2_backends

from . import rules
from .account import ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .functions import Functions
    from .rules import Event

# The events of AWS before each state that moto knows,
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
_WAY_TO = {
    "running": ("pending", "running"),
    "stopped": ("stopping", "stopped"),
    "terminated": ("shutting-down", "terminated"),
}


@dataclass(frozen=True)
class Delivery:
    """An event that reached the bus, and the functions that were invoked for it."""

    event: Event
    functions: tuple[str, ...]


def _now() -> datetime:
    return datetime.now(UTC)


class Bridge:
    """Watches the instances and puts the events of each change on the bus, while it is open.

    moto's instances are running, stopped or terminated at once, without `pending`, `stopping` or
    `shutting-down`. The bridge emits the events of all states in between, so a handler sees the
    final state even if the event says `pending` or `stopping`; on AWS it may see either.

    Changes within one `interval` may be seen as one; `flush` after each to see them all. Instances
    that exist before the bridge cause no event.
    """

    def __init__(
        self,
        functions: Functions,
        *,
        interval: float = 0.05,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._functions = functions
        self._region = functions.region
        self._interval = interval
        self._is_losing = False
        self._clock = clock
        self._subscribers: list[Callable[[Delivery], None]] = []
        self._watchers: list[Callable[[str, str], None]] = []
        self.emitted = 0
        """The number of events put on the bus so far."""
        self._looking = threading.Lock()
        self._closing = threading.Event()
        self._seen = self._states()
        self._thread = threading.Thread(target=self._watch, name="bridge", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching. Events already on the bus are not recalled."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def on_event(self, subscriber: Callable[[Delivery], None]) -> None:
        """Call `subscriber` for each event put on the bus, in the thread that put it there."""
        self._subscribers.append(subscriber)

    def on_change(self, watcher: Callable[[str, str], None]) -> None:
        """Call `watcher` with each changed instance and its state, even if its events are lost.

        It must not wait for a change.
        """
        self._watchers.append(watcher)

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Lose the events of every change made within the context, and of no other."""
        self.flush()
        self._is_losing = True
        try:
            yield
        finally:
            self.flush()
            self._is_losing = False

    def flush(self) -> None:
        """Look now: when this returns, the events of all changes made so far are on the bus."""
        with self._looking:
            before, self._seen = self._seen, self._states()
            for instance_id, state in self._seen.items():
                if before.get(instance_id) != state:
                    for watcher in self._watchers:
                        watcher(instance_id, state)
                for passed in _way(before.get(instance_id), state):
                    if not self._is_losing:
                        self.emit(self.state_change(instance_id, passed))

    def emit(self, event: Event) -> tuple[str, ...]:
        """Put an event on the default bus; return the names of the functions invoked."""
        self.emitted += 1
        invoked: list[str] = []
        for rule in rules.rules_of_default_bus(self._region):
            invoked += rules.deliver(rule, event, self._functions)
        delivery = Delivery(event, tuple(invoked))
        for subscriber in self._subscribers:
            subscriber(delivery)
        return delivery.functions

    def state_change(self, instance_id: str, state: str) -> Event:
        """Return the event that EC2 would make: it carries neither tags nor addresses."""
        arn = f"arn:aws:ec2:{self._region}:{ACCOUNT_ID}:instance/{instance_id}"
        return {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": "EC2 Instance State-change Notification",
            "source": "aws.ec2",
            "account": ACCOUNT_ID,
            "time": self._clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._region,
            "resources": [arn],
            "detail": {"instance-id": instance_id, "state": state},
        }

    def _watch(self) -> None:
        while not self._closing.wait(self._interval):
            self.flush()

    def _states(self) -> dict[str, str]:
        reservations = list(ec2_backends[ACCOUNT_ID][self._region].reservations.values())
        return {
            instance.id: instance.state
            for reservation in reservations
            for instance in list(reservation.instances)
        }


def _way(before: str | None, after: str) -> tuple[str, ...]:
    if before == after:
        return ()
    first = () if before is not None or after == "running" else _WAY_TO["running"]
    return first + _WAY_TO.get(after, (after,))

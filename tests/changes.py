"""Changes for tests, and calls that fail."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from chalicelib.deadline import Deadline
from chalicelib.dns.batches import Applied, Batches
from chalicelib.dns.change import Change, Create, Delete, Update
from chalicelib.dns.provider import RejectedError
from chalicelib.dns.record import Record
from chalicelib.step import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tests.memory_dns import Failure, MemoryZone

FAR = Deadline(1000, lambda: 0)


def create(number: int) -> Create:
    return Create(Record.address(f"i-{number:08x}", "192.0.2.1", proxied=True, ttl=1, comment=""))


def delete(number: int) -> Delete:
    record = Record(
        str(number), "A", f"i-{number:08x}", "192.0.2.1", proxied=True, ttl=1, comment=""
    )
    return Delete(record)


def update(number: int) -> Update:
    return Update(delete(number).record, create(number).wanted)


def creates(count: int) -> list[Change]:
    return [create(number) for number in range(count)]


class Inline(Executor):
    """Does each step at once, so that a run is the same every time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (the step's own)
            future.set_exception(error)
        return future


class Hanging(Inline):
    """Ends no step."""

    def submit(self, *_: object, **__: object) -> Future[Any]:
        return Future()


STEPS = Steps(Inline(), FAR)


def refusing(*bad: Change, error: Exception | None = None) -> Failure:
    """Refuse every call that has one of these changes."""
    return lambda changes: (
        (error or RejectedError("no such thing")) if any(each in bad for each in changes) else None
    )


def at_call(number: int, error: Exception) -> Failure:
    """Fail one call by its number, from 1."""
    calls = iter(range(1, 10_000))
    return lambda _: error if next(calls) == number else None


def apply(zone: MemoryZone, changes: Sequence[Change]) -> Applied:
    """Apply the changes to a zone that has what they delete and update."""
    zone.records += [change.record for change in changes if not isinstance(change, Create)]
    progress: list[int] = []
    applied = Batches(zone).apply(changes, STEPS, progress.append)
    accounted(applied, changes)
    assert applied.done == zone.carried_out
    assert sum(progress) == len(changes)
    return applied


def accounted(applied: Applied, changes: Collection[Change]) -> None:
    """Each change is done, left or refused: one of the three, and once."""
    ends = [*applied.done, *names(applied.left), *names(applied.refused)]
    assert Counter(ends) == Counter(changes)


def names(pairs: Sequence[tuple[Change, str]]) -> list[Change]:
    return [change for change, _ in pairs]

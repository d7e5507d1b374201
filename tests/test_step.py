"""Steps run in parallel, and nobody waits for one past the run's deadline."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, TypeVar

import pytest

from chalicelib.deadline import Deadline, OutOfTimeError
from chalicelib.step import Step, Steps, Workers
from tests.changes import STEPS, Inline

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def clock() -> float:
    return 100.0


FAR = Deadline(160, clock)
PAST = Deadline(40, clock)


def fail(error: Exception) -> None:
    raise error


def test_a_step_gets_its_arguments_and_returns_its_result() -> None:
    step = STEPS.begin("subtract", lambda left, right: left - right, 9, 4)

    assert (step.what, step.result()) == ("subtract", 5)


def test_steps_run_in_parallel() -> None:
    """One after the other they would wait for each other until the barrier breaks."""
    both, workers = threading.Barrier(2, timeout=600), Workers()
    steps = Steps(workers, FAR)

    first, second = steps.begin("meet", both.wait), steps.begin("meet too", both.wait)

    assert {first.result(), second.result()} == {0, 1}
    workers.shutdown()


@pytest.mark.parametrize(
    "error", [ValueError("bad"), TimeoutError("the step's own"), OutOfTimeError("its own")]
)
def test_what_a_step_raises_is_raised_unchanged(error: Exception) -> None:
    """A TimeoutError of the step itself, such as a socket's, is not taken for the deadline."""
    future: Future[None] = Future()
    future.set_exception(error)

    for each in (STEPS.begin("do it", fail, error), Step("read", future, PAST)):
        with pytest.raises(type(error)) as caught:
            each.result()
        assert caught.value is error


def test_a_result_is_returned_even_after_the_deadline() -> None:
    future: Future[str] = Future()
    future.set_result("there")

    assert Step("read", future, PAST).result() == "there"


class NeverEnds(Future[str]):
    """A step that does not end, and keeps for how long it was waited for."""

    waited: float | None = None

    def result(self, timeout: float | None = None) -> str:
        self.waited = timeout
        raise TimeoutError


@pytest.mark.parametrize(("at", "seconds"), [(107.5, 7.5), (100.0, 0.0), (40.0, 0.0)])
def test_a_step_is_waited_for_until_the_deadline_and_its_outcome_is_unknown(
    at: float, seconds: float
) -> None:
    future = NeverEnds()

    with pytest.raises(OutOfTimeError) as caught:
        Step("list the records", future, Deadline(at, clock)).result()

    assert (future.waited, future.cancelled()) == (seconds, True)
    assert str(caught.value) == (
        "no time left while waiting to list the records; its outcome is unknown"
    )


class EndsAtTheDeadline(Future[str]):
    """A step that ends between the end of the wait and the look at it."""

    def result(self, timeout: float | None = None) -> str:
        if not self.done():
            self.set_result("just in time")
            raise TimeoutError
        return super().result(timeout)


def test_a_step_that_ends_just_at_the_deadline_returns_its_result() -> None:
    """What was written is known, so it must not be taken for a failure of the step."""
    assert Step("write the record", EndsAtTheDeadline(), FAR).result() == "just in time"


@pytest.mark.parametrize("at", [40.0, 100.0, 100.05])
def test_past_the_deadline_no_step_is_started(at: float) -> None:
    started: list[int] = []

    with pytest.raises(OutOfTimeError, match="no time left to write"):
        Steps(Inline(), Deadline(at, clock)).begin("write", started.append, 1)

    assert started == []


class Later(Executor):
    """Starts a step when the test says so."""

    def __init__(self) -> None:
        self.do: Callable[[], object] = lambda: None

    def submit(self, fn: Callable[..., T], /, *args: object, **kwargs: object) -> Future[T]:
        self.do = lambda: fn(*args, **kwargs)
        return Future()


@pytest.mark.parametrize("late", [0.0, 60.0])
def test_a_queued_step_whose_turn_comes_after_the_deadline_does_nothing(late: float) -> None:
    """As when Lambda lets an environment continue with the next event."""
    now, executor, started = [100.0], Later(), list[int]()
    Steps(executor, Deadline(110.0, lambda: now[0])).begin("write", started.append, 1)
    now[0] = 110.0 + late

    with pytest.raises(OutOfTimeError, match="no time left to write; it was not started"):
        executor.do()

    assert started == []


def test_steps_that_never_end_keep_neither_their_run_nor_the_next_waiting() -> None:
    workers, over, started = Workers(), threading.Event(), list[int]()
    hanging = [workers.submit(over.wait, 600) for _ in range(4)]
    queued = Steps(workers, FAR).begin("write", started.append, 1)

    with pytest.raises(OutOfTimeError):
        Step("read", hanging[0], PAST, workers).result()

    with pytest.raises(OutOfTimeError, match="while waiting to write"):
        queued.result()
    # and the next run of the environment has threads of its own
    assert Steps(workers, FAR).begin("read", lambda: "read").result() == "read"
    over.set()
    workers.shutdown()
    assert started == []

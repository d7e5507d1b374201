"""Steps run side by side, and nobody waits for one past the run's deadline."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest

from chalicelib.deadline import Deadline, OutOfTimeError
from chalicelib.step import Step, Steps, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """Two workers, gone when the test ends."""
    with ThreadPoolExecutor(max_workers=2) as workers:
        yield workers


def in_a_minute() -> Deadline:
    return Deadline(time.time() + 60)


def long_past() -> Deadline:
    return Deadline(time.time() - 60)


def raising(error: Exception) -> None:
    """Raise the error, as a step does."""
    raise error


def test_a_step_gets_its_arguments_and_gives_its_result(executor: ThreadPoolExecutor) -> None:
    steps = Steps(executor, in_a_minute())

    step = steps.begin("subtract", lambda left, right: left - right, 9, 4)

    assert step.what == "subtract"
    assert step.result() == 5


def test_steps_go_on_side_by_side(executor: ThreadPoolExecutor) -> None:
    # given two steps of which each waits for the other
    meeting_point = threading.Barrier(2, timeout=30)
    steps = Steps(executor, in_a_minute())

    # when both have begun
    first = steps.begin("meet", meeting_point.wait)
    second = steps.begin("meet too", meeting_point.wait)

    # then both end
    assert {first.result(), second.result()} == {0, 1}


@pytest.mark.parametrize(
    "error", [ValueError("bad"), TimeoutError("the step's own"), OutOfTimeError("its own")]
)
def test_what_a_step_raises_is_raised_unchanged(
    executor: ThreadPoolExecutor, error: Exception
) -> None:
    """A TimeoutError of the step itself, such as a socket's, is not taken for the deadline."""
    step = Steps(executor, in_a_minute()).begin("do it", raising, error)

    with pytest.raises(type(error)) as caught:
        step.result()

    assert caught.value is error


def test_a_steps_own_timeout_is_raised_unchanged_even_after_the_deadline() -> None:
    # given a step that ended with a TimeoutError of its own, and a deadline that has passed
    error = TimeoutError("the step's own")
    future: Future[int] = Future()
    future.set_exception(error)

    # then it is that error which is raised
    with pytest.raises(TimeoutError) as caught:
        Step("read", future, long_past()).result()
    assert caught.value is error


def test_a_result_that_is_there_is_given_even_after_the_deadline() -> None:
    future: Future[str] = Future()
    future.set_result("there")

    assert Step("read", future, long_past()).result() == "there"


@pytest.mark.parametrize("seconds", [-60.0, 0.0, 0.05], ids=["passed", "now", "while waiting"])
def test_a_step_that_does_not_end_by_the_deadline_is_out_of_time(seconds: float) -> None:
    # given a step that does not end
    future: Future[int] = Future()
    begun = time.monotonic()

    # when it is waited for
    with pytest.raises(OutOfTimeError) as caught:
        Step("list the records", future, Deadline(time.time() + seconds)).result()

    # then no longer than until the deadline, and the error says that its end is unknown
    assert time.monotonic() - begun < 10
    assert str(caught.value) == (
        "no time left while waiting to list the records; its outcome is unknown"
    )
    assert future.cancelled()


def test_a_step_that_waited_for_its_turn_until_the_deadline_is_never_begun() -> None:
    """It would run in the next invocation of the environment, long after its time."""
    begun: list[int] = []
    with ThreadPoolExecutor(max_workers=1) as one:
        released = threading.Event()
        one.submit(released.wait, 20)
        step = Steps(one, Deadline(time.time() + 0.15)).begin("write", begun.append, 1)
        with pytest.raises(OutOfTimeError):
            step.result()
        released.set()

    assert begun == []


@pytest.mark.parametrize("seconds", [-60.0, 0.0, 0.05])
def test_past_the_deadline_no_step_is_begun(executor: ThreadPoolExecutor, seconds: float) -> None:
    begun: list[int] = []
    steps = Steps(executor, Deadline(time.time() + seconds))

    with pytest.raises(OutOfTimeError, match="no time left to write"):
        steps.begin("write", begun.append, 1)

    assert begun == []


class Later(Executor):
    """Begins a step when the test says so."""

    def __init__(self) -> None:
        self.do: Callable[[], object] = lambda: None

    def submit(self, fn: Callable[..., T], /, *args: object, **kwargs: object) -> Future[T]:
        self.do = lambda: fn(*args, **kwargs)
        return Future()


@pytest.mark.parametrize("late", [0.0, 60.0])
def test_a_step_that_has_its_turn_after_the_deadline_does_nothing(late: float) -> None:
    """As when Lambda lets an environment go on with the next event."""
    now, executor, begun = [100.0], Later(), list[int]()
    Steps(executor, Deadline(110.0, lambda: now[0])).begin("write", begun.append, 1)
    now[0] = 110.0 + late

    with pytest.raises(OutOfTimeError, match="no time left to write; it was not started"):
        executor.do()

    assert begun == []


class Waited(Future[str]):
    """A step that does not end, and keeps for how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def result(self, timeout: float | None = None) -> str:
        self.seconds.append(timeout)
        raise TimeoutError


@pytest.mark.parametrize(("at", "seconds"), [(107.5, 7.5), (100.0, 0.0), (40.0, 0.0)])
def test_a_step_is_waited_for_just_until_the_deadline(at: float, seconds: float) -> None:
    future = Waited()

    with pytest.raises(OutOfTimeError):
        Step("read", future, Deadline(at, clock=lambda: 100.0)).result()

    assert future.seconds == [seconds]


class EndsAtTheDeadline(Future[str]):
    """A step that ends in the moment between the end of the wait and the look at it."""

    def result(self, timeout: float | None = None) -> str:
        if not self.done():
            self.set_result("just in time")
            raise TimeoutError
        return super().result(timeout)


def test_a_step_that_ends_just_at_the_deadline_gives_its_result() -> None:
    """What was written is known, so it must not pass for a failure of the step."""
    step = Step("write the record", EndsAtTheDeadline(), in_a_minute())

    assert step.result() == "just in time"


def test_steps_that_never_end_do_not_keep_the_next_run_waiting() -> None:
    # given a run of which every thread is still kept by a step at its deadline
    workers, over, begun = Workers(), threading.Event(), threading.Barrier(5, timeout=30)

    def hang() -> None:
        begun.wait()
        over.wait(60)

    run = Steps(workers, in_a_minute())
    stuck = [run.begin("read", hang) for _ in range(4)]
    late: list[int] = []
    waiting = run.begin("write", late.append, 1)
    begun.wait()
    with pytest.raises(OutOfTimeError):
        Step("read", stuck[0].future, long_past(), workers).result()

    # then the next run of the environment has threads of its own
    assert Steps(workers, in_a_minute()).begin("read", lambda: "read").result() == "read"

    # and what still waited for its turn is never begun
    over.set()
    workers.shutdown()
    assert waiting.future.cancelled()
    assert late == []


def test_a_step_that_waits_for_threads_that_hang_is_out_of_time_as_well() -> None:
    """Its run has others to leave, and a report to make."""
    # given steps that hang in every thread, and one that waits for its turn
    workers, over, begun = Workers(), threading.Event(), list[int]()
    hanging = [workers.submit(over.wait, 30) for _ in range(4)]
    queued = workers.submit(begun.append, 1)

    # when the first of them is given up, and with it the threads
    with pytest.raises(OutOfTimeError):
        Step("read", hanging[0], long_past(), workers).result()

    # then the one that waited is not begun, and says so as any other
    with pytest.raises(OutOfTimeError, match="while waiting to write"):
        Step("write", queued, long_past(), workers).result()
    over.set()
    assert begun == []

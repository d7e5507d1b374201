"""Steps of a run: they run in parallel, and are awaited until the run's deadline."""

from __future__ import annotations

from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from chalicelib.deadline import OutOfTimeError, require_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.deadline import Deadline

T = TypeVar("T")

_SHORTEST: Final = 0.1
_WORKERS: Final = 4


class Workers(Executor):
    """Threads for the steps of successive runs.

    A thread cannot be stopped, so if a step has not ended by its run's deadline, all threads are
    replaced: the next run of the environment does not wait for them.
    """

    def __init__(self) -> None:
        self._threads = _threads()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401
        """Call `fn` in one of the threads, as soon as one is free."""
        return self._threads.submit(fn, *args, **kwargs)

    def replace(self) -> None:
        """Abandon the busy threads; queued steps are never started."""
        stuck, self._threads = self._threads, _threads()
        stuck.shutdown(wait=False, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 (as inherited)
        """Accept no more steps."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="step")


@dataclass(frozen=True)
class Step(Generic[T]):
    """A step that has been started."""

    what: str
    future: Future[T]
    deadline: Deadline
    executor: Executor | None = None

    def result(self) -> T:
        """Wait for the step and return its result, or raise what it raised.

        Raises OutOfTimeError at the deadline: the step's outcome is then unknown.
        """
        try:
            return self.future.result(timeout=max(0.0, self.deadline.remaining()))
        except (FutureTimeoutError, CancelledError) as error:
            if self.future.done() and not self.future.cancelled():
                return self.future.result()  # the step's own error, or its result just in time
            self.future.cancel()  # if it is still queued
            if isinstance(self.executor, Workers):
                self.executor.replace()
            raise OutOfTimeError(
                f"no time left while waiting to {self.what}; its outcome is unknown"
            ) from error


@dataclass(frozen=True)
class Steps:
    """Starts the steps of one run."""

    executor: Executor
    deadline: Deadline

    def begin(self, what: str, do: Callable[..., T], *arguments: object) -> Step[T]:
        """Start `do(*arguments)`; `what` completes the sentence "no time left to …".

        Raises OutOfTimeError, and starts nothing, once the deadline has passed. If it passes while
        the step is queued, or before one of its calls, the step raises it.
        """
        self.deadline.require(_SHORTEST, what)
        future = self.executor.submit(_do, self.deadline, what, do, *arguments)
        return Step(what, future, self.deadline, self.executor)


def _do(deadline: Deadline, what: str, do: Callable[..., T], *arguments: object) -> T:
    with deadline.in_force():
        require_time(what)
        return do(*arguments)

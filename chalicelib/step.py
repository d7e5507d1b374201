"""Steps of a run that go on side by side, and are waited for until the run's deadline only."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from chalicelib.deadline import OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.deadline import Deadline

T = TypeVar("T")

_SHORTEST: Final = 0.1


@dataclass(frozen=True)
class Step(Generic[T]):
    """A step that has begun."""

    what: str
    future: Future[T]
    deadline: Deadline

    def result(self) -> T:
        """Wait for the step and return its result, or raise what it raised.

        Raises OutOfTimeError at the deadline: how the step ends is then unknown.
        """
        try:
            return self.future.result(timeout=max(0.0, self.deadline.remaining()))
        except FutureTimeoutError as error:
            if self.future.done():
                return self.future.result()  # the step's own error, or its result just in time
            self.future.cancel()  # if it still waits for its turn
            raise OutOfTimeError(
                f"no time left while waiting to {self.what}; how it ended is unknown"
            ) from error


@dataclass(frozen=True)
class Steps:
    """Begins the steps of one run."""

    executor: Executor
    deadline: Deadline

    def begin(self, what: str, do: Callable[..., T], *arguments: object) -> Step[T]:
        """Begin `do(*arguments)`; `what` completes the sentence "no time left to …".

        Raises OutOfTimeError, and begins nothing, once the deadline has come.
        """
        self.deadline.require(_SHORTEST, what)
        return Step(what, self.executor.submit(do, *arguments), self.deadline)

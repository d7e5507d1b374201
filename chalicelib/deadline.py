"""Deadlines: the time by which a run must have ended."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESERVE: Final = 1.0
"""Seconds reserved at the end of a run for its report."""


class OutOfTimeError(Exception):
    """The run has no time left for its next step; Lambda's retry or the sweep continues."""


class LambdaContext(Protocol):
    """What a run reads from Lambda's context.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    @property
    def aws_request_id(self) -> str:
        """The invocation's id."""
        ...

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN, which names its region and account; empty outside AWS."""
        ...

    def get_remaining_time_in_millis(self) -> float:
        """Milliseconds until Lambda ends the run."""
        ...


@dataclass(frozen=True)
class Deadline:
    """A time on the given clock, in seconds, after which nothing may be started."""

    at: float
    clock: Callable[[], float] = time.time

    @classmethod
    def of(
        cls,
        context: LambdaContext,
        clock: Callable[[], float] = time.time,
        reserve: float = RESERVE,
    ) -> Deadline:
        """Return the deadline of Lambda's context, less the reserve in seconds."""
        return cls(clock() + context.get_remaining_time_in_millis() / 1000 - reserve, clock)

    def remaining(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at - self.clock()

    def require(self, seconds: float, step: str) -> None:
        """Raise OutOfTimeError unless this many seconds are left for the step."""
        remaining = self.remaining()
        if remaining < seconds:
            raise OutOfTimeError(
                f"no time left to {step}: it may take {seconds:g} s and {remaining:.1f} s remain; "
                "it was not started"
            )

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Make this the current deadline for everything called meanwhile in this thread."""
        before = _IN_FORCE.set(self)
        try:
            yield
        finally:
            _IN_FORCE.reset(before)


_IN_FORCE: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def require_time(step: str) -> None:
    """Raise OutOfTimeError if the current deadline has passed.

    Lambda freezes an environment when its run has ended, and thaws it for the next event: a thread
    that was about to send something would send it minutes later. So this is called immediately
    before a request is sent.
    """
    deadline = _IN_FORCE.get()
    if deadline and deadline.remaining() <= 0:
        raise OutOfTimeError(f"no time left to {step}; it was not started")

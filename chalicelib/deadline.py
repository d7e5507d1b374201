"""Deadlines of a run."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESERVE: Final = 1.0
"""Seconds kept at the end of a run for saying what it did."""


class OutOfTimeError(Exception):
    """The run has no time left for its next step; Lambda's retry or the sweep goes on."""


class LambdaContext(Protocol):
    """What a run reads of the context that Lambda hands over.

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
    """A moment on the given clock, in seconds, after which nothing may be begun."""

    at: float
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, context: LambdaContext, clock: Callable[[], float] = time.time) -> Deadline:
        """Take the deadline from Lambda's context, less the reserve."""
        return cls(clock() + context.get_remaining_time_in_millis() / 1000 - RESERVE, clock)

    def remaining(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at - self.clock()

    def require(self, seconds: float, step: str) -> None:
        """Raise OutOfTimeError unless so many seconds are left for the step."""
        remaining = self.remaining()
        if remaining < seconds:
            raise OutOfTimeError(
                f"no time left to {step}: it may take {seconds:g} s and {remaining:.1f} s remain; "
                "nothing of it was begun"
            )

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let calls made meanwhile in this thread find out that the time is over."""
        before = _IN_FORCE.set(self)
        try:
            yield
        finally:
            _IN_FORCE.reset(before)


_IN_FORCE: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def require_time(step: str) -> None:
    """Raise OutOfTimeError if the deadline that is in force has come.

    Lambda stops an environment when its run has ended, and lets it go on with the next event: a
    thread that was about to send something would send it minutes later. So this is asked
    immediately before a request goes out.
    """
    deadline = _IN_FORCE.get()
    if deadline and deadline.remaining() <= 0:
        raise OutOfTimeError(f"no time left to {step}; nothing of it was begun")

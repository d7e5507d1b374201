"""The warm execution environments of one function."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .environment import Environment
    from .state import DeployedFunction


class PoolClosedError(RuntimeError):
    """The local Lambda is shutting down and runs nothing any more."""


class Pool:
    """Gives out environments of one function: warm ones first, new ones up to a limit.

    An environment of other code or configuration than the wanted is ended, never given out.
    """

    def __init__(self, start: Callable[[DeployedFunction], Environment]) -> None:
        self._start = start
        self._changed = threading.Condition()
        self._idle: list[Environment] = []
        self._busy: list[Environment] = []
        self._starting = 0
        self._closed = False

    def acquire(self, function: DeployedFunction, limit: int) -> Environment:
        """Return an environment for `function`; waits while `limit` of them are in use."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._busy) + self._starting < limit)
            if self._closed:
                raise PoolClosedError("the local Lambda is closed")
            stale = self._idle
            self._idle = [e for e in stale if e.alive and e.function == function]
            ended = [environment for environment in stale if environment not in self._idle]
            if self._idle:
                found = self._idle.pop()
                self._busy.append(found)
            else:
                found = None
                self._starting += 1
        for environment in ended:
            environment.close()
        if found is not None:
            return found
        return self._begin(function)

    def release(self, environment: Environment) -> None:
        """Take an environment back: kept warm if it lives, ended if not."""
        with self._changed:
            self._busy.remove(environment)
            keep = environment.alive and not self._closed
            if keep:
                self._idle.append(environment)
            self._changed.notify_all()
        if not keep:
            environment.close()

    def kill_busy(self) -> int:
        """Kill every environment that is in use, and return how many these were."""
        with self._changed:
            busy = list(self._busy)
        for environment in busy:
            environment.kill()
        return len(busy)

    def close(self) -> None:
        """End every environment; an invocation in flight fails."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
            self._changed.notify_all()
        for environment in idle:
            environment.close()
        for environment in busy:
            environment.kill()

    def _begin(self, function: DeployedFunction) -> Environment:
        started: list[Environment] = []
        try:
            started.append(self._start(function))
        finally:
            with self._changed:
                self._starting -= 1
                self._busy += started
                self._changed.notify_all()
        environment = started[0]
        if self._closed:
            self.release(environment)
            raise PoolClosedError("the local Lambda is closed")
        return environment

"""Threads for delayed work, lane by lane."""

from __future__ import annotations

import heapq
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class _Lane:
    waiting: deque[Callable[[], object]] = field(default_factory=deque)
    running: int = 0


class Workers:
    """Runs tasks in the order they were submitted, a limited number at a time in each lane.

    A task may submit others; `wait_idle` waits for those too. What a task raises ends that task
    only, and is shown as any thread's exception is.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
        self._later: list[tuple[float, int, str, int, Callable[[], object]]] = []
        self._sequence = 0
        self._unfinished = 0
        self._closing = False
        self._threads: set[threading.Thread] = set()
        self._timer = threading.Thread(target=self._keep_time, name="workers-timer", daemon=True)
        self._timer.start()

    def submit(
        self, lane: str, task: Callable[[], object], *, limit: int = 1, delay: float = 0.0
    ) -> None:
        """Run `task` after `delay` seconds, as soon as fewer than `limit` of its lane run.

        After `close` nothing is accepted any more.
        """
        with self._changed:
            if self._closing:
                return
            self._unfinished += 1
            if delay > 0:
                self._sequence += 1
                due = time.monotonic() + delay
                heapq.heappush(self._later, (due, self._sequence, lane, limit, task))
                self._changed.notify_all()
            else:
                self._enqueue(lane, limit, task)

    def wait_idle(self, timeout: float) -> None:
        """Return once nothing is waiting, running or due later, else TimeoutError."""
        with self._changed:
            if self._changed.wait_for(lambda: self._unfinished == 0, timeout):
                return
            lanes = {
                name: f"{lane.running} running, {len(lane.waiting)} waiting"
                for name, lane in self._lanes.items()
                if lane.running or lane.waiting
            }
            raise TimeoutError(
                f"not idle after {timeout} s: {len(self._later)} due later, in lanes: {lanes}"
            )

    def close(self) -> None:
        """Forget what has not begun and wait for what has."""
        with self._changed:
            self._closing = True
            dropped = len(self._later) + sum(len(lane.waiting) for lane in self._lanes.values())
            self._unfinished -= dropped
            self._later.clear()
            for lane in self._lanes.values():
                lane.waiting.clear()
            self._changed.notify_all()
            threads = {self._timer, *self._threads}
        for thread in threads:
            thread.join()

    def _enqueue(self, name: str, limit: int, task: Callable[[], object]) -> None:
        lane = self._lanes[name]
        lane.waiting.append(task)
        if lane.running < limit:
            lane.running += 1
            self._start_next(name, lane)

    def _start_next(self, name: str, lane: _Lane) -> None:
        task = lane.waiting.popleft()
        thread = threading.Thread(target=self._work, args=(name, lane, task), name=name)
        thread.daemon = True
        self._threads = {other for other in self._threads if other.is_alive()}
        self._threads.add(thread)
        thread.start()

    def _work(self, name: str, lane: _Lane, task: Callable[[], object]) -> None:
        try:
            task()
        finally:
            with self._changed:
                self._unfinished -= 1
                if lane.waiting:
                    self._start_next(name, lane)
                else:
                    lane.running -= 1
                self._changed.notify_all()

    def _keep_time(self) -> None:
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    _, _, lane, limit, task = heapq.heappop(self._later)
                    self._enqueue(lane, limit, task)
                self._changed.wait(self._later[0][0] - now if self._later else None)

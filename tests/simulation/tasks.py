"""Lines of control that yield before and after every call, so that a test decides who goes on.

Everything happens in one thread: a task runs until it pauses, and only then does another one.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.clock import Clock
    from tests.simulation.lambda_service import Invocation

T = TypeVar("T")


@dataclass(eq=False)
class Task:
    """A run, or one step of it."""

    run: Invocation
    greenlet: Any = field(repr=False, default=None)
    wakes_at: float = 0.0
    """When its pause ends, or its patience with what it waits for."""
    waits_for: Future[Any] | None = None
    doing: str = ""
    """What it was about to do, or had done, when it paused."""
    is_killed: bool = False

    @property
    def turn(self) -> float:
        return self.wakes_at if self.waits_for is None else 0.0

    def can_go_on(self, now: float) -> bool:
        """Return True if it has anything to do: it is not frozen, nor waiting in vain."""
        if self.run.is_frozen:
            return False
        return self.waits_for is None or self.waits_for.done() or now >= self.wakes_at


class Tasks:
    """All tasks that have not ended, in the order in which they began."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.alive: list[Task] = []
        self.current: Task | None = None
        self.before_resuming: Callable[[Task], object] = lambda _: None
        """What others do at the last moment before a task goes on."""
        self._hub = getcurrent()

    def begin(self, run: Invocation, do: Callable[[], object]) -> Task:
        """Make a task, which does nothing before it is resumed; `do` lets no exception out."""
        task = Task(run)
        task.greenlet = greenlet(do, parent=self._hub)
        self.alive.append(task)
        return task

    def ready(self) -> list[Task]:
        return [task for task in self.alive if task.can_go_on(self.clock.now)]

    def resume(self, task: Task) -> None:
        if task.waits_for is None:
            self.clock.reach(task.wakes_at)
        self.before_resuming(task)
        self.current = task
        try:
            task.greenlet.switch()
        finally:
            self.current = None
            self._forget_if_dead(task)

    def kill(self, task: Task) -> None:
        """End a task where it pauses; none of its code runs any more."""
        task.is_killed, before = True, self.current
        self.current = task
        try:
            task.greenlet.throw(GreenletExit)
        finally:
            self.current = before
            self._forget_if_dead(task)

    def pause(self, doing: str, seconds: float = 0.0) -> None:
        """Let others go on; what is no task just lets the time pass."""
        task = self.current
        if task is None:
            self.clock.advance(seconds)
            return
        _require_alive(task)
        task.doing, task.wakes_at = doing, self.clock.now + seconds
        self._hub.switch()

    def sleep(self, seconds: float) -> None:
        self.pause("sleeps", seconds)

    def wait(self, future: Future[Any], seconds: float) -> None:
        task = self.current
        if task is None or future.done():
            return
        _require_alive(task)
        task.doing, task.waits_for = "waits", future
        task.wakes_at = self.clock.now + seconds
        self._hub.switch()
        task.waits_for = None

    def _forget_if_dead(self, task: Task) -> None:
        if task.greenlet.dead:
            self.alive.remove(task)


def _require_alive(task: Task) -> None:
    """End what a killed task would still do on its way out: nobody is there to do it."""
    if task.is_killed:
        raise GreenletExit


class StepFuture(Future[T]):
    """A future whose waiting lets others go on."""

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self._tasks = tasks

    def result(self, timeout: float | None = None) -> T:
        self._tasks.wait(self, float("inf") if timeout is None else timeout)
        return super().result(timeout=0)


class StepExecutor(Executor):
    """Runs each step as a task, so many at a time; the others wait for their turn."""

    def __init__(self, tasks: Tasks, max_workers: int = 4) -> None:
        self._tasks = tasks
        self._workers = max_workers
        self._busy = 0
        self._waiting: list[tuple[Invocation, StepFuture[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401
        if self._tasks.current is None:
            raise RuntimeError("only a run begins steps")
        future: StepFuture[T] = StepFuture(self._tasks)
        self._waiting.append((self._tasks.current.run, future, lambda: fn(*args, **kwargs)))
        self._fill()
        return future

    def _fill(self) -> None:
        while self._waiting and self._busy < self._workers:
            run, future, do = self._waiting.pop(0)
            if future.set_running_or_notify_cancel():
                self._busy += 1
                self._tasks.begin(run, partial(self._do, future, do))

    def _do(self, future: StepFuture[Any], do: Callable[[], Any]) -> None:
        try:
            result = do()
        except Exception as error:  # noqa: BLE001 (as an executor does: it is the waiter's)
            future.set_exception(error)
        else:
            future.set_result(result)
        self._busy -= 1
        self._fill()

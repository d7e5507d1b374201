"""Lambda: runs, warm and cold environments, runs that are tried again, and timeouts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.names import API, BY_HAND, LAUNCH, SAFETY_NET, SWEEP, WATCHDOG
from tests.world import FUNCTION_ARN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.clock import Clock
    from tests.simulation.ec2 import View
    from tests.simulation.invariants import Invariants
    from tests.simulation.tasks import Task, Tasks

RETRIED: Final = frozenset({WATCHDOG, LAUNCH, SAFETY_NET})
"""The functions whose failed runs Lambda tries again."""
PAUSES: Final = (60.0, 120.0)
"""Seconds before an event's run is tried again, each time.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""
EVENT_SECONDS: Final = 60.0
SWEEP_SECONDS: Final = 120.0


@dataclass
class Learnt:
    """What the answers showed a run: its evidence for what it does.

    `reads` says of each read whether it went well the last time that it was tried. `confirmed` has
    the contents of our records, by name, that Cloudflare listed or confirmed. `view` is how much of
    the zone's history the last list showed.

    `shown` has everything that EC2 showed of each instance, `denied` the ids that it said it does
    not know, `withheld` those that a thin answer lacked. `unlinked` are the rows, and the instances
    whose links the run has removed there. `crowded` are the rows that had no room.
    """

    reads: dict[str, bool] = field(default_factory=dict)
    confirmed: dict[str, set[str]] = field(default_factory=dict)
    view: int = 0
    shown: dict[str, list[View]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)
    unlinked: set[tuple[str, str]] = field(default_factory=set)
    crowded: set[str] = field(default_factory=set)

    @property
    def failed(self) -> list[str]:
        """The reads that failed for good, as far as is known."""
        return [key for key, went_well in self.reads.items() if not went_well]

    def address(self, instance_id: str) -> str | None:
        views = self.shown.get(instance_id)
        return views[-1].address if views else None

    def knows_of(self, instance_id: str) -> bool:
        """Return True if EC2 said anything of an instance: what a list lacks says nothing."""
        return instance_id in self.shown or instance_id in self.denied

    def may_doubt(self, instance_id: str, so: Callable[[View], bool]) -> bool:
        """Return True if EC2 denied an instance by its id, or showed it in another state."""
        views = self.shown.get(instance_id, ())
        return instance_id in self.denied or not all(map(so, views))


@dataclass(eq=False)
class Invocation:
    """A run. It is Lambda's context as well."""

    number: int
    environment: Environment
    event: Any
    attempt: int
    seconds: float
    clock: Clock
    function: str
    started: float | None = None
    learnt: Learnt = field(default_factory=Learnt)
    result: Any = None
    error: Exception | None = None
    aws_request_id: str = "simulated"

    @property
    def invoked_function_arn(self) -> str:
        stage = FUNCTION_ARN.removesuffix(f"-{WATCHDOG}")
        return stage if self.function == API else f"{stage}-{self.function}"

    def get_remaining_time_in_millis(self) -> float:
        return (self.ends_at - self.clock.now) * 1000

    @property
    def ends_at(self) -> float:
        """When Lambda ends the run; never, before it has begun."""
        return float("inf") if self.started is None else self.started + self.seconds

    @property
    def is_sweep(self) -> bool:
        return self.function in {SWEEP, BY_HAND}

    @property
    def is_forced(self) -> bool:
        """Whether it is a sweep that an operator lets make what was held back."""
        return self.function == BY_HAND and bool(self.event)

    @property
    def is_frozen(self) -> bool:
        """Whether its environment is idle: what it left going on goes on with the next run."""
        return self.environment.run is None

    def __str__(self) -> str:
        is_event = self.function == WATCHDOG
        what = f"event of {self.event['detail']['instance-id']}" if is_event else self.function
        return f"run {self.number} ({what})"


@dataclass(frozen=True)
class Retry:
    """A run that is to be tried again."""

    function: str
    event: Any
    attempt: int
    due: float


@dataclass(eq=False)
class Environment:
    """An execution environment; `handle` is the function as it was built in it."""

    function: str
    handle: Callable[[Invocation], Any]
    run: Invocation | None = None


class Lambda:
    """Runs functions; `build` makes one of this name for a new environment.

    `failed` has the events that Lambda gave up on, as the queue of failed events does.
    """

    def __init__(
        self,
        clock: Clock,
        tasks: Tasks,
        invariants: Invariants,
        build: Callable[[str], Callable[[Invocation], Any]],
    ) -> None:
        self.environments: list[Environment] = []
        self.retries: list[Retry] = []
        self.failed: list[Retry] = []
        self.ended: list[Invocation] = []
        self._clock = clock
        self._tasks = tasks
        self._invariants = invariants
        self._build = build
        self._runs = 0

    @property
    def running(self) -> list[Invocation]:
        return [each.run for each in self.environments if each.run]

    def idle(self, function: str) -> list[Environment]:
        return [each for each in self.environments if not each.run and each.function == function]

    def invoke(
        self,
        event: Any,  # noqa: ANN401
        *,
        warm: int | None = 0,
        attempt: int = 0,
        function: str | None = None,
    ) -> Invocation:
        """Begin a run of a function, which is the watchdog, or without an event the sweep.

        It takes an idle environment, if there is one, unless `warm` is None.
        """
        name = function or (SWEEP if event is None else WATCHDOG)
        idle = self.idle(name)
        if idle and warm is not None:
            environment = idle[warm % len(idle)]
        else:
            environment = Environment(name, self._build(name))
            self.environments.append(environment)
        self._runs += 1
        seconds = SWEEP_SECONDS if name in {SWEEP, BY_HAND} else EVENT_SECONDS
        run = Invocation(self._runs, environment, event, attempt, seconds, self._clock, name)
        environment.run = run
        self._tasks.begin(run, lambda: self._go(run))
        return run

    def retry(self, warm: int | None = 0) -> Invocation:
        """Try the first of the failed runs again."""
        retry = self.retries.pop(0)
        return self.invoke(retry.event, function=retry.function, attempt=retry.attempt, warm=warm)

    def resume(self, task: Task) -> None:
        """Let a task go on, or end its environment if Lambda's time-out has come."""
        current = task.run.environment.run
        if task.waits_for is None and task.wakes_at > self._clock.now:
            self._clock.reach(min(task.wakes_at, current.ends_at if current else task.wakes_at))
        if current and self._clock.now >= current.ends_at:
            self.kill(task.run.environment)
        else:
            self._tasks.resume(task)

    def kill(self, environment: Environment) -> None:
        self.environments.remove(environment)
        for task in [s for s in self._tasks.alive if s.run.environment is environment]:
            self._tasks.kill(task)
        if environment.run:
            self._end(environment.run, failed=True)

    def expire(self) -> None:
        for run in self.running:
            if self._clock.now >= run.ends_at:
                self.kill(run.environment)

    def _go(self, run: Invocation) -> None:
        run.started = self._clock.now
        try:
            run.result = run.environment.handle(run)
        except Exception as error:  # noqa: BLE001 (Lambda reports any error)
            run.error = error
        self._invariants.ended(run)
        self._end(run, failed=run.error is not None)

    def _end(self, run: Invocation, *, failed: bool) -> None:
        run.environment.run = None
        self.ended.append(run)
        if not failed or run.function not in RETRIED:
            return
        is_last = run.attempt == len(PAUSES)
        due = self._clock.now + (0 if is_last else PAUSES[run.attempt])
        retry = Retry(run.function, run.event, run.attempt + 1, due)
        (self.failed if is_last else self.retries).append(retry)

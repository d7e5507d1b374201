"""Lambda: environments that are warm or cold, runs that are tried again, and time-outs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.invocation import BY_HAND, SWEEP, WATCHDOG, Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.simulation.clock import Clock
    from tests.simulation.promises import Promises
    from tests.simulation.strands import Strand, Strands

PAUSES: Final = (60.0, 120.0)
"""Seconds before an event's run is tried again, each time.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""
EVENT_SECONDS: Final = 60.0
SWEEP_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Retry:
    """A run that is to be tried again."""

    function: str
    event: Any
    attempt: int
    due: float


@dataclass(eq=False)
class Environment:
    """An execution environment; `handle` is the function as it was built in it.

    Until `quiet_until` the environment knows that Cloudflare's quota is not to be spent. `unproven`
    has the moments of deletions for which EC2 had shown it no reason.
    """

    function: str
    handle: Callable[[Invocation], Any]
    run: Invocation | None = None
    reserved_until: float = float("-inf")
    refused_until: float = float("-inf")
    unproven: list[float] = field(default_factory=list)

    @property
    def quiet_until(self) -> float:
        """Until when it is to make no calls to Cloudflare."""
        return max(self.reserved_until, self.refused_until)


class Lambda:
    """Runs functions; `build` makes one of this name for a new environment.

    `retried` names those whose runs Lambda tries again, and `failed` has the events that it gave
    up on, as the queue of failed events does.
    """

    def __init__(
        self,
        clock: Clock,
        strands: Strands,
        promises: Promises,
        build: Callable[[str], Callable[[Invocation], Any]],
        retried: Collection[str] = (WATCHDOG,),
    ) -> None:
        self.environments: list[Environment] = []
        self.retries: list[Retry] = []
        self.failed: list[Retry] = []
        self.ended: list[Invocation] = []
        self._clock = clock
        self._strands = strands
        self._promises = promises
        self._build = build
        self._retried = retried
        self._runs = 0

    @property
    def running(self) -> list[Invocation]:
        """The runs that are going on."""
        return [each.run for each in self.environments if each.run]

    def idle(self, function: str) -> list[Environment]:
        """List the warm environments of a function."""
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
        run.main = self._strands.begin(run, lambda: self._go(run))
        return run

    def resume(self, strand: Strand) -> None:
        """Let a strand go on, or end its environment if Lambda's time-out has come."""
        current = strand.run.environment.run
        if strand.waits_for is None and strand.wakes_at > self._clock.now:
            self._clock.reach(min(strand.wakes_at, current.ends_at if current else strand.wakes_at))
        if current and self._clock.now >= current.ends_at:
            self.kill(strand.run.environment)
        else:
            self._strands.resume(strand)

    def kill(self, environment: Environment) -> None:
        """End an environment at once, with all that goes on in it."""
        self.environments.remove(environment)
        for strand in [s for s in self._strands.alive if s.run.environment is environment]:
            self._strands.kill(strand)
        if environment.run:
            self._end(environment.run, failed=True)

    def expire(self) -> None:
        """End every run whose time is over."""
        for run in self.running:
            if self._clock.now >= run.ends_at:
                self.kill(run.environment)

    def _go(self, run: Invocation) -> None:
        run.started = self._clock.now
        run.must_defer = run.environment.quiet_until > run.started
        try:
            run.result = run.environment.handle(run)
        except Exception as error:  # noqa: BLE001 (Lambda reports whatever a function raises)
            run.error = error
        self._promises.ended(run)
        self._end(run, failed=run.error is not None)

    def _end(self, run: Invocation, *, failed: bool) -> None:
        run.environment.run = None
        self.ended.append(run)
        if not failed or run.function not in self._retried:
            return
        is_last = run.attempt == len(PAUSES)
        due = self._clock.now + (0 if is_last else PAUSES[run.attempt])
        retry = Retry(run.function, run.event, run.attempt + 1, due)
        (self.failed if is_last else self.retries).append(retry)

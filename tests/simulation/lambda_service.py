"""Lambda: environments that are warm or cold, runs that are tried again, and time-outs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.clock import Clock
    from tests.simulation.promises import Promises
    from tests.simulation.strands import Strand, Strands

RETRIES: Final = 2
EVENT_SECONDS: Final = 60.0
SWEEP_SECONDS: Final = 120.0


@dataclass(eq=False)
class Environment:
    """An execution environment; `handle` is the function as it was built in it.

    Until `quiet_until` the environment knows that Cloudflare's quota is not to be spent.
    """

    is_sweep: bool
    handle: Callable[[Invocation], Mapping[str, Any]]
    run: Invocation | None = None
    reserved_until: float = float("-inf")
    refused_until: float = float("-inf")

    @property
    def quiet_until(self) -> float:
        """Until when it is to make no calls to Cloudflare."""
        return max(self.reserved_until, self.refused_until)


class Lambda:
    """Runs the functions that `build_watchdog` and `build_sweep` make for a new environment."""

    def __init__(
        self,
        clock: Clock,
        strands: Strands,
        promises: Promises,
        build: Callable[[bool], Callable[[Invocation], Mapping[str, Any]]],
    ) -> None:
        self.environments: list[Environment] = []
        self.retries: list[tuple[Mapping[str, Any], int]] = []
        self.ended: list[Invocation] = []
        self._clock = clock
        self._strands = strands
        self._promises = promises
        self._build = build
        self._runs = 0

    @property
    def running(self) -> list[Invocation]:
        """The runs that are going on."""
        return [each.run for each in self.environments if each.run]

    def idle(self, *, is_sweep: bool) -> list[Environment]:
        """List the warm environments of a function."""
        return [each for each in self.environments if not each.run and each.is_sweep is is_sweep]

    def invoke(
        self, event: Mapping[str, Any] | None, *, warm: int | None = 0, attempt: int = 0
    ) -> Invocation:
        """Begin a run of the watchdog, or (without an event) of the sweep.

        It takes an idle environment, if there is one, unless `warm` is None.
        """
        idle = self.idle(is_sweep=event is None)
        if idle and warm is not None:
            environment = idle[warm % len(idle)]
        else:
            environment = Environment(event is None, self._build(event is None))
            self.environments.append(environment)
        self._runs += 1
        seconds = SWEEP_SECONDS if event is None else EVENT_SECONDS
        run = Invocation(self._runs, environment, event, attempt, seconds, self._clock)
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
        if failed and run.event is not None and run.attempt < RETRIES:
            self.retries.append((run.event, run.attempt + 1))

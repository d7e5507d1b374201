"""Many desktops start at once: what that costs of Cloudflare's quota, and how long it takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from localcloud.cloudflare import Quota, Zone
from tests.simulation import ending
from tests.simulation.fleet import Fleet
from tests.simulation.names import ROLES
from tests.simulation.stage import Stage
from tests.simulation.traces import Traces

DESKTOPS: Final = 2000
CONCURRENCY: Final = 20
QUOTA: Final = 1200
BATCH_LIMIT: Final = 200
SWEEP_EVERY: Final = 60.0
PATIENCE: Final = 3600.0
TOO_MANY: Final = 429


@dataclass(frozen=True)
class Figures:
    """What a burst came to; times are seconds since the desktops started."""

    desktops: int
    concurrency: int
    quota: int
    resolved: tuple[float, ...]
    """When each name had its record, in this order; names that never had one are left out."""
    done: float
    """When the last row was told, and nothing was left to do."""
    calls: int
    refused: int
    """Calls that Cloudflare answered with 429."""
    least_left: int
    """The least of the quota that was ever left."""
    runs: dict[str, int]
    """Runs for events, by what they did, and those of the sweep."""
    problems: tuple[str, ...]
    """What is not as it should be in the end."""

    def __str__(self) -> str:
        half = self.resolved[len(self.resolved) // 2]
        runs = ", ".join(f"{count} {name}" for name, count in sorted(self.runs.items()))
        return (
            f"{self.desktops} desktops at once, {self.concurrency} runs at a time, "
            f"{self.quota} calls to Cloudflare in 5 minutes:\n"
            f"  {len(self.resolved)} resolve: the first after {self.resolved[0]:.1f} s, half of "
            f"them after {half:.0f} s, the last after {self.resolved[-1]:.0f} s\n"
            f"  every row is told after {self.done:.0f} s\n"
            f"  {self.calls} calls, {self.refused} of them refused with 429; never less than "
            f"{self.least_left} left\n"
            f"  runs: {runs}"
        )


class Burst:
    """A stage in which all desktops start in the same moment, and runs go on by the clock."""

    def __init__(
        self,
        desktops: int = DESKTOPS,
        concurrency: int = CONCURRENCY,
        quota: int = QUOTA,
        batch_limit: int = BATCH_LIMIT,
    ) -> None:
        zone = Zone(record_quota=desktops, batch_limit=batch_limit)
        self.stage = Stage(zone)
        self.stage.cloudflare.api.limiter.quota = Quota(calls=quota)
        self.stage.ec2.page_size = 1000
        self._desktops, self._concurrency, self._quota = desktops, concurrency, quota
        self._next_sweep = self.stage.clock.now + SWEEP_EVERY / 2

    def run(self) -> Figures:
        """Let it all happen, until everything is as it should be or patience is at its end.

        Raises AssertionError if a promise was broken on the way.
        """
        stage, fleet = self.stage, Fleet(self.stage)
        begun = stage.clock.now
        for number in range(self._desktops):
            meeting, role = f"m{number // len(ROLES)}", ROLES[number % len(ROLES)]
            stage.people.schedule(meeting, "LAUNCHED")
            fleet.launch(meeting, role, noted=True)
        while stage.clock.now < begun + PATIENCE:
            self._step()
            if not (stage.events or stage.functions.retries or stage.functions.running):
                stage.promises.check()
                if not self._problems():
                    break
        return self._figures(begun)

    def _step(self) -> None:
        """Start what may start, then let the strand go on whose turn comes first."""
        functions, events = self.stage.functions, self.stage.events
        busy = sum(not run.is_sweep for run in functions.running)
        while busy < self._concurrency and (events or functions.retries):
            retry = None if events else functions.retries.pop(0)
            event, attempt = (retry.event, retry.attempt) if retry else (events.pop(0), 0)
            functions.invoke(event, attempt=attempt)
            busy += 1
        ready = min(self.stage.strands.ready(), key=lambda strand: strand.turn, default=None)
        if ready is None or ready.turn > self._next_sweep:
            self.stage.clock.reach(self._next_sweep)
            self._next_sweep += SWEEP_EVERY
            functions.invoke(None)
        else:
            functions.resume(ready)

    def _problems(self) -> tuple[str, ...]:
        return tuple(ending.problems(self.stage, Traces.of(self.stage)))

    def _figures(self, begun: float) -> Figures:
        stage = self.stage
        runs = Counter(
            "sweeps" if run.is_sweep else str(run.result["action"]) if run.result else "failed"
            for run in stage.functions.ended
        )
        return Figures(
            desktops=self._desktops,
            concurrency=self._concurrency,
            quota=self._quota,
            resolved=tuple(
                transaction.moment - begun
                for transaction in stage.cloudflare.store.history
                for step in transaction.steps
                if step.before is None
            ),
            done=stage.clock.now - begun,
            calls=len(stage.cloudflare.api.calls),
            refused=sum(call.status == TOO_MANY for call in stage.cloudflare.api.calls),
            least_left=stage.promises.least_left,
            runs=dict(runs),
            problems=self._problems(),
        )

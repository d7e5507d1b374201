"""Many desktops start or end at once: what it costs of Cloudflare's quota, and how long."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from localcloud.cloudflare import Quota, Zone
from tests.simulation.end_invariants import stage_problems
from tests.simulation.names import ROLES
from tests.simulation.record_invariants import traced_rows
from tests.simulation.stage import Stage

if TYPE_CHECKING:
    from tests.simulation.ec2 import Host

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
    removed: tuple[float, ...]
    """When each record was deleted, in this order."""
    done: float
    """When the last row was written, and nothing was left to do."""
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
        times, what = (self.resolved, "resolve") if self.resolved else (self.removed, "are gone")
        half = times[len(times) // 2]
        runs = ", ".join(f"{count} {name}" for name, count in sorted(self.runs.items()))
        return (
            f"{self.desktops} desktops at once, {self.concurrency} runs at a time, "
            f"{self.quota} calls to Cloudflare in 5 minutes:\n"
            f"  {len(times)} {what}: the first after {times[0]:.1f} s, half of "
            f"them after {half:.0f} s, the last after {times[-1]:.0f} s\n"
            f"  every row is written after {self.done:.0f} s\n"
            f"  {self.calls} calls, {self.refused} of them refused with 429; never less than "
            f"{self.least_left} left\n"
            f"  runs: {runs}"
        )


class Burst:
    """A stage in which desktops start or end together, and runs go on by the clock."""

    def __init__(
        self, desktops: int = DESKTOPS, concurrency: int = CONCURRENCY, quota: int = QUOTA
    ) -> None:
        self.stage = Stage(Zone(record_quota=desktops, batch_limit=BATCH_LIMIT))
        self.stage.cloudflare.api.limiter.quota = Quota(calls=quota)
        self.stage.ec2.page_size = 1000
        self._desktops, self._concurrency, self._quota = desktops, concurrency, quota
        self._next_sweep = self.stage.clock.now + SWEEP_EVERY / 2
        self._ends: list[tuple[float, Host]] = []
        """Which desktops are yet to end, and when; the last one is the next."""
        self._calls_before = 0

    def run(self) -> Figures:
        """Let all desktops start in the same moment, until everything is as it should be.

        Raises AssertionError if a promise was broken on the way.
        """
        self._launch()
        return self._go_on()

    def end(self, within: float = 60.0) -> Figures:
        """Let all desktops, which have run for long, end within so many seconds, as `run` does."""
        stage = self.stage
        self._launch()
        stage.events.clear()
        stage.functions.invoke(None)
        stage.settle()
        stage.clock.advance(PATIENCE)
        stage.invariants.least_left = sys.maxsize
        stage.functions.ended.clear()
        self._calls_before = len(stage.cloudflare.api.calls)
        self._next_sweep = stage.clock.now + SWEEP_EVERY / 2
        hosts, now = list(stage.ec2.hosts.values()), stage.clock.now
        pause = within / len(hosts)
        self._ends = [(now + pause * number, host) for number, host in enumerate(hosts)][::-1]
        return self._go_on()

    def _launch(self) -> None:
        for number in range(self._desktops):
            meeting, role = f"m{number // len(ROLES)}", ROLES[number % len(ROLES)]
            self.stage.actors.schedule(meeting, "LAUNCHED")
            self.stage.desktops.launch(meeting, role, noted=True)

    def _go_on(self) -> Figures:
        """Go on until everything is as it should be, or patience is at its end."""
        stage = self.stage
        begun = stage.clock.now
        while stage.clock.now < begun + PATIENCE:
            self._step()
            is_busy = stage.events or stage.functions.retries or stage.functions.running
            if not (is_busy or self._ends):
                stage.invariants.check()
                if not self._problems():
                    break
        return self._figures(begun)

    def _step(self) -> None:
        """Start what may start, then let the task go on whose turn comes first."""
        functions, events = self.stage.functions, self.stage.events
        busy = sum(not run.is_sweep for run in functions.running)
        while busy < self._concurrency and (events or functions.retries):
            if events:
                functions.invoke(events.pop(0))
            else:
                functions.retry()
            busy += 1
        ready = min(self.stage.tasks.ready(), key=lambda task: task.turn, default=None)
        next_end = self._ends[-1][0] if self._ends else float("inf")
        due = min(self._next_sweep, next_end)
        if ready is not None and ready.turn <= due:
            functions.resume(ready)
            return
        self.stage.clock.reach(due)
        if due == next_end:
            self.stage.desktops.end(self._ends.pop()[1])
            return
        self._next_sweep += SWEEP_EVERY
        if not any(run.is_sweep for run in functions.running):
            functions.invoke(None)

    def _problems(self) -> tuple[str, ...]:
        return tuple(stage_problems(self.stage, traced_rows(self.stage)))

    def _figures(self, begun: float) -> Figures:
        stage = self.stage
        runs = Counter(
            "sweeps" if run.is_sweep else str(run.result["action"]) if run.result else "failed"
            for run in stage.functions.ended
        )
        calls = stage.cloudflare.api.calls[self._calls_before :]
        steps = [
            (transaction.moment, step)
            for transaction in stage.cloudflare.store.history
            for step in transaction.steps
            if transaction.moment >= begun
        ]
        return Figures(
            desktops=self._desktops,
            concurrency=self._concurrency,
            quota=self._quota,
            resolved=tuple(moment - begun for moment, step in steps if step.before is None),
            removed=tuple(moment - begun for moment, step in steps if step.after is None),
            done=stage.clock.now - begun,
            calls=len(calls),
            refused=sum(call.status == TOO_MANY for call in calls),
            least_left=stage.invariants.least_left,
            runs=dict(runs),
            problems=self._problems(),
        )

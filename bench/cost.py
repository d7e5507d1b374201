"""What a month costs on paper, from the figures that were measured.

List prices of us-west-2, and below them the same without what AWS's always-free tier has. What a
start is, is said in docs/operations.md: two events, and a desktop that EC2 shows for three hours.
Whatever speaks for the guide is assumed: it logs little, and has neither metrics nor alarms nor a
sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING, Final

from bench import instructions, round_trips, sweeping
from bench.figure import Figure, Limit, Spread
from bench.latencies import FULL_PROCESSOR, MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP: Final = "A month on paper"
_EVENTS: Final = [
    (
        f"{round_trips.GROUP}: round trips, {kind}",
        f"{instructions.GROUP}: {instructions.WARM}, {kind}",
    )
    for kind in instructions.KINDS
]
_SWEEP: Final = f"{instructions.GROUP}: {instructions.SWEEP}"
_EACH_MORE: Final = f"{instructions.GROUP}: {instructions.EACH_MORE}"
_MEMORY: Final = f"{sweeping.GROUP}: peak memory of 10, nothing to do"
_MEMORY_MORE: Final = f"{sweeping.GROUP}: memory for each instance more, nothing to do"
NEEDED: Final = (*chain(*_EVENTS), _SWEEP, _EACH_MORE, _MEMORY, _MEMORY_MORE)
"""The figures that the month is calculated from."""

LIMITS: Final = {10: Limit(2), 1_000: Limit(3), 100_000: Limit(40)}
"""By starts a day."""

REQUEST: Final = 0.20e-6
GB_SECOND: Final = 0.0000166667
GB_SECOND_OF_ARM: Final = 0.0000133334
DYNAMODB_WRITE: Final = 0.625e-6
DYNAMODB_READ: Final = 0.125e-6
SURVEYED_ROW: Final = DYNAMODB_READ / 2
"""A read that is eventually consistent."""
SECRET: Final = 0.40
SECRET_READ: Final = 0.05 / 10_000
LOG_GB: Final = 0.50
METRIC: Final = 0.30
"""For a month, and for each hour in which it has a value its share of that."""
ALARM: Final = 0.10
ALARMS: Final = 12
"""Those of `ops/stack.yaml` without features."""
METRICS: Final = 2
"""Created and Deleted; the others have a value only when something is wrong."""

MILLION: Final = 1e6
DAYS: Final = 30
SECONDS: Final = DAYS * 86_400
EVENTS_OF_A_START: Final = 2
SWEEPS: Final = 60 * 24 * DAYS
SHOWN_HOURS: Final = 3
DESKTOPS_OF_A_ROW: Final = 2
TRIP: Final = 0.05
"""Seconds that a round trip is assumed to take."""
TOKEN_LIFE: Final = 300
INSTRUCTIONS_PER_SECOND: Final = 6e9
"""Assumed of a whole processor. Where the bench was written a large sweep had 7.5 billion a second,
and a lone event, whose code has left the processor's caches, 2.5 billion."""

OUR_LOG, GUIDES_LOG = 1_500, 500
MEMORIES: Final = (MEMORY, 512, 1024, 2048)


@dataclass(frozen=True)
class Run:
    """One run of a function: the round trips that it waits for, its instructions, and MB."""

    trips: float
    instructions: float
    memory: int = MEMORIES[0]

    @property
    def seconds(self) -> float:
        """How long it takes on Lambda."""
        share = self.memory / FULL_PROCESSOR
        return self.trips * TRIP + self.instructions / (INSTRUCTIONS_PER_SECOND * share)

    @property
    def gb_seconds(self) -> float:
        """What Lambda asks a price for, beside the request."""
        return self.seconds * self.memory / 1024


@dataclass(frozen=True)
class Growth:
    """What the sweep takes with few instances, and for each one more: instructions and MB."""

    instructions: tuple[float, float]
    memory: tuple[float, float]

    def sweep(self, instances: float) -> Run:
        """Tell what a sweep takes with so many instances and nothing to do."""
        needed = self.memory[0] + self.memory[1] * instances
        memory = next((each for each in MEMORIES if each >= needed), MEMORIES[-1])
        return Run(3, self.instructions[0] + self.instructions[1] * instances, memory)


@dataclass(frozen=True)
class Use:
    """What a month takes of each thing that has a price."""

    requests: float
    gb_seconds: float
    log_gb: float
    metrics: float = 0
    alarms: float = 0
    reads: float = 0
    surveyed_rows: float = 0
    writes: float = 0
    secrets: float = 1
    secret_reads: float = 0

    @property
    def price(self) -> float:
        """What it costs by AWS's price list."""
        names = [each.name for each in fields(self)]
        return float(sum(getattr(self, name) * getattr(PRICES, name) for name in names))

    @property
    def price_on_arm(self) -> float:
        """The same, if the functions run on arm64."""
        return self.price + self.gb_seconds * (GB_SECOND_OF_ARM - GB_SECOND)

    @property
    def price_with_free_tier(self) -> float:
        """The same in an account that uses its always-free tier for nothing else."""
        names = [each.name for each in fields(self)]
        billed = {name: max(0, getattr(self, name) - getattr(FREE, name)) for name in names}
        return Use(**billed).price


PRICES: Final = Use(
    requests=REQUEST,
    gb_seconds=GB_SECOND,
    log_gb=LOG_GB,
    metrics=METRIC,
    alarms=ALARM,
    reads=DYNAMODB_READ,
    surveyed_rows=SURVEYED_ROW,
    writes=DYNAMODB_WRITE,
    secrets=SECRET,
    secret_reads=SECRET_READ,
)
FREE: Final = Use(requests=1e6, gb_seconds=400_000, log_gb=5, metrics=10, alarms=10, secrets=0)
"""https://aws.amazon.com/free/, always free; and three dashboards, of which a stage has one."""


def measure(figures: Sequence[Figure]) -> list[Figure]:
    """Work out the rows from the other figures; none if these are not there."""
    found = {figure.key: figure for figure in figures}
    if any(name not in found for name in NEEDED):
        return []
    mine = {name: _middle(found[name].ours) for name in NEEDED}
    theirs = {name: _middle(found[name].other) for name in NEEDED}
    ours, guide = (
        [Run(values[trips], values[millions] * MILLION) for trips, millions in _EVENTS]
        for values in (mine, theirs)
    )
    growth = Growth(
        (mine[_SWEEP] * MILLION, mine[_EACH_MORE] * MILLION),
        (mine[_MEMORY], mine[_MEMORY_MORE] / 1024),
    )
    rows = []
    for starts, limit in LIMITS.items():
        sweep = growth.sweep(starts * SHOWN_HOURS / 24)
        month, guides = our_month(starts, ours, sweep), guides_month(starts, guide)
        name = f"{starts:,} starts a day"
        note = (
            f"an event takes {ours[0].seconds:.2f} s (guide {guide[0].seconds:.2f} s) at "
            f"{MEMORY} MB, a sweep {sweep.seconds:.1f} s at {sweep.memory} MB"
        )
        rows += [
            _row(name, month.price, guides.price, limit, note),
            _row(f"{name}, on arm64", month.price_on_arm, guides.price_on_arm),
            _row(
                f"{name}, with the always-free tier",
                month.price_with_free_tier,
                guides.price_with_free_tier,
            ),
        ]
    return rows


def _row(
    name: str, ours: float, guide: float, limit: Limit | None = None, note: str = ""
) -> Figure:
    return Figure(GROUP, name, "$", Spread.exact(ours), Spread.exact(guide), "guide", limit, note)


def our_month(starts: int, events: Sequence[Run], sweep: Run) -> Use:
    """Add up a month of ours: events, sweeps, rows, logs, the token, metrics and alarms."""
    times = starts * DAYS
    runs = times * EVENTS_OF_A_START
    rows = starts * SHOWN_HOURS / 24 / DESKTOPS_OF_A_ROW
    lives = SECONDS / TOKEN_LIFE
    environments = ceil(runs * events[0].seconds / SECONDS)
    return Use(
        requests=runs + SWEEPS,
        gb_seconds=times * sum(run.gb_seconds for run in events) + SWEEPS * sweep.gb_seconds,
        log_gb=(runs + SWEEPS) * OUR_LOG / 1e9,
        metrics=METRICS * min(starts, 24) / 24,
        alarms=ALARMS,
        reads=runs,
        surveyed_rows=SWEEPS * rows,
        writes=runs,
        secret_reads=min(runs, environments * lives) + min(SWEEPS, lives),
    )


def guides_month(starts: int, events: Sequence[Run]) -> Use:
    """Add up a month of the guide's: events, rows, logs and the token."""
    times = starts * DAYS
    runs = times * EVENTS_OF_A_START
    return Use(
        requests=runs,
        gb_seconds=times * sum(run.gb_seconds for run in events),
        log_gb=runs * GUIDES_LOG / 1e9,
        writes=runs,
        secret_reads=runs,
    )


def _middle(spread: Spread | None) -> float:
    return spread.middle if spread else 0.0

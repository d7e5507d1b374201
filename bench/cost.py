"""What a month costs on paper, from the figures that were measured.

List prices of us-west-2, without free tiers. What a start is, is said in docs/operations.md: two
events, and a desktop that EC2 shows for three hours. Whatever speaks for the guide is assumed: it
logs little, and has neither metrics nor alarms nor a sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from bench import round_trips, sweeping
from bench.figure import Figure, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GROUP: Final = "A month on paper"
STARTS_A_DAY: Final = (10, 1_000, 100_000)

REQUEST: Final = 0.20e-6
GB_SECOND: Final = 0.0000166667
DYNAMODB_WRITE: Final = 0.625e-6
DYNAMODB_READ: Final = 0.125e-6
SECRET: Final = 0.40
SECRET_READ: Final = 0.05 / 10_000
LOG_GB: Final = 0.50
WATCHING: Final = 4.90
"""Metrics and alarms, as docs/operations.md counts them."""

DAYS: Final = 30
EVENTS_OF_A_START: Final = 2
SWEEPS: Final = 60 * 24 * DAYS
SHOWN_HOURS: Final = 3
TRIP: Final = 0.05
"""Seconds that a round trip is assumed to take."""
TOKEN_LIFE: Final = 300

OUR_LOG, GUIDES_LOG = 1_500, 500
MEMORIES: Final = (256, 512, 1024, 2048)
FULL_PROCESSOR: Final = 1769
"""MB of memory with which a function has one processor; with less, that share of one:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""


@dataclass(frozen=True)
class Run:
    """One run of a function: what it waits for, what it computes, and what it needs for that."""

    trips: float
    cpu: float
    memory: int = MEMORIES[0]

    @property
    def seconds(self) -> float:
        """How long it takes on Lambda."""
        return self.trips * TRIP + self.cpu * FULL_PROCESSOR / self.memory

    @property
    def price(self) -> float:
        """What Lambda asks for it."""
        return REQUEST + self.seconds * self.memory / 1024 * GB_SECOND


@dataclass(frozen=True)
class Growth:
    """What the sweep takes with no instances, and for each one more."""

    cpu: tuple[float, float]
    memory: tuple[float, float]

    def sweep(self, instances: float) -> Run:
        """Tell what a sweep takes with so many instances and nothing to do."""
        needed = self.memory[0] + self.memory[1] * instances
        memory = next((each for each in MEMORIES if each >= needed), MEMORIES[-1])
        return Run(3, self.cpu[0] + self.cpu[1] * instances, memory)


def measure(figures: Sequence[Figure]) -> list[Figure]:
    """Work out the rows from the other figures; none if these are not there."""
    found = {figure.key: figure for figure in figures}
    event = round_trips.GROUP
    needed = [f"{event}: {what}, {kind}" for what in ("round trips", "CPU") for kind in _EVENTS]
    growth = _growth(found)
    if growth is None or any(name not in found for name in needed):
        return []
    ours = [_run(found, kind, ours=True) for kind in _EVENTS]
    guide = [_run(found, kind, ours=False) for kind in _EVENTS]
    rows = []
    for starts in STARTS_A_DAY:
        sweep = growth.sweep(starts * SHOWN_HOURS / 24)
        rows.append(
            Figure(
                GROUP,
                f"{starts:,} starts a day",
                "$",
                Spread.exact(our_month(starts, ours, sweep)),
                Spread.exact(guides_month(starts, guide)),
                "guide",
                note=(
                    f"an event takes {ours[0].seconds:.2f} s (guide {guide[0].seconds:.2f} s) at "
                    f"256 MB, a sweep {sweep.seconds:.1f} s at {sweep.memory} MB"
                ),
            )
        )
    return rows


def our_month(starts: int, events: Sequence[Run], sweep: Run) -> float:
    """Add up a month of ours: events, sweeps, rows, logs, the token, metrics and alarms."""
    times = starts * DAYS
    runs = times * EVENTS_OF_A_START
    instances = starts * SHOWN_HOURS / 24
    lambdas = times * sum(run.price for run in events) + SWEEPS * sweep.price
    rows = runs * (DYNAMODB_READ + DYNAMODB_WRITE) + SWEEPS * instances * DYNAMODB_READ
    logs = (runs + SWEEPS) * OUR_LOG / 1e9 * LOG_GB
    seconds = DAYS * 86_400
    environments = ceil(runs * events[0].seconds / seconds)
    most = (environments + 1) * seconds / TOKEN_LIFE  # one more, which is the sweep's
    reads = min(runs + SWEEPS, most)
    return lambdas + rows + logs + SECRET + reads * SECRET_READ + WATCHING


def guides_month(starts: int, events: Sequence[Run]) -> float:
    """Add up a month of the guide's: events, rows, logs and the token."""
    times = starts * DAYS
    runs = times * EVENTS_OF_A_START
    lambdas = times * sum(run.price for run in events)
    logs = runs * GUIDES_LOG / 1e9 * LOG_GB
    return lambdas + runs * DYNAMODB_WRITE + logs + SECRET + runs * SECRET_READ


_EVENTS: Final = ("create", "delete")


def _run(found: Mapping[str, Figure], kind: str, *, ours: bool) -> Run:
    trips = found[f"{round_trips.GROUP}: round trips, {kind}"]
    cpu = found[f"{round_trips.GROUP}: CPU, {kind}"]
    values = [figure.ours if ours else figure.other for figure in (trips, cpu)]
    middle = [value.middle if value else 0.0 for value in values]
    return Run(middle[0], middle[1] / 1000)


def _growth(found: Mapping[str, Figure]) -> Growth | None:
    def line(name: str, more: str, unit: float) -> tuple[float, float] | None:
        least = found.get(f"{sweeping.GROUP}: {name} of 10, nothing to do")
        each = found.get(f"{sweeping.GROUP}: {more} for each instance more, nothing to do")
        if not (least and least.ours and each and each.ours):
            return None
        return least.ours.middle, each.ours.middle / unit

    cpu, memory = line("CPU", "CPU", 1000), line("peak memory", "memory", 1024)
    return Growth(cpu, memory) if cpu and memory else None

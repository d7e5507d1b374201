"""The sweep of the deployed zip: what it costs by the number of instances.

Rows, secret and records are the servers' own; EC2's answers are a fleet's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Final

from bench.child_process import Child
from bench.figure import Figure, Limit, Spread
from bench.fleet import Fleet
from chalicelib.cloudflare.zone import BATCH_SIZE, PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.servers import Servers

GROUP: Final = "Sweep"
COUNTS: Final = (10, 100, 1_000, 10_000)
SCENARIOS: Final = ("all to create", "nothing to do", "all to delete")
"""In the order in which one leads to the next."""

SNAPSHOT_SECONDS: Final = 10
"""A sweep that still writes then lists everything again."""

_REPEATED: Final = 1_000
_MIB: Final = 2**20


class SweepError(Exception):
    """A sweep did something else than it should have, so its cost says nothing."""


@dataclass
class Taken:
    """What sweeps of one kind took."""

    cloudflare: list[float] = field(default_factory=list)
    aws: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def measure(servers: Servers, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Sweep fleets of every size, each time in a new environment."""
    counts = COUNTS[:2] if quick else COUNTS
    taken = {(scenario, count): Taken() for scenario in SCENARIOS for count in counts}
    for count in counts:
        for turn in range(1 if quick or count > _REPEATED else 3):
            fleet = Fleet(servers, count)
            for scenario in SCENARIOS:
                say(f"{count:,}, {scenario}, {turn + 1}")
                sweep_once(servers, fleet, scenario, taken[scenario, count])
    figures = [
        figure
        for scenario in SCENARIOS
        for count in counts
        for figure in _figures(scenario, count, taken[scenario, count])
    ]
    return figures + [
        figure for scenario in SCENARIOS for figure in _growth(scenario, counts[-2:], taken)
    ]


def pages_and_batches(count: int, scenario: str) -> int:
    """Count the calls to Cloudflare that a sweep should make."""
    listed = 0 if scenario == "all to create" else count
    changes = 0 if scenario == "nothing to do" else count
    return max(1, ceil(listed / PAGE_SIZE)) + ceil(changes / BATCH_SIZE)


def sweep_once(servers: Servers, fleet: Fleet, scenario: str, taken: Taken) -> None:
    """Sweep in a new environment and note what it took. Raises SweepError."""
    fleet.ended = scenario == "all to delete"
    variables = servers.variables | {"SWEEP_DELETE_PERCENT": "100"}
    servers.take_calls()
    with fleet, Child(servers.sweep, variables) as child:
        answer = child.handle({})
    aws, cloudflare = servers.take_calls()
    result = answer["result"]
    action = "unchanged" if scenario == "nothing to do" else "repaired"
    standing = 0 if fleet.ended else fleet.count
    is_done = result["action"] == action and not result.get("left")
    if not is_done or len(servers.names()) != standing:
        raise SweepError(f"{scenario} of {fleet.count}: {result}")
    taken.aws.append(len(aws))
    taken.cloudflare.append(len(cloudflare))
    taken.cpu.append(answer["cpu"])
    taken.wall.append(answer["wall"])
    taken.memory.append(answer["memory"] / _MIB)


def _figures(scenario: str, count: int, taken: Taken) -> list[Figure]:
    about = f"of {count:,}, {scenario}"
    # The guide has no sweep: it would take an event for each instance, at two calls each.
    has_other = scenario != "nothing to do"
    guides = Spread.exact(2 * count) if has_other else None
    who = "guide" if has_other else ""
    again = ceil(count / PAGE_SIZE) * int(max(taken.wall) // SNAPSHOT_SECONDS)
    limit = Limit(pages_and_batches(count, scenario) + again)
    calls = Spread.of(taken.cloudflare)
    return [
        Figure(GROUP, f"calls to Cloudflare {about}", "", calls, guides, who, limit),
        Figure(GROUP, f"calls to AWS {about}", "", Spread.of(taken.aws)),
        Figure(GROUP, f"CPU {about}", "s", Spread.of(taken.cpu)),
        Figure(GROUP, f"time {about}", "s", Spread.of(taken.wall)),
        Figure(GROUP, f"peak memory {about}", "MiB", Spread.of(taken.memory)),
    ]


def _growth(
    scenario: str, counts: tuple[int, ...], taken: Mapping[tuple[str, int], Taken]
) -> list[Figure]:
    """Tell what each instance more costs, between the two largest fleets."""
    small, large = counts
    a, b = taken[scenario, small], taken[scenario, large]

    def each(name: str, unit: str, few: list[float], many: list[float], factor: float) -> Figure:
        more = Spread.of(many).middle - Spread.of(few).middle
        title = f"{name} for each instance more, {scenario}"
        return Figure(GROUP, title, unit, Spread.exact(more / (large - small) * factor))

    return [
        each("CPU", "ms", a.cpu, b.cpu, 1000),
        each("time", "ms", a.wall, b.wall, 1000),
        each("memory", "KiB", a.memory, b.memory, 1024),
        each("calls to AWS", "", a.aws, b.aws, 1),
    ]

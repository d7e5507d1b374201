"""Cold start: from the start of the process until it is ready, and its first events, in time.

Lambda's file system is read-only, so Python compiles at every cold start what a zip holds as source
alone; what the runtime brings is compiled already. Connections are over HTTPS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.child_process import Child
from bench.figure import Figure, Limit, Spread
from bench.latencies import FULL_PROCESSOR, MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.child_process import Program
    from bench.servers import Servers

GROUP: Final = "Cold start, as on Lambda"
ZIP_LIMIT: Final = Limit(1.5)
RECONNECT_LIMIT: Final = Limit(12)
"""Amazon's five roots and the servers' own, for the connections to EC2 and to DynamoDB."""

_MIB = 2**20

Starts = list[dict[str, Any]]


def measure(servers: Servers, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Start environments, ours and the guide's alternating."""
    times = 2 if quick else 15
    programs = (servers.ours(), servers.guide)
    starts: tuple[Starts, Starts] = ([], [])
    for turn in range(times):
        say(f"{turn + 1} of {times}")
        for program, found in zip(programs, starts, strict=True):
            found.append(_start(servers, program, f"cold-{turn}"))
    zipped = Spread.exact(len(servers.function.code) / _MIB)
    return [
        *_figures(*starts),
        Figure(GROUP, "deployed zip", "MiB", zipped, limit=ZIP_LIMIT),
    ]


def _start(servers: Servers, program: Program, meeting: str) -> dict[str, Any]:
    """Start an environment, let it handle an event, then again, at last reconnecting."""
    event = servers.event(servers.desktop(f"{meeting}-{program.module}"))
    with Child(program, servers.variables) as child:
        first = child.handle(event)
        warm = child.handle(event)
        servers.disconnect()
        idle = child.handle(event)
    return child.ready | {"first": first, "warm": warm, "idle": idle}


def _figures(ours: Starts, guide: Starts) -> list[Figure]:
    def figure(
        name: str, unit: str, read: Callable[[Mapping[str, Any]], float], limit: Limit | None = None
    ) -> Figure:
        mine, theirs = (Spread.of([read(each) for each in starts]) for starts in (ours, guide))
        return Figure(GROUP, name, unit, mine, theirs, "guide", limit)

    def phase(name: str, what: str) -> Callable[[Mapping[str, Any]], float]:
        return lambda start: 1000 * float(start[name][what])

    def share_of_processor(start: Mapping[str, Any]) -> float:
        return 1000 * float(start["first"]["cpu"]) * FULL_PROCESSOR / MEMORY

    return [
        figure("CPU until ready", "ms", phase("ready", "cpu")),
        figure("time until ready", "ms", phase("ready", "wall")),
        figure("CPU of the first event", "ms", phase("first", "cpu")),
        figure(f"its CPU on the share of {MEMORY} MB, calculated", "ms", share_of_processor),
        figure("time of a warm event, nothing to do", "ms", phase("warm", "wall")),
        figure("the same after all connections were closed", "ms", phase("idle", "wall")),
        figure("certificates parsed until ready", "", lambda start: start["certificates"]),
        figure(
            "certificates parsed in the first event",
            "",
            lambda start: start["first"]["certificates"],
        ),
        figure(
            "certificates parsed after all connections were closed",
            "",
            lambda start: start["idle"]["certificates"],
            RECONNECT_LIMIT,
        ),
        figure("peak memory, ready", "MiB", lambda start: start["memory"] / _MIB),
        figure("peak memory, after events", "MiB", lambda start: start["warm"]["memory"] / _MIB),
    ]

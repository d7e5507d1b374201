"""Cold start: from the start of the process until the clients are ready, and the first event.

Lambda's file system is read-only, so Python compiles what a zip holds at every cold start, while
what the runtime brings is compiled already.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bench.child_process import Child
from bench.figure import Figure, Limit, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.child_process import Program
    from bench.servers import Servers

GROUP: Final = "Cold start, as on Lambda"
ZIP_LIMIT: Final = Limit(1.5)
CPU_LIMIT: Final = Limit(0.8, of_other=True)

_MIB = 2**20
_PHASES = ("interpreter", "runtime", "imports", "clients")
_WORDS = {
    "interpreter": "of it interpreter",
    "runtime": "of it Lambda's runtime client",
    "imports": "of it imports",
    "clients": "of it making clients",
}

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
    """Start an environment, and let it handle the start of a desktop."""
    event = servers.event(servers.desktop(f"{meeting}-{program.module}"))
    with Child(program, servers.variables) as child:
        first = child.handle(event)
        warm = child.handle(event)
    return child.ready | {"first": first, "warm": warm}


def _figures(ours: Starts, guide: Starts) -> list[Figure]:
    def figure(name: str, unit: str, read: Callable[[Mapping[str, Any]], float]) -> Figure:
        mine, theirs = (Spread.of([read(each) for each in starts]) for starts in (ours, guide))
        return Figure(GROUP, name, unit, mine, theirs, "guide")

    def phase(name: str, what: str) -> Callable[[Mapping[str, Any]], float]:
        return lambda start: 1000 * float(start[name][what])

    ready = figure("CPU until clients are ready", "ms", phase("ready", "cpu"))
    return [
        replace(ready, limit=CPU_LIMIT),
        *(figure(_WORDS[name], "ms", phase(name, "cpu")) for name in _PHASES),
        figure("time until clients are ready", "ms", phase("ready", "wall")),
        figure("CPU of the first event", "ms", phase("first", "cpu")),
        figure("time of the first event", "ms", phase("first", "wall")),
        figure("time of a warm no-op", "ms", phase("warm", "wall")),
        figure("peak memory, ready", "MiB", lambda start: start["memory"] / _MIB),
        figure("peak memory, after events", "MiB", lambda start: start["warm"]["memory"] / _MIB),
    ]

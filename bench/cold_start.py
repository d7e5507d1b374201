"""Cold start: from the start of the process until the clients are ready, and the first event.

Lambda's file system is read-only, so Python compiles what a zip holds anew at every cold start,
while what the runtime brings is compiled already. That is measured first; beside it everything
compiled, and nothing.
"""

from __future__ import annotations

import compileall
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bench.child_process import Child
from bench.figure import Figure, Limit, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bench.child_process import Program
    from bench.servers import Servers

GROUP: Final = "Cold start, as on Lambda"
COMPILED: Final = "Cold start, everything compiled"
UNCOMPILED: Final = "Cold start, nothing compiled"
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
    """Start environments by turns, ours and the guide's, under each of the three conditions."""
    conditions = {
        GROUP: (servers.ours(), servers.guide),
        COMPILED: tuple(_compiled(servers, each) for each in (servers.ours(), servers.guide)),
        UNCOMPILED: tuple(_uncompiled(servers, each) for each in (servers.ours(), servers.guide)),
    }
    figures = []
    for condition, programs in conditions.items():
        times = 2 if quick else 15 if condition == GROUP else 7
        starts: tuple[Starts, Starts] = ([], [])
        for turn in range(times):
            say(f"{condition}, {turn + 1} of {times}")
            for program, found in zip(programs, starts, strict=True):
                found.append(_start(servers, program, f"cold-{condition}-{turn}"))
        figures += _figures(condition, *starts)
    zipped = Spread.exact(len(servers.function.code) / _MIB)
    figures.append(Figure(GROUP, "deployed zip", "MiB", zipped, limit=ZIP_LIMIT))
    return sorted(figures, key=lambda figure: list(conditions).index(figure.group))


def _start(servers: Servers, program: Program, meeting: str) -> dict[str, Any]:
    """Start an environment, and let it handle the start of a desktop."""
    event = servers.event(servers.desktop(f"{meeting}-{program.module}"))
    with Child(program, servers.variables) as child:
        first = child.handle(event)
        warm = child.handle(event)
    return child.ready | {"first": first, "warm": warm}


def _figures(condition: str, ours: Starts, guide: Starts) -> list[Figure]:
    def figure(name: str, unit: str, read: Callable[[Mapping[str, Any]], float]) -> Figure:
        mine, theirs = (Spread.of([read(each) for each in starts]) for starts in (ours, guide))
        return Figure(condition, name, unit, mine, theirs, "guide")

    def phase(name: str, what: str) -> Callable[[Mapping[str, Any]], float]:
        return lambda start: 1000 * float(start[name][what])

    ready = figure("CPU until clients are ready", "ms", phase("ready", "cpu"))
    wall = figure("time until clients are ready", "ms", phase("ready", "wall"))
    if condition != GROUP:
        return [ready, wall]
    return [
        replace(ready, limit=CPU_LIMIT),
        *(figure(_WORDS[name], "ms", phase(name, "cpu")) for name in _PHASES),
        wall,
        figure("CPU of the first event", "ms", phase("first", "cpu")),
        figure("time of the first event", "ms", phase("first", "wall")),
        figure("time of a warm no-op", "ms", phase("warm", "wall")),
        figure("peak memory, ready", "MiB", lambda start: start["memory"] / _MIB),
        figure("peak memory, after events", "MiB", lambda start: start["warm"]["memory"] / _MIB),
    ]


def _compiled(servers: Servers, program: Program) -> Program:
    root = servers.home / f"compiled-{program.module}"
    shutil.copytree(program.path[0], root)
    compileall.compile_dir(root, quiet=2)
    return replace(program, path=(root, *program.path[1:]))


def _uncompiled(servers: Servers, program: Program) -> Program:
    """Copy what Lambda's runtime brings, without byte code; its data stays where it is."""
    runtime = servers.home / "runtime-uncompiled"
    if not runtime.exists():
        runtime.mkdir()
        for entry in servers.runtime.iterdir():
            _copy_code(entry.resolve(), runtime / entry.name)
    return replace(program, path=(program.path[0], runtime))


def _copy_code(source: Path, target: Path) -> None:
    if not source.is_dir():
        target.symlink_to(source)
        return
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "data"))
    if (source / "data").exists():
        (target / "data").symlink_to(source / "data")

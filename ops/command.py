"""Programs run for the operator, and their output."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


PATIENCE: Final = 10.0
"""Seconds that an interrupted program has to end by itself."""


class CommandError(Exception):
    """A program failed; the message ends with everything it printed."""

    def __init__(self, command: str, code: int, output: str) -> None:
        super().__init__(f"`{command}` failed with exit code {code}:\n{output}")
        self.code = code
        self.output = output


def run_command(
    command: Sequence[str],
    name: str,
    directory: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run a program in a directory and return what it printed; CommandError if it fails.

    `name` is shown to people, `environment` is its whole environment; `on_line` gets each
    line when it is printed. If that raises, or on Ctrl-C, the program is interrupted as well, and
    has ended when this returns.
    """
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 (programs of our own choice)
        command,
        cwd=directory,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,  # or the terminal would interrupt it too, and it would be done twice
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                if on_line is not None:
                    on_line(line.rstrip("\n"))
        except BaseException:
            _end(process)
            raise
    output = "".join(lines)
    if process.returncode != 0:
        raise CommandError(name, process.returncode, output)
    return output


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt a program and what it has started, as Ctrl-C does; kill it if it does not end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=PATIENCE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

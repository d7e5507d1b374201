"""Programs run for the operator, and their output."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


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
    line when it is printed.
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
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if on_line is not None:
                on_line(line.rstrip("\n"))
    output = "".join(lines)
    if process.returncode != 0:
        raise CommandError(name, process.returncode, output)
    return output

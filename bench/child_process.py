"""Children that measure themselves: what runs in them, and speaking with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHILD = Path(__file__).parent / "child.py"


class ChildError(Exception):
    """A child ended, or its handler raised; the message says what it said."""


@dataclass(frozen=True)
class Program:
    """What a child runs.

    `runtime` names what Lambda's own runtime has imported before, and `parts` what the module
    imports of others, so that each can be measured by itself.
    """

    module: str
    handler: str
    path: tuple[Path, ...]
    parts: tuple[str, ...] = ()
    runtime: tuple[str, ...] = ()
    is_isolated: bool = True
    """Whether it sees no package but those below `path`."""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def task(self) -> dict[str, Any]:
        """What the child gets, but for the time."""
        return {
            "module": self.module,
            "handler": self.handler,
            "parts": self.parts,
            "runtime": self.runtime,
        }


class Child:
    """A process that has made a program ready; `ready` has what that took.

    `under` is a command that the process is to be run by.
    """

    def __init__(
        self, program: Program, variables: Mapping[str, str], under: Sequence[str] = ()
    ) -> None:
        path = os.pathsep.join(map(str, program.path))
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "en_US.UTF-8",
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            **variables,
            **program.variables,
        }
        isolation = ["-S"] if program.is_isolated else []
        task = json.dumps(program.task | {"started": time.monotonic()})
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        self._process = subprocess.Popen(  # noqa: S603 (our own program)
            [*under, sys.executable, "-P", *isolation, str(CHILD), task],
            cwd=program.path[0],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self.ready = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def handle(self, event: object) -> dict[str, Any]:
        """Let it handle an event; returns wall, cpu, memory and result. Raises ChildError."""
        assert self._process.stdin  # noqa: S101 (it was asked for)
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise ChildError(answer["error"])
        return answer

    def close(self) -> None:
        """End it."""
        self._process.communicate()
        self._said.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout  # noqa: S101 (it was asked for)
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            self._said.seek(0)
            said = self._said.read().decode(errors="replace")
            self._said.close()
            raise ChildError(f"it ended with status {self._process.returncode}: {said}")
        answer: dict[str, Any] = json.loads(line)
        return answer

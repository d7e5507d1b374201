"""Counting a child's instructions by valgrind's callgrind, part by part.

Instructions do not depend on how busy the machine is. They are written down whenever the child
calls `getppid`, which it does at each mark.
https://valgrind.org/docs/manual/cl-manual.html, https://valgrind.org/docs/manual/cl-format.html
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench.child_process import Child

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.child_process import Program

_OPENSSL = re.compile(r"/(libssl|libcrypto)[^/]*$")
_ITS_CALLERS = re.compile(r"/_(ssl|hashlib)\.[^/]*$")
"""Python's modules of C; whoever else calls OpenSSL, such as qsort, was called by it."""


def is_installed() -> bool:
    """Whether there is a valgrind here."""
    return shutil.which("valgrind") is not None


@dataclass(frozen=True)
class Part:
    """The instructions between two marks, and how many of them were spent by OpenSSL."""

    instructions: int = 0
    tls: int = 0

    def __add__(self, other: Part) -> Part:
        return Part(self.instructions + other.instructions, self.tls + other.tls)

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read a file of callgrind's.

        A line of costs is a function's own, or after a line `calls` all that it spent in another.
        """
        total = tls = 0
        objects: dict[str, str] = {}
        caller = ""
        is_entered = is_call = False
        for line in text.splitlines():
            name, _, value = line.partition("=")
            if name in {"ob", "cob"}:
                number, _, path = value.partition(" ")
                path = objects.setdefault(number, path)
                if name == "ob":
                    caller = path
                elif _OPENSSL.search(path) and _ITS_CALLERS.search(caller):
                    is_entered = True
            elif name == "calls":
                is_call = True
            elif line[:1] in {*"0123456789+-*"}:
                cost = int(line.split()[1])
                total += 0 if is_call else cost
                tls += cost if is_call and is_entered else 0
                is_call = is_entered = False
        return cls(total, tls)


class Counted:
    """A child whose instructions are counted, while in the context."""

    def __init__(self, program: Program, variables: Mapping[str, str]) -> None:
        self._names = ("interpreter", *program.parts, "own")
        self._program = program
        self._variables = variables

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="bench-callgrind-")
        self._file = Path(self._directory.name) / "out"
        self._read = 0
        options = ("--quiet", "--dump-before=getppid", f"--callgrind-out-file={self._file}")
        under = ("valgrind", "--tool=callgrind", *options)
        self._child = Child(self._program, self._variables, under)
        self.parts = {name: self._next() for name in self._names}
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.close()
        self._directory.cleanup()

    @property
    def ready(self) -> Part:
        """All until it was ready."""
        return sum(self.parts.values(), Part())

    def handle(self, event: object) -> tuple[Part, dict[str, Any]]:
        """Let it handle an event; return what that took, and the answer. Raises ChildError."""
        answer = self._child.handle(event)
        self._next()  # between the events
        return self._next(), answer

    def _next(self) -> Part:
        self._read += 1
        return Part.parse(Path(f"{self._file}.{self._read}").read_text())

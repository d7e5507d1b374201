"""The AWS calls that the code of each function can reach, as `ops/derive.py` found them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.worlds import holds, world_of

if TYPE_CHECKING:
    from chalicelib.settings.stage import Settings

CALLS: Final = Path(__file__).with_name("calls.json")
"""Written by `python -m ops.derive`; a test fails once it is not what the code calls."""

ROUTES_FUNCTION: Final = "api_handler"
"""What Chalice calls the one function behind all routes."""

SWEEP: Final = "sweep"
"""The scheduled function, once the code has it."""

STREAM: Final = "on_dynamodb_record"
"""Chalice's decorator of a function that Lambda reads a table's stream for."""


class UnreadableCallError(Exception):
    """Code that may call AWS is unreadable. The message says where, and what to write instead."""


@dataclass(frozen=True, order=True)
class Call:
    """A call to AWS: the IAM action it needs, and the line of code that makes it."""

    action: str
    file: str
    line: int


class Code:
    """The functions of app.py, and their calls.

    Raises UnreadableCallError if the files in which calls are made have changed since.
    """

    def __init__(self, directory: Path) -> None:
        found = json.loads(CALLS.read_text())
        self._found = found["functions"]
        for file, known in found["files"].items():
            if digest(directory / file) != known:
                raise UnreadableCallError(
                    f"{file} has changed since ops/calls.json was derived from it: "
                    "`make install-dev`, then `.venv/bin/python -m ops.derive`"
                )

    @property
    def functions(self) -> tuple[str, ...]:
        """Every Lambda function that a stage may have, by Chalice's names for them."""
        return tuple(self._found)

    def functions_of(self, settings: Settings) -> tuple[str, ...]:
        """Name the functions that a stage with these settings has."""
        world = world_of(settings)
        return tuple(name for name in self._found if holds(self._found[name]["if"], world))

    def reads_stream(self, function: str) -> bool:
        """Tell whether Lambda reads a table's stream for the function, in its name."""
        return bool(self._found[function]["by"] == STREAM)

    def calls(self, function: str, settings: Settings | None = None) -> tuple[Call, ...]:
        """Every call to AWS that a function's code can reach in a stage with these settings.

        Without settings, in any stage.
        """
        return tuple(
            _call(text)
            for text, condition in self._found[function]["calls"].items()
            if settings is None or holds(condition, world_of(settings))
        )


def _call(text: str) -> Call:
    action, _, place = text.partition(" ")
    file, _, line = place.partition(":")
    return Call(action, file, int(line))


def digest(path: Path) -> str:
    """Return what tells a version of a file from others; empty if there is no file."""
    return hashlib.sha256(path.read_text().encode()).hexdigest()[:8] if path.exists() else ""

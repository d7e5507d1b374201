"""Imports go down only: from features to handlers and providers, to decisions, to the ground."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "chalicelib"
FLOORS = (
    {"meetings", "notifications"},
    {"watchdog", "cloudflare"},
    {"dns"},
    {"meeting_row"},
    {"ec2"},
    {"settings", "resource_names", "step", "command_line"},
    {"aws"},
    {"secrets", "trust", "telemetry"},
    {"clients", "clock", "deadline"},
)
"""From the top one down; packages of one floor do not import one another, not even for types."""


def imported(path: Path) -> set[str]:
    """Name the packages and modules of the project that a module imports."""
    names = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return {name.split(".")[1] for name in names if name.startswith("chalicelib.")}


def test_every_import_goes_to_a_lower_floor() -> None:
    heights = {name: floor for floor, names in enumerate(FLOORS) for name in names}
    upward = []
    for path in sorted(PACKAGE.rglob("*.py")):
        importer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        upward += [
            f"{path.relative_to(PACKAGE)} imports {each}"
            for each in sorted(imported(path) - {importer})
            if heights[each] <= heights[importer]
        ]

    assert upward == []

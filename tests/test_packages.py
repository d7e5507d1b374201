"""Imports go down only: from features to handlers and providers, to decisions, to the ground."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "chalicelib"
FLOORS = (
    {"container"},
    {"invitations"},
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


def imported(path: Path) -> list[str]:
    """Name everything that a module imports, with the package that it is in."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (f"{node.module}." if node.module else "")
            names += [f"{package}{alias.name}" for alias in node.names]
    return names


def test_every_import_goes_to_a_lower_floor() -> None:
    heights = {name: floor for floor, names in enumerate(FLOORS) for name in names}
    upward = []
    for path in sorted(PACKAGE.rglob("*.py")):
        importer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        ours = {each.split(".")[1] for each in imported(path) if each.startswith("chalicelib.")}
        upward += [
            f"{path.relative_to(PACKAGE)} imports {each}"
            for each in sorted(ours - {importer})
            if heights[each] <= heights[importer]
        ]

    assert upward == []


@pytest.mark.parametrize("name", ["aws", "cloudflare", "dcv"])
def test_a_package_of_the_local_cloud_imports_nothing_of_the_project(name: str) -> None:
    package = ROOT / "localcloud" / name
    own = {path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"}
    foreign = [
        (path.name, each)
        for path in sorted(package.rglob("*.py"))
        for each in imported(path)
        if each.startswith("..") or each.split(".")[0] in own
    ]

    assert foreign == []
    assert (package / "README.md").exists()

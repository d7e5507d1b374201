"""Least privilege: what is committed is what the code calls, linted, and nothing else.

The calls are read from the code (ops/reach.py); mypy holds the code to the `…Client` protocols that
it reads. So a new call without a grant fails here, and so does a grant that nothing calls.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.configure import changes
from ops.reach import SERVICES, Code
from ops.stages import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parent.parent
CONFIG = ConfigFile(PROJECT)
CODE = Code(PROJECT)
POLICIES = sorted((PROJECT / ".chalice").glob("policy-*.json"))


def trees() -> Iterator[ast.Module]:
    for path in (PROJECT / "app.py", *sorted((PROJECT / "chalicelib").rglob("*.py"))):
        yield ast.parse(path.read_text(), str(path))


@pytest.mark.parametrize("name", CONFIG.names())
def test_every_stages_files_are_what_the_code_asks_for(name: str) -> None:
    found = changes(CONFIG, CODE, CONFIG.stage(name))

    assert not found, "".join(each.difference(PROJECT) for each in found)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_every_policy_passes_the_linter(path: Path) -> None:
    parliament = Path(sys.executable).parent / "parliament"
    done = subprocess.run(  # noqa: S603 (the linter)
        [parliament, "--json"], input=path.read_text(), capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_finds_what_is_wrong() -> None:
    """Otherwise its silence would mean nothing."""
    parliament = Path(sys.executable).parent / "parliament"
    wrong = {"Effect": "Allow", "Action": "dynamodb:GetItm", "Resource": "*"}
    done = subprocess.run(  # noqa: S603 (the linter)
        [parliament, "--json"],
        input=json.dumps({"Version": "2012-10-17", "Statement": [wrong]}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "UNKNOWN_ACTION" in done.stdout


def test_what_the_protocols_name_is_called_and_nothing_else() -> None:
    declared: set[str] = set()
    called: set[str] = set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in SERVICES:
                methods = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
                declared.update(methods)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                called.update({node.attr} if node.value.attr == "_client" else ())

    assert called == declared


def test_a_client_is_handed_to_a_class_at_once_and_used_there_as_its_client() -> None:
    """Whoever used one otherwise would escape the reading of calls."""
    made, uses = 0, []
    for tree in trees():
        parents = {
            id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "_client":
                uses.append(type(parents[id(node)]).__name__)
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "client"
            ):
                made += 1
                around = parents[id(node)]
                assert isinstance(around, ast.Call)
                assert isinstance(around.func, ast.Name)
                assert around.func.id[:1].isupper()
    sources = "".join(
        path.read_text() for path in (PROJECT / "chalicelib").rglob("*.py") if path.name != "aws.py"
    )

    assert made == len(SERVICES)
    assert set(uses) == {"Assign", "Attribute"}
    assert "create_client" not in sources
    assert "boto3" not in sources

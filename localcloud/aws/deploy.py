"""Chalice's own `chalice deploy`, pointed at the local AWS."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ops.chalice import run_chalice, without_settings

from .account import aws_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def deploy(
    project_directory: Path,
    stage: str,
    endpoint: str,
    *,
    variables: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run `chalice deploy --stage STAGE` and return what it printed; CommandError if it fails.

    `variables` are added to its environment, which leads to `endpoint`. Chalice writes what it
    deployed to `.chalice/deployed/STAGE.json` and believes that the next time, so deploy a copy
    (`copy_project`) where the project has stages on the real AWS, or each time AWS starts empty.
    """
    return run_chalice(
        ("deploy", "--stage", stage),
        project_directory,
        {**without_settings(aws_environment(endpoint)), **(variables or {})},
        on_line=on_line,
    )


def copy_project(source: Path, target: Path) -> Path:
    """Copy to the new directory `target` what Chalice deploys of a project, and return it.

    Neither what was deployed before nor what was built before is in the copy.
    """
    target.mkdir(parents=True)
    for name in ("app.py", "requirements.txt"):
        if (source / name).exists():
            shutil.copy2(source / name, target / name)
    for name in ("chalicelib", "vendor", ".chalice"):
        if (source / name).exists():
            shutil.copytree(source / name, target / name, ignore=_not_to_copy)
    return target


_not_to_copy = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "venv")

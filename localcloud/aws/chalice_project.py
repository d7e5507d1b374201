"""Copies of a Chalice project."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def copy_project(source: Path, target: Path) -> Path:
    """Copy to the new directory `target` what Chalice deploys of a project, and return it.

    Neither earlier deployments nor earlier builds are in the copy.
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

"""Fixtures shared by the tests of the operator's commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ops.stages import OWN_KEY
from tests.ops.projects import variables_in
from tests.world import ACCOUNT, REGION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world import World


@pytest.fixture
def project(world: World, tmp_path: Path) -> Path:
    """Make a project, without code, whose stage `test` is in the world."""
    own = {"account": ACCOUNT, "region": REGION}
    stages = {"test": {OWN_KEY: own, "environment_variables": variables_in(world)}}
    directory = tmp_path / "project"
    (directory / ".chalice").mkdir(parents=True)
    config = {"version": "2.0", "app_name": "elephant", "stages": stages}
    (directory / ".chalice/config.json").write_text(json.dumps(config))
    return directory


@pytest.fixture
def said() -> list[str]:
    """Keep what a command says."""
    return []

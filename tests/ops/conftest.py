"""Fixtures shared by the tests of the operator's commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ops.cli import main
from ops.stages import OWN_KEY
from tests.ops.projects import code, edit_stages, variables_in
from tests.world import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

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
def ops_with_meetings(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run commands on the project, whose stage `test` has meetings."""
    more = {"FEATURES": "meetings", "AMI_ID": "ami-12345678", "SECURITY_GROUP_IDS": "sg-12345678"}
    edit_stages(
        project / ".chalice/config.json",
        lambda stages: stages["test"]["environment_variables"].update(more),
    )
    monkeypatch.setattr("ops.deployment.Code", lambda _: code())

    def run(command: str, *words: str, typed: str = "") -> Result:
        arguments = [command, "test", *words, "--project", str(project)]
        return CliRunner().invoke(main, arguments, input=typed)

    return run


@pytest.fixture
def said() -> list[str]:
    """Keep what a command says."""
    return []

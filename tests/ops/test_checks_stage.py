"""What lies on this machine, each thing broken in a copy of the project."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ops import checks_stage
from ops.check import Context, Level, run
from ops.iam_page import PLAIN
from tests.ops.projects import code, project_with

if TYPE_CHECKING:
    from pathlib import Path

    from ops.check import Check
    from ops.stages import ConfigFile

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path) -> ConfigFile:
    return project_with(PLAIN, tmp_path / "project")


def _edit(config_file: ConfigFile, name: str, **variables: str) -> None:
    config = config_file.load()
    written = config["stages"]["prod"]
    config["stages"][name] = written | {"environment_variables": {**PLAIN.variables, **variables}}
    config_file.path.write_text(json.dumps(config, indent=2) + "\n")


def _checks(config_file: ConfigFile, name: str = "prod", **options: Any) -> dict[str, Check]:  # noqa: ANN401
    settled: dict[str, Any] = {"python": (3, 13), "now": lambda: NOW}
    context = Context(config_file, name, **settled | options)
    if (config_file.directory / "app.py").is_symlink():
        context.code = code()
    return {check.name: check for check in run(checks_stage.QUESTIONS, context)}


def _levels(checks: dict[str, Check]) -> dict[str, Level]:
    return {check.name: check.level for check in checks.values() if check.level is not Level.OK}


def test_a_stage_as_ops_stage_writes_it_is_right(project: ConfigFile) -> None:
    checks = _checks(project)
    assert _levels(checks) == {}
    assert checks["files"].found == "config.json and 2 policies are up to date"


def test_nothing_is_written(project: ConfigFile) -> None:
    project.path.with_name("policy-prod-dns_watchdog.json").unlink()
    before = {path: path.read_bytes() for path in project.path.parent.iterdir()}

    assert _levels(_checks(project)) == {"files": Level.FAILURE}

    assert {path: path.read_bytes() for path in project.path.parent.iterdir()} == before


def test_a_configuration_that_cannot_be_read_is_one_failure(project: ConfigFile) -> None:
    project.path.write_text("{")
    checks = _checks(project)
    assert "is not valid JSON" in checks["configuration"].found
    assert _levels(checks) == {
        "configuration": Level.FAILURE,
        **dict.fromkeys(("names", "owner", "files"), Level.SKIPPED),
    }


def test_a_wrong_setting_is_named(project: ConfigFile) -> None:
    _edit(project, "prod", ZONE_ID="example.com")
    check = _checks(project)["configuration"]
    assert check.level is Level.FAILURE
    assert check.found.startswith("ZONE_ID is 'example.com'; it must be")


def test_another_stage_with_the_same_owner_in_the_zone_is_a_failure(project: ConfigFile) -> None:
    _edit(project, "qa")
    checks = _checks(project)
    assert _levels(checks) == {"owner": Level.FAILURE, "files": Level.SKIPPED}
    assert "stage 'qa' has the owner elephant:prod/us-west-2" in checks["owner"].found
    assert "--owner" in checks["owner"].remedy


def test_a_name_too_long_for_aws_is_a_failure(project: ConfigFile) -> None:
    name = "p" * 60
    _edit(project, name, OWNER="elephant:long")
    checks = _checks(project, name)
    assert _levels(checks) == {"names": Level.FAILURE, "files": Level.SKIPPED}
    assert "AWS allows 64" in checks["names"].found


def test_code_that_may_call_more_than_its_policies_allow_is_a_failure(project: ConfigFile) -> None:
    app = project.directory / "app.py"
    changed = f"{app.read_text()}\n\nelse:"
    app.unlink()  # a link to the project's own
    app.write_text(changed)

    check = _checks(project)["names"]

    assert check.level is Level.FAILURE
    assert check.found.startswith("app.py has changed since ")
    assert "python -m ops.derive" in check.found


@pytest.mark.parametrize(
    ("version", "now", "level"),
    [
        ((3, 11), NOW, Level.WARNING),
        ((3, 12), NOW, Level.OK),
        ((3, 12), datetime(2028, 9, 1, tzinfo=UTC), Level.WARNING),
        ((3, 15), NOW, Level.OK),
    ],
)
def test_a_python_that_lambda_will_soon_forget_is_a_warning(
    project: ConfigFile, version: tuple[int, int], now: datetime, level: Level
) -> None:
    check = _checks(project, python=version, now=lambda: now)["Python"]
    assert check.level is level
    assert "python{}.{}".format(*version) in check.found

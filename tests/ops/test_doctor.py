"""The examination as a whole, and how its results are shown."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from ops.account import Account, AwsError, Identity
from ops.check import Check, Context, Level
from ops.doctor import QUESTIONS, as_json, examine, render, summary, worst
from ops.iam_page import PLAIN
from tests.ops.projects import code, project_with

if TYPE_CHECKING:
    from pathlib import Path

    from ops.stages import ConfigFile

CHECKS = (
    Check("zone", Level.OK, "example.com is active"),
    Check("alarm topic", Level.WARNING, "nobody is notified", "`elephant deploy prod`"),
    Check("token's rights", Level.SKIPPED, "not tried", "`elephant doctor prod --prove`"),
)
BROKEN = Check("table", Level.FAILURE, "table [bold] does not exist", "make one")


@pytest.fixture
def project(tmp_path: Path) -> ConfigFile:
    return project_with(PLAIN, tmp_path / "project")


def _context(project: ConfigFile, name: str, account: type[Account] = Account) -> Context:
    context = Context(project, name, account=account, python=(3, 13))
    context.code = code()
    return context


class _Stranger(Account):
    """Credentials of another account."""

    def identity(self) -> Identity:
        return Identity("210987654321", "arn:aws:iam::210987654321:user/me")

    def client(self, service: str) -> Any:  # noqa: ANN401
        raise AssertionError(f"{service} was asked with the wrong credentials")


class _Nobody(Account):
    """No credentials."""

    def identity(self) -> Identity:
        raise AwsError("could not check your AWS credentials: no credentials; run `aws configure`")


def _shown(checks: tuple[Check, ...], width: int = 100) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(render(checks))
    return stream.getvalue()


def test_the_table_shows_what_was_found_and_the_remedy_below_it() -> None:
    lines = _shown((*CHECKS, BROKEN)).splitlines()
    found = next(index for index, line in enumerate(lines) if "nobody is notified" in line)
    assert "alarm topic" in lines[found]
    assert "warning" in lines[found]
    assert "→ `elephant deploy prod`" in lines[found + 1]
    assert lines[-1].strip() == "1 ok, 1 warning, 1 failure, 1 skipped"
    assert summary(CHECKS[:1]) == "1 ok"


def test_a_narrow_terminal_loses_nothing_and_what_aws_said_is_no_markup() -> None:
    text = "".join(_shown((*CHECKS, BROKEN), width=50).split())
    assert "--prove" in text
    assert "[bold]" in text


def test_scripts_get_every_check() -> None:
    document = json.loads(as_json((*CHECKS, BROKEN)))
    assert document["checks"][-1] == {
        "name": "table",
        "level": "failure",
        "found": "table [bold] does not exist",
        "remedy": "make one",
    }


@pytest.mark.parametrize(
    ("checks", "status", "exit_status"),
    [((), "ok", 0), (CHECKS, "ok", 0), ((*CHECKS, BROKEN), "failure", 1)],
)
def test_a_failure_alone_makes_a_script_stop(
    checks: tuple[Check, ...], status: str, exit_status: int
) -> None:
    assert json.loads(as_json(checks))["status"] == status
    assert worst(checks) == exit_status


def test_every_check_is_named_once_and_needs_only_earlier_ones() -> None:
    names = [each.name for each in QUESTIONS]
    assert len(names) == len(set(names))
    for index, each in enumerate(QUESTIONS):
        assert set(each.needs) <= set(names[:index]), each.name


@pytest.mark.parametrize(
    ("account", "said", "remedy"),
    [
        (_Nobody, "no credentials", "run `aws configure`"),
        (_Stranger, "is in account 210987654321", "`export AWS_PROFILE=…`"),
    ],
)
def test_without_the_right_credentials_nothing_else_is_asked_of_aws(
    project: ConfigFile, account: type[Account], said: str, remedy: str
) -> None:
    checks = examine(_context(project, "prod", account))
    (failed,) = [check for check in checks if check.level is Level.FAILURE]
    assert failed.name == "credentials"
    assert said in failed.found
    assert failed.remedy.startswith(remedy)
    rest = checks[checks.index(failed) + 1 :]
    assert {check.found for check in rest} == {"depends on failed check 'credentials'"}


def test_without_the_stage_everything_else_is_skipped(project: ConfigFile) -> None:
    reported: list[Check] = []
    checks = examine(_context(project, "qa"), reported.append)
    assert checks == tuple(reported), "they are reported while the examination goes on"
    assert worst(checks) == 1
    (failed,) = (check for check in checks if check.level is Level.FAILURE)
    assert (failed.name, failed.remedy) == ("configuration", "`elephant stage qa`")
    assert "local, prod" in failed.found
    assert {check.level for check in checks[1:] if check.name != "Python"} == {Level.SKIPPED}

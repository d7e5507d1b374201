"""Checks: their order, what depends on what, what is refused, and how results are shown."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from chalicelib.dns.provider import RateLimitedError, RejectedError, UnavailableError
from chalicelib.secrets import SecretError
from ops.account import Account, AwsError, Identity
from ops.check import Check, Context, Level, failure, ok, question, run, skipped, warning
from ops.doctor import QUESTIONS, as_json, examine, render, summary, worst
from ops.iam_page import PLAIN
from ops.stages import ConfigError, ConfigFile
from tests.ops.played import refusal
from tests.ops.projects import code, project_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Finding, Question

DENIED = refusal("AccessDenied", "GetRole", "not you")


@pytest.fixture
def context() -> Context:
    return Context(ConfigFile(Path("nowhere")), "prod")


def _asks(name: str, *findings: Finding, needs: tuple[str, ...] = ()) -> Question:
    return question(name, needs=needs)(lambda _: findings)


def _raises(error: Exception, remedy: str = "") -> Question:
    def ask(_: Context) -> Iterator[Finding]:
        yield ok("so far", of="first")
        raise error

    return question("subject", remedy=remedy)(ask)


def test_a_result_bears_the_name_of_the_question_and_of_what_it_is_about(context: Context) -> None:
    single = question("alone")(lambda _: ok("well"))
    several = _asks("several", ok("well", of="one"), warning("old", "fix it", of="two"))
    assert run([single, several], context) == (
        Check("alone", Level.OK, "well"),
        Check("several one", Level.OK, "well"),
        Check("several two", Level.WARNING, "old", "fix it"),
    )


def test_results_are_reported_as_they_come_in_the_order_of_the_questions(context: Context) -> None:
    reported: list[Check] = []

    def ask(_: Context) -> Finding:
        assert [check.name for check in reported] == ["first"]
        return ok("well")

    checks = run([_asks("first", ok("well")), question("second")(ask)], context, reported.append)
    assert tuple(reported) == checks


def test_what_needs_a_failed_check_is_skipped_because_of_the_one_that_failed(
    context: Context,
) -> None:
    questions = [
        _asks("root", ok("well", of="one"), failure("broken", "fix it", of="two")),
        _asks("branch", failure("never asked", ""), needs=("root",)),
        _asks("leaf", failure("never asked", ""), needs=("branch",)),
        _asks("other", ok("well")),
        _asks("old", warning("old", "fix it"), skipped("not asked")),
        _asks("follower", ok("well"), needs=("old",)),
    ]
    found = run(questions, context)
    assert found[-1] == Check("follower", Level.OK, "well"), "only a failure keeps others back"
    assert found[2:5] == (
        Check("branch", Level.SKIPPED, "depends on failed check 'root'"),
        Check("leaf", Level.SKIPPED, "depends on failed check 'root'"),
        Check("other", Level.OK, "well"),
    )


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (DENIED, "GetRole answered AccessDenied: not you", "grant yourself the right to GetRole"),
        (AwsError("AWS is on fire"), "AWS is on fire", "try again"),
        (RejectedError("no such zone"), "no such zone", "`elephant token prod`"),
        (SecretError("empty"), "empty", "`elephant token prod`"),
        (ConfigError("no JSON"), "no JSON", "`elephant token prod`"),
        (FileNotFoundError("app.py"), "app.py", "`elephant token prod`"),
        (RateLimitedError("429", 30.0), "429", "try again in 30 seconds"),
        (UnavailableError("502"), "502", "try again; https://www.cloudflarestatus.com/"),
    ],
)
def test_what_is_refused_is_a_failure_with_its_message_and_the_remedy_apart(
    context: Context, error: Exception, found: str, remedy: str
) -> None:
    first, check = run([_raises(error, "`elephant token {stage}`")], context)
    assert first == Check("subject first", Level.OK, "so far")
    assert check.level is Level.FAILURE
    assert check.found.removeprefix("could not check subject: ") == found
    assert check.remedy.startswith(remedy)


def test_a_mistake_of_our_own_is_no_result(context: Context) -> None:
    with pytest.raises(ZeroDivisionError):
        run([_raises(ZeroDivisionError())], context)


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


def _shown(checks: tuple[Check, ...], width: int = 100, *, every: bool = False) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(render(checks, "prod", every=every))
    return stream.getvalue()


def test_what_needs_attention_is_shown_and_the_rest_counted() -> None:
    lines = _shown((*CHECKS, BROKEN)).splitlines()
    found = next(index for index, line in enumerate(lines) if "nobody is notified" in line)
    assert "alarm topic" in lines[found]
    assert "warning" in lines[found]
    assert "→ `elephant deploy prod`" in lines[found + 1]
    (broken,) = [index for index, line in enumerate(lines) if BROKEN.name in line]
    assert broken < found
    counts = "1 failure, 1 warning, 1 skipped, 1 ok"
    assert lines[-1] == f"{counts}; all of them: elephant doctor prod --all"
    assert [each.name for each in CHECKS if each.name in "".join(lines)] == ["alarm topic"]
    assert summary((BROKEN, BROKEN, *CHECKS[:1])) == "2 failures, 1 ok"
    assert _shown(CHECKS[:1]) == "1 ok; all of them: elephant doctor prod --all\n"
    all_of_them = _shown((*CHECKS, BROKEN), every=True)
    assert all(each.name in all_of_them for each in CHECKS)
    assert all_of_them.splitlines()[-1] == counts
    # what AWS said is no markup
    narrow = "".join(_shown((*CHECKS, BROKEN), width=50, every=True).split())
    assert "--prove" in narrow
    assert "[bold]" in narrow


@pytest.mark.parametrize(
    ("checks", "status", "exit_status"),
    [((), "ok", 0), (CHECKS, "ok", 0), ((*CHECKS, BROKEN), "failure", 1)],
)
def test_a_failure_alone_makes_a_script_stop(
    checks: tuple[Check, ...], status: str, exit_status: int
) -> None:
    shown = json.loads(as_json(checks, "prod"))
    assert shown["status"] == status
    assert [tuple(each.values()) for each in shown["checks"]] == [
        (each.name, each.level, each.found, each.remedy) for each in checks
    ]
    assert {key for each in shown["checks"] for key in each} <= {"name", "level", "found", "remedy"}
    assert worst(checks) == exit_status


def test_every_check_is_named_once_and_needs_only_earlier_ones() -> None:
    names = [each.name for each in QUESTIONS]
    assert len(names) == len(set(names))
    for index, each in enumerate(QUESTIONS):
        assert set(each.needs) <= set(names[:index]), each.name


def test_without_the_right_credentials_nothing_else_is_asked_of_aws(project: ConfigFile) -> None:
    checks = examine(_context(project, "prod", _Stranger))
    (failed,) = [check for check in checks if check.level is Level.FAILURE]
    assert failed.name == "credentials"
    assert "is in account 210987654321" in failed.found
    assert failed.remedy.startswith("use --profile or AWS_PROFILE")
    rest = checks[checks.index(failed) + 1 :]
    assert {check.found for check in rest} == {"depends on failed check 'credentials'"}


def test_without_the_stage_everything_else_is_skipped(project: ConfigFile) -> None:
    reported: list[Check] = []
    checks = examine(_context(project, "qa"), reported.append)
    assert checks == tuple(reported), "they are reported while the examination goes on"
    (failed,) = (check for check in checks if check.level is Level.FAILURE)
    assert (failed.name, failed.remedy) == ("configuration", "`elephant stage qa`")
    assert "local, prod" in failed.found
    assert {check.level for check in checks[1:] if check.name != "Python"} == {Level.SKIPPED}

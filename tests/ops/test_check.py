"""Running checks: their order, what depends on what, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from chalicelib.dns.provider import RateLimitedError, RejectedError, UnavailableError
from chalicelib.secrets import SecretError
from ops.account import AwsError
from ops.check import (
    Check,
    Context,
    Level,
    failure,
    ok,
    question,
    run,
    skipped,
    warning,
)
from ops.stages import ConfigError, ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Finding, Question


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


def _refused(context: Context, error: Exception, remedy: str = "") -> Check:
    first, second = run([_raises(error, remedy)], context)
    assert first == Check("subject first", Level.OK, "so far")
    assert second.level is Level.FAILURE
    return second


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
    checks = run(
        [
            _asks("root", ok("well", of="one"), failure("broken", "fix it", of="two")),
            _asks("branch", failure("never asked", ""), needs=("root",)),
            _asks("leaf", failure("never asked", ""), needs=("branch",)),
            _asks("other", ok("well")),
        ],
        context,
    )
    assert [(check.name, check.level) for check in checks[2:]] == [
        ("branch", Level.SKIPPED),
        ("leaf", Level.SKIPPED),
        ("other", Level.OK),
    ]
    assert all(check.found == "depends on failed check 'root'" for check in checks[2:4])


@pytest.mark.parametrize("finding", [warning("old", "fix it"), skipped("not asked")])
def test_a_warning_or_an_unknown_keeps_nothing_from_being_looked_at(
    context: Context, finding: Finding
) -> None:
    checks = run([_asks("root", finding), _asks("leaf", ok("well"), needs=("root",))], context)
    assert checks[1] == Check("leaf", Level.OK, "well")


def test_what_aws_refuses_is_a_failure_with_the_remedy_apart(context: Context) -> None:
    response: Any = {"Error": {"Code": "AccessDenied", "Message": "not you"}}
    check = _refused(context, ClientError(response, "GetRole"), "never said")
    assert check.found == "could not check subject: GetRole answered AccessDenied: not you"
    assert check.remedy == "grant yourself the right to GetRole"


def test_missing_credentials_are_a_failure_with_the_commands_to_get_some(context: Context) -> None:
    check = _refused(context, NoCredentialsError())
    assert "no AWS credentials were found" in check.found
    assert "`aws configure`" in check.remedy


def test_an_error_of_aws_without_remedy_is_shown_whole(context: Context) -> None:
    check = _refused(context, AwsError("AWS is on fire"))
    assert check.found == "AWS is on fire"
    assert check.remedy.startswith("try again")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (RejectedError("no such zone"), "`elephant token prod`"),
        (SecretError("empty"), "`elephant token prod`"),
        (ConfigError("no JSON"), "`elephant token prod`"),
        (FileNotFoundError("app.py"), "`elephant token prod`"),
        (RateLimitedError("429", 30.0), "try again in 30 seconds"),
        (UnavailableError("502"), "try again; https://www.cloudflarestatus.com/"),
    ],
)
def test_what_cloudflare_or_a_file_refuses_is_a_failure_with_its_message(
    context: Context, error: Exception, remedy: str
) -> None:
    check = _refused(context, error, "`elephant token {stage}`")
    assert check.found == str(error)
    assert check.remedy.startswith(remedy)


def test_a_mistake_of_our_own_is_no_result(context: Context) -> None:
    with pytest.raises(ZeroDivisionError):
        run([_raises(ZeroDivisionError())], context)


def test_our_commands_are_formatted_for_the_stage(context: Context) -> None:
    assert context.command("deploy") == "`elephant deploy prod`"
    assert context.command("doctor", "--prove") == "`elephant doctor prod --prove`"


def test_time_is_in_utc(context: Context) -> None:
    assert datetime.now(UTC) <= context.now() <= datetime.now(UTC)

"""Running checks: their order, what depends on what, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from chalicelib.dns.provider import RateLimitedError, RejectedError, UnavailableError
from chalicelib.secrets import SecretError
from ops.account import AwsError
from ops.check import Check, Context, Level, failure, ok, question, run, skipped, warning
from ops.stages import ConfigError, ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Finding, Question


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "GetRole")


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
    questions = [
        _asks("root", ok("well", of="one"), failure("broken", "fix it", of="two")),
        _asks("branch", failure("never asked", ""), needs=("root",)),
        _asks("leaf", failure("never asked", ""), needs=("branch",)),
        _asks("other", ok("well")),
    ]
    assert run(questions, context)[2:] == (
        Check("branch", Level.SKIPPED, "depends on failed check 'root'"),
        Check("leaf", Level.SKIPPED, "depends on failed check 'root'"),
        Check("other", Level.OK, "well"),
    )


@pytest.mark.parametrize("finding", [warning("old", "fix it"), skipped("not asked")])
def test_a_warning_or_an_unknown_keeps_nothing_from_being_looked_at(
    context: Context, finding: Finding
) -> None:
    checks = run([_asks("root", finding), _asks("leaf", ok("well"), needs=("root",))], context)
    assert checks[1] == Check("leaf", Level.OK, "well")


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
    check = _refused(context, error, "`elephant token {stage}`")
    assert check.found.removeprefix("could not check subject: ") == found
    assert check.remedy.startswith(remedy)


def test_a_mistake_of_our_own_is_no_result(context: Context) -> None:
    with pytest.raises(ZeroDivisionError):
        run([_raises(ZeroDivisionError())], context)

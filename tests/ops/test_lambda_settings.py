"""Settings of single functions: their defaults, and what Chalice cannot set."""

from __future__ import annotations

from typing import Any

import pytest

from ops.account import AwsError
from ops.functions import OF_FEATURES, absent_functions, defaults
from ops.iam_page import EXAMPLE, PLAIN
from ops.lambda_settings import PATIENCE, Failures, failures_of, settle_function
from tests.ops.played import Played, refusal
from tests.ops.projects import code, silent

PROJECT = {"lambda_timeout": 60, "lambda_memory_size": 256}
"""What the project's own config.json says of all functions."""


def test_a_function_of_which_nothing_is_said_gets_its_defaults() -> None:
    assert defaults(PROJECT, "prod", "dns_watchdog") == {"reserved_concurrency": 20}
    assert defaults(PROJECT, "prod", "sweep") == {"lambda_timeout": 120, "reserved_concurrency": 1}
    assert defaults(PROJECT, "prod", "api_handler") == {"lambda_timeout": 26}
    assert defaults(PROJECT, "prod", "terminator") == {}


@pytest.mark.parametrize("of_stage", [True, False])
@pytest.mark.parametrize("of_function", [True, False])
def test_what_is_said_of_it_anywhere_stays(*, of_stage: bool, of_function: bool) -> None:
    for function, said in (
        ("dns_watchdog", {"reserved_concurrency": 5}),
        ("sweep", {"lambda_timeout": 300, "reserved_concurrency": 2}),
    ):
        written: dict[str, Any] = {"lambda_functions": {function: said}} if of_function else said
        if of_stage:
            written = {"stages": {"prod": written}}
        # The project's own time-out is for events.
        expected = {"lambda_timeout": 120} if "lambda_timeout" in written else {}

        assert defaults(PROJECT | written, "prod", function) == expected


def test_what_comes_and_goes_with_features_is_what_the_code_has_under_them() -> None:
    """A stage that lost a feature loses these, and no other."""
    both = {*code().functions_of(PLAIN.settings)}

    assert {*OF_FEATURES} == {*code().functions_of(EXAMPLE.settings)} - both
    assert absent_functions(["dns_watchdog", "sweep"]) == OF_FEATURES
    assert absent_functions(code().functions) == ()


PUT = "put_function_event_invoke_config"
QUEUE = "arn:aws:sqs:us-west-2:123456789012:elephant-qa-failed-events"


ROLE = "The role does not have permissions to call SendMessage"


def aws(operation: str = "", code: str = "", times: int = 0, **group: int) -> Played:
    """Play Lambda and CloudWatch Logs, which refuse the first calls of one operation."""
    refusals = iter([refusal(code, operation, ROLE if "Invalid" in code else "")] * times)

    def refuse(**_: object) -> None:
        for error in refusals:
            raise error

    def groups(logGroupNamePrefix: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        return {"logGroups": [{"logGroupName": logGroupNamePrefix} | group]}

    return Played(describe_log_groups=groups, **{operation: refuse})


def settle(account: Played, name: str = "dns_watchdog") -> list[float]:
    pauses: list[float] = []
    function, failures = f"elephant-qa-{name}", failures_of(name, QUEUE)
    settle_function(account, function, failures, silent, pause=pauses.append)
    return pauses


def test_failed_events_go_to_the_queue_and_logs_are_json_and_kept_for_a_month() -> None:
    account = aws()

    assert settle(account) == []

    function = {"FunctionName": "elephant-qa-dns_watchdog"}
    group = {"logGroupName": "/aws/lambda/elephant-qa-dns_watchdog"}
    limits = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    rest = [("function_updated_v2", {}), ("wait", function)]  # before and after it is changed
    assert account.calls == [
        *rest,
        (PUT, function | limits | {"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}}),
        ("update_function_configuration", function | {"LoggingConfig": {"LogFormat": "JSON"}}),
        *rest,
        ("create_log_group", group),
        ("describe_log_groups", {"logGroupNamePrefix": group["logGroupName"]}),
        ("put_retention_policy", group | {"retentionInDays": 30}),
    ]


def test_a_sweep_that_fails_is_left_to_the_next_one() -> None:
    """Tried again it would run beside the next; and nobody has to look at it in the queue."""
    assert failures_of("sweep", QUEUE) == Failures(retries=0, oldest=60, queue=None)


def test_a_role_that_lambda_does_not_know_yet_is_waited_for() -> None:
    code = "InvalidParameterValueException"

    assert settle(aws(PUT, code, times=2)) == [5.0, 5.0]

    with pytest.raises(AwsError, match=code):
        settle(aws(PUT, code, times=PATIENCE))


@pytest.mark.parametrize(
    ("operation", "code"),
    [(PUT, "AccessDeniedException"), ("create_log_group", "LimitExceededException")],
)
def test_any_other_refusal_is_believed_at_once(operation: str, code: str) -> None:
    with pytest.raises(AwsError, match=code):
        settle(aws(operation, code, times=1))


def test_a_log_group_that_is_there_is_kept_with_its_retention() -> None:
    there = "ResourceAlreadyExistsException"
    account = aws("create_log_group", there, times=1, retentionInDays=90)

    settle(account)

    assert "put_retention_policy" not in dict(account.calls)

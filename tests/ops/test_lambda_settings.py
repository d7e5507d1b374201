"""What Chalice cannot set: set again with every deployment, and AWS waited for where need be."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.account import AwsError
from ops.lambda_settings import PATIENCE, failures_of, settle_function

PUT = "put_function_event_invoke_config"
QUEUE = "arn:aws:sqs:us-west-2:123456789012:elephant-qa-failed-events"


def refusal(code: str) -> ClientError:
    message = "The role does not have permissions to call SendMessage"
    said = {"Code": code, "Message": message if "Invalid" in code else ""}
    return ClientError({"Error": said}, "PutFunctionEventInvokeConfig")


class Aws:
    """Lambda and CloudWatch Logs, refusing the first calls of one operation."""

    def __init__(self, operation: str = "", code: str = "", times: int = 0) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._refusals = [operation] * times
        self._code = code
        self.group: dict[str, Any] = {}

    def __getattr__(self, operation: str) -> Any:  # noqa: ANN401 (stands in for any operation)
        def call(**arguments: object) -> dict[str, Any]:
            self.calls.append((operation, arguments))
            if operation in self._refusals:
                self._refusals.remove(operation)
                raise refusal(self._code)
            name = arguments.get("logGroupNamePrefix")
            return {"logGroups": [{"logGroupName": name} | self.group]}

        return call

    def client(self, _service: str) -> Aws:
        return self

    def get_waiter(self, name: str) -> Aws:
        self.calls.append((name, {}))
        return self


def settle(aws: Aws, name: str = "dns_watchdog") -> list[float]:
    pauses: list[float] = []
    account: Any = aws
    failures = failures_of(name, QUEUE)
    function = f"elephant-qa-{name}"
    settle_function(account, function, failures, lambda _: None, pause=pauses.append)
    return pauses


def test_failed_events_go_to_the_queue_and_logs_are_json_and_kept_for_a_month() -> None:
    aws = Aws()

    assert settle(aws) == []

    function = {"FunctionName": "elephant-qa-dns_watchdog"}
    group = {"logGroupName": "/aws/lambda/elephant-qa-dns_watchdog"}
    limits = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    rest = [("function_updated_v2", {}), ("wait", function)]  # before and after it is changed
    assert aws.calls == [
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
    aws = Aws()

    settle(aws, "sweep")

    (request,) = [given for name, given in aws.calls if name == PUT]
    limits = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert request == {"FunctionName": "elephant-qa-sweep"} | limits


def test_a_role_that_lambda_does_not_know_yet_is_waited_for() -> None:
    code = "InvalidParameterValueException"
    aws = Aws(PUT, code, times=2)

    assert settle(aws) == [5.0, 5.0]

    with pytest.raises(AwsError, match=code):
        settle(Aws(PUT, code, times=PATIENCE))


@pytest.mark.parametrize(
    ("operation", "code"),
    [(PUT, "AccessDeniedException"), ("create_log_group", "LimitExceededException")],
)
def test_any_other_refusal_is_believed_at_once(operation: str, code: str) -> None:
    with pytest.raises(AwsError, match=code):
        settle(Aws(operation, code, times=1))


def test_a_log_group_that_is_there_is_kept_with_its_retention() -> None:
    aws = Aws("create_log_group", "ResourceAlreadyExistsException", times=1)
    aws.group = {"retentionInDays": 90}

    settle(aws)

    assert "put_retention_policy" not in [name for name, _ in aws.calls]

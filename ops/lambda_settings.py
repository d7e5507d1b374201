"""Function settings that Chalice can neither set nor overwrite: retries, failures, logs.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.account import error_code, readable_errors
from ops.reach import ROUTES_FUNCTION, SWEEP
from ops.stream import READERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.account import Account

LOG_DAYS: Final = 30
SAFETY_NET: Final = "safety_net"

PATIENCE: Final = 8
PAUSE: Final = 5.0
"""Seconds between attempts."""


@dataclass(frozen=True)
class Failures:
    """What Lambda does when a run fails: number of retries, maximum age, and destination."""

    retries: int
    oldest: int
    queue: str | None

    @property
    def request(self) -> dict[str, Any]:
        """Format it for Lambda, which removes settings that are left out."""
        destination = {"DestinationConfig": {"OnFailure": {"Destination": self.queue}}}
        return {
            "MaximumRetryAttempts": self.retries,
            "MaximumEventAgeInSeconds": self.oldest,
            **(destination if self.queue else {}),
        }

    @property
    def is_kept(self) -> bool:
        """Whether what failed goes to a queue."""
        return self.queue is not None

    def __str__(self) -> str:
        if not self.queue:
            return "a run that fails is left to the next one"
        return f"events that fail {self.retries + 1} times go to the queue"


def failures_of(function: str, queue_arn: str) -> Failures | None:
    """Choose how Lambda handles a function's failed runs.

    None if Lambda does not handle them: a caller waits for the answer, or a stream is read.
    """
    if function in {ROUTES_FUNCTION, *READERS}:
        return None
    if function == SWEEP:  # the next one finds what this one left
        return Failures(retries=0, oldest=60, queue=None)
    if function == SAFETY_NET:  # late is better than never: desktops may be running
        return Failures(retries=2, oldest=21_600, queue=queue_arn)
    return Failures(retries=2, oldest=3600, queue=queue_arn)


def settle_function(
    account: Account,
    function: str,
    failures: Failures | None,
    say: Callable[[str], None],
    *,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Set the handling of failed runs, JSON logs, and a log retention of a month. Safe to repeat.

    Lambda may not know a new role's permissions yet, so a refusal is accepted only
    after a while. Raises AwsError.
    """
    lambda_client, logs_client = account.client("lambda"), account.client("logs")
    if failures:
        _settle_failures(lambda_client, function, failures, say, pause)
    with readable_errors(f"set JSON logs for {function}"):
        lambda_client.update_function_configuration(
            FunctionName=function, LoggingConfig={"LogFormat": "JSON"}
        )
        lambda_client.get_waiter("function_updated_v2").wait(FunctionName=function)
    say(f"{function}: logs JSON")
    group = make_log_group(account, function)
    with readable_errors(f"keep the logs of {function} for {LOG_DAYS} days"):
        groups = logs_client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        days = next(
            (each.get("retentionInDays") for each in groups if each["logGroupName"] == group), None
        )
        if days is None:  # Chalice has set another number if config.json says so
            logs_client.put_retention_policy(logGroupName=group, retentionInDays=LOG_DAYS)
    say(f"{function}: logs are kept for {days or LOG_DAYS} days")


def log_group(function: str) -> str:
    """Name the log group of a Lambda function."""
    return f"/aws/lambda/{function}"


def make_log_group(account: Account, function: str) -> str:
    """Create a function's log group unless it exists; return its name. Raises AwsError."""
    group = log_group(function)
    with readable_errors(f"create the log group {group}"):
        try:
            account.client("logs").create_log_group(logGroupName=group)
        except ClientError as error:
            if error_code(error) != "ResourceAlreadyExistsException":
                raise
    return group


def _settle_failures(
    client: Any,  # noqa: ANN401 (botocore makes the class)
    function: str,
    failures: Failures,
    say: Callable[[str], None],
    pause: Callable[[float], object],
) -> None:
    with readable_errors(f"set the handling of failed runs of {function}"):
        client.get_waiter("function_updated_v2").wait(FunctionName=function)
        for attempt in range(1, PATIENCE + 1):
            try:
                client.put_function_event_invoke_config(FunctionName=function, **failures.request)
                break
            except ClientError as error:
                is_of_rights = "permission" in str(error)
                if not is_of_rights or attempt == PATIENCE:
                    raise
            say(f"{function}: waiting until AWS knows its role's permissions")
            pause(PAUSE)
    say(f"{function}: {failures}")

"""What Chalice cannot set on a function, and does not wipe: retries, failures, logs.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from ops.account import error_code, readable_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.account import Account

RETRIES: Final = 2
OLDEST_EVENT: Final = 3600
"""Seconds after which an event that could not be handled goes to the queue of failed events."""

LOG_DAYS: Final = 30

PATIENCE: Final = 8
PAUSE: Final = 5.0
"""Seconds between two of so many attempts."""


def settle_function(
    account: Account,
    function: str,
    queue_arn: str,
    say: Callable[[str], None],
    *,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Send failed events to the queue, log JSON, and keep logs for a month. Safe to repeat.

    A role that was made just now may not be known to Lambda yet, so its refusal is believed only
    after a while. Raises AwsError.
    """
    lambda_client, logs_client = account.client("lambda"), account.client("logs")
    with readable_errors(f"set where failed events of {function} go"):
        lambda_client.get_waiter("function_updated_v2").wait(FunctionName=function)
        for attempt in range(1, PATIENCE + 1):
            try:
                lambda_client.put_function_event_invoke_config(
                    FunctionName=function,
                    MaximumRetryAttempts=RETRIES,
                    MaximumEventAgeInSeconds=OLDEST_EVENT,
                    DestinationConfig={"OnFailure": {"Destination": queue_arn}},
                )
                break
            except ClientError as error:
                is_of_rights = "permission" in str(error)
                if not is_of_rights or attempt == PATIENCE:
                    raise
            say(f"{function}: waiting for AWS to know its role's rights")
            pause(PAUSE)
    say(f"{function}: events that fail {RETRIES + 1} times go to the queue")
    with readable_errors(f"let {function} log JSON"):
        lambda_client.update_function_configuration(
            FunctionName=function, LoggingConfig={"LogFormat": "JSON"}
        )
        lambda_client.get_waiter("function_updated_v2").wait(FunctionName=function)
    say(f"{function}: logs JSON")
    group = f"/aws/lambda/{function}"
    with readable_errors(f"keep the logs of {function} for {LOG_DAYS} days"):
        try:
            logs_client.create_log_group(logGroupName=group)
        except ClientError as error:
            if error_code(error) != "ResourceAlreadyExistsException":
                raise
        groups = logs_client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        days = next(
            (each.get("retentionInDays") for each in groups if each["logGroupName"] == group), None
        )
        if days is None:  # Chalice has set another number if config.json says so
            logs_client.put_retention_policy(logGroupName=group, retentionInDays=LOG_DAYS)
    say(f"{function}: logs are kept for {days or LOG_DAYS} days")

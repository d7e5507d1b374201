"""The parts of moto's state that running functions need.

The only module that reads or writes moto's Lambda, Logs and SQS backends. They live in this
process, so nothing here goes over the network.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.logs.models import logs_backends
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends

from .account import ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Lambda's own defaults,
# https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
_RETRIES = 2
_MAX_AGE = 21_600

# A region's quotas, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LIMITS = {
    "TotalCodeSize": 80_530_636_800,
    "CodeSizeUnzipped": 262_144_000,
    "CodeSizeZipped": 52_428_800,
    "ConcurrentExecutions": 1000,
}

_writing_logs = threading.RLock()  # a subscribed function's log is written within another's


class UnknownFunctionError(LookupError):
    """No function of that name is deployed."""


@dataclass(frozen=True)
class DeployedFunction:
    """A deployed function's configuration and code.

    Two are equal when one execution environment could serve both: Lambda starts new environments
    after a change of code or configuration, and only then.
    """

    name: str
    arn: str
    handler: str
    runtime: str
    timeout: float
    memory: int
    variables: tuple[tuple[str, str], ...]
    code_sha256: str
    code: bytes = field(repr=False, compare=False)
    reserved_concurrency: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class AsyncPolicy:
    """How a function's asynchronous invocations are retried, and where given-up ones go."""

    retries: int = _RETRIES
    max_age: float = _MAX_AGE
    on_failure: str | None = None


def _stored(name: str, region: str) -> LambdaFunction:
    try:
        return lambda_backends[ACCOUNT_ID][region].get_function(name)
    except UnknownFunctionException as error:
        raise UnknownFunctionError(f"no function {name!r} is deployed in {region}") from error


def find_function(name: str, region: str) -> DeployedFunction:
    """Return the deployed function of this name or ARN as it is now."""
    stored = _stored(name, region)
    reserved = stored.reserved_concurrency
    return DeployedFunction(
        name=stored.function_name,
        arn=stored.function_arn,
        handler=str(stored.handler),
        runtime=str(stored.run_time),
        timeout=float(stored.timeout),
        memory=int(stored.memory_size),
        variables=tuple(sorted((str(k), str(v)) for k, v in stored.environment_vars.items())),
        code_sha256=stored.code_sha_256,
        code=stored.code_bytes,
        reserved_concurrency=None if reserved is None else int(reserved),
    )


def account_settings(region: str) -> dict[str, dict[str, int]]:
    """Return what the region's account may use of Lambda, and uses."""
    functions = list(lambda_backends[ACCOUNT_ID][region].list_functions())
    reserved = sum(int(each.reserved_concurrency or 0) for each in functions)
    unreserved = _LIMITS["ConcurrentExecutions"] - reserved
    return {
        "AccountLimit": _LIMITS | {"UnreservedConcurrentExecutions": unreserved},
        "AccountUsage": {
            "TotalCodeSize": sum(each.code_size for each in functions),
            "FunctionCount": len(functions),
        },
    }


def async_policy(name: str, region: str) -> AsyncPolicy:
    """Return the function's latest event invoke configuration, or the defaults."""
    configs = _stored(name, region).event_invoke_config
    if not configs:
        return AsyncPolicy()
    config: dict[str, Any] = configs[-1].config
    on_failure = (config.get("DestinationConfig") or {}).get("OnFailure") or {}
    return AsyncPolicy(
        retries=int(config.get("MaximumRetryAttempts", _RETRIES)),
        max_age=float(config.get("MaximumEventAgeInSeconds", _MAX_AGE)),
        on_failure=on_failure.get("Destination") or None,
    )


def may_invoke(name: str, region: str, principal: str, source_arn: str) -> bool:
    """Return whether the function's own policy lets `principal` invoke it for `source_arn`.

    EventBridge needs such a statement before it can invoke a function, see
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html.
    """
    for statement in list(_stored(name, region).policy.statements):
        allowed = statement.get("Principal")
        service = allowed.get("Service") if isinstance(allowed, dict) else allowed
        condition = statement.get("Condition") or {}
        wanted = (condition.get("ArnLike") or {}).get("AWS:SourceArn")
        if service == principal and (wanted is None or fnmatchcase(source_arn, wanted)):
            return True
    return False


def write_log(name: str, stream: str, lines: Iterable[str], region: str) -> None:
    """Add lines to the function's log group, where `aws logs tail` and `chalice logs` look."""
    group = f"/aws/lambda/{name}"
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines]
    if not events:
        return
    backend = logs_backends[ACCOUNT_ID][region]
    with _writing_logs:
        backend.ensure_log_group(group)
        backend.ensure_log_stream(group, stream)
        backend.put_log_events(group, stream, events)


def send_to_queue(queue_arn: str, record: object) -> bool:
    """Send a record to the SQS queue of this ARN; False if there is no such queue."""
    return send_text_to_queue(queue_arn, json.dumps(record), {})


def send_text_to_queue(queue_arn: str, text: str, attributes: Mapping[str, str]) -> bool:
    """Send a text with attributes, which are strings; False if there is no such queue."""
    if queue_arn.split(":")[2:3] != ["sqs"]:
        return False
    _, _, _, region, account, queue = queue_arn.split(":", 5)
    typed = {
        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
    }
    try:
        sqs_backends[account][region].send_message(queue, text, message_attributes=typed or None)
    except QueueDoesNotExist:
        return False
    return True

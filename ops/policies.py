"""Each function's policy: exactly the calls of its code, on exactly this stage's resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ops.grants import grants_of, stream_grants
from ops.reach import ROUTES_FUNCTION, SWEEP, Code
from ops.stages import policy_file
from ops.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ops.stages import Stage


def policies(code: Code, stage: Stage) -> dict[str, dict[str, Any]]:
    """Build the policy of every function that the stage deploys, by its file's name."""
    return {
        policy_file(stage.name, function): policy(code, stage, function)
        for function in functions_of(code, stage)
    }


def functions_of(code: Code, stage: Stage) -> tuple[str, ...]:
    """Name the functions that the stage deploys, which depends on its features."""
    return code.functions_of(stage.settings)


def policy(code: Code, stage: Stage, function: str) -> dict[str, Any]:
    """Build one function's policy.

    Chalice adds nothing to a policy from a file, so the rights to log are in it; and those that
    Lambda uses in the function's name, to read a stream and to send to the queue of failed events.
    """
    found: list[Statement] = []
    for call in code.calls(function, stage.settings):
        found += grants_of(call, stage, function)
    if code.reads_stream(function):
        found += stream_grants(stage)
    log_group = f"/aws/lambda/{stage.function_name(function)}"
    found.append(
        Statement(
            "Logs",
            ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
            (f"{stage.arn('logs')}:log-group:{log_group}:*",),
        )
    )
    if function not in {ROUTES_FUNCTION, SWEEP}:  # nobody waits for what these fail at
        queue = f"{stage.arn('sqs')}:{stage.failure_queue}"
        found.append(Statement("FailedEvents", ("sqs:SendMessage",), (queue,)))
    return {"Version": "2012-10-17", "Statement": [each.document for each in _merged(found)]}


def files(code: Code, stage: Stage, directory: Path) -> dict[Path, dict[str, Any]]:
    """Place the policies where Chalice looks for them."""
    return {
        directory / ".chalice" / name: document for name, document in policies(code, stage).items()
    }


def _merged(statements: Iterable[Statement]) -> list[Statement]:
    """Merge statements that differ only in their actions, in the order of their kinds."""
    merged: dict[str, Statement] = {}
    for each in statements:
        known = merged.get(each.sid)
        merged[each.sid] = each if known is None else known.with_actions(each.actions)
    return sorted(merged.values(), key=lambda each: each.rank)

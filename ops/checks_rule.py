"""Checks of EventBridge's rules and of their permission to start the functions."""

from __future__ import annotations

import ast
import json
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from chalicelib.ec2.event import event_pattern
from chalicelib.notifications.events import deployment_pattern, termination_pattern
from ops.account import error_code
from ops.check import NOT_FOUND, failure, ok, question, skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from chalicelib.settings.notifications import NotificationsSettings
    from chalicelib.settings.stage import Settings
    from ops.check import Context, Finding

PATTERNS: Final[Mapping[str, Callable[[Settings], dict[str, Any]]]] = {
    "dns_watchdog": event_pattern,
    "notify_deployment": lambda settings: deployment_pattern(_notifications(settings)),
    "notify_instance_termination": lambda settings: termination_pattern(_notifications(settings)),
}
"""The event pattern that each function's rule should have."""

SCHEDULES: Final[Mapping[str, Callable[[Settings], str]]] = {
    "sweep": attrgetter("sweep_schedule"),
}
"""When each function's rule should start it."""

_EVENTS: Final = "events.amazonaws.com"
_WITH_RULE: Final = frozenset({"on_cw_event", "schedule"})


def _notifications(settings: Settings) -> NotificationsSettings:
    """Return the feature's settings, which exist: other stages do not have its functions."""
    return cast("NotificationsSettings", settings.notifications)


def functions_with_rule(directory: Path) -> tuple[str, ...]:
    """Read from app.py which functions a rule starts."""
    tree = ast.parse((directory / "app.py").read_text(), "app.py")
    return tuple(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in _WITH_RULE
    )


@question("rule", needs=("credentials",))
def rule(context: Context) -> Iterator[Finding]:
    """Whether every rule is enabled, matches exactly its events, and starts its function."""
    for function in functions_with_rule(context.config_file.directory):
        if function in context.functions:
            yield _rule(context, function)


def _rule(context: Context, function: str) -> Finding:
    name = context.stage.rule_name(function)
    client = context.client("events")
    try:
        described = client.describe_rule(Name=name)
        targets = client.list_targets_by_rule(Rule=name)["Targets"]
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        problem = f"rule {name} does not exist"
        return failure(problem, context.command("deploy"), of=function)
    problem = _problem(context, function, described, targets)
    if problem:
        return failure(f"{name} {problem}", context.command("deploy"), of=function)
    expression = described.get("ScheduleExpression", "for its events")
    return ok(f"{name} is enabled, {expression}", of=function)


def _problem(
    context: Context,
    function: str,
    described: Mapping[str, Any],
    targets: list[Mapping[str, Any]],
) -> str:
    """Yield what is wrong with a rule."""
    if described.get("State") != "ENABLED":
        return f"is {described.get('State')}"
    if function in PATTERNS:
        wanted = PATTERNS[function](context.stage.settings)
        if json.loads(described.get("EventPattern") or "null") != wanted:
            return f"matches {described.get('EventPattern')}, not {json.dumps(wanted)}"
    elif function in SCHEDULES:
        schedule = SCHEDULES[function](context.stage.settings)
        if described.get("ScheduleExpression") != schedule:
            return f"starts it at {described.get('ScheduleExpression')}, not at {schedule}"
    if _function_arn(context, function) not in [target["Arn"] for target in targets]:
        return f"does not start {context.stage.function_name(function)}"
    return ""


@question("permission", needs=("credentials",))
def permission(context: Context) -> Iterator[Finding]:
    """Whether each function lets its rule start it."""
    for name in functions_with_rule(context.config_file.directory):
        if name not in context.functions:
            continue
        if context.deployed(name) is None:
            yield skipped(f"depends on failed check 'function {name}'", of=name)
        elif any(_lets_in(each, _rule_arn(context, name)) for each in _statements(context, name)):
            yield ok("its EventBridge rule may start it", of=name)
        else:
            yield failure(
                f"EventBridge may not start {context.stage.function_name(name)}",
                context.command("deploy"),
                of=name,
            )


def _statements(context: Context, function: str) -> list[Mapping[str, Any]]:
    """Return the statements of a function's own policy."""
    name = context.stage.function_name(function)
    try:
        answer = context.client("lambda").get_policy(FunctionName=name)
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        return []
    statements: list[Mapping[str, Any]] = json.loads(answer["Policy"])["Statement"]
    return statements


def _lets_in(statement: Mapping[str, Any], rule_arn: str) -> bool:
    principal = statement.get("Principal")
    conditions = [
        (operator, key.lower(), value)
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    ]
    return (
        statement.get("Effect") == "Allow"
        and statement.get("Action") == "lambda:InvokeFunction"
        and isinstance(principal, dict)
        and principal.get("Service") == _EVENTS
        # A condition on the account as well keeps EventBridge out:
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        and all(
            operator.startswith("Arn") and key == "aws:sourcearn" and fnmatchcase(rule_arn, value)
            for operator, key, value in conditions
        )
    )


def _rule_arn(context: Context, function: str) -> str:
    stage = context.stage
    return f"{_arn(context, 'events')}:rule/{stage.rule_name(function)}"


def _function_arn(context: Context, function: str) -> str:
    return f"{_arn(context, 'lambda')}:function:{context.stage.function_name(function)}"


def _arn(context: Context, service: str) -> str:
    stage = context.stage
    return f"arn:{stage.partition}:{service}:{stage.region}:{stage.account}"


QUESTIONS: Final = (rule, permission)

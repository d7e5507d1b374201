"""Rules on a schedule, and which permissions let EventBridge in."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ops.check import Context
from ops.checks_rule import _lets_in, _problem, functions_with_rule
from ops.iam_page import PLAIN

if TYPE_CHECKING:
    from pathlib import Path

    from ops.stages import ConfigFile

APP = """
@app.on_cw_event(event_pattern(settings))
def dns_watchdog(event): ...

@app.schedule(settings.sweep_schedule)
def sweep(event): ...

@app.lambda_function()
def launch_ec2(event, context): ...

@cache
def helper(): ...
"""
RULE = "arn:aws:events:us-west-2:123456789012:rule/elephant-prod-sweep-event"
TARGETS = [{"Arn": "arn:aws:lambda:us-west-2:111122223333:function:elephant-prod-sweep"}]
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Condition": {"ArnLike": {"AWS:SourceArn": RULE}},
}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    stage = replace(PLAIN, variables={**PLAIN.variables, "SWEEP_SCHEDULE": "rate(5 minutes)"})
    config_file = cast("ConfigFile", SimpleNamespace(stage=lambda _: stage, directory=tmp_path))
    return Context(config_file, "prod")


def test_functions_with_a_rule_are_read_from_the_code(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    assert functions_with_rule(tmp_path) == ("dns_watchdog", "sweep")


@pytest.mark.parametrize(
    ("described", "problem"),
    [
        ({"ScheduleExpression": "rate(5 minutes)"}, ""),
        ({"ScheduleExpression": "rate(1 minute)"}, "starts it at rate(1 minute), not at rate(5"),
        ({"EventPattern": "{}"}, "starts it at None, not at rate(5 minutes)"),
        ({"ScheduleExpression": "rate(5 minutes)", "State": "DISABLED"}, "is DISABLED"),
    ],
)
def test_the_sweeps_schedule_is_that_of_the_settings(
    context: Context, described: dict[str, str], problem: str
) -> None:
    found = _problem(context, "sweep", {"State": "ENABLED"} | described, cast("Any", TARGETS))
    assert found.startswith(problem)
    assert bool(found) is bool(problem)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Condition": {}},
        {"Condition": {"ArnLike": {"aws:sourcearn": "arn:aws:events:*:rule/elephant-prod-*"}}},
        {"Condition": {"ArnEquals": {"AWS:SourceArn": RULE}}},
    ],
)
def test_eventbridge_is_let_in(change: dict[str, Any]) -> None:
    assert _lets_in(STATEMENT | change, RULE)


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny"},
        {"Action": "lambda:GetFunction"},
        {"Principal": {"Service": "s3.amazonaws.com"}},
        {"Principal": "*"},
        {"Condition": {"ArnLike": {"AWS:SourceArn": f"{RULE}-of-another"}}},
        {"Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}}},
    ],
)
def test_eventbridge_is_kept_out(change: dict[str, Any]) -> None:
    assert not _lets_in(STATEMENT | change, RULE)

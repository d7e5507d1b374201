"""Rules on a schedule, and which permissions let EventBridge in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ops.check import Context
from ops.checks_rule import Trigger, _lets_in, _problem, triggers
from ops.stages import ConfigFile, Stage

if TYPE_CHECKING:
    from pathlib import Path

APP = """
@app.on_cw_event(event_pattern(settings))
def dns_watchdog(event): ...

@app.schedule("rate(5 minutes)")
def sweep(event): ...

@app.schedule(Rate(1, unit=Rate.HOURS))
def report(event): ...

@app.lambda_function()
def launch_ec2(event, context): ...

@cache
def helper(): ...
"""
RULE = "arn:aws:events:us-west-2:123456789012:rule/elephant-prod-sweep-event"
TARGETS = [{"Arn": "arn:aws:lambda:us-west-2:123456789012:function:elephant-prod-sweep"}]
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Condition": {"ArnLike": {"AWS:SourceArn": RULE}},
}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    variables = {
        "DOMAIN_ROOT": "example.com",
        "ZONE_ID": "f" * 32,
        "SECRET_ARN": "elephant/prod",
        "OWNER": "elephant:prod",
    }
    stage = Stage("prod", "123456789012", "us-west-2", variables)
    config_file = cast("ConfigFile", SimpleNamespace(stage=lambda _: stage, directory=tmp_path))
    return Context(config_file, "prod")


def test_triggers_are_read_from_the_code(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    assert triggers(tmp_path) == (
        Trigger("dns_watchdog", "on_cw_event", None),
        Trigger("sweep", "schedule", "rate(5 minutes)"),
        Trigger("report", "schedule", None),
    )


@pytest.mark.parametrize(
    ("wanted", "there", "problem"),
    [
        ("rate(5 minutes)", "rate(5 minutes)", ""),
        (None, "rate(1 hour)", ""),
        ("rate(5 minutes)", "rate(1 day)", "starts at rate(1 day), not rate(5 minutes)"),
        (None, None, "starts at no time, not on a schedule"),
    ],
)
def test_a_schedule_is_compared_where_it_is_spelled_out(
    context: Context, wanted: str | None, there: str | None, problem: str
) -> None:
    described = {"State": "ENABLED"} | ({"ScheduleExpression": there} if there else {})
    trigger = Trigger("sweep", "schedule", wanted)
    assert _problem(context, trigger, described, cast("Any", TARGETS)) == problem


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

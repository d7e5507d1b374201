"""Rules that are schedules, and which functions they invoke when."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import Invocation, Schedules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

NOON = datetime(2026, 3, 1, 12, 0, 0, 654321, tzinfo=UTC)
ECHO = "def handler(event, context): return event"
_numbers = count(1)


@dataclass
class Timer:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def schedules(cloud: Cloud, timer: Timer) -> Schedules:
    """Make schedules that fire only when they are told to."""
    return Schedules(cloud.functions, clock=lambda: NOON, timer=timer)


@pytest.fixture
def function(cloud: Cloud) -> str:
    return cloud.function(ECHO)


@pytest.fixture(autouse=True)
def _no_rules(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.functions.wait_idle(100)
    events = cloud.client("events")
    for found in events.list_rules()["Rules"]:
        targets = events.list_targets_by_rule(Rule=found["Name"])["Targets"]
        events.remove_targets(Rule=found["Name"], Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=found["Name"])


def rule(
    cloud: Cloud, function: str, expression: str, *, permitted: bool = True, **settings: object
) -> str:
    """Deploy a schedule with the function as its target, as Chalice does; return its name."""
    name = f"schedule-{next(_numbers)}"
    events = cloud.client("events")
    rule_arn = events.put_rule(Name=name, ScheduleExpression=expression, **settings)["RuleArn"]
    function_arn = f"arn:aws:lambda:us-west-2:123456789012:function:{function}"
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function_arn}])
    if permitted:
        cloud.client("lambda").add_permission(
            FunctionName=function,
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule_arn,
        )
    return name


def invocations(cloud: Cloud, function: str) -> list[Invocation]:
    cloud.functions.wait_idle(100)
    return cloud.attempts(function)


# By hand


def test_a_schedule_gives_its_function_the_event_that_aws_makes(
    cloud: Cloud, schedules: Schedules, function: str
) -> None:
    name = rule(cloud, function, "rate(1 minute)")
    assert schedules.fire() == (function,)
    (invocation,) = invocations(cloud, function)
    assert invocation.source == "async"
    event = invocation.result
    assert len(event.pop("id")) == 36
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-03-01T12:00:00Z",
        "region": "us-west-2",
        "resources": [f"arn:aws:events:us-west-2:123456789012:rule/{name}"],
        "detail": {},
    }


# On time


@pytest.mark.parametrize(
    "rate",
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(10 minutes)", 600),
        ("rate(1 hour)", 3600),
        ("rate(12 hours)", 43200),
        ("rate(1 day)", 86400),
        ("rate(7 days)", 604800),
    ],
)
def test_a_rate_comes_due_a_period_after_it_was_seen_and_then_each_period(
    cloud: Cloud, schedules: Schedules, function: str, timer: Timer, rate: tuple[str, float]
) -> None:
    expression, seconds = rate
    rule(cloud, function, expression)
    assert schedules.fire_due() == ()
    for _ in range(2):
        timer.now += seconds - 1
        assert schedules.fire_due() == ()
        timer.now += 1
        assert schedules.fire_due() == (function,)
        assert schedules.fire_due() == ()


def test_what_was_missed_is_not_made_up_for(
    cloud: Cloud, schedules: Schedules, function: str, timer: Timer
) -> None:
    rule(cloud, function, "rate(1 minute)")
    schedules.fire_due()
    timer.now += 600
    assert schedules.fire_due() == (function,)
    timer.now += 59
    assert schedules.fire_due() == ()


def test_the_time_scale_shortens_a_period(cloud: Cloud, function: str, timer: Timer) -> None:
    rule(cloud, function, "rate(5 minutes)")
    schedules = Schedules(cloud.functions, time_scale=1 / 60, timer=timer)
    schedules.fire_due()
    timer.now += 4.9
    assert schedules.fire_due() == ()
    timer.now += 0.2
    assert schedules.fire_due() == (function,)


def test_a_cron_expression_is_fired_by_hand_alone(
    cloud: Cloud, schedules: Schedules, function: str, timer: Timer
) -> None:
    rule(cloud, function, "cron(0 12 * * ? *)")
    schedules.fire_due()
    timer.now += 7 * 86400
    assert schedules.fire_due() == ()
    assert schedules.fire() == (function,)


@pytest.mark.parametrize(
    "expression", ["rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "rate( days)", "often"]
)
def test_a_rate_that_aws_refuses_is_refused(cloud: Cloud, expression: str) -> None:
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        cloud.client("events").put_rule(Name="wrong", ScheduleExpression=expression)


def test_while_open_schedules_fire_by_themselves(cloud: Cloud, function: str) -> None:
    ran = threading.Event()
    cloud.functions.on_finished(lambda run: ran.set() if run.function == function else None)
    rule(cloud, function, "rate(1 minute)")
    before = set(threading.enumerate())
    with Schedules(cloud.functions, time_scale=0.0001, interval=0.005):
        assert ran.wait(10)
    assert "schedules" not in {thread.name for thread in set(threading.enumerate()) - before}

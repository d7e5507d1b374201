"""Letting time pass: what is scheduled in between happens in turn."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws.scheduler import OneOffs
from localcloud.aws.schedules import Schedules
from localcloud.aws.time_travel import TimeTravel

from .test_scheduler import GROUP, arn_of, role
from .test_schedules import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

ECHO = "def handler(event, context): return event"


@pytest.fixture
def time_travel(cloud: Cloud) -> Iterator[TimeTravel]:
    functions = cloud.functions
    if not cloud.client("scheduler").list_schedule_groups(NamePrefix=GROUP)["ScheduleGroups"]:
        cloud.client("scheduler").create_schedule_group(Name=GROUP)
    schedules = Schedules(functions, clock=functions.clock.now, timer=functions.clock.monotonic)

    def settle() -> None:
        functions.wait_idle(100)

    yield TimeTravel(functions.clock, schedules, OneOffs(functions), settle)
    for found in cloud.client("scheduler").list_schedules()["Schedules"]:
        cloud.client("scheduler").delete_schedule(Name=found["Name"], GroupName=GROUP)
    events = cloud.client("events")
    for found in events.list_rules()["Rules"]:
        events.remove_targets(Rule=found["Name"], Ids=["1"])
        events.delete_rule(Name=found["Name"])


def one_off(cloud: Cloud, function: str, at: datetime, name: str) -> None:
    cloud.client("scheduler").create_schedule(
        Name=name,
        GroupName=GROUP,
        ScheduleExpression=at.strftime("at(%Y-%m-%dT%H:%M:%S)"),
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={"Arn": arn_of(function), "RoleArn": role(cloud), "Input": json.dumps(name)},
    )


def whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def test_everything_happens_once_in_the_order_of_its_time(
    cloud: Cloud, time_travel: TimeTravel
) -> None:
    swept, launched = cloud.function(ECHO), cloud.function(ECHO)
    rule(cloud, swept, "rate(2 minutes)")
    begin = whole(time_travel.clock.now()) + timedelta(seconds=1)
    one_off(cloud, launched, begin + timedelta(minutes=5), "early")
    one_off(cloud, launched, begin + timedelta(minutes=9), "late")
    end = begin + timedelta(minutes=8, seconds=30)
    assert time_travel.until(end) == (swept, swept, launched, swept, swept)
    assert timedelta(0) <= time_travel.clock.now() - end < timedelta(seconds=30)
    assert [run.result for run in cloud.attempts(launched)] == ["early"]
    assert time_travel.until(end + timedelta(minutes=1)) == (launched,)


def test_what_is_scheduled_on_the_way_happens_too(cloud: Cloud, time_travel: TimeTravel) -> None:
    function = cloud.function(ECHO)
    begin = whole(time_travel.clock.now())

    def again(run: Any) -> None:  # noqa: ANN401 - an invocation
        if run.function == function and run.result == "first":
            one_off(cloud, function, begin + timedelta(minutes=20), "second")

    cloud.functions.on_finished(again)
    one_off(cloud, function, begin + timedelta(minutes=10), "first")
    assert time_travel.until(begin + timedelta(minutes=30)) == (function, function)


def test_the_next_one_off_schedule_can_be_gone_to(cloud: Cloud, time_travel: TimeTravel) -> None:
    function = cloud.function(ECHO)
    due = whole(time_travel.clock.now()) + timedelta(minutes=10)
    one_off(cloud, function, due, "next")
    assert time_travel.to_next() == (function,)
    assert timedelta(0) <= time_travel.clock.now() - due < timedelta(minutes=1)
    assert time_travel.to_next() is None

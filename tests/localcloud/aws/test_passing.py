"""Letting time pass: what is scheduled in between happens in turn."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws.passing import Passing
from localcloud.aws.scheduler import OneOffs
from localcloud.aws.schedules import Schedules

from .test_scheduler import GROUP, arn_of, role
from .test_schedules import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

ECHO = "def handler(event, context): return event"


@pytest.fixture
def passing(cloud: Cloud) -> Iterator[Passing]:
    functions = cloud.functions
    if not cloud.client("scheduler").list_schedule_groups(NamePrefix=GROUP)["ScheduleGroups"]:
        cloud.client("scheduler").create_schedule_group(Name=GROUP)
    schedules = Schedules(functions, clock=functions.clock.now, timer=functions.clock.monotonic)

    def settle() -> None:
        functions.wait_idle(20)

    yield Passing(functions.clock, schedules, OneOffs(functions), settle)
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


def test_everything_happens_once_in_the_order_of_its_time(cloud: Cloud, passing: Passing) -> None:
    swept, launched = cloud.function(ECHO), cloud.function(ECHO)
    rule(cloud, swept, "rate(2 minutes)")
    begin = whole(passing.clock.now()) + timedelta(seconds=1)
    one_off(cloud, launched, begin + timedelta(minutes=5), "early")
    one_off(cloud, launched, begin + timedelta(minutes=9), "late")
    end = begin + timedelta(minutes=8, seconds=30)
    assert passing.until(end) == (swept, swept, launched, swept, swept)
    assert timedelta(0) <= passing.clock.now() - end < timedelta(seconds=30)
    assert [run.result for run in cloud.attempts(launched)] == ["early"]
    assert passing.until(end + timedelta(minutes=1)) == (launched,)


def test_a_function_runs_at_the_time_it_was_scheduled_for(cloud: Cloud, passing: Passing) -> None:
    function = cloud.function(ECHO)
    due = whole(passing.clock.now()) + timedelta(hours=1)
    one_off(cloud, function, due, "noted")
    times: list[datetime] = []
    cloud.functions.on_finished(lambda _: times.append(passing.clock.now()))
    passing.until(due + timedelta(hours=1))
    (moment,) = times
    assert timedelta(0) <= moment - due < timedelta(minutes=1)


def test_what_is_scheduled_on_the_way_happens_too(cloud: Cloud, passing: Passing) -> None:
    function = cloud.function(ECHO)
    begin = whole(passing.clock.now())

    def again(run: Any) -> None:  # noqa: ANN401 - an invocation
        if run.function == function and run.result == "first":
            one_off(cloud, function, begin + timedelta(minutes=20), "second")

    cloud.functions.on_finished(again)
    one_off(cloud, function, begin + timedelta(minutes=10), "first")
    assert passing.until(begin + timedelta(minutes=30)) == (function, function)


def test_the_next_one_off_schedule_can_be_gone_to(cloud: Cloud, passing: Passing) -> None:
    function = cloud.function(ECHO)
    due = whole(passing.clock.now()) + timedelta(minutes=10)
    one_off(cloud, function, due, "next")
    assert passing.to_next() == (function,)
    assert timedelta(0) <= passing.clock.now() - due < timedelta(minutes=1)
    assert passing.to_next() is None


def test_where_nothing_is_scheduled_time_passes_all_the_same(passing: Passing) -> None:
    end = passing.clock.now() + timedelta(days=1)
    assert passing.until(end) == ()
    assert passing.clock.now() >= end
    assert passing.until(end - timedelta(hours=1)) == ()

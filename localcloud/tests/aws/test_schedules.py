"""Scheduled rules: which functions they invoke, and when; advancing the clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import Invocation, OneOffs, Schedules, TimeTravel

from .test_scheduler import ECHO, GROUP, schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

NOON = datetime(2026, 3, 1, 12, 0, 0, 654321, tzinfo=UTC)
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
    return Schedules(cloud.functions, clock=lambda: NOON, timer=timer)


@pytest.fixture
def function(cloud: Cloud) -> str:
    return cloud.function(ECHO)


@pytest.fixture(autouse=True)
def _no_rules(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.functions.wait_idle(600)
    cloud.delete_rules()


def rule(cloud: Cloud, function: str, expression: str, state: str = "ENABLED") -> str:
    return cloud.rule(function, ScheduleExpression=expression, State=state)


def test_a_schedule_gives_its_function_the_event_that_aws_makes(
    cloud: Cloud, schedules: Schedules, function: str
) -> None:
    name = rule(cloud, function, "rate(1 minute)")
    rule(cloud, function, "rate(1 minute)", "DISABLED")
    assert schedules.fire() == (function,)
    cloud.functions.wait_idle(600)
    (invocation,) = cloud.attempts(function)
    assert invocation.source == "async"
    assert invocation.result == {
        "version": "0",
        "id": invocation.result["id"],
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-03-01T12:00:00Z",
        "region": "us-west-2",
        "resources": [f"arn:aws:events:us-west-2:123456789012:rule/{name}"],
        "detail": {},
    }


@pytest.mark.parametrize(
    "rate", [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(1 hour)", 3600)]
)
def test_a_rate_comes_due_each_period_after_it_was_seen(
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


@pytest.mark.parametrize(("scale", "due"), [(1 / 60, 1), (0, 0)])
def test_the_time_scale_shortens_a_period_and_0_stops_it(
    cloud: Cloud, function: str, timer: Timer, scale: float, due: int
) -> None:
    rule(cloud, function, "rate(5 minutes)")
    schedules = Schedules(cloud.functions, time_scale=scale, timer=timer)
    schedules.fire_due()
    timer.now += 5.1
    assert len(schedules.fire_due()) == due


def test_a_cron_expression_is_fired_on_request_only(
    cloud: Cloud, schedules: Schedules, function: str, timer: Timer
) -> None:
    rule(cloud, function, "cron(0 12 * * ? *)")
    schedules.fire_due()
    timer.now += 7 * 86400
    assert schedules.fire_due() == ()
    assert schedules.fire() == (function,)


@pytest.mark.parametrize(
    "expression", ["rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "often"]
)
def test_a_rate_that_aws_refuses_is_refused(cloud: Cloud, expression: str) -> None:
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        cloud.client("events").put_rule(Name="wrong", ScheduleExpression=expression)


def test_while_open_schedules_fire_by_themselves(cloud: Cloud, function: str) -> None:
    ran = threading.Event()
    cloud.functions.on_finished(lambda run: ran.set() if run.function == function else None)
    rule(cloud, function, "rate(1 minute)")
    with Schedules(cloud.functions, time_scale=0.0001, interval=0.005):
        assert ran.wait(600)


# Advancing the clock


@pytest.fixture
def time_travel(cloud: Cloud) -> TimeTravel:
    functions, clock = cloud.functions, cloud.functions.clock
    if not cloud.client("scheduler").list_schedule_groups(NamePrefix=GROUP)["ScheduleGroups"]:
        cloud.client("scheduler").create_schedule_group(Name=GROUP)
    schedules = Schedules(functions, clock=clock.now, timer=clock.monotonic)
    return TimeTravel(clock, schedules, OneOffs(functions), lambda: functions.wait_idle(600))


def test_advancing_the_clock_runs_everything_in_between_once_and_in_order(
    cloud: Cloud, time_travel: TimeTravel
) -> None:
    swept, launched = cloud.function(ECHO), cloud.function(ECHO)
    rule(cloud, swept, "rate(60 minutes)")
    begin = time_travel.clock.now()
    times: list[datetime] = []

    def again(run: Invocation) -> None:
        if run.function == launched:
            times.append(time_travel.clock.now())
            if len(times) == 1:  # what a function schedules on the way happens too
                schedule(cloud, launched, 120)

    cloud.functions.on_finished(again)
    schedule(cloud, launched, 90)
    end = begin + timedelta(minutes=220)
    assert time_travel.until(end) == (swept, launched, swept, swept, launched)
    assert time_travel.clock.now() >= end
    late = [
        moment - begin - timedelta(minutes=at) for moment, at in zip(times, (90, 210), strict=True)
    ]
    assert all(timedelta(seconds=-1) <= each < timedelta(minutes=30) for each in late)
    assert time_travel.to_next() is None


def test_what_falls_due_while_consequences_are_awaited_has_been_fired_as_well(
    cloud: Cloud, time_travel: TimeTravel
) -> None:
    """On a slow machine the clock passes the moment by itself."""
    function, clock = cloud.function(ECHO), time_travel.clock
    schedule(cloud, function, 10)
    slow = TimeTravel(clock, time_travel._schedules, time_travel.one_offs, lambda: clock.skip(900))
    assert slow.until(clock.now() + timedelta(minutes=10)) == (function,)


def test_the_clock_can_be_advanced_to_the_next_one_off_schedule(
    cloud: Cloud, time_travel: TimeTravel
) -> None:
    function = cloud.function(ECHO)
    schedule(cloud, function, 10)
    due = time_travel.one_offs.next_time()
    assert due is not None
    assert time_travel.to_next() == (function,)
    assert time_travel.clock.now() >= due

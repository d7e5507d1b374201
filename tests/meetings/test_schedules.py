"""A schedule starts its function once at its time, and is removed by its name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from chalicelib.meetings.schedules import ScheduleError, Scheduler, Unscheduler
from tests.meetings.front_desk import FAULTS, PLACE, FrontDesk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session

AT = datetime(2026, 11, 21, 15, 20, 30, tzinfo=UTC)
LAUNCH: tuple[Any, ...] = (PLACE, "launch-m1", AT, "launch_ec2", {"meeting_id": "m1"})


@pytest.fixture
def desk(session: Session) -> Iterator[FrontDesk]:
    with mock_aws():
        yield FrontDesk(session)


def test_a_function_is_started_once_at_its_time(desk: FrontDesk) -> None:
    Scheduler(desk.scheduler).create_schedule_at(*LAUNCH)

    made = desk.schedule("launch-m1")
    assert made["ScheduleExpression"] == "at(2026-11-21T15:20:30)"
    assert made["ScheduleExpressionTimezone"] == "UTC"
    assert made["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert made["ActionAfterCompletion"] == "DELETE"
    assert made["GroupName"] == "elephant-test"
    target = made["Target"]
    assert target["Arn"] == PLACE.function_arn("launch_ec2")
    assert target["RoleArn"] == PLACE.scheduler_role_arn
    assert json.loads(target["Input"]) == {"meeting_id": "m1"}


def test_a_start_that_is_not_accepted_is_tried_for_a_day_and_then_kept(desk: FrontDesk) -> None:
    Scheduler(desk.scheduler).create_schedule_at(*LAUNCH)

    target = desk.schedule("launch-m1")["Target"]
    assert target["DeadLetterConfig"] == {"Arn": PLACE.failure_queue_arn}
    assert target["RetryPolicy"] == {
        "MaximumEventAgeInSeconds": 86_400,
        "MaximumRetryAttempts": 185,
    }


def test_a_time_of_another_zone_is_honoured(desk: FrontDesk) -> None:
    at = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    Scheduler(desk.scheduler).create_schedule_at(PLACE, "launch-m1", at, "launch_ec2", {})

    assert desk.schedule("launch-m1")["ScheduleExpression"] == "at(2026-11-21T15:20:30)"


def test_one_that_is_there_is_left_as_it_is(desk: FrontDesk) -> None:
    scheduler = Scheduler(desk.scheduler)
    scheduler.create_schedule_at(*LAUNCH)
    before = desk.schedule("launch-m1")

    scheduler.create_schedule_at(PLACE, "launch-m1", AT + timedelta(hours=1), "safety_net", {})

    after = desk.schedule("launch-m1")
    assert {**after, "ResponseMetadata": None} == {**before, "ResponseMetadata": None}


def test_one_is_removed_by_its_name(desk: FrontDesk) -> None:
    scheduler = Scheduler(desk.scheduler)
    scheduler.create_schedule_at(*LAUNCH)
    scheduler.create_schedule_at(PLACE, "launch-m2", AT, "launch_ec2", {})

    Unscheduler(desk.scheduler).delete_schedule(PLACE, "launch-m1")

    assert desk.schedules() == {"launch-m2"}


def test_one_that_is_gone_is_removed(desk: FrontDesk) -> None:
    Unscheduler(desk.scheduler).delete_schedule(PLACE, "launch-m1")

    assert desk.schedules() == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_names_the_schedule(desk: FrontDesk, fault: str) -> None:
    desk.faults = {0: fault, 1: fault}

    with pytest.raises(ScheduleError, match="'launch-m1'") as caught:
        Scheduler(desk.faulty("scheduler")).create_schedule_at(*LAUNCH)
    assert caught.value.__cause__ is not None
    with pytest.raises(ScheduleError, match="'launch-m1'"):
        Unscheduler(desk.faulty("scheduler")).delete_schedule(PLACE, "launch-m1")

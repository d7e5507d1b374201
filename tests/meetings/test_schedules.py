"""A schedule starts its function once at its time; what fails names it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib.meetings.schedules import Schedule, ScheduleError, Schedules
from tests.meetings.api import FAULTS, PLACE, Api
from tests.meetings.faults import FaultyClient

AT = datetime(2026, 11, 21, 15, 20, 30, tzinfo=UTC)
LAUNCH = Schedule("launch-m1", AT, "launch_ec2", {"meeting_id": "m1"})


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_a_function_is_started_once_at_its_time(api: Api, zone: timezone) -> None:
    Schedules(api.scheduler).create_schedule(PLACE, replace(LAUNCH, at=AT.astimezone(zone)))

    made = api.schedule("launch-m1")
    assert made["ScheduleExpression"] == "at(2026-11-21T15:20:30)"
    assert made["ScheduleExpressionTimezone"] == "UTC"
    assert made["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert made["ActionAfterCompletion"] == "DELETE"
    assert made["GroupName"] == "elephant-test"
    assert json.loads(made["Target"].pop("Input")) == {"meeting_id": "m1"}
    assert made["Target"] == {
        "Arn": PLACE.function_arn("launch_ec2"),
        "RoleArn": PLACE.scheduler_role_arn,
        # A start that is not accepted is tried for a day, and then kept.
        "DeadLetterConfig": {"Arn": PLACE.failure_queue_arn},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185},
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_names_the_schedule(api: Api, fault: str) -> None:
    api.faults = {0: fault, 1: fault}
    scheduler: Any = FaultyClient(api.scheduler, api)

    with pytest.raises(ScheduleError, match="'launch-m1'") as caught:
        Schedules(scheduler).create_schedule(PLACE, LAUNCH)
    assert caught.value.__cause__ is not None
    with pytest.raises(ScheduleError, match="'launch-m1'"):
        Schedules(scheduler).delete_schedule(PLACE, "launch-m1")

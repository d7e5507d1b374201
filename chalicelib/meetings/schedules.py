"""One-off schedules of EventBridge Scheduler, which invoke a function once at a given time.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#one-time
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.meeting_row.meeting import SCHEDULES
from chalicelib.meetings.lifetime import LEAD, SOONEST
from chalicelib.settings.meetings import SHORTEST_MEETING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from chalicelib.clients import SchedulerClient
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.resource_names import StageNames

_UNTIL_ACCEPTED: Final = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
"""The maximum: the function decides whether a late invocation is still useful.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
"""


class ScheduleError(Exception):
    """A schedule could not be created or removed, or the outcome is unknown; see the message."""


@dataclass(frozen=True)
class Schedule:
    """Have a function of the feature invoked with the payload, within the minute after `at`."""

    name: str
    at: datetime
    function: str
    payload: Mapping[str, str]


def launch_name(meeting: Meeting) -> str:
    """Name the schedule of a meeting's launch."""
    return f"launch-{meeting.id}{_suffix(meeting)}"


def safety_name(meeting: Meeting) -> str:
    """Name the schedule of the safety net's first check of a meeting."""
    return f"safety-{meeting.id}{_suffix(meeting)}"


def schedules_of(meeting: Meeting, start: datetime, now: datetime) -> tuple[Schedule, Schedule]:
    """Return the two schedules of a meeting with this start.

    The safety net's comes first, so that no desktop can start that nothing would terminate.
    """
    safety_at, launch_at = start + SHORTEST_MEETING, start - LEAD
    soonest = now + SOONEST
    return (
        Schedule(
            safety_name(meeting), max(safety_at, soonest), "safety_net", {"meetingId": meeting.id}
        ),
        Schedule(
            launch_name(meeting), max(launch_at, soonest), "launch_ec2", {"meeting_id": meeting.id}
        ),
    )


def _suffix(meeting: Meeting) -> str:
    suffix = meeting.text(SCHEDULES)
    return f"-{suffix}" if suffix else ""


class Schedules:
    """The schedules of the stage's group; each is deleted once it has fired."""

    def __init__(self, client: SchedulerClient) -> None:
        self._client = client

    def create_schedule(self, place: StageNames, schedule: Schedule) -> None:
        """Create a schedule.

        An existing schedule of that name is left unchanged: names contain a meeting's id, so it is
        ours. An invocation that Lambda does not accept goes to the queue of failed events. Raises
        ScheduleError.
        """
        try:
            self._client.create_schedule(
                Name=schedule.name,
                GroupName=place.schedule_group,
                ScheduleExpression=f"at({schedule.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={
                    "Arn": place.function_arn(schedule.function),
                    "RoleArn": place.scheduler_role_arn,
                    "Input": json.dumps(schedule.payload),
                    "RetryPolicy": dict(_UNTIL_ACCEPTED),
                    "DeadLetterConfig": {"Arn": place.failure_queue_arn},
                },
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConflictException":
                raise ScheduleError(
                    f"schedule {schedule.name!r} could not be created: {error}"
                ) from error
        except BotoCoreError as error:
            raise ScheduleError(
                f"whether schedule {schedule.name!r} was created is unknown: {error}"
            ) from error

    def delete_schedule(self, place: StageNames, name: str) -> None:
        """Remove a schedule; a missing one is no error. Raises ScheduleError."""
        try:
            self._client.delete_schedule(Name=name, GroupName=place.schedule_group)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise ScheduleError(f"schedule {name!r} could not be removed: {error}") from error
        except BotoCoreError as error:
            raise ScheduleError(
                f"whether schedule {name!r} was removed is unknown: {error}"
            ) from error

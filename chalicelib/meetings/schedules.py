"""One-off schedules of EventBridge Scheduler, which invoke a function once at a given time.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#one-time
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from chalicelib.clients import SchedulerClient
    from chalicelib.resource_names import StageNames

_UNTIL_ACCEPTED: Final = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
"""The maximum: the function decides whether a late invocation is still useful.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
"""


class ScheduleError(Exception):
    """A schedule could not be created or removed, or the outcome is unknown; see the message."""


class Schedules:
    """The schedules of the stage's group; each is deleted once it has fired."""

    def __init__(self, client: SchedulerClient) -> None:
        self._client = client

    def create_schedule_at(
        self,
        place: StageNames,
        name: str,
        at: datetime,
        function: str,
        payload: Mapping[str, str],
    ) -> None:
        """Have a function of the feature invoked with the payload, within the minute after `at`.

        An existing schedule of that name is left unchanged: names contain a meeting's id, so it is
        ours. An invocation that Lambda does not accept goes to the queue of failed events. Raises
        ScheduleError.
        """
        try:
            self._client.create_schedule(
                Name=name,
                GroupName=place.schedule_group,
                ScheduleExpression=f"at({at.astimezone(UTC):%Y-%m-%dT%H:%M:%S})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={
                    "Arn": place.function_arn(function),
                    "RoleArn": place.scheduler_role_arn,
                    "Input": json.dumps(payload),
                    "RetryPolicy": dict(_UNTIL_ACCEPTED),
                    "DeadLetterConfig": {"Arn": place.failure_queue_arn},
                },
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConflictException":
                raise ScheduleError(f"schedule {name!r} could not be created: {error}") from error
        except BotoCoreError as error:
            raise ScheduleError(
                f"whether schedule {name!r} was created is unknown: {error}"
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

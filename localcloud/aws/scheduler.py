"""EventBridge Scheduler: fires the one-off schedules, which moto keeps and never fires.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#one-time
"""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from moto.scheduler.models import scheduler_backends

from . import state
from .account import ACCOUNT_ID
from .permissions import role_may, role_trusts
from .state import UnknownFunctionError

if TYPE_CHECKING:
    from moto.scheduler.models import Schedule

    from .functions import Functions

_log = logging.getLogger(__name__)

_AT: Final = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)\Z")
_SERVICE: Final = "scheduler.amazonaws.com"


@dataclass(frozen=True)
class _Failure:
    """Why a target was not invoked, as in the dead-letter queue."""

    code: str
    message: str


def time_of(expression: str, timezone: str | None) -> datetime | None:
    """Return the time of a one-off schedule, in UTC; None for another kind of schedule.

    Raises ValueError for a time or a time zone that there is not.
    """
    match = _AT.match(expression)
    if match is None:
        return None
    try:
        zone = ZoneInfo(timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {timezone!r}") from error
    return datetime.fromisoformat(match[1]).replace(tzinfo=zone).astimezone(UTC)


def trusts_scheduler(role_arn: str, group_arn: str) -> bool:
    """Return whether EventBridge Scheduler may act with a role for a schedule group."""
    source = {"aws:SourceAccount": ACCOUNT_ID, "aws:SourceArn": group_arn}
    return role_trusts(role_arn, _SERVICE, source)


class OneOffs:
    """Fires one-off schedules: on request, and on time while open.

    A schedule fires once, and is then deleted if its ActionAfterCompletion says so. Its target, a
    Lambda function, is invoked asynchronously with the schedule's Input, if the role permits that.
    If not, or if the function does not exist, a message goes to the target's dead-letter queue, if
    the role permits that; nothing is retried. Recurring schedules and flexible windows are not
    emulated.
    """

    def __init__(self, functions: Functions, *, interval: float = 0.05) -> None:
        self._functions = functions
        self._clock = functions.clock
        self._interval = interval
        self._fired: set[tuple[str, float, str]] = set()
        self._looking = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="one-offs", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to fire on time."""
        self._thread.start()

    def close(self) -> None:
        """Fire no more on time. What was invoked is not recalled."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def next_time(self) -> datetime | None:
        """Return when the next schedule is to fire; None if there is none."""
        return min((moment for moment, _ in self.pending()), default=None)

    def pending(self) -> list[tuple[datetime, str]]:
        """Return the times and names of the schedules that are still to fire, in that order."""
        return [(moment, str(schedule.name)) for moment, schedule in self._waiting()]

    def fire_due(self) -> tuple[str, ...]:
        """Fire the schedules whose time has come, the oldest first.

        Returns the names of the functions invoked.
        """
        invoked = []
        with self._looking:
            now = self._clock.now()
            for moment, schedule in self._waiting():
                if moment <= now:
                    self._fired.add(_identity(schedule))
                    invoked += self._fire(schedule, moment)
        return tuple(invoked)

    def _watch(self) -> None:
        while not self._closing.wait(self._interval):
            self.fire_due()

    def _waiting(self) -> list[tuple[datetime, Schedule]]:
        """Return the schedules that are still to fire, in the order of their times."""
        groups = scheduler_backends[ACCOUNT_ID][self._functions.region].schedule_groups
        found = []
        for group in list(groups.values()):
            for schedule in list(group.schedules.values()):
                moment = time_of(
                    schedule.schedule_expression, schedule.schedule_expression_timezone
                )
                is_on = schedule.state == "ENABLED" and _identity(schedule) not in self._fired
                if moment is not None and is_on:
                    found.append((moment, schedule))
        return sorted(found, key=lambda each: (each[0], each[1].name))

    def _fire(self, schedule: Schedule, moment: datetime) -> list[str]:
        if schedule.action_after_completion == "DELETE":
            groups = scheduler_backends[ACCOUNT_ID][self._functions.region].schedule_groups
            groups[schedule.group_name].schedules.pop(schedule.name, None)
        payload = str(schedule.target["Input"])
        failure = self._invoke(schedule, payload)
        if failure is None:
            return [str(schedule.target["Arn"]).split(":function:")[-1]]
        _log.warning("schedule %s: %s", schedule.name, failure.message)
        self._send_to_dead_letters(schedule, moment, payload, failure)
        return []

    def _invoke(self, schedule: Schedule, payload: str) -> _Failure | None:
        arn, role = str(schedule.target["Arn"]), str(schedule.target["RoleArn"])
        if ":lambda:" not in arn:
            return _Failure("NotSupported", f"{arn} is no Lambda function")
        if not trusts_scheduler(role, _group_arn(schedule)):
            return _Failure("AccessDenied", f"EventBridge Scheduler may not assume {role}")
        if not role_may(role, "lambda:InvokeFunction", arn):
            return _Failure("AccessDenied", f"{role} may not lambda:InvokeFunction on {arn}")
        try:
            self._functions.invoke_async(arn, payload.encode())
        except UnknownFunctionError:
            return _Failure("AWSLambda.ResourceNotFoundException", f"Function not found: {arn}")
        return None

    @staticmethod
    def _send_to_dead_letters(
        schedule: Schedule, moment: datetime, payload: str, failure: _Failure
    ) -> None:
        """Send the payload to the dead-letter queue, with the reason.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
        """
        queue = str((schedule.target.get("DeadLetterConfig") or {}).get("Arn", ""))
        attributes = {
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": failure.message,
            "EXECUTION_ID": str(uuid4()),
            "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
            "IS_PAYLOAD_TRUNCATED": "false",
            "RETRY_ATTEMPTS": "0",
            "SCHEDULED_TIME": _written(moment),
            "SCHEDULE_ARN": schedule.arn,
            "TARGET_ARN": str(schedule.target["Arn"]),
        }
        if not role_may(str(schedule.target["RoleArn"]), "sqs:SendMessage", queue) or (
            not state.send_text_to_queue(queue, payload, attributes)
        ):
            _log.warning("schedule %s has no dead-letter queue that takes it", schedule.name)


def _identity(schedule: Schedule) -> tuple[str, float, str]:
    return schedule.arn, schedule.creation_date, schedule.schedule_expression


def _group_arn(schedule: Schedule) -> str:
    beginning = schedule.arn.split(":schedule/")[0]
    return f"{beginning}:schedule-group/{schedule.group_name}"


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

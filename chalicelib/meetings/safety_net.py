"""The safety net: checks on a meeting from 15 minutes after its start until nothing is left.

Every check books the next one, even if it failed; only one that finds the meeting over and no
desktop left is the last. So nothing that was missed once runs for good.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from chalicelib.meeting_row.meeting import NEVER_HEALTHY, RowChangedError
from chalicelib.meetings.lifetime import End, Leave, LookAgain, next_look, verdict
from chalicelib.resource_names import Place
from chalicelib.telemetry import reported

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.deadline import LambdaContext
    from chalicelib.ec2.instances import Instances
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.rows import RowReader
    from chalicelib.meetings.ending import Ending
    from chalicelib.meetings.schedules import Scheduler
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Reporter

FUNCTION: Final = "safety_net"
ATTEMPTS: Final = 3
"""Attempts to decide when the row is changed between reading and claiming it."""
LONGEST_ID: Final = 256
"""The longest meeting id: as many characters as an instance's tag may have."""

_NO_CHARACTER = re.compile("[\ud800-\udfff]")  # which JSON can represent, and UTF-8 cannot
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
_IN_A_NAME = re.compile(r"[0-9A-Za-z_.-]{1,40}")


@dataclass(frozen=True)
class Look:
    """The result of a check, which the function returns."""

    meeting_id: str | None
    action: str
    """`ended`, `waiting` for the next check, `left` for good, or `ignored`."""
    reason: str
    instances: tuple[str, ...] = ()
    next_look: datetime | None = None
    warnings: tuple[str, ...] = ()
    was_never_healthy: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Serialize to JSON, omitting empty fields."""
        always = {"meeting_id": self.meeting_id, "action": self.action, "reason": self.reason}
        more = {
            "instances": list(self.instances),
            "next_look": f"{self.next_look:%Y-%m-%dT%H:%M:%SZ}" if self.next_look else None,
            "warnings": list(self.warnings),
        }
        return always | {key: value for key, value in more.items() if value}

    @property
    def counts(self) -> dict[str, int]:
        """Count it for the metrics."""
        return {
            "Ended": int(self.action == "ended"),
            "Ignored": int(self.action == "ignored"),
            "Warnings": len(self.warnings),
            **({"NeverHealthy": 1} if self.was_never_healthy else {}),
        }


class SafetyNet:
    """Checks meetings, one at a time."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: MeetingsSettings,
        reader: RowReader,
        instances: Instances,
        ending: Ending,
        scheduler: Scheduler,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._longest = settings.longest
        self._reader = reader
        self._instances = instances
        self._ending = ending
        self._scheduler = scheduler
        self._reporter = reporter
        self._clock = clock

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Check the meeting that the event names, report once, and return a Look as a dictionary.

        Errors are reported and raised, so that Lambda retries and alarms see them.
        """
        fields: dict[str, Any] = {"request_id": context.aws_request_id}
        arn = context.invoked_function_arn
        return reported(self._reporter, fields, lambda: self._handle(event, arn, fields))

    def _handle(self, event: object, function_arn: str, fields: dict[str, Any]) -> Look:
        meeting_id = _meeting_id_of(event)
        if meeting_id is None:
            return Look(None, "ignored", "the event does not name a meeting as its meetingId")
        fields["meeting_id"] = meeting_id
        place = Place.of(function_arn)
        for _ in range(ATTEMPTS - 1):
            try:
                return self._look_at(meeting_id, place)
            except RowChangedError:
                continue  # somebody may have joined: decide again
        return self._look_at(meeting_id, place)

    def _look_at(self, meeting_id: str, place: Place) -> Look:
        now = datetime.fromtimestamp(self._clock(), UTC)
        again: datetime | None = next_look(now)
        try:
            meeting = self._reader.read_row(meeting_id)
            desktops = self._instances.of_meeting(meeting_id)
            found = verdict(meeting, desktops, now, self._longest)
            if isinstance(found, Leave):
                again = None
                return Look(meeting_id, "left", found.why)
            if isinstance(found, LookAgain):
                again = found.at
                return Look(meeting_id, "waiting", found.why, next_look=again)
            return self._end(meeting_id, meeting, found, again)
        finally:
            if again is not None:
                book_look(self._scheduler, place, meeting_id, again)

    def _end(
        self, meeting_id: str, meeting: Meeting | None, found: End, again: datetime | None
    ) -> Look:
        if meeting is None:
            ended = self._ending.end_desktops_of(meeting_id)
        else:
            ended = self._ending.end_meeting(meeting, found.reason, found.relies_on)
        why = f"{found.reason}: {found.why}"
        unhealthy = found.reason == NEVER_HEALTHY
        return Look(meeting_id, "ended", why, ended.instances, again, ended.warnings, unhealthy)


def book_look(scheduler: Scheduler, place: Place, meeting_id: str, at: datetime) -> None:
    """Book one check of a meeting by the safety net, at this time. Raises ScheduleError.

    The same time gives the same name, so however often it is booked, there is one check.
    """
    name = f"safety-{_in_a_name(meeting_id)}-{int(at.timestamp()) // 60}"
    scheduler.create_schedule_at(place, name, at, FUNCTION, {"meetingId": meeting_id})


def _meeting_id_of(event: object) -> str | None:
    found = event.get("meetingId") if isinstance(event, dict) else None
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_ID:
        return None
    return None if _NO_CHARACTER.search(found) else found


def _in_a_name(meeting_id: str) -> str:
    """Encode an id for a schedule's name: ours unchanged, others by their hash."""
    if _IN_A_NAME.fullmatch(meeting_id):
        return meeting_id
    return hashlib.sha256(meeting_id.encode()).hexdigest()[:32]

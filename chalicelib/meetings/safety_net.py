"""The safety net: checks on a meeting from 15 minutes after its start until nothing is left.

Every check books the next one, even if it failed; only one that finds the meeting over and no
desktop left is the last. So nothing that was missed once runs for good.
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, Any, Final

from chalicelib.clock import format_time, time_at
from chalicelib.meeting_row.meeting import NEVER_HEALTHY
from chalicelib.meeting_row.table import decide_again
from chalicelib.meetings.lifetime import End, Leave, LookAgain, next_look, verdict
from chalicelib.meetings.schedules import Schedule
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome, reported

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.ec2.instances import Instances
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.ending import Ending
    from chalicelib.meetings.schedules import Schedules
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Reporter

FUNCTION: Final = "safety_net"
LONGEST_ID: Final = 256
"""The longest meeting id: as many characters as an instance's tag may have."""

_NO_CHARACTER = re.compile("[\ud800-\udfff]")  # which JSON can represent, and UTF-8 cannot
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
_IN_A_NAME = re.compile(r"[0-9A-Za-z_.-]{1,40}")


class SafetyNet:
    """Checks meetings, one at a time."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: MeetingsSettings,
        table: Meetings,
        instances: Instances,
        ending: Ending,
        schedules: Schedules,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._longest = settings.longest
        self._table = table
        self._instances = instances
        self._ending = ending
        self._schedules = schedules
        self._reporter = reporter
        self._clock = clock

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Check the meeting that the event names, report once, and return the result.

        The action is `ended`, `waiting` for the next check, `left` for good, or `ignored`. Errors
        are reported and raised, so that Lambda retries and alarms see them.
        """
        return reported(self._reporter, context, lambda about: self._handle(event, context, about))

    def _handle(self, event: object, context: LambdaContext, about: dict[str, Any]) -> Outcome:
        meeting_id = _meeting_id_of(event)
        if meeting_id is None:
            return Outcome("ignored", "the event does not name a meeting as its meetingId")
        about["meeting_id"] = meeting_id
        place = StageNames.of(context.invoked_function_arn)
        return decide_again(lambda: self._look_at(meeting_id, place))

    def _look_at(self, meeting_id: str, place: StageNames) -> Outcome:
        now = time_at(self._clock())
        again: datetime | None = next_look(now)
        try:
            meeting = self._table.read_row(meeting_id)
            desktops = self._instances.of_meeting(meeting_id)
            found = verdict(meeting, desktops, now, self._longest)
            if isinstance(found, Leave):
                again = None
                return Outcome("left", found.why, metrics={})
            if isinstance(found, LookAgain):
                again = found.at
                return Outcome("waiting", found.why, _details(again), metrics={})
            return self._end(meeting_id, meeting, found, next_look(now))
        finally:
            if again is not None:
                book_look(self._schedules, place, meeting_id, again)

    def _end(
        self, meeting_id: str, meeting: Meeting | None, found: End, again: datetime
    ) -> Outcome:
        if meeting is None:
            ended = self._ending.end_desktops_of(meeting_id)
        else:
            ended = self._ending.end_meeting(meeting, found.reason, found.relies_on)
        why = f"{found.reason}: {found.why}"
        metrics = {"Ended": 1} | ({"NeverHealthy": 1} if found.reason == NEVER_HEALTHY else {})
        return Outcome("ended", why, _details(again, ended.instances), ended.warnings, metrics)


def _details(again: datetime, instances: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"instances": list(instances), "next_look": format_time(again)}


def book_look(schedules: Schedules, place: StageNames, meeting_id: str, at: datetime) -> None:
    """Book one check of a meeting by the safety net, at this time. Raises ScheduleError.

    The same time gives the same name, so however often it is booked, there is one check.
    """
    name = f"safety-{_in_a_name(meeting_id)}-{int(at.timestamp()) // 60}"
    schedules.create_schedule(place, Schedule(name, at, FUNCTION, {"meetingId": meeting_id}))


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

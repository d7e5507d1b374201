"""The overseer: a backup for the safety net, so that no desktop is left running for good.

Each check of the safety net books the next, so one that failed for good is the last. Once a minute
the overseer decides as the safety net does, and books a check of what should have been ended a
while ago. It ends nothing itself: the function that runs every minute may not terminate desktops.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from chalicelib.ec2.instances import MEETING_TAG
from chalicelib.meeting_row.rows import REASON
from chalicelib.meetings.lifetime import PRESENCE, End, next_look, verdict
from chalicelib.meetings.safety_net import book_look
from chalicelib.resource_names import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.deadline import LambdaContext
    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.meeting_row.meeting import Meeting, Meetings
    from chalicelib.meetings.schedules import Scheduler
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Reporter

PATIENCE: Final = timedelta(minutes=10)
"""How long to leave the ending of a meeting to the safety net's own checks and their retries."""


class Overseer:
    """Checks all desktops; one for each execution environment."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: MeetingsSettings,
        instances: Instances,
        meetings: Meetings,
        scheduler: Scheduler,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._longest = settings.longest
        self._instances = instances
        self._meetings = meetings
        self._scheduler = scheduler
        self._reporter = reporter
        self._clock = clock

    def oversee(self, context: LambdaContext) -> tuple[str, ...]:
        """Book a check of each overdue meeting; return their ids.

        Reports only if there is one, and warns only if nobody has begun to end it: a normal end,
        too, takes a moment between the claim and EC2's listing after it. Errors are reported and
        raised.
        """
        fields: dict[str, Any] = {"request_id": context.aws_request_id}
        try:
            overdue, missed = self._oversee(context)
        except Exception as error:
            self._reporter.failed(fields, {"Failed": 1}, error)
            raise
        if overdue:
            fields |= {"action": "overseen", "meetings": list(overdue)}
            fields["reason"] = f"desktops of {len(overdue)} meetings were left running"
            if missed:
                ids = ", ".join(missed)
                fields["warnings"] = [f"the safety net did not end them, see its errors: {ids}"]
            counts = {"Overdue": len(missed), "Warnings": int(bool(missed))}
            self._reporter.succeeded(fields, counts)
        return overdue

    def _oversee(self, context: LambdaContext) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the meetings that are overdue, and those of them that nobody has begun to end."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        desktops: dict[str, list[Instance]] = {}
        for each in self._instances.of_project():
            meeting_id = each.tags.get(MEETING_TAG)
            if meeting_id and not each.has_ended and each.launched_at <= now - PATIENCE:
                desktops.setdefault(meeting_id, []).append(each)
        read = self._meetings.rows_of(desktops)
        rows = read.rows
        overdue = tuple(
            meeting_id
            for meeting_id, left in desktops.items()
            if meeting_id not in read.unread and self._is_overdue(rows.get(meeting_id), left, now)
        )
        place = Place.of(context.invoked_function_arn)
        for meeting_id in overdue:
            book_look(self._scheduler, place, meeting_id, next_look(now))
        if read.errors:
            raise read.errors[0]  # once every meeting that could be read is handled
        missed = (each for each in overdue if each not in rows or REASON not in rows[each].item)
        return overdue, tuple(missed)

    def _is_overdue(self, meeting: Meeting | None, desktops: list[Instance], now: datetime) -> bool:
        """Whether it should have been ended a while ago, and nobody has waited for it since."""
        moments = (now - count * PRESENCE for count in range(PATIENCE // PRESENCE, -1, -1))
        return all(
            isinstance(verdict(meeting, desktops, each, self._longest), End) for each in moments
        )

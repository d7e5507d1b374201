"""The overseer: a backup for the safety net, so that no desktop is left running for good.

Each check of the safety net books the next, so one that failed for good is the last. Once a minute
the overseer decides as the safety net does, and books a check of what should have been ended a
while ago. It ends nothing itself: the function that runs every minute may not terminate desktops.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.clock import time_at
from chalicelib.ec2.instances import MEETING_TAG
from chalicelib.meeting_row.meeting import REASON
from chalicelib.meetings.lifetime import PRESENCE, End, next_look, verdict
from chalicelib.meetings.safety_net import book_look
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome, reported

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.ec2.instances import Instance
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meetings.schedules import Schedules
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Reporter
    from chalicelib.watchdog.snapshot import Snapshot

PATIENCE: Final = timedelta(minutes=10)
"""How long to leave the ending of a meeting to the safety net's own checks and their retries."""


class Overseer:
    """Checks all desktops; one for each execution environment."""

    def __init__(
        self,
        *,
        settings: MeetingsSettings,
        schedules: Schedules,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._longest = settings.longest
        self._schedules = schedules
        self._reporter = reporter
        self._clock = clock

    def oversee(self, context: LambdaContext, snapshot: Snapshot) -> tuple[str, ...]:
        """Book a check of each overdue meeting; return their ids.

        Reports only if there is one, and warns only if nobody has begun to end it: a normal end,
        too, takes a moment between the claim and EC2's listing after it. Errors are reported and
        raised.
        """
        result = reported(self._reporter, context, lambda _: self._oversee(context, snapshot))
        return tuple(result.get("meetings", ()))

    def _oversee(self, context: LambdaContext, snapshot: Snapshot) -> Outcome | None:
        now = time_at(self._clock())
        desktops: dict[str, list[Instance]] = {}
        for each in snapshot.instances():
            meeting_id = each.tags.get(MEETING_TAG)
            if meeting_id and not each.has_ended and each.launched_at <= now - PATIENCE:
                desktops.setdefault(meeting_id, []).append(each)
        read = snapshot.rows_of(desktops)
        rows = read.rows
        overdue = [
            meeting_id
            for meeting_id, left in desktops.items()
            if meeting_id not in read.unread and self._is_overdue(rows.get(meeting_id), left, now)
        ]
        place = StageNames.of(context.invoked_function_arn)
        for meeting_id in overdue:
            book_look(self._schedules, place, meeting_id, next_look(now))
        if read.errors:
            raise read.errors[0]  # once every meeting that could be read is handled
        if not overdue:
            return None
        missed = [each for each in overdue if each not in rows or REASON not in rows[each].item]
        why = f"desktops of {len(overdue)} meetings were left running"
        warning = f"the safety net did not end them, see its errors: {', '.join(missed)}"
        warnings = (warning,) if missed else ()
        return Outcome("overseen", why, {"meetings": overdue}, warnings, {"Overdue": len(missed)})

    def _is_overdue(self, meeting: Meeting | None, desktops: list[Instance], now: datetime) -> bool:
        """Whether it should have been ended a while ago, and nobody has waited for it since."""
        moments = (now - count * PRESENCE for count in range(PATIENCE // PRESENCE, -1, -1))
        return all(
            isinstance(verdict(meeting, desktops, each, self._longest), End) for each in moments
        )

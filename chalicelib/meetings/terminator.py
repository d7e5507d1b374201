"""The terminator: ends a meeting as soon as both sides have left their data, or it is cancelled.

It receives every change of the table. A record that fails is returned to Lambda by its number, so
that it is retried and eventually kept in the queue of failed events; the others are handled. What
it skips as too early or fails to end is left to the safety net.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from chalicelib.clock import in_minutes, time_at
from chalicelib.deadline import Deadline
from chalicelib.meeting_row.meeting import REASON
from chalicelib.meeting_row.table import decide_again
from chalicelib.meetings.row_changes import finish, handle_each
from chalicelib.meetings.state import (
    SUCCESS,
    has_all_data,
    is_cancelled,
    is_over,
    meet_time_of,
    says_why_it_ended,
)
from chalicelib.settings.meetings import SHORTEST_MEETING
from chalicelib.telemetry import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.deadline import LambdaContext
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.ending import Ending
    from chalicelib.meetings.row_changes import RowChange
    from chalicelib.telemetry import Reporter

_LONGEST_END: Final = 10.0
"""Seconds that ending a meeting may take; with less left it is not started."""


@dataclass
class Batch:
    """The result for a batch's records."""

    ended: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    ignored: int = 0
    warnings: list[str] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    """By sequence number."""

    @property
    def outcome(self) -> Outcome:
        """The result to report."""
        done = Counter(ended=len(self.ended), left=len(self.left), ignored=self.ignored)
        said = ", ".join(f"{number} {what}" for what, number in done.items())
        return Outcome(
            "ended" if self.ended else "ignored",
            f"records: {said}, {len(self.errors)} failed",
            {"meetings": self.ended, "left": self.left},
            self.warnings,
            {
                "Ended": len(self.ended),
                "Ignored": self.ignored + len(self.left),
                "Failed": len(self.errors),
            },
        )


class Terminator:
    """Handles batches from the table's stream."""

    def __init__(
        self,
        *,
        table: Meetings,
        ending: Ending,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._ending = ending
        self._reporter = reporter
        self._clock = clock

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Handle a raw event of the stream, report once, and return a partial batch response.

        Nothing is raised: Lambda would retry the whole batch, and every other meeting of the shard
        would wait for the failed one.
        """
        batch = Batch()
        deadline = Deadline.of(context, self._clock)
        batch.errors = handle_each(
            event,
            lambda change: self._handle_change(change, batch, deadline),
            lambda record: _ignore(record, batch),
        )
        return finish(self._reporter, context, batch.outcome, batch.errors)

    def _handle_change(self, change: RowChange, batch: Batch, deadline: Deadline) -> None:
        """Check the record itself first: most changes, including our own, cost no call."""
        meeting = change.meeting
        is_finished = not is_over(meeting) and has_all_data(meeting)
        if not (is_finished or is_cancelled(meeting)):
            batch.ignored += 1
            return
        meeting_id = meeting.id
        deadline.require(_LONGEST_END, f"end the meeting {meeting_id!r}")
        decide_again(lambda: self._look_at(meeting_id, batch))

    def _look_at(self, meeting_id: str, batch: Batch) -> None:
        """Decide by the current row; a claim in it may be a dead run's."""
        meeting = self._table.read_row(meeting_id)
        if meeting is None or not (is_cancelled(meeting) or _is_finished(meeting)):
            batch.ignored += 1
            return
        why = None if REASON in meeting.item else self._what_keeps_it(meeting)
        if why:
            batch.left.append(f"{meeting_id}: {why}; left to the safety net")
            return
        ended = self._ending.end_meeting(meeting, SUCCESS)
        batch.ended.append(meeting_id)
        batch.warnings += (f"{meeting_id}: {warning}" for warning in ended.warnings)

    def _what_keeps_it(self, meeting: Meeting) -> str | None:
        start = meet_time_of(meeting)
        if start is None:
            return "its row has no valid start"
        if time_at(self._clock()) < start + SHORTEST_MEETING:
            return f"it started less than {in_minutes(SHORTEST_MEETING)} ago"
        return None


def _is_finished(meeting: Meeting) -> bool:
    """Whether both sides have finished, and the row does not say yet that it ended for that."""
    return has_all_data(meeting) and not says_why_it_ended(meeting)


def _ignore(record: object, batch: Batch) -> None:
    """Skip what cannot be handled, and warn of unexpected records."""
    batch.ignored += 1
    match record:
        case {"eventName": "INSERT" | "REMOVE"}:
            pass
        case _:
            batch.warnings.append(
                "a record that is malformed or not of this table's stream with new images"
            )

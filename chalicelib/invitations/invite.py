"""The handler that sends each meeting's people the letters that they are due.

It receives every change of the table that may make a letter due. A record that fails is returned to
Lambda by its number, so that it is retried and eventually kept in the queue of failed events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.invitations.letters import Outcome as Result
from chalicelib.invitations.letters import due_letters
from chalicelib.meetings.row_changes import finish, handle_each
from chalicelib.telemetry import Outcome

if TYPE_CHECKING:
    from datetime import timedelta

    from chalicelib.deadline import LambdaContext
    from chalicelib.invitations.delivery import Delivery
    from chalicelib.meetings.row_changes import RowChange
    from chalicelib.telemetry import Reporter


@dataclass
class _Batch:
    """The result for a batch's records."""

    sent: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    ignored: int = 0
    errors: dict[str, Exception] = field(default_factory=dict)
    """By sequence number."""

    def ignore(self) -> None:
        """Count a record that makes no letter due."""
        self.ignored += 1

    @property
    def outcome(self) -> Outcome:
        """The result to report."""
        return Outcome(
            "notified" if self.sent else "ignored",
            f"letters: {len(self.sent)} sent, {len(self.failed)} refused; records: {self.ignored} "
            f"ignored, {len(self.errors)} failed",
            {"letters": self.sent, "refused": self.failed},
            metrics={
                "Invited": len(self.sent),
                "NotInvited": len(self.failed),
                "Failed": len(self.errors),
            },
        )


class Invite:
    """Handles batches from the table's stream."""

    def __init__(self, *, delivery: Delivery, longest: timedelta, reporter: Reporter) -> None:
        self._delivery = delivery
        self._longest = longest
        self._reporter = reporter

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Handle a raw event of the stream, report once, and return a partial batch response.

        Nothing is raised: Lambda would retry the whole batch, and every other meeting of the shard
        would wait for the failed one.
        """
        batch = _Batch()
        batch.errors = handle_each(
            event,
            lambda change: self._handle_change(change, batch, context),
            lambda _: batch.ignore(),
        )
        return finish(self._reporter, context, batch.outcome, batch.errors)

    def _handle_change(self, change: RowChange, batch: _Batch, context: LambdaContext) -> None:
        """Check the record itself first: most changes, including our own, cost no call.

        One person's error does not keep the letter from the other.
        """
        meeting, errors = change.meeting, []
        letters = due_letters(meeting, self._delivery.now(), self._longest)
        if not letters:
            batch.ignore()
        for role, letter in letters.items():
            try:
                mark = self._delivery.deliver(meeting.id, role, letter, context)
            except Exception as error:  # noqa: BLE001 (raised below)
                errors.append(error)
                continue
            if mark:
                done = batch.failed if mark.outcome is Result.FAILED else batch.sent
                done.append(f"{meeting.id} {role}: {mark}")
        if errors:
            raise errors[0]

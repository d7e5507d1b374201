"""Writing the rows of a survey: one update for each row, in parallel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.deadline import OutOfTimeError
from chalicelib.meeting_row.table import RowChangedError, RowFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from chalicelib.meeting_row.decision import Desktop
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.step import Step, Steps
    from chalicelib.watchdog.row_plan import RowPlan, RowWrite


class RowsNotUpdatedError(Exception):
    """Rows could not be written; the zone is changed, and the next run updates the rows."""


@dataclass
class RowResults:
    """The result for rows: writes made, deferred to the next run, and failed."""

    done: list[RowWrite] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    not_updated: set[str] = field(default_factory=set)
    """The instances whose row should have been updated and was not."""

    def leave_unread(self, unread: Mapping[str, str], errors: Iterable[Exception]) -> None:
        """Defer the rows that could not be read to the next run; `errors` are DynamoDB's."""
        self.left += (f"the row {meeting_id!r}: {reason}" for meeting_id, reason in unread.items())
        self.errors += errors

    def then(self, later: RowResults) -> RowResults:
        """Return the combined result of this attempt and a later one."""
        return RowResults(
            [*self.done, *later.done], later.left, [*self.errors, *later.errors], later.not_updated
        )

    @property
    def error(self) -> RowsNotUpdatedError | None:
        """What DynamoDB rejected, if anything."""
        if not self.errors:
            return None
        error = RowsNotUpdatedError(
            f"DynamoDB rejected {len(self.errors)} request(s) for rows; first error: "
            f"{self.errors[0]}"
        )
        error.__cause__ = self.errors[0]
        return error

    def raise_if_failed(self) -> None:
        """Raise RowsNotUpdatedError if DynamoDB rejected a read or a write."""
        if self.error:
            raise self.error


class RowWriter:
    """The current rows: as they were read, plus what was written since."""

    def __init__(self, meetings: Meetings, rows: Mapping[str, Meeting], row_plan: RowPlan) -> None:
        self._meetings = meetings
        self._rows = dict(rows)
        self._row_plan = row_plan
        self.row_results = RowResults()

    def write(
        self,
        *,
        first: bool,
        unsettled: Collection[str],
        steps: Steps,
        may_write: Callable[[], str] = lambda: "",
    ) -> None:
        """Write the rows that come first, or the others, except for desktops that are unsettled.

        `may_write` is called before each write and returns an objection, or an empty string.
        """
        begun: list[tuple[RowWrite, list[Desktop], Step[None]]] = []
        for meeting_id, entries in self._row_plan.entries.items():
            desktops = [
                entry.desktop
                for entry in entries
                if entry.comes_first is first and entry.desktop.instance_id not in unsettled
            ]
            if meeting_id not in self._rows:
                self.row_results.not_updated.update(each.instance_id for each in desktops)
                continue
            row_write = self._row_plan.row_write(self._rows[meeting_id], desktops)
            if row_write is None:
                continue
            try:
                step = self._begin(row_write, steps, may_write())
            except OutOfTimeError as error:
                self._leave(meeting_id, desktops, error)
            else:
                begun.append((row_write, desktops, step))
        for row_write, desktops, step in begun:
            meeting_id = row_write.change.meeting.id
            try:
                step.result()
            except (RowChangedError, OutOfTimeError) as error:
                self._leave(meeting_id, desktops, error)
            except (ClientError, BotoCoreError, RowFullError) as error:
                self._leave(meeting_id, desktops, error)
                self.row_results.errors.append(error)
            else:
                self.row_results.done.append(row_write)
                self._rows[meeting_id] = row_write.change.result

    def _begin(self, row_write: RowWrite, steps: Steps, objection: str) -> Step[None]:
        if objection:
            raise OutOfTimeError(objection)
        what = f"write the row {row_write.change.meeting.id!r}"
        return steps.begin(what, self._meetings.apply, row_write.change)

    def _leave(self, meeting_id: str, desktops: list[Desktop], reason: Exception) -> None:
        """Defer a row to the next run: its contents are no longer known."""
        self._rows.pop(meeting_id)
        self.row_results.left.append(f"the row {meeting_id!r}: {reason}")
        self.row_results.not_updated.update(each.instance_id for each in desktops)

"""The meetings of a stage, for its operator: all of them are read, and any can be ended."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import AGENDA, Meeting, Status
from chalicelib.meeting_row.table import Meetings, RowChangedError, RowFullError, decide_again
from chalicelib.meetings.changes import decide_cancellation
from chalicelib.meetings.launch_plan import is_confirmed
from chalicelib.meetings.schedules import ScheduleError, Schedules, launch_name, safety_name
from chalicelib.meetings.state import is_in_progress, is_over, meet_time_of
from ops.account import error_code, readable_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ops.account import Account
    from ops.stages import Stage

CANCEL: Final = "cancel"
END: Final = "end"

PAUSE: Final = 2.0
LOOKS: Final = 30
"""Looks at a row until its meeting's desktops are terminated: a minute."""

_NO_INDEX: Final = frozenset({"ValidationException", "ResourceNotFoundException"})
_LAST: Final = datetime(8999, 12, 31, tzinfo=UTC)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)


class MeetingError(Exception):
    """There is no such meeting, or it cannot be ended like that. The message says what to do."""


@dataclass(frozen=True)
class Ended:
    """The row of an ended meeting, and whether its desktops are known to be terminated."""

    meeting: Meeting
    is_done: bool
    warnings: tuple[str, ...] = ()


class StageMeetings:
    """The meetings of a stage. Everything that calls AWS raises AwsError."""

    def __init__(
        self, stage: Stage, account: Account, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._client: Any = account.client("dynamodb")
        self._table_name = str(stage.settings.table_name)
        self._table = Meetings(self._client, self._table_name)
        self._schedules = Schedules(account.client("scheduler"))
        self._name, self._place = stage.name, stage.place
        self._pause = pause

    def read_since(self, since: datetime) -> list[Meeting]:
        """Return the meetings that start later, in the order of their starts, by the index.

        Rows that other programs write, and those from before there was an index, are not in it.
        Raises MeetingError if the table has no index.
        """
        with readable_errors(f"read the table {self._table_name}"), self._explained():
            agenda = self._table.agenda(self._place.prefix, format_time(since), format_time(_LAST))
            ids = [each.id for each in agenda]
        read = self._table.rows_of(ids)
        with readable_errors(f"read the table {self._table_name}"):
            for error in read.errors:
                raise error
        if read.unread:
            raise MeetingError(f"{len(read.unread)} rows could not be read: try again")
        return _sorted(read.rows.values())

    def read_all(self) -> list[Meeting]:
        """Return every meeting in the order of their starts; those without a valid one first.

        The table is scanned: rows that other programs write are in no index. In a table that
        stages share, these rows belong to each of them.
        """
        with readable_errors(f"read the table {self._table_name}"):
            return _sorted(self._scan())

    def read(self, meeting_id: str) -> Meeting:
        """Return one meeting. Raises MeetingError if there is none."""
        with readable_errors(f"read the table {self._table_name}"):
            meeting = self._table.read_row(meeting_id)
        if meeting is None or not self._is_ours(meeting) or not is_confirmed(meeting):
            raise MeetingError(f"there is no meeting {meeting_id!r} in {self._table_name}")
        return meeting

    def end(self, meeting_id: str, action: str, now: datetime) -> Ended:
        """End a meeting, or cancel one that nobody has joined, and wait for its desktops' end.

        As with the API, a claim in the row ends it, and the deployed terminator terminates the
        desktops. A meeting that is being ended is waited for; one that has ended is left as it is.
        Raises MeetingError if it is to be cancelled but in progress, or the reverse.
        """
        try:
            with readable_errors(f"{action} the meeting {meeting_id}"):
                meeting = decide_again(lambda: self._claim(meeting_id, action, now))
        except RowChangedError as error:
            raise MeetingError(
                f"the row of {meeting_id!r} keeps changing, and nothing was done: try again"
            ) from error
        except RowFullError as error:
            raise MeetingError(
                f"the row of {meeting_id!r} has no room for the claim, and nothing was done: "
                "remove attributes that others have written into it"
            ) from error
        for looks in range(LOOKS):
            if meeting.status == Status.TERMINATED:
                return Ended(meeting, is_done=True, warnings=self._remove_schedules(meeting))
            if looks:
                self._pause(PAUSE)
            meeting = self.read(meeting_id)
        return Ended(meeting, is_done=False)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what to do about a table without the index, or whose index is being created."""
        try:
            yield
        except ClientError as error:
            if error_code(error) not in _NO_INDEX or "index" not in str(error):
                raise
            raise MeetingError(
                f"the table {self._table_name} has no index {AGENDA}, or not yet all of it: "
                f"`elephant deploy {self._name}` creates it; until then, --all reads every row"
            ) from error

    def _claim(self, meeting_id: str, action: str, now: datetime) -> Meeting:
        meeting = self.read(meeting_id)
        check_action(meeting, action)
        update = decide_cancellation(meeting, now)
        return self._table.update_row(update) if update else meeting

    def _remove_schedules(self, meeting: Meeting) -> tuple[str, ...]:
        """Remove what it no longer needs; return why something is left, which does no harm."""
        left = []
        for name in (launch_name(meeting), safety_name(meeting)):
            try:
                self._schedules.delete_schedule(self._place, name)
            except ScheduleError as error:
                left.append(str(error))
        return tuple(left)

    def _scan(self) -> Iterator[Meeting]:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table_name,
            FilterExpression="attribute_not_exists(#agenda) OR #agenda = :ours",
            ExpressionAttributeNames={"#agenda": AGENDA},
            ExpressionAttributeValues={":ours": {"S": self._place.prefix}},
        )
        for page in pages:
            for item in page["Items"]:
                yield Meeting(item["id"]["S"], item)

    def _is_ours(self, meeting: Meeting) -> bool:
        return meeting.text(AGENDA) in {None, self._place.prefix}


def _sorted(rows: Iterable[Meeting]) -> list[Meeting]:
    confirmed = filter(is_confirmed, rows)
    return sorted(confirmed, key=lambda row: (meet_time_of(row) or _FIRST, row.id))


def check_action(meeting: Meeting, action: str) -> None:
    """Raise MeetingError if a meeting is to be cancelled but in progress, or the reverse."""
    right = END if is_in_progress(meeting) else CANCEL
    if action != right and not is_over(meeting):
        why = "somebody has joined it" if right == END else "nobody has joined it yet"
        raise MeetingError(f"{meeting.id}: {why}; to stop it, {right} it")

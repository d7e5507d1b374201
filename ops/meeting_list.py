"""A stage's meetings, read from its table for the operator."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import AGENDA, Meeting
from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings.launch_plan import is_confirmed
from chalicelib.meetings.lifetime import meet_time_of
from ops.account import error_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ops.stages import Stage

PAST: Final = timedelta(days=7)
"""How long ago the first meetings of a list started, unless all are listed."""

_NOT_FOUND: Final = "ResourceNotFoundException"
_NO_INDEX: Final = frozenset({"ValidationException", _NOT_FOUND})
_LAST: Final = datetime(8999, 12, 31, tzinfo=UTC)


class MeetingListError(Exception):
    """Meetings cannot be read, or not be ended like that. The message says what to do."""


@dataclass(frozen=True)
class Listed:
    """Meetings by their start, those without one last; `unread` says which could not be read."""

    meetings: tuple[Meeting, ...]
    unread: Mapping[str, str]


class MeetingList:
    """Reads a stage's meetings. Raises MeetingListError and botocore's errors.

    What a request that failed has left in the table is not listed.
    """

    def __init__(self, client: Any, stage: Stage) -> None:  # noqa: ANN401 (botocore makes the class)
        self._client = client
        self._stage = stage
        self._table_name = str(stage.settings.table_name)
        self.table = Meetings(client, self._table_name)

    def read_recent(self, now: datetime) -> Listed:
        """Read the meetings of the stage's agenda, from a week ago on."""
        with self._explained():
            prefix = self._stage.place.prefix
            agenda = self.table.agenda(prefix, format_time(now - PAST), format_time(_LAST))
            ids = [each.id for each in agenda]
        read = self.table.rows_of(ids)
        if read.errors:
            raise read.errors[0]
        return Listed(_sorted(read.rows.values()), read.unread)

    def read_all(self) -> Listed:
        """Read the whole table, also rows that others wrote; another stage's are left out."""
        with self._explained():
            return Listed(_sorted(each for each in self._rows() if self._is_ours(each)), {})

    def find(self, meeting_id: str) -> Meeting:
        """Read one meeting. Raises MeetingListError if the stage does not have it."""
        with self._explained():
            meeting = self.table.read_row(meeting_id)
        if meeting is None or not self._is_ours(meeting):
            raise MeetingListError(
                f"stage {self._stage.name!r} has no meeting {meeting_id!r} in its table "
                f"{self._table_name}: see `elephant meetings {self._stage.name} --all`"
            )
        if not is_confirmed(meeting):
            raise MeetingListError(
                f"{meeting_id!r} is not a meeting: it is left from a request that failed, and "
                "starts nothing"
            )
        return meeting

    def _rows(self) -> Iterator[Meeting]:
        for page in self._client.get_paginator("scan").paginate(
            TableName=self._table_name, ConsistentRead=True
        ):
            for item in page["Items"]:
                yield Meeting(item["id"]["S"], item)

    def _is_ours(self, meeting: Meeting) -> bool:
        return meeting.text(AGENDA) in {None, self._stage.place.prefix}

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            name, code = self._stage.name, error_code(error)
            if code in _NO_INDEX and "index" in str(error):
                raise MeetingListError(
                    f"the table {self._table_name} has no index {AGENDA}, or it is still being "
                    f"created: `elephant deploy {name}` creates it; until then, `elephant "
                    f"meetings {name} --all` reads the whole table"
                ) from error
            if code == _NOT_FOUND:
                raise MeetingListError(
                    f"there is no table {self._table_name}: `elephant deploy {name}` creates it"
                ) from error
            raise


def _sorted(meetings: Iterable[Meeting]) -> tuple[Meeting, ...]:
    confirmed = filter(is_confirmed, meetings)
    return tuple(sorted(confirmed, key=lambda each: (meet_time_of(each) or _LAST, each.id)))

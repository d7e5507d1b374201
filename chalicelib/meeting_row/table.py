"""The meetings table in DynamoDB: reads and conditional writes."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.meeting_row.meeting import AGENDA, MEET_TIME, Meeting, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from chalicelib.clients import DynamoDbClient
    from chalicelib.meeting_row.meeting import MeetingChange, RowUpdate

T = TypeVar("T")

BATCH_KEYS: Final = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
ATTEMPTS: Final = 3
"""Attempts to decide when the row is changed between reading and writing."""
READ_ATTEMPTS: Final = 5
"""Attempts to read rows that a batch left out; the pause doubles with each."""
_FIRST_PAUSE: Final = 0.05
_AGENDA_KEY: Final = (AGENDA, MEET_TIME, "id")


class RowChangedError(Exception):
    """The row was changed since it was read; nothing was written. Read it and decide again."""


class RowFullError(Exception):
    """The row would exceed DynamoDB's size limit; nothing was written. Remove part of it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    """


class RowExistsError(Exception):
    """A row with this id already exists; nothing was written."""


def decide_again(decide: Callable[[], T], attempts: int = ATTEMPTS) -> T:
    """Read, decide and write, and start over if the row was changed between read and write.

    Raises RowChangedError if it was at every attempt.
    """
    for _ in range(attempts - 1):
        with suppress(RowChangedError):
            return decide()
    return decide()


@dataclass(frozen=True)
class RowsRead:
    """The existing rows by id, and the reasons for those that could not be read.

    `errors` has DynamoDB's errors.
    """

    rows: Mapping[str, Meeting] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Exception, ...] = ()

    def among(self, meeting_ids: Collection[str]) -> RowsRead:
        """Return the same for these meetings alone."""
        unread = {each: why for each, why in self.unread.items() if each in meeting_ids}
        rows = {each: row for each, row in self.rows.items() if each in meeting_ids}
        return RowsRead(rows, unread, self.errors if unread else ())

    def updated(self, meeting_ids: Collection[str], later: RowsRead) -> RowsRead:
        """Return this with what a later read of these meetings returned instead."""
        before = self.among((self.rows.keys() | self.unread.keys()) - set(meeting_ids))
        errors = (*before.errors, *later.errors)
        return RowsRead({**before.rows, **later.rows}, {**before.unread, **later.unread}, errors)


class Meetings:
    """The meetings table: partition key `id`, a string."""

    def __init__(
        self,
        client: DynamoDbClient,
        table_name: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._sleep = sleep

    def read_row(self, meeting_id: str) -> Meeting | None:
        """Read a row with a consistent read; None if there is none."""
        answer = self._client.get_item(
            TableName=self._table_name, Key={"id": {"S": meeting_id}}, ConsistentRead=True
        )
        item = answer.get("Item")
        return Meeting(meeting_id, item) if item else None

    def rows_of(self, meeting_ids: Iterable[str], *, is_consistent: bool = True) -> RowsRead:
        """Read many rows. A row that cannot be read does not block others.

        A read that is not consistent costs half, and may return a row as it was a second ago.
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
        """
        wanted = sorted(set(meeting_ids))
        rows: dict[str, Meeting] = {}
        unread: dict[str, str] = {}
        errors: list[Exception] = []
        for start in range(0, len(wanted), BATCH_KEYS):
            asked = wanted[start : start + BATCH_KEYS]
            try:
                left = self._read_batch(asked, rows, is_consistent=is_consistent)
            except (ClientError, BotoCoreError) as error:
                errors.append(error)
                left = {each: str(error) for each in asked if each not in rows}
            unread |= left
        return RowsRead(rows, unread, tuple(errors))

    def agenda(
        self, partition: str, since: str, until: str, after: Meeting | None = None
    ) -> Iterator[Meeting]:
        """Yield meetings that start between these times, in this order, from the index `agenda`.

        They have what the index has of a row, as it was about a second ago. `after` is one of
        them: those up to it are left out. Times are written as in rows.
        """
        more: dict[str, Any] = {}
        # DynamoDB refuses a range that ends before it begins, and to start outside of the range.
        if after and (position := after.text(MEET_TIME) or "") >= since:
            more = {"ExclusiveStartKey": {name: after.item[name] for name in _AGENDA_KEY}}
            since = position
        while since <= until:
            page = self._client.query(
                TableName=self._table_name,
                IndexName=AGENDA,
                KeyConditionExpression="#agenda = :agenda AND #time BETWEEN :since AND :until",
                ExpressionAttributeNames={"#agenda": AGENDA, "#time": MEET_TIME},
                ExpressionAttributeValues={
                    ":agenda": {"S": partition},
                    ":since": {"S": since},
                    ":until": {"S": until},
                },
                **more,
            )
            for item in page["Items"]:
                yield Meeting(item["id"]["S"], item)
            if not page.get("LastEvaluatedKey"):
                return
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _read_batch(
        self, meeting_ids: list[str], rows: dict[str, Meeting], *, is_consistent: bool
    ) -> dict[str, str]:
        """Add the rows of a batch; return the ids that DynamoDB never returned, with the reason."""
        keys: list[Mapping[str, Any]] = [{"id": {"S": each}} for each in meeting_ids]
        for attempt in range(READ_ATTEMPTS):
            if attempt:
                self._sleep(_FIRST_PAUSE * 2**attempt)
            request = {self._table_name: {"Keys": keys, "ConsistentRead": is_consistent}}
            answer = self._client.batch_get_item(RequestItems=request)
            for item in answer["Responses"].get(self._table_name, ()):
                rows[item["id"]["S"]] = Meeting(item["id"]["S"], item)
            left = answer.get("UnprocessedKeys", {})
            if self._table_name not in left:
                return {}
            keys = left[self._table_name]["Keys"]
        reason = f"missing from {READ_ATTEMPTS} answers of DynamoDB"
        return {key["id"]["S"]: reason for key in keys}

    def apply(self, change: MeetingChange) -> None:
        """Write a change as `update_row` does."""
        self.update_row(change.update)

    def update_row(self, update: RowUpdate) -> Meeting:
        """Write on condition that the row exists and what is relied on is unchanged.

        Returns the row after the write. Raises RowChangedError if the condition does not hold, and
        RowFullError if the row would be too large; nothing was written then.
        """
        meeting_id = update.meeting.id
        try:
            with _translated(RowChangedError(f"row {meeting_id!r} was changed concurrently")):
                answer = self._client.update_item(
                    TableName=self._table_name,
                    Key={"id": {"S": meeting_id}},
                    **_expressions(update),
                    ReturnValues="ALL_NEW",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationException" and "size" in str(error):
                raise RowFullError(f"row {meeting_id!r} is too large: {error}") from error
            raise
        return Meeting(meeting_id, answer["Attributes"])

    def make_row(self, meeting_id: str, texts: Mapping[str, str]) -> Meeting:
        """Create a row. Raises RowExistsError if the id exists; that row is left unchanged."""
        made = Meeting.made(meeting_id, texts)
        with _translated(RowExistsError(f"row {meeting_id!r} already exists")):
            self._client.put_item(
                TableName=self._table_name,
                Item=made.item,
                ConditionExpression="attribute_not_exists(#id)",
                ExpressionAttributeNames={"#id": "id"},
            )
        return made

    def take_back_row(self, made: Meeting) -> None:
        """Remove a created row on condition that it still has the status it was created with.

        Raises RowChangedError if not; the row is left unchanged. A missing row is no error.
        """
        with _translated(RowChangedError(f"row {made.id!r} was changed concurrently")):
            self._client.delete_item(
                TableName=self._table_name,
                Key={"id": {"S": made.id}},
                ConditionExpression="attribute_not_exists(#id) OR #status = :status",
                ExpressionAttributeNames={"#id": "id", "#status": "status"},
                ExpressionAttributeValues={":status": made.item["status"]},
            )


@contextmanager
def _translated(conflict: Exception) -> Iterator[None]:
    """Raise this error if the condition of a write does not hold."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        raise conflict from error


def _expressions(update: RowUpdate) -> dict[str, object]:
    """Build the expressions; names and values are always placeholders in them."""
    names = {"#id": "id"}
    values: dict[str, Mapping[str, Any]] = {}
    assignments, removals, conditions = [], [], ["attribute_exists(#id)"]
    for position, (name, value) in enumerate(typed(update.texts).items()):
        names[f"#t{position}"] = name
        values[f":t{position}"] = value
        assignments.append(f"#t{position} = :t{position}")
    for position, name in enumerate(update.removes):
        names[f"#x{position}"] = name
        removals.append(f"#x{position}")
    for position, name in enumerate(update.relies_on):
        names[f"#r{position}"] = name
        if name in update.meeting.item:
            conditions.append(f"#r{position} = :r{position}")
            values[f":r{position}"] = update.meeting.item[name]
        else:
            conditions.append(f"attribute_not_exists(#r{position})")
    parts = [f"SET {', '.join(assignments)}"] if assignments else []
    parts += [f"REMOVE {', '.join(removals)}"] if removals else []
    return {
        "UpdateExpression": " ".join(parts),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        **({"ExpressionAttributeValues": values} if values else {}),
    }

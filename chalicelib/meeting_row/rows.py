"""Meetings' rows as the meetings feature writes them: create, conditional write, undo.

The watchdog's writes are in `meeting_row/meeting.py`; neither touches what it did not read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import TERMINATION_REASON, Meeting, RowChangedError

if TYPE_CHECKING:
    from collections.abc import Mapping

MEET_TIME: Final = "meet_time"
REASON: Final = TERMINATION_REASON
"""The claim to end a meeting, written before anything is terminated."""
REQUEST_HASH: Final = "request_hash"
"""In every row that `POST /schedule` creates; distinguishes a repeated request from another."""
SCHEDULED_AT: Final = "scheduled_at"
"""Written into such a row once both schedules exist: from then on it is a meeting."""

_INVALID: Final = "ValidationException"
_CONDITION_FAILED: Final = "ConditionalCheckFailedException"


class RowsClient(Protocol):
    """The calls that are made to DynamoDB."""

    def get_item(self, **request: object) -> Mapping[str, Any]:
        """`GetItem` of the API reference."""
        ...

    def put_item(self, **request: object) -> Mapping[str, Any]:
        """`PutItem` of the API reference."""
        ...

    def update_item(self, **request: object) -> Mapping[str, Any]:
        """`UpdateItem` of the API reference."""
        ...

    def delete_item(self, **request: object) -> Mapping[str, Any]:
        """`DeleteItem` of the API reference."""
        ...


class RowFullError(Exception):
    """The row would exceed DynamoDB's size limit; nothing was written. Remove part of it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    """


class RowExistsError(Exception):
    """A row with this id already exists; nothing was written."""


@dataclass(frozen=True)
class RowUpdate:
    """Texts to set in a row, valid only while what it relies on is unchanged.

    `relies_on` names attributes; one that the row did not have must still be absent.
    """

    meeting: Meeting
    texts: Mapping[str, str]
    relies_on: tuple[str, ...] = field(default=())
    removes: tuple[str, ...] = field(default=())
    """Attributes to remove."""


def text_of(meeting: Meeting, attribute: str) -> str | None:
    """Return an attribute's text; None if it is absent, and an empty text if it is not text."""
    value = meeting.item.get(attribute)
    return None if value is None else str(value.get("S", ""))


class RowReader:
    """Reads single rows of the meetings table."""

    def __init__(self, client: RowsClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def read_row(self, meeting_id: str) -> Meeting | None:
        """Read a row with a consistent read; None if there is none."""
        answer = self._client.get_item(
            TableName=self._table_name, Key={"id": {"S": meeting_id}}, ConsistentRead=True
        )
        item = answer.get("Item")
        return Meeting(meeting_id, item) if item else None


class RowWriter:
    """Changes existing rows of the meetings table."""

    def __init__(self, client: RowsClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def update_row(self, update: RowUpdate) -> Meeting:
        """Write on condition that the row exists and what is relied on is unchanged.

        Returns the row after the write. Raises RowChangedError if the condition does not hold, and
        RowFullError if the row would be too large; nothing was written then.
        """
        meeting = update.meeting
        names = {"#id": "id"}
        values: dict[str, Mapping[str, Any]] = {}
        assignments = []
        for position, (name, text) in enumerate(update.texts.items()):
            names[f"#t{position}"] = name
            values[f":t{position}"] = {"S": text}
            assignments.append(f"#t{position} = :t{position}")
        removals = []
        for position, name in enumerate(update.removes):
            names[f"#x{position}"] = name
            removals.append(f"#x{position}")
        parts = [f"SET {', '.join(assignments)}"] if assignments else []
        parts += [f"REMOVE {', '.join(removals)}"] if removals else []
        conditions = ["attribute_exists(#id)"]
        for position, name in enumerate(update.relies_on):
            names[f"#r{position}"] = name
            if name in meeting.item:
                conditions.append(f"#r{position} = :r{position}")
                values[f":r{position}"] = meeting.item[name]
            else:
                conditions.append(f"attribute_not_exists(#r{position})")
        try:
            answer = self._client.update_item(
                TableName=self._table_name,
                Key={"id": {"S": meeting.id}},
                UpdateExpression=" ".join(parts),
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                **({"ExpressionAttributeValues": values} if values else {}),
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            code, message = error.response["Error"]["Code"], str(error)
            if code == _INVALID and "size" in message:
                raise RowFullError(f"row {meeting.id!r} is too large: {message}") from error
            if code != _CONDITION_FAILED:
                raise
            raise RowChangedError(f"row {meeting.id!r} was changed concurrently") from error
        return Meeting(meeting.id, answer["Attributes"])


class RowMaker:
    """Creates rows of the meetings table, and removes those that were not completed."""

    def __init__(self, client: RowsClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def make_row(self, meeting_id: str, texts: Mapping[str, str]) -> Meeting:
        """Create a row. Raises RowExistsError if the id exists; that row is left unchanged."""
        item: dict[str, Mapping[str, Any]] = {"id": {"S": meeting_id}}
        item.update((name, {"S": text}) for name, text in texts.items())
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item=item,
                ConditionExpression="attribute_not_exists(#id)",
                ExpressionAttributeNames={"#id": "id"},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            raise RowExistsError(f"row {meeting_id!r} already exists") from error
        return Meeting(meeting_id, item)

    def take_back_row(self, made: Meeting) -> None:
        """Remove a created row on condition that it still has the status it was created with.

        Raises RowChangedError if not; the row is left unchanged. A missing row is no error.
        """
        try:
            self._client.delete_item(
                TableName=self._table_name,
                Key={"id": {"S": made.id}},
                ConditionExpression="attribute_not_exists(#id) OR #status = :status",
                ExpressionAttributeNames={"#id": "id", "#status": "status"},
                ExpressionAttributeValues={":status": made.item["status"]},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            raise RowChangedError(f"row {made.id!r} was changed concurrently") from error

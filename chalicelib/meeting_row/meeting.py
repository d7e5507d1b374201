"""Meetings' rows in DynamoDB, and the watchdog's reads and writes of them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.ec2.instances import INSTANCE_ID, MEETING_TAG, ROLE_TAG, is_instance_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from chalicelib.ec2.instances import Instance

STATUSES: Final = (
    "SCHEDULED",
    "LAUNCHED",
    "DNS_WRITTEN",
    "HEALTHY",
    "IN_PROGRESS",
    "TERMINATED",
)
"""In the order in which a meeting passes through them; it never goes back."""

DNS_WRITTEN: Final = "DNS_WRITTEN"
TERMINATED: Final = "TERMINATED"

TERMINATION_REASON: Final = "termination_reason"
NEVER_HEALTHY: Final = "NEVER_HEALTHY"
"""The reason of a meeting none of whose desktops reported ready: nobody could join."""

BATCH_KEYS: Final = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
ATTEMPTS: Final = 5
"""Attempts to read rows that a batch left out; the pause doubles with each."""
_FIRST_PAUSE: Final = 0.05

ROLES: Final = ("teacher", "student")

_ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_LINK_SUFFIX, _INSTANCE_SUFFIX = "_ec2_link", "_ec2_id"
_LINKED_INSTANCE = re.compile(rf"https://(?P<instance>{INSTANCE_ID})\.")


class DynamoDbClient(Protocol):
    """The calls that are made to DynamoDB."""

    def get_item(self, **request: object) -> Mapping[str, Any]:
        """`GetItem` of the API reference."""
        ...

    def batch_get_item(self, **request: object) -> Mapping[str, Any]:
        """`BatchGetItem` of the API reference."""
        ...

    def update_item(self, **request: object) -> Mapping[str, Any]:
        """`UpdateItem` of the API reference."""
        ...


@dataclass(frozen=True)
class Assignment:
    """The meeting that an instance serves, and in which role."""

    meeting_id: str
    role: str

    @classmethod
    def of(cls, instance: Instance) -> Assignment | None:
        """Read it from the instance's tags; None unless both are there."""
        meeting_id, role = instance.tags.get(MEETING_TAG), instance.tags.get(ROLE_TAG)
        return cls(meeting_id, role) if meeting_id and role else None

    @property
    def is_valid(self) -> bool:
        """Whether the role can name attributes of a row: a tag may hold anything."""
        return _ROLE.fullmatch(self.role) is not None


def link_attribute(role: str) -> str:
    """Name the attribute that holds the role's link."""
    return role + _LINK_SUFFIX


def instance_attribute(role: str) -> str:
    """Name the attribute that holds the id of the instance launched for the role."""
    return role + _INSTANCE_SUFFIX


@dataclass(frozen=True)
class Meeting:
    """A meeting's row as it was read.

    `item` holds the attributes as DynamoDB types them: other writers may use any type.
    """

    id: str
    item: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def status(self) -> str | None:
        """The status; None if there is none, and an empty string if it is not text."""
        return self._text("status")

    @property
    def termination_reason(self) -> str | None:
        """Why the meeting is over; None if it is not, and an empty string if it is not text."""
        return self._text(TERMINATION_REASON)

    def link(self, role: str) -> str | None:
        """Return the role's link, if there is one."""
        return self._text(link_attribute(role)) or None

    def instance_id(self, role: str) -> str | None:
        """Return the id of the instance that was launched for the role, if the row has one."""
        noted = self._text(instance_attribute(role)) or ""
        return noted if is_instance_id(noted) else None

    def linked_instance(self, role: str) -> str | None:
        """Return the id of the instance that the role's link leads to, from its host name."""
        found = _LINKED_INSTANCE.match(self.link(role) or "")
        return found["instance"] if found else None

    @property
    def instance_ids(self) -> frozenset[str]:
        """The instances that the row names, as launched for a role or by a role's link."""
        noted = {
            self.instance_id(name.removesuffix(_INSTANCE_SUFFIX))
            for name in self.item
            if name.endswith(_INSTANCE_SUFFIX)
        }
        linked = {self.linked_instance(role) for role in self.roles}
        return frozenset(each for each in noted | linked if each)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that a meeting has, and any other that has a link in the row."""
        others = (
            name.removesuffix(_LINK_SUFFIX) for name in self.item if name.endswith(_LINK_SUFFIX)
        )
        return tuple(dict.fromkeys((*ROLES, *others)))

    def _text(self, name: str) -> str | None:
        value = self.item.get(name)
        return None if value is None else str(value.get("S", ""))


@dataclass(frozen=True)
class MeetingChange:
    """One conditional write to a row, valid only while what it relies on is unchanged.

    `links` has the link to set, or None to remove it, by role; `status` the status to set, if any.
    """

    meeting: Meeting
    links: Mapping[str, str | None]
    status: str | None
    relies_on: tuple[str, ...]

    @property
    def summary(self) -> str:
        """A short description of what it writes."""
        parts = [
            f"{link_attribute(role)} {'set' if link else 'removed'}"
            for role, link in self.links.items()
        ]
        return ", ".join([*parts, f"status {self.status}"] if self.status else parts)

    def then(self, later: MeetingChange) -> MeetingChange:
        """Merge this change with one that was decided from its result."""
        return MeetingChange(
            self.meeting,
            {**self.links, **later.links},
            later.status or self.status,
            tuple(dict.fromkeys((*self.relies_on, *later.relies_on))),
        )

    @property
    def result(self) -> Meeting:
        """The row as it is after the change."""
        item = dict(self.meeting.item)
        for role, link in self.links.items():
            if link:
                item[link_attribute(role)] = {"S": link}
            else:
                item.pop(link_attribute(role), None)
        if self.status:
            item["status"] = {"S": self.status}
        return Meeting(self.meeting.id, item)


class RowChangedError(Exception):
    """The row was changed since it was read; nothing was written. Read it and decide again."""


@dataclass(frozen=True)
class RowsRead:
    """The existing rows by id, and the reasons for those that could not be read.

    `errors` has DynamoDB's errors.
    """

    rows: Mapping[str, Meeting] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Exception, ...] = ()


class Meetings:
    """The meetings table: partition key `id`, a string. Rows are changed, never created."""

    def __init__(
        self,
        client: DynamoDbClient,
        table_name: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._sleep = sleep

    def find(self, meeting_id: str) -> Meeting | None:
        """Read a row with a consistent read; None if there is none."""
        answer = self._client.get_item(
            TableName=self._table_name, Key={"id": {"S": meeting_id}}, ConsistentRead=True
        )
        item = answer.get("Item")
        return Meeting(meeting_id, item) if item else None

    def rows_of(self, meeting_ids: Iterable[str]) -> RowsRead:
        """Read many rows consistently. A row that cannot be read does not block others."""
        wanted = sorted(set(meeting_ids))
        rows: dict[str, Meeting] = {}
        unread: dict[str, str] = {}
        errors: list[Exception] = []
        for start in range(0, len(wanted), BATCH_KEYS):
            asked = wanted[start : start + BATCH_KEYS]
            try:
                left = self._read_batch(asked, rows)
            except (ClientError, BotoCoreError) as error:
                errors.append(error)
                left = {each: str(error) for each in asked if each not in rows}
            unread |= left
        return RowsRead(rows, unread, tuple(errors))

    def _read_batch(self, meeting_ids: list[str], rows: dict[str, Meeting]) -> dict[str, str]:
        """Add the rows of a batch; return the ids that DynamoDB never returned, with the reason."""
        keys: list[Mapping[str, Any]] = [{"id": {"S": each}} for each in meeting_ids]
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(_FIRST_PAUSE * 2**attempt)
            request = {self._table_name: {"Keys": keys, "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=request)
            for item in answer["Responses"].get(self._table_name, ()):
                rows[item["id"]["S"]] = Meeting(item["id"]["S"], item)
            left = answer.get("UnprocessedKeys", {})
            if self._table_name not in left:
                return {}
            keys = left[self._table_name]["Keys"]
        reason = f"missing from {ATTEMPTS} answers of DynamoDB"
        return {key["id"]["S"]: reason for key in keys}

    def apply(self, change: MeetingChange) -> None:
        """Write the change on condition that everything it relies on is unchanged.

        Raises RowChangedError if it is not, or if the row is gone.
        """
        try:
            self._client.update_item(TableName=self._table_name, **_update(change))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise RowChangedError(f"row {change.meeting.id!r} was changed concurrently") from error


def _update(change: MeetingChange) -> dict[str, object]:
    """Build the update; names and values are always placeholders in the expressions."""
    names = {"#id": "id"}
    values: dict[str, Mapping[str, Any]] = {}
    assignments, removals = [], []
    for position, (role, link) in enumerate(change.links.items()):
        names[f"#l{position}"] = link_attribute(role)
        if link:
            assignments.append(f"#l{position} = :l{position}")
            values[f":l{position}"] = {"S": link}
        else:
            removals.append(f"#l{position}")
    if change.status:
        names["#status"] = "status"
        assignments.append("#status = :status")
        values[":status"] = {"S": change.status}
    conditions = ["attribute_exists(#id)"]
    for position, name in enumerate(change.relies_on):
        names[f"#r{position}"] = name
        if name in change.meeting.item:
            conditions.append(f"#r{position} = :r{position}")
            values[f":r{position}"] = change.meeting.item[name]
        else:
            conditions.append(f"attribute_not_exists(#r{position})")
    parts = [f"SET {', '.join(assignments)}"] if assignments else []
    parts += [f"REMOVE {', '.join(removals)}"] if removals else []
    request: dict[str, object] = {
        "Key": {"id": {"S": change.meeting.id}},
        "UpdateExpression": " ".join(parts),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
    }
    if values:
        request["ExpressionAttributeValues"] = values
    return request

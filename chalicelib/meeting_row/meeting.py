"""Meetings and their rows in DynamoDB: reading, and conditional writes of links and statuses."""

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
"""The reason of a meeting of which no desktop reported that it was ready: nobody could come."""

BATCH_KEYS: Final = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
ATTEMPTS: Final = 5
"""How often rows are asked for that a batch left out; the pause before each doubles."""
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
        """Whether the role can name attributes of a row: it comes from a tag, so from anyone."""
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

    `item` holds the attributes as DynamoDB types them: what others wrote may be of any type.
    """

    id: str
    item: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def status(self) -> str | None:
        """The status; None if there is none, and an empty string if it is no text."""
        return self._text("status")

    @property
    def termination_reason(self) -> str | None:
        """Why the meeting is over; None if it is not, and an empty string if it is no text."""
        return self._text(TERMINATION_REASON)

    def link(self, role: str) -> str | None:
        """Return the role's link, if there is one."""
        return self._text(link_attribute(role)) or None

    def instance_id(self, role: str) -> str | None:
        """Return the id of the instance that was launched for the role, if one is noted."""
        noted = self._text(instance_attribute(role)) or ""
        return noted if is_instance_id(noted) else None

    def linked_instance(self, role: str) -> str | None:
        """Return the id of the instance that the role's link leads to, as its address says."""
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
        """The roles that a meeting has, and any other that the row holds a link of."""
        others = (
            name.removesuffix(_LINK_SUFFIX) for name in self.item if name.endswith(_LINK_SUFFIX)
        )
        return tuple(dict.fromkeys((*ROLES, *others)))

    def _text(self, name: str) -> str | None:
        value = self.item.get(name)
        return None if value is None else str(value.get("S", ""))


@dataclass(frozen=True)
class MeetingChange:
    """One write to a row, good only while what it relies on is as it was read.

    `links` has the link to set, or None to remove it, by role; `status` the status to set, if any.
    """

    meeting: Meeting
    links: Mapping[str, str | None]
    status: str | None
    relies_on: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Say in a few words what it writes."""
        parts = [
            f"{link_attribute(role)} {'set' if link else 'removed'}"
            for role, link in self.links.items()
        ]
        return ", ".join([*parts, f"status {self.status}"] if self.status else parts)

    def then(self, later: MeetingChange) -> MeetingChange:
        """Make one write of this change and one that was decided upon its result."""
        return MeetingChange(
            self.meeting,
            {**self.links, **later.links},
            later.status or self.status,
            tuple(dict.fromkeys((*self.relies_on, *later.relies_on))),
        )

    @property
    def result(self) -> Meeting:
        """The row as it is once the change is made."""
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
    """The row is no longer as it was read; nothing was written. Read it again and decide again."""


@dataclass(frozen=True)
class RowsRead:
    """The rows that there are, by id, and those of which nothing is known, with the reason.

    `errors` has what DynamoDB refused.
    """

    rows: Mapping[str, Meeting] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Exception, ...] = ()


class Meetings:
    """The meetings table: partition key `id`, a string. Rows are changed, never made."""

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
        """Read a row as it is now (a consistent read); None if there is none."""
        answer = self._client.get_item(
            TableName=self._table_name, Key={"id": {"S": meeting_id}}, ConsistentRead=True
        )
        item = answer.get("Item")
        return Meeting(meeting_id, item) if item else None

    def rows_of(self, meeting_ids: Iterable[str]) -> RowsRead:
        """Read many rows as they are now. A row that cannot be read does not keep back others."""
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
        """Add the rows of a batch, and return what DynamoDB left out for good, with the reason."""
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
        reason = f"DynamoDB left it out of {ATTEMPTS} answers"
        return {key["id"]["S"]: reason for key in keys}

    def apply(self, change: MeetingChange) -> None:
        """Write the change on condition that everything it relies on is still as it was read.

        Raises RowChangedError when it is not, or the row is gone.
        """
        try:
            self._client.update_item(TableName=self._table_name, **_update(change))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise RowChangedError(f"row {change.meeting.id!r} was changed meanwhile") from error


def _update(change: MeetingChange) -> dict[str, object]:
    """Build the update request; names and values are never part of the expressions themselves."""
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

"""DynamoDB in memory: one table, the expressions that the code writes, and the table's stream."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.aws_edge import AwsEdge, client_error
from tests.simulation.mail import SENT_TABLE, SentTable
from tests.simulation.names import (
    AHEAD,
    BEGUN,
    JOINED,
    LONGEST,
    MINUTE,
    RANKS,
    REASON,
    ROLES,
    SHORTEST,
)
from tests.world import AGENDA_KEY, PROJECTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.simulation.invariants import Invariants
    from tests.simulation.tasks import Tasks

UNPROCESSED: Final = "unprocessed"
"""A fault: a batch leaves out what it was asked for, or all but the first."""

LARGEST: Final = 400 * 1024
"""Bytes of an item with its attributes' names.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""
_TOO_LARGE: Final = {
    "PutItem": "Item size has exceeded the maximum allowed size",
    "UpdateItem": "Item size to update has exceeded the maximum allowed size",
}


class Item(dict[str, dict[str, Any]]):
    """A row by its attributes; an empty one is none."""

    def text(self, attribute: str) -> str | None:
        value = self.get(attribute)
        return None if value is None else str(value.get("S", ""))

    @property
    def status(self) -> str:
        return self.text("status") or ""

    @property
    def rank(self) -> int:
        """How far its status is; -1 if it has none."""
        return RANKS.get(self.status, -1)

    @property
    def links(self) -> dict[str, str]:
        return {
            name.removesuffix("_ec2_link"): self.text(name) or ""
            for name in self
            if name.endswith("_ec2_link")
        }

    @property
    def meet_time(self) -> float:
        """When its meeting starts, in seconds since 1970."""
        return datetime.fromisoformat(self.text("meet_time") or "").timestamp()

    @property
    def length(self) -> float:
        """For how many seconds it may last."""
        booked = float(self.text("duration_minutes") or LONGEST / MINUTE) * MINUTE
        return min(max(booked, SHORTEST), LONGEST)

    @property
    def ends_at(self) -> float:
        """When its time is over."""
        return self.meet_time + self.length

    @property
    def is_begun(self) -> bool:
        """Whether its launch has begun."""
        return BEGUN in self

    @property
    def desktops_from(self) -> float:
        """From when on it needs its desktops: earlier, if it was moved after its launch."""
        due, begun = self.meet_time - AHEAD, self.text(BEGUN)
        return min(due, datetime.fromisoformat(begun).timestamp()) if begun else due

    @property
    def schedules(self) -> tuple[str, str]:
        """The names of its two schedules: of its launch, and of the safety net's first look."""
        suffix = f"-{self.text('schedules')}" if "schedules" in self else ""
        return f"launch-{self.text('id')}{suffix}", f"safety-{self.text('id')}{suffix}"

    @property
    def session_data(self) -> list[str]:
        """What each side has left; an empty text is nothing."""
        return [self.text(f"{role}_session_data") or "" for role in ROLES]

    @property
    def is_claimed(self) -> bool:
        """Whether the meeting was ended by the rules: anyone may write a mere status."""
        return REASON in self

    @property
    def is_over(self) -> bool:
        """Whether somebody has ended the meeting, or begun to."""
        return self.is_claimed or self.status == "TERMINATED"

    @property
    def has_begun(self) -> bool:
        """Whether somebody has joined; a desktop's health check may set the status back."""
        return self.status == "IN_PROGRESS" or JOINED in self

    def goes_on(self, now: float) -> bool:
        """Return True if somebody is in the meeting who may stay: nobody is to end it."""
        is_done = all(self.session_data) or now >= self.ends_at
        return self.has_begun and not is_done

    def changed(self, after: Item) -> set[str]:
        return {name for name in {*self, *after} if self.get(name) != after.get(name)}

    def copy(self) -> Item:
        return Item({name: dict(value) for name, value in self.items()})


class DynamoDb:
    """The table's items, and a client of it; `watchers` are called for each write.

    `left_out` are the rows that every answer to a batch leaves out. A batch that is not consistent
    shows an item as it was before its last change, for `lag` seconds, and the index does for
    `index_lag` seconds; its answers come in pages of so many items.
    """

    page_size = 2

    def __init__(self, tasks: Tasks, invariants: Invariants, table: str) -> None:
        self.items: dict[str, Item] = {}
        self.edge = AwsEdge(tasks)
        self.sent = SentTable(tasks, self.edge)
        self.left_out: set[str] = set()
        self.lag = self.index_lag = 0.0
        self._before: dict[str, tuple[float, Item]] = {}
        self._clock = tasks.clock
        self.watchers: list[Callable[[str, Item, Item], None]] = []
        self._invariants = invariants
        self._table = table

    def row(self, item_id: str) -> Item:
        return self.items.get(item_id, Item())

    def store(self, item_id: str, after: Mapping[str, dict[str, Any]]) -> None:
        before, stored = self.row(item_id), Item(after)
        self._before[item_id] = (self._clock.now, before)
        self.items.pop(item_id, None)
        if stored:
            self.items[item_id] = stored
        for watch in self.watchers:
            watch(item_id, before, stored)

    # The client

    def get_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if request["TableName"] == SENT_TABLE:
            return self.sent.get_item(**request)
        item_id = self._key(request)

        def execute(_: str | None) -> dict[str, Any]:
            item = self.row(item_id)
            return {"Item": item.copy()} if item else {}

        return self._read(f"GetItem {item_id}", execute)

    def batch_get_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        asked = request["RequestItems"][self._table]
        ids = [key["id"]["S"] for key in asked["Keys"]]
        if len(ids) > 100 or len(ids) != len(set(ids)):
            raise client_error("ValidationException", "BatchGetItem")

        def execute(fault: str | None) -> dict[str, Any]:
            done = ids[: len(ids) // 2] if fault == UNPROCESSED else ids
            done = [each for each in done if each not in self.left_out]
            left = [{"id": {"S": each}} for each in ids if each not in done]
            read = self.row if asked.get("ConsistentRead") else self._read_replica
            found = [item.copy() for each in done if (item := read(each))]
            unprocessed = {self._table: {**asked, "Keys": left}} if left else {}
            return {"Responses": {self._table: found}, "UnprocessedKeys": unprocessed}

        return self._read(f"BatchGetItem {ids}", execute)

    def query(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Answer a query of the index: a page of a partition, in order."""
        self._key({**request, "Key": {"id": {"S": ""}}})
        assert request["IndexName"] == "agenda", request
        assert request["KeyConditionExpression"] == _BETWEEN, request
        values = request["ExpressionAttributeValues"]
        after = request.get("ExclusiveStartKey", {"meet_time": {"S": ""}, "id": {"S": ""}})

        def execute(_: str | None) -> dict[str, Any]:
            shown = (self._replica(each, self.index_lag) for each in {*self.items, *self._before})
            found = sorted(
                (
                    each
                    for each in shown
                    if _is_between(each, values) and _order(each) > _order(after)
                ),
                key=_order,
            )
            page = list(islice(found, self.page_size))
            items = [{name: each[name] for name in _SHOWN if name in each} for each in page]
            last = {name: items[-1][name] for name in ("id", *AGENDA_KEY)} if items else None
            is_last = len(found) <= self.page_size
            return {"Items": items} | ({} if is_last else {"LastEvaluatedKey": last})

        return self._read(f"Query {values}", execute)

    def _read_replica(self, item_id: str) -> Item:
        return self._replica(item_id, self.lag)

    def _replica(self, item_id: str, lag: float) -> Item:
        changed_at, before = self._before.get(item_id, (0.0, Item()))
        return before if self._clock.now < changed_at + lag else self.row(item_id)

    def update_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if request["TableName"] == SENT_TABLE:
            return self.sent.update_item(**request)
        return self._write("UpdateItem", request, lambda before: updated(before, request))

    def put_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if request["TableName"] == SENT_TABLE:
            return self.sent.put_item(**request)
        return self._write("PutItem", request, lambda _: Item(request["Item"]).copy())

    def delete_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if request["TableName"] == SENT_TABLE:
            return self.sent.delete_item(**request)
        return self._write("DeleteItem", request, lambda _: Item())

    def _write(
        self, operation: str, request: Mapping[str, Any], change: Callable[[Item], Item]
    ) -> Mapping[str, Any]:
        item_id = self._key(request)
        self._invariants.about_to_write_row(item_id)
        run = self._invariants.run

        def execute(_: str | None) -> dict[str, Any]:
            before = self.row(item_id)
            _require(before, request, operation)
            after = change(before)
            if size_of(after) > LARGEST:
                self._invariants.lacks_room(run, item_id)
                raise client_error("ValidationException", operation, _TOO_LARGE[operation])
            if before != after:
                self._invariants.wrote_row(run, item_id, before, after)
                self.store(item_id, after)
            is_wanted = request.get("ReturnValues") == "ALL_NEW"
            return {"Attributes": after.copy()} if is_wanted else {}

        return dict(self.edge.call(operation, execute))

    def _read(self, key: str, execute: Callable[[str | None], dict[str, Any]]) -> Mapping[str, Any]:
        with self._invariants.reading(key):
            return dict(self.edge.call(key.partition(" ")[0], execute, frozenset({UNPROCESSED})))

    def _key(self, request: Mapping[str, Any]) -> str:
        if request["TableName"] != self._table:
            raise client_error("ResourceNotFoundException", "DynamoDB")
        key = request.get("Key") or request["Item"]
        return str(key["id"]["S"])


_BETWEEN: Final = "#agenda = :agenda AND #time BETWEEN :since AND :until"
_SHOWN: Final = ("id", *AGENDA_KEY, *PROJECTED)


def _is_between(item: Item, values: Mapping[str, Mapping[str, str]]) -> bool:
    time = item.text("meet_time")
    is_there = item.text("agenda") == values[":agenda"]["S"] and time is not None
    return is_there and values[":since"]["S"] <= str(time) <= values[":until"]["S"]


def _order(item: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    return item["meet_time"]["S"], item["id"]["S"]


def size_of(item: Mapping[str, dict[str, Any]]) -> int:
    return sum(
        len(name.encode()) + sum(len(str(each).encode()) for each in value.values())
        for name, value in item.items()
    )


def updated(item: Mapping[str, dict[str, Any]] | None, request: Mapping[str, Any]) -> Item:
    """Return what an update makes of an item, or raise as DynamoDB does."""
    after = Item(item or {"id": request["Key"]["id"]}).copy()
    for name, value in _require(item or {}, request, "UpdateItem"):
        if value is None:
            after.pop(name, None)
        else:
            after[name] = value
    return after


def _require(
    item: Mapping[str, Any], request: Mapping[str, Any], operation: str
) -> Iterator[tuple[str, Any]]:
    """Yield the changes of a request, or raise as DynamoDB does unless its condition holds."""
    names = request["ExpressionAttributeNames"]
    values = request.get("ExpressionAttributeValues", {})
    if not _holds(item, request["ConditionExpression"], names, values):
        raise client_error("ConditionalCheckFailedException", operation)
    return _changes(request.get("UpdateExpression", ""), names, values)


_CONDITION = re.compile(
    r"attribute_exists\((?P<there>#\w+)\)|attribute_not_exists\((?P<absent>#\w+)\)"
    r"|(?P<left>#\w+) = (?P<right>:\w+)"
)
_UPDATE = re.compile(r"(?:SET (?P<set>[^A-Z]+?))?(?: ?REMOVE (?P<remove>[^A-Z]+))?")


def _holds(
    item: Mapping[str, Any], expression: str, names: Mapping[str, str], values: Mapping[str, Any]
) -> bool:
    """Read a condition without brackets, in which AND binds tighter than OR."""

    def holds(condition: str) -> bool:
        found = _CONDITION.fullmatch(condition)
        assert found, condition
        if found["there"]:
            return names[found["there"]] in item
        if found["absent"]:
            return names[found["absent"]] not in item
        return bool(item.get(names[found["left"]]) == values[found["right"]])

    return any(all(map(holds, part.split(" AND "))) for part in expression.split(" OR "))


def _changes(
    expression: str, names: Mapping[str, str], values: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    found = _UPDATE.fullmatch(expression)
    assert found, expression
    for assignment in found["set"].split(", ") if found["set"] else ():
        name, _, value = assignment.partition(" = ")
        yield names[name], values[value]
    for name in found["remove"].split(", ") if found["remove"] else ():
        yield names[name], None

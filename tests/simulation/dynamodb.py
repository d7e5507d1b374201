"""DynamoDB in memory: one table with the key `id`, and the expressions that the code writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.aws_edge import AwsEdge, client_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.promises import Promises
    from tests.simulation.strands import Strands

Item = dict[str, dict[str, Any]]

UNPROCESSED: Final = "unprocessed"
"""A fault: a batch leaves out what it was asked for, or all but the first."""
WRITTEN_BEFORE: Final = "written-before"
"""A fault: the write is made, its answer lost, and botocore's second attempt finds it made."""
_OWN: Final = frozenset({UNPROCESSED, WRITTEN_BEFORE})

LARGEST: Final = 400 * 1024
"""Bytes of an item with its attributes' names.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""
_TOO_LARGE: Final = {
    "PutItem": "Item size has exceeded the maximum allowed size",
    "UpdateItem": "Item size to update has exceeded the maximum allowed size",
}


class DynamoDb:
    """The table's items, and a client of it; whoever writes, `watchers` are told of it.

    `left_out` are the rows that every answer to a batch leaves out.
    """

    def __init__(self, strands: Strands, promises: Promises, table: str) -> None:
        self.items: dict[str, Item] = {}
        self.edge = AwsEdge(strands)
        self.left_out: set[str] = set()
        self.watchers: list[Callable[[str, Item | None, Item | None], None]] = []
        self._promises = promises
        self._table = table

    def store(self, item_id: str, after: Item | None) -> None:
        """Let an item be so from now on; None removes it."""
        before = self.items.pop(item_id, None)
        if after is not None:
            self.items[item_id] = after
        for watch in self.watchers:
            watch(item_id, before, after)

    # The client

    def get_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""
        item_id = self._key(request)

        def execute(_: str | None) -> dict[str, Any]:
            item = self.items.get(item_id)
            return {"Item": _copy(item)} if item else {}

        return self._read(f"GetItem {item_id}", execute)

    def batch_get_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""
        asked = request["RequestItems"][self._table]
        ids = [key["id"]["S"] for key in asked["Keys"]]
        if len(ids) > 100 or len(ids) != len(set(ids)):
            raise client_error("ValidationException", "BatchGetItem")

        def execute(fault: str | None) -> dict[str, Any]:
            done = ids[: len(ids) // 2] if fault == UNPROCESSED else ids
            done = [each for each in done if each not in self.left_out]
            left = [{"id": {"S": each}} for each in ids if each not in done]
            found = [_copy(self.items[each]) for each in done if each in self.items]
            unprocessed = {self._table: {**asked, "Keys": left}} if left else {}
            return {"Responses": {self._table: found}, "UnprocessedKeys": unprocessed}

        return self._read(f"BatchGetItem {ids}", execute)

    def update_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""

        def update(before: Item | None) -> Item:
            return updated(before, request)

        return self._write("UpdateItem", self._key(request), update, request)

    def put_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""

        def put(before: Item | None) -> Item:
            _require(before, request, "PutItem")
            return _copy(request["Item"])

        self._require_table(request)
        return self._write("PutItem", str(request["Item"]["id"]["S"]), put, request)

    def delete_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""

        def delete(before: Item | None) -> None:
            _require(before, request, "DeleteItem")

        return self._write("DeleteItem", self._key(request), delete, request)

    def _write(
        self,
        operation: str,
        item_id: str,
        change: Callable[[Item | None], Item | None],
        request: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        self._promises.tells_row(item_id)
        run = self._promises.run

        def execute(fault: str | None) -> dict[str, Any]:
            before = self.items.get(item_id)
            after = change(before)
            if after and size_of(after) > LARGEST:
                self._promises.lacks_room(run, item_id)
                raise client_error("ValidationException", operation, _TOO_LARGE[operation])
            if before != after:
                self._promises.wrote_row(run, item_id, before, after)
                self.store(item_id, after)
            if fault == WRITTEN_BEFORE:
                return execute(None)
            is_wanted = request.get("ReturnValues") == "ALL_NEW"
            return {"Attributes": _copy(after)} if is_wanted and after else {}

        return dict(self.edge.call(operation, execute, _OWN))

    def _read(self, key: str, execute: Callable[[str | None], dict[str, Any]]) -> Mapping[str, Any]:
        with self._promises.reading(key):
            return dict(self.edge.call(key.partition(" ")[0], execute, _OWN))

    def _key(self, request: Mapping[str, Any]) -> str:
        self._require_table(request)
        return str(request["Key"]["id"]["S"])

    def _require_table(self, request: Mapping[str, Any]) -> None:
        if request["TableName"] != self._table:
            raise client_error("ResourceNotFoundException", "DynamoDB")


def size_of(item: Item) -> int:
    """Return how many bytes an item of texts takes up."""
    return sum(
        len(name.encode()) + sum(len(str(each).encode()) for each in value.values())
        for name, value in item.items()
    )


def updated(item: Item | None, request: Mapping[str, Any]) -> Item:
    """Return what an update makes of an item, or raise as DynamoDB does."""
    names = _Used(request["ExpressionAttributeNames"])
    values = _Used(request.get("ExpressionAttributeValues", {}))
    holds = _all_hold(item, request["ConditionExpression"], names, values)
    changes = list(_changes(request["UpdateExpression"], names, values))
    paths = [name for name, _ in changes]
    if names.unused or values.unused or len(paths) != len(set(paths)) or "id" in paths:
        raise client_error("ValidationException", "UpdateItem")
    if not holds:
        raise client_error("ConditionalCheckFailedException", "UpdateItem")
    after = _copy(item) if item else {"id": request["Key"]["id"]}
    for name, value in changes:
        if value is None:
            after.pop(name, None)
        else:
            after[name] = value
    return after


def _require(item: Item | None, request: Mapping[str, Any], operation: str) -> None:
    """Raise as DynamoDB does unless the condition of a request holds."""
    names = _Used(request["ExpressionAttributeNames"])
    values = _Used(request.get("ExpressionAttributeValues", {}))
    holds = _all_hold(item, request["ConditionExpression"], names, values)
    if names.unused or values.unused:
        raise client_error("ValidationException", operation)
    if not holds:
        raise client_error("ConditionalCheckFailedException", operation)


def _all_hold(item: Item | None, expression: str, names: _Used, values: _Used) -> bool:
    """Read a condition without brackets, in which AND binds tighter than OR."""
    alternatives = [
        [_holds(item or {}, each, names, values) for each in part.split(" AND ")]
        for part in expression.split(" OR ")
    ]
    return any(map(all, alternatives))


_CONDITION = re.compile(
    r"(?P<function>attribute_exists|attribute_not_exists)\((?P<path>#\w+)\)"
    r"|(?P<left>#\w+) = (?P<right>:\w+)"
)
_UPDATE = re.compile(r"(?:SET (?P<set>[^A-Z]+?))?(?: ?REMOVE (?P<remove>[^A-Z]+))?")


def _holds(item: Item, condition: str, names: _Used, values: _Used) -> bool:
    found = _CONDITION.fullmatch(condition)
    if not found:
        raise client_error("ValidationException", "UpdateItem", condition)
    if found["function"]:
        return (names[found["path"]] in item) is (found["function"] == "attribute_exists")
    return bool(item.get(names[found["left"]]) == values[found["right"]])


def _changes(expression: str, names: _Used, values: _Used) -> list[tuple[str, Any]]:
    found = _UPDATE.fullmatch(expression)
    if not found or not expression:
        raise client_error("ValidationException", "UpdateItem", expression)
    changes: list[tuple[str, Any]] = []
    for assignment in (found["set"] or "").split(", ") if found["set"] else ():
        name, _, value = assignment.partition(" = ")
        changes.append((names[name], values[value]))
    removed = found["remove"].split(", ") if found["remove"] else []
    return [*changes, *((names[name], None) for name in removed)]


class _Used:
    """Placeholders of a request; one that is missing or never used is an error of DynamoDB's."""

    def __init__(self, meanings: Mapping[str, Any]) -> None:
        self._meanings = meanings
        self._used: set[str] = set()

    def __getitem__(self, placeholder: str) -> Any:  # noqa: ANN401
        if placeholder not in self._meanings:
            raise client_error("ValidationException", "UpdateItem", placeholder)
        self._used.add(placeholder)
        return self._meanings[placeholder]

    @property
    def unused(self) -> bool:
        return self._used != self._meanings.keys()


def _copy(item: Item) -> Item:
    return {name: dict(value) for name, value in item.items()}

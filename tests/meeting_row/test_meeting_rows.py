"""Many rows are read in batches, every one of them or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import Meetings, RowsRead
from tests.world import TABLE, World, link

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LINK = link("i-0123456789abcdef0")


class Table:
    """DynamoDB that leaves out of a batch as many rows as a test wants, and keeps what was asked.

    `left_out` has a number for each call; once it is used up nothing is left out.
    """

    def __init__(self, *left_out: int) -> None:
        self._left_out = list(left_out)
        self.requests: list[dict[str, Any]] = []

    def get_item(self, **_: object) -> Mapping[str, Any]:
        raise NotImplementedError

    def update_item(self, **_: object) -> Mapping[str, Any]:
        raise NotImplementedError

    def batch_get_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        self.requests.append(request)
        keys = request["RequestItems"][TABLE]["Keys"]
        answered = len(keys) - (self._left_out.pop(0) if self._left_out else 0)
        left = {TABLE: {"Keys": keys[answered:], "ConsistentRead": True}}
        return {
            "Responses": {TABLE: keys[:answered]} if answered else {},
            "UnprocessedKeys": left if keys[answered:] else {},
        }

    @property
    def asked(self) -> list[list[str]]:
        """The ids that each call asked for."""
        every = [request["RequestItems"][TABLE]["Keys"] for request in self.requests]
        return [[key["id"]["S"] for key in keys] for keys in every]


def test_many_rows_are_read_consistently_those_that_there_are(world: World) -> None:
    world.put_row("m1", status="HEALTHY")
    world.put_row("m3", status="LAUNCHED", teacher_ec2_link=LINK)
    world.put_row("m4")

    rows = world.meetings().rows_of(["m3", "m1", "m2", "m1"]).rows

    assert list(rows) == ["m1", "m3"]
    assert (rows["m1"].id, rows["m1"].status) == ("m1", "HEALTHY")
    assert rows["m3"].link("teacher") == LINK
    assert world.aws_calls == ["BatchGetItem"]
    table = Table()
    Meetings(table, TABLE).rows_of(["m1"])
    keys = [{"id": {"S": "m1"}}]
    assert table.requests == [{"RequestItems": {TABLE: {"Keys": keys, "ConsistentRead": True}}}]


def test_no_row_is_no_call() -> None:
    table = Table()

    assert Meetings(table, TABLE).rows_of([]) == RowsRead()
    assert table.requests == []


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_many_rows_are_read_by_as_many_as_a_batch_takes(count: int, sizes: list[int]) -> None:
    table = Table()
    wanted = [f"m{number:03}" for number in range(count)]

    rows = Meetings(table, TABLE).rows_of(reversed(wanted)).rows

    assert list(rows) == wanted
    assert [len(asked) for asked in table.asked] == sizes


def test_250_rows_of_a_table_are_three_calls(world: World) -> None:
    for number in range(250):
        world.put_row(f"m{number}", status="HEALTHY")

    rows = world.meetings().rows_of(f"m{number}" for number in range(300)).rows

    assert len(rows) == 250
    assert world.aws_calls == ["BatchGetItem"] * 3


def test_rows_that_a_batch_left_out_are_asked_for_again_after_growing_pauses() -> None:
    """DynamoDB leaves out what would be too much at once."""
    table, pauses = Table(2, 2, 1), list[float]()

    rows = Meetings(table, TABLE, pauses.append).rows_of(["m1", "m2", "m3"]).rows

    assert list(rows) == ["m1", "m2", "m3"]
    assert table.asked == [["m1", "m2", "m3"], ["m2", "m3"], ["m2", "m3"], ["m3"]]
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == 3
    assert sum(pauses) < 2


def test_rows_that_are_left_out_every_time_are_named() -> None:
    table, pauses = Table(1, 1, 1, 1, 1, 1), list[float]()

    read = Meetings(table, TABLE, pauses.append).rows_of(["m1", "m2"])

    assert list(read.rows) == ["m1"]
    assert (read.unread, read.errors) == ({"m2": "missing from 5 answers of DynamoDB"}, ())
    assert len(table.requests) == 5
    assert len(pauses) == 4


def test_rows_whose_reading_is_refused_are_named_with_the_error(world: World) -> None:
    world.put_row("m1", status="HEALTHY")
    world.fail("BatchGetItem", "AccessDeniedException")

    read = world.meetings().rows_of(["m1"])

    (error,) = read.errors
    assert isinstance(error, ClientError)
    assert (read.rows, read.unread) == ({}, {"m1": str(error)})

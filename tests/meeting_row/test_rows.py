"""Rows are made once, changed only as long as they are as they were read, and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import Meeting, RowChangedError
from chalicelib.meeting_row.rows import (
    REASON,
    RowExistsError,
    RowMaker,
    RowReader,
    RowUpdate,
    RowWriter,
    text_of,
)
from tests.world import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.world import World

ID = "abcdefgh12345678"


@pytest.fixture
def maker(world: World) -> RowMaker:
    return RowMaker(world.dynamodb, TABLE)


@pytest.fixture
def reader(world: World) -> RowReader:
    return RowReader(world.dynamodb, TABLE)


@pytest.fixture
def writer(world: World) -> RowWriter:
    return RowWriter(world.dynamodb, TABLE)


def test_a_row_that_is_not_there_is_read_as_none(reader: RowReader) -> None:
    assert reader.read_row(ID) is None


def test_a_row_is_read_as_it_was_made(maker: RowMaker, reader: RowReader) -> None:
    made = maker.make_row(ID, {"status": "SCHEDULED", "student_name": "Zoë"})

    assert reader.read_row(ID) == made
    assert made.status == "SCHEDULED"
    assert text_of(made, "student_name") == "Zoë"
    assert text_of(made, REASON) is None


def test_what_is_no_text_is_read_as_an_empty_one() -> None:
    assert text_of(Meeting(ID, {REASON: {"N": "1"}}), REASON) == ""


def test_a_row_is_not_made_twice(maker: RowMaker, reader: RowReader) -> None:
    made = maker.make_row(ID, {"status": "SCHEDULED"})

    with pytest.raises(RowExistsError, match=ID):
        maker.make_row(ID, {"status": "LAUNCHED"})

    assert reader.read_row(ID) == made


def test_an_update_leaves_what_it_does_not_name(
    maker: RowMaker, reader: RowReader, writer: RowWriter
) -> None:
    made = maker.make_row(ID, {"status": "SCHEDULED", "meet_time": "2026-11-21T15:00:00Z"})

    written = writer.update_row(RowUpdate(made, {"status": "LAUNCHED"}, ("status", REASON)))

    assert written == reader.read_row(ID)
    assert written.item == {**made.item, "status": {"S": "LAUNCHED"}}


@pytest.mark.parametrize("changed", ["status", REASON])
def test_an_update_that_relies_on_what_has_changed_writes_nothing(
    maker: RowMaker, reader: RowReader, writer: RowWriter, changed: str
) -> None:
    made = maker.make_row(ID, {"status": "HEALTHY"})
    now = writer.update_row(RowUpdate(made, {changed: "meanwhile"}))

    with pytest.raises(RowChangedError, match=ID):
        writer.update_row(RowUpdate(made, {"status": "IN_PROGRESS"}, ("status", REASON)))

    assert reader.read_row(ID) == now


def test_an_update_makes_no_row(reader: RowReader, writer: RowWriter) -> None:
    with pytest.raises(RowChangedError):
        writer.update_row(RowUpdate(Meeting(ID, {}), {"status": "LAUNCHED"}))

    assert reader.read_row(ID) is None


def test_a_row_is_taken_back(maker: RowMaker, reader: RowReader) -> None:
    made = maker.make_row(ID, {"status": "SCHEDULED"})

    maker.take_back_row(made)
    maker.take_back_row(made)

    assert reader.read_row(ID) is None


def test_a_row_that_has_moved_on_is_not_taken_back(
    maker: RowMaker, reader: RowReader, writer: RowWriter
) -> None:
    made = maker.make_row(ID, {"status": "SCHEDULED"})
    now = writer.update_row(RowUpdate(made, {"status": "LAUNCHED"}))

    with pytest.raises(RowChangedError, match=ID):
        maker.take_back_row(made)

    assert reader.read_row(ID) == now


def test_whatever_else_dynamodb_refuses_is_raised(world: World) -> None:
    row = Meeting(ID, {"status": {"S": "SCHEDULED"}})
    reader = RowReader(world.dynamodb, "another-table")
    writer = RowWriter(world.dynamodb, "another-table")
    maker = RowMaker(world.dynamodb, "another-table")
    attempts: tuple[Callable[[], object], ...] = (
        lambda: reader.read_row(ID),
        lambda: writer.update_row(RowUpdate(row, {"status": "LAUNCHED"})),
        lambda: maker.make_row(ID, {"status": "SCHEDULED"}),
        lambda: maker.take_back_row(row),
    )

    for attempt in attempts:
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            attempt()

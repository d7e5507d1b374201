"""Rows are written in parallel, each as it was read; one that fails keeps back no other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from chalicelib.deadline import Deadline
from chalicelib.meeting_row.table import RowChangedError, RowFullError
from chalicelib.step import Steps
from chalicelib.watchdog.row_plan import RowPlan
from chalicelib.watchdog.row_writer import RowsNotUpdatedError, RowWriter
from tests.changes import FAR, STEPS, Hanging, Inline
from tests.surveys import SETTINGS, A, B, C, instance, linked, record, row, survey
from tests.world import link

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.meeting_row.meeting import MeetingChange
    from chalicelib.watchdog.survey import Survey

PAST = Deadline(-1, lambda: 0)
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "UpdateItem")
LOST = ConnectTimeoutError(endpoint_url="https://dynamodb")
FULL = RowFullError("row 'm2' is too large")
CHANGED = RowChangedError("row 'm1' was changed concurrently")


class Table:
    """Takes writes, or does to one row's what a test wants."""

    def __init__(self, **instead: Exception | Callable[[], object]) -> None:
        self._instead = instead
        self.writes: list[MeetingChange] = []

    def apply(self, change: MeetingChange) -> None:
        instead = self._instead.get(change.meeting.id)
        if isinstance(instead, Exception):
            raise instead
        if instead:
            instead()
        self.writes.append(change)

    @property
    def written(self) -> list[tuple[str, dict[str, str | None], str | None]]:
        return [(each.meeting.id, dict(each.links), each.status) for each in self.writes]


def make(table: Table, found: Survey) -> RowWriter:
    stand_in: Any = table
    return RowWriter(stand_in, found.meetings, RowPlan(found, SETTINGS))


def write_after(row_writer: RowWriter, *unsettled: str, steps: Steps = STEPS) -> None:
    row_writer.write(first=False, unsettled=unsettled, steps=steps)


BOTH = survey(
    [instance(B, role="student")], [record(A), record(B, role="student")], [linked(teacher=A)]
)
"""A teacher whose record is the last trace of the meeting, and a student who runs."""
THREE = survey(
    [instance(A, meeting="m1"), instance(B, meeting="m2"), instance(C, meeting="m3")],
    [],
    [row("m1"), row("m2"), row("m3")],
)


def test_what_comes_first_is_written_first_and_the_rest_relies_on_it() -> None:
    table = Table()
    row_writer = make(table, BOTH)

    row_writer.write(first=True, unsettled=(), steps=STEPS)
    assert table.written == [("m1", {"teacher": None}, None)]
    write_after(row_writer)

    assert table.written[1:] == [("m1", {"student": link(B)}, None)]
    first, second = table.writes
    assert second.meeting == first.result
    results = row_writer.row_results
    assert [each.change for each in results.done] == [first, second]
    assert [each.instance_ids for each in results.done] == [(A,), (B,)]
    assert (results.left, results.not_updated) == ([], set())


def test_a_row_is_not_written_for_a_desktop_that_is_unsettled() -> None:
    """Its record is not as it should be, so nobody may be sent there."""
    table = Table()
    two = [instance(A), instance(B, role="student")]
    row_writer = make(table, survey([*two, instance(C, meeting="m2")], [], [row(), row("m2")]))

    write_after(row_writer, A, C)

    assert table.written == [("m1", {"student": link(B)}, "DNS_WRITTEN")]
    assert row_writer.row_results.not_updated == set()


def test_rows_are_written_in_parallel() -> None:
    """One after the other they would wait for each other until the barrier breaks."""
    all_three = Barrier(3, timeout=600)
    row_writer = make(Table(m1=all_three.wait, m2=all_three.wait, m3=all_three.wait), THREE)

    with ThreadPoolExecutor(max_workers=4) as executor:
        write_after(row_writer, steps=Steps(executor, FAR))

    assert len(row_writer.row_results.done) == 3


# What fails


def test_a_row_that_was_changed_meanwhile_is_left_and_the_others_are_written() -> None:
    table = Table(m1=CHANGED)
    row_writer = make(table, THREE)

    write_after(row_writer)

    assert [each.meeting.id for each in table.writes] == ["m2", "m3"]
    assert row_writer.row_results.left == ["the row 'm1': row 'm1' was changed concurrently"]
    assert row_writer.row_results.not_updated == {A}
    row_writer.row_results.raise_if_failed()


@pytest.mark.parametrize("error", [DENIED, LOST, FULL])
def test_a_row_that_cannot_be_written_fails_the_run_after_the_others(error: Exception) -> None:
    row_writer = make(Table(m2=error), THREE)

    write_after(row_writer)

    assert [each.change.meeting.id for each in row_writer.row_results.done] == ["m1", "m3"]
    assert row_writer.row_results.not_updated == {B}
    with pytest.raises(RowsNotUpdatedError) as raised:
        row_writer.row_results.raise_if_failed()
    assert str(raised.value) == f"DynamoDB rejected 1 request(s) for rows; first error: {error}"
    assert raised.value.__cause__ is error


def test_a_mistake_of_our_own_is_not_taken_for_a_row_that_cannot_be_written() -> None:
    with pytest.raises(KeyError):
        write_after(make(Table(m2=KeyError("a mistake")), THREE))


@pytest.mark.parametrize("error", [CHANGED, DENIED])
def test_a_row_that_was_left_is_not_written_again(error: Exception) -> None:
    """What it holds is not known any more; and the record that leads to it must stay."""
    table = Table(m1=error)
    row_writer = make(table, BOTH)

    row_writer.write(first=True, unsettled=(), steps=STEPS)
    assert row_writer.row_results.not_updated == {A}
    write_after(row_writer, A)

    assert table.writes == []
    assert row_writer.row_results.not_updated == {A, B}
    assert len(row_writer.row_results.left) == 1


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (Steps(Inline(), PAST), "no time left to write the row 'm1'"),
        (Steps(Hanging(), Deadline(0.2, lambda: 0)), "its outcome is unknown"),
    ],
)
def test_rows_for_which_time_runs_out_are_left(steps: Steps, reason: str) -> None:
    table = Table()
    row_writer = make(table, THREE)

    write_after(row_writer, steps=steps)

    results = row_writer.row_results
    assert (table.writes, results.done, len(results.left)) == ([], [], 3)
    assert reason in results.left[0]
    assert results.not_updated == {A, B, C}
    results.raise_if_failed()

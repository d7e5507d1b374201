"""The meetings table: rows are read as they are now, and changed only as they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import REASON, Meeting, MeetingChange, RowUpdate
from chalicelib.meeting_row.table import (
    Meetings,
    RowChangedError,
    RowExistsError,
    RowFullError,
    RowsRead,
    decide_again,
)
from tests.world import TABLE, World, link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LINK = link("i-0123456789abcdef0")


@pytest.fixture
def table(world: World) -> Meetings:
    return world.meetings()


def read(table: Meetings) -> Meeting:
    row = table.read_row("m1")
    assert row is not None
    return row


# One row


def test_a_row_is_read_consistently(world: World, table: Meetings) -> None:
    requests: list[Mapping[str, Any]] = []
    world.app_dynamodb.meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: requests.append(dict(params))
    )

    assert table.read_row("m1") is None
    assert requests == [{"TableName": TABLE, "Key": {"id": {"S": "m1"}}, "ConsistentRead": True}]


def test_a_row_is_made_once_and_read_as_it_was_made(table: Meetings) -> None:
    made = table.make_row("m1", {"status": "SCHEDULED", "student_name": "Zoë"})

    with pytest.raises(RowExistsError, match="m1"):
        table.make_row("m1", {"status": "LAUNCHED"})

    assert read(table) == made
    assert (made.status, made.text("student_name"), made.text(REASON)) == ("SCHEDULED", "Zoë", None)


def test_a_row_is_taken_back_unless_it_has_moved_on(table: Meetings) -> None:
    made = table.make_row("m1", {"status": "SCHEDULED"})
    now = table.update_row(RowUpdate(made, {"status": "LAUNCHED"}))

    with pytest.raises(RowChangedError, match="m1"):
        table.take_back_row(made)
    assert read(table) == now

    for _ in range(2):
        table.take_back_row(now)
    assert table.read_row("m1") is None


@pytest.mark.parametrize(
    ("links", "status", "after"),
    [
        ({"teacher": LINK}, "DNS_WRITTEN", {"teacher_ec2_link": LINK, "status": "DNS_WRITTEN"}),
        ({"student": None}, None, {"student_ec2_link": None}),
        ({"student": None}, "TERMINATED", {"student_ec2_link": None, "status": "TERMINATED"}),
        (
            {"student": None, "teacher": LINK},
            None,
            {"student_ec2_link": None, "teacher_ec2_link": LINK},
        ),
    ],
)
def test_links_and_status_are_written_and_nothing_else(
    world: World,
    table: Meetings,
    links: dict[str, str | None],
    status: str | None,
    after: dict[str, str | None],
) -> None:
    before = {"status": "LAUNCHED", "student_ec2_link": LINK, "jitsi_url": "x"}
    world.put_row(**before)
    change = MeetingChange(read(table), links, status, ("status",))

    table.apply(change)

    written: dict[str, str | None] = {**before, **after}
    assert world.row() == {name: text for name, text in written.items() if text}
    assert change.result == read(table)


@pytest.mark.parametrize("value", [LINK, None])
def test_neither_role_nor_link_nor_status_is_part_of_an_expression(
    world: World, table: Meetings, value: str | None
) -> None:
    """Roles come from tags, so from anyone."""
    world.put_row(status="LAUNCHED", teacher_ec2_link=LINK)
    sent: list[str] = []
    world.app_dynamodb.meta.events.register(
        "provide-client-params.dynamodb.UpdateItem",
        lambda params, **_: sent.extend(
            (params["UpdateExpression"], params["ConditionExpression"])
        ),
    )

    relied = ("status", "teacher_ec2_link")
    table.apply(MeetingChange(read(table), {"teacher": value}, "TERMINATED", relied))

    assert len(sent) == 2
    for text in ("teacher", "https", "TERMINATED", "LAUNCHED"):
        assert text not in "".join(sent)


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"status": "IN_PROGRESS", "teacher_ec2_link": LINK},
        {"status": "HEALTHY", "teacher_ec2_link": "another"},
        {"status": "HEALTHY"},
        {"status": "HEALTHY", "teacher_ec2_link": LINK, "student_ec2_link": LINK},
        {"teacher_ec2_link": LINK},
    ],
)
def test_a_row_that_was_changed_meanwhile_is_not_written(
    world: World, table: Meetings, meanwhile: dict[str, str]
) -> None:
    world.put_row(status="HEALTHY", teacher_ec2_link=LINK)
    first = MeetingChange(read(table), {"teacher": None}, None, ("teacher_ec2_link",))
    relied = ("student_ec2_link", "status")
    change = first.then(MeetingChange(first.result, {}, "TERMINATED", relied))
    world.put_row(**meanwhile)

    with pytest.raises(RowChangedError, match="'m1'"):
        table.apply(change)

    assert world.row() == meanwhile


def test_what_a_change_does_not_rely_on_may_have_changed(world: World, table: Meetings) -> None:
    world.put_row(status="HEALTHY")
    change = MeetingChange(read(table), {"teacher": LINK}, None, ("teacher_ec2_link",))
    meanwhile = {"status": "IN_PROGRESS", "student_session_data": "there"}
    world.put_row(**meanwhile)

    table.apply(change)

    assert world.row() == {**meanwhile, "teacher_ec2_link": LINK}


def test_a_row_that_is_gone_is_not_made(world: World, table: Meetings) -> None:
    with pytest.raises(RowChangedError):
        table.update_row(RowUpdate(Meeting("m1", {}), {"status": "LAUNCHED"}))

    assert world.rows() == []


def test_a_row_that_would_be_too_large_is_not_written(world: World, table: Meetings) -> None:
    world.put_row(status="HEALTHY")

    with pytest.raises(RowFullError, match="'m1' is too large"):
        table.update_row(RowUpdate(read(table), {"notes": "x" * 400 * 1024}))

    assert world.row() == {"status": "HEALTHY"}


def test_any_other_failure_is_let_through(world: World) -> None:
    row = Meeting("m1", {"status": {"S": "SCHEDULED"}})
    table = Meetings(world.dynamodb, "another-table")
    attempts: tuple[Callable[[], object], ...] = (
        lambda: table.read_row("m1"),
        lambda: table.update_row(RowUpdate(row, {"status": "LAUNCHED"})),
        lambda: table.make_row("m1", {"status": "SCHEDULED"}),
        lambda: table.take_back_row(row),
    )

    for attempt in attempts:
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            attempt()


# Deciding again


@pytest.mark.parametrize("conflicts", [0, 1, 2, 3])
def test_a_decision_is_repeated_while_the_row_changes_and_then_given_up(conflicts: int) -> None:
    attempts: list[int] = []

    def decide() -> str:
        attempts.append(1)
        if len(attempts) <= conflicts:
            raise RowChangedError("changed")
        return "written"

    if conflicts < 3:
        assert decide_again(decide) == "written"
    else:
        with pytest.raises(RowChangedError):
            decide_again(decide)
    assert len(attempts) == min(conflicts + 1, 3)


# Many rows


class Batches:
    """DynamoDB that leaves out of each batch as many rows as a test wants."""

    def __init__(self, *left_out: int) -> None:
        self._left_out = list(left_out)
        self.asked: list[list[str]] = []

    def batch_get_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        ((name, asked),) = request["RequestItems"].items()
        assert (name, asked["ConsistentRead"]) == (TABLE, True)
        keys = asked["Keys"]
        self.asked.append([key["id"]["S"] for key in keys])
        answered = len(keys) - (self._left_out.pop(0) if self._left_out else 0)
        left = {TABLE: {"Keys": keys[answered:], "ConsistentRead": True}}
        return {
            "Responses": {TABLE: keys[:answered]} if answered else {},
            "UnprocessedKeys": left if keys[answered:] else {},
        }


def table_of(batches: Any, pauses: list[float]) -> Meetings:  # noqa: ANN401 (one call of a client)
    return Meetings(batches, TABLE, pauses.append)


def test_of_many_rows_those_that_exist_are_read(world: World, table: Meetings) -> None:
    world.put_row("m1", status="HEALTHY")
    world.put_row("m3", status="LAUNCHED", teacher_ec2_link=LINK)
    world.put_row("m4")

    rows = table.rows_of(["m3", "m1", "m2", "m1"]).rows

    assert rows == table.rows_of(["m1", "m2", "m3"], is_consistent=False).rows
    assert list(rows) == ["m1", "m3"]
    assert (rows["m1"].id, rows["m1"].status) == ("m1", "HEALTHY")
    assert rows["m3"].link("teacher") == LINK
    assert world.aws_calls == ["BatchGetItem"] * 2


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_many_rows_are_read_in_full_batches(count: int, sizes: list[int]) -> None:
    batches = Batches()
    wanted = [f"m{number:03}" for number in range(count)]

    assert list(table_of(batches, []).rows_of(reversed(wanted)).rows) == wanted
    assert [len(asked) for asked in batches.asked] == sizes


def test_rows_that_a_batch_left_out_are_asked_for_again_after_growing_pauses() -> None:
    """DynamoDB leaves out what would be too much at once."""
    batches, pauses = Batches(2, 2, 1), list[float]()

    assert list(table_of(batches, pauses).rows_of(["m1", "m2", "m3"]).rows) == ["m1", "m2", "m3"]
    assert batches.asked == [["m1", "m2", "m3"], ["m2", "m3"], ["m2", "m3"], ["m3"]]
    assert pauses == sorted(set(pauses))
    assert sum(pauses) < 2


def test_rows_that_are_left_out_every_time_are_named() -> None:
    batches, pauses = Batches(1, 1, 1, 1, 1, 1), list[float]()

    found = table_of(batches, pauses).rows_of(["m1", "m2"])

    assert list(found.rows) == ["m1"]
    assert (found.unread, found.errors) == ({"m2": "missing from 5 answers of DynamoDB"}, ())
    assert (len(batches.asked), len(pauses)) == (5, 4)


def test_rows_whose_reading_is_refused_are_named_with_the_error(
    world: World, table: Meetings
) -> None:
    world.put_row("m1", status="HEALTHY")
    world.fail("BatchGetItem", "AccessDeniedException")

    found = table.rows_of(["m1"])

    (error,) = found.errors
    assert isinstance(error, ClientError)
    assert found == RowsRead({}, {"m1": str(error)}, (error,))


def test_a_later_read_replaces_what_is_known_of_its_meetings_alone() -> None:
    m1, m2, m3, now = (Meeting(each, {}) for each in ("m1", "m2", "m3", "m2"))
    error, again = RuntimeError("throttled"), RuntimeError("throttled again")
    read = RowsRead({"m1": m1, "m2": m2, "m3": m3}, {"m4": "throttled", "m5": "?"}, (error,))

    later = read.updated({"m2", "m3", "m4"}, RowsRead({"m2": now}, {"m4": "again"}, (again,)))

    both = (error, again)
    assert later == RowsRead({"m1": m1, "m2": now}, {"m4": "again", "m5": "?"}, both)
    assert later.among({"m1", "m3", "m5"}) == RowsRead({"m1": m1}, {"m5": "?"}, both)
    assert later.among({"m2"}) == RowsRead({"m2": now})


# The agenda


def entries(world: World, count: int, filler: str = "") -> None:
    for number in range(count):
        texts = {
            "agenda": "elephant-test" if number % 5 else "elephant-other",
            "meet_time": f"2026-11-21T{number // 60:02}:{number % 60:02}:00Z",
            "scheduled_by": filler or "office",
            "student_name": "Zoë",
        }
        world.meetings().make_row(f"m{number:03}", texts)


def test_a_stages_meetings_are_listed_by_their_start(world: World, table: Meetings) -> None:
    entries(world, 10)
    since, until = "2026-11-21T00:02:00Z", "2026-11-21T00:08:00Z"

    found = list(table.agenda("elephant-test", since, until))

    assert [each.id for each in found] == ["m002", "m003", "m004", "m006", "m007", "m008"]
    assert found[0].text("scheduled_by") == "office"
    assert found[0].text("student_name") is None
    after = list(table.agenda("elephant-test", since, until, found[2]))
    assert [each.id for each in after] == ["m006", "m007", "m008"]


def test_a_long_agenda_is_read_page_by_page_and_no_further_than_needed(
    world: World, table: Meetings
) -> None:
    entries(world, 30, "x" * 90_000)
    calls: list[object] = []
    world.app_dynamodb.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda **_: calls.append(1)
    )
    agenda = table.agenda("elephant-test", "2026", "2027")

    next(agenda)
    assert len(calls) == 1
    assert len(list(agenda)) == 23
    assert len(calls) > 1

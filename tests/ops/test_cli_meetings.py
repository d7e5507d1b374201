"""`elephant meetings`: what takes place, how long desktops ran, and ending a meeting by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import Meeting
from chalicelib.meeting_row.table import RowFullError
from ops import cli_meetings
from ops.desktop_hours import DesktopHours
from ops.meeting_end import LOOKS, claim_end
from ops.meeting_list import MeetingList, MeetingListError
from ops.meeting_text import Reading
from ops.stages import Stage
from tests.meetings.ends import GONE, LIVE, Ends
from tests.ops.projects import variables_in
from tests.world import ACCOUNT, REGION, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session
    from click.testing import Result

    from tests.world import World

    Ops = Callable[..., Result]

NOW = datetime(2026, 11, 27, 13, 30, tzinfo=UTC)
LONGEST = timedelta(minutes=180)
LONG_ID = "m-" + "0123456789" * 5
TEACHER, STUDENT = "i-0123456789abcdef0", "i-0123456789abcdef1"
BOTH = {"teacher_ec2_id": TEACHER, "student_ec2_id": STUDENT}
NAMES = {"teacher_name": "Ada Lovelace", "student_name": "Zo\u00eb"}
RUNNING = {
    "status": "IN_PROGRESS",
    "meet_time": "2026-11-27T13:00:00Z",
    "duration_minutes": "60",
    "launch_begun_at": "2026-11-27T12:50:00.250+00:00",
}
READING = Reading(NOW, LONGEST, 0.5)


def meeting(meeting_id: str = "m1", **texts: str) -> Meeting:
    return Meeting.made(meeting_id, NAMES | texts)


@pytest.fixture
def ops(ops_with_meetings: Ops, monkeypatch: pytest.MonkeyPatch) -> Ops:
    """Run `elephant meetings`, which must not wait for anything."""
    monkeypatch.setattr(cli_meetings, "_pause", lambda _: pytest.fail("it waits"))

    def run(*words: str, typed: str = "") -> Result:
        return ops_with_meetings("meetings", *words, typed=typed)

    return run


@pytest.fixture
def ends(world: World, session: Session) -> Ends:
    return Ends(world, session.create_client("scheduler"))


@pytest.fixture
def terminating(ends: Ends, ops: Ops, monkeypatch: pytest.MonkeyPatch) -> Ops:
    """Run it with the terminator at work while it waits."""
    monkeypatch.setattr(cli_meetings, "_pause", lambda _: ends.tell(ends.record("m1")))
    return ops


def put(world: World, meeting_id: str, hours: float = 24, **texts: str) -> None:
    """Put a meeting into the table that starts in so many hours."""
    start = format_time(datetime.now(UTC) + timedelta(hours=hours))
    row = NAMES | {"status": "SCHEDULED", "meet_time": start, "agenda": "elephant-test"}
    world.put_row(meeting_id, **row | texts)


def flat(result: Result) -> str:
    return " ".join(result.output.split())


# The hours


@pytest.mark.parametrize(
    ("texts", "hours", "unknown"),
    [
        (RUNNING | BOTH, 2 * 40 / 60, 0),
        (RUNNING | {"teacher_ec2_id": TEACHER}, 40 / 60, 0),
        (RUNNING | BOTH | {"meet_time": "2026-11-27T09:00:00Z"}, 2 * 40 / 60, 0),  # late, but runs
        (RUNNING, 0, 0),
        (BOTH, 0, 1),
        (
            BOTH | RUNNING | {"termination_reason": "SUCCESS", "ended_at": "2026-11-27T13:05:00Z"},
            0.5,
            0,
        ),
        (BOTH | RUNNING | {"status": "TERMINATED", "meet_time": "2026-11-27T12:00:00Z"}, 1 / 3, 0),
        (BOTH | RUNNING | {"status": "TERMINATED"}, 2 * 40 / 60, 0),
        (BOTH | RUNNING | {"status": "TERMINATED", "meet_time": "soon"}, 2 * 40 / 60, 0),
        (BOTH | RUNNING | {"termination_reason": "x", "ended_at": "2026-11-27T12:00:00Z"}, 0, 0),
    ],
)
def test_each_desktop_counts_from_the_launch_to_the_end_as_far_as_the_row_says(
    texts: dict[str, str], hours: float, unknown: int
) -> None:
    counted = DesktopHours.of(meeting(**texts), NOW, LONGEST)
    assert (round(counted.hours, 3), counted.unknown) == (round(hours, 3), unknown)


# What is shown


def test_a_list_fits_80_columns_with_whole_ids_and_says_how_it_counts() -> None:
    hostile = {"teacher_name": "A\x1b[2J\u202egnol " * 8, "student_name": ""}
    every = [
        meeting("past", **BOTH, status="TERMINATED", meet_time="2026-11-20T10:00:00Z"),
        meeting(LONG_ID, **RUNNING | BOTH),
        meeting("next", meet_time="2026-11-28T10:00:00Z", status="SCHEDULED", **hostile),
        meeting("none", meet_time="soon"),
    ]
    lines = list(READING.list_lines(every))
    text = "\n".join(lines)

    assert max(map(len, lines)) <= 80
    assert [each for each in lines if not each.startswith("    ")][:7] == [
        *("Over (2)", "  past", "  none", "Running (1)", f"  {LONG_ID}", "Upcoming (1)", "  next"),
    ]
    assert "    2026-11-27 13:00 UTC, 60 minutes: Ada Lovelace and Zo\u00eb\n" in text
    assert "at an unknown time" in text
    assert not {"\x1b", "\u202e"} & set(text)
    said = " ".join(text.split())
    assert "It is in progress. Desktops: 1.33 hours, which cost 0.67 at 0.5 an hour." in said
    assert "4 meetings; their desktops: 1.33 hours, which cost 0.67 at 0.5 an hour (unknown" in said
    assert next(Reading(NOW, LONGEST).list_lines([])).startswith("0 meetings; their desktops: 0.00")


def test_a_meeting_is_shown_in_full_but_for_what_opens_it() -> None:
    row = RUNNING | BOTH | {"scheduled_by": "office", "teacher_key_hash": "5ecret"}
    one = meeting(**row, teacher_email="ada@example.com", student_mail="reminder 0 bounced")
    lines = list(READING.detail_lines(one))
    for said in (
        "    scheduled_by: office",
        "    teacher_email: ada@example.com",
        "    student_mail: bounced",
        f"    desktops: {TEACHER}, {STUDENT}",
        "    desktop_hours: 1.33",
        "    ends_at: 2026-11-27T14:00:00Z",
    ):
        assert said in lines
    assert not any("5ecret" in each or "link" in each for each in lines)

    document = READING.document(one)
    assert (document["desktop_hours"], document["cost"]) == (1.3332, 0.6666)
    unknown = READING.document(meeting(**BOTH))
    assert (unknown["desktop_hours"], unknown["cost"]) == (None, None)


# What is read


def test_the_list_is_that_of_the_agenda_and_all_is_the_whole_table_of_the_stage(
    world: World, ops: Ops
) -> None:
    put(world, "older", -8 * 24, status="TERMINATED")
    put(world, "recent", -24, status="TERMINATED", scheduled_by="office")
    put(world, "request", request_hash="x")  # which failed
    put(world, "others", agenda="elephant-other")
    put(world, "next")
    world.put_row("foreign", status="SCHEDULED", meet_time="2026-11-28T10:00:00Z")

    shown = json.loads(ops("--json", "--price-per-hour", "1").stdout)
    everything = json.loads(ops("--json", "--all").stdout)

    assert [each["meeting_id"] for each in shown["meetings"]] == ["recent", "next"]
    assert shown["meetings"][0]["scheduled_by"] == "office"
    assert (shown["desktop_hours"], shown["price_per_hour"], shown["cost"]) == (0.0, 1.0, 0.0)
    listed = {each["meeting_id"] for each in everything["meetings"]}
    assert listed == {"older", "recent", "next", "foreign"}
    assert everything["cost"] is None
    assert "Upcoming (1)\n  next\n" in ops().stdout
    assert json.loads(ops("show", "foreign", "--json").stdout)["status"] == "SCHEDULED"
    assert ops("show", "next").stdout.startswith("  next\n    20")


def test_rows_that_cannot_be_read_are_named(
    world: World, ops: Ops, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world, "m1")
    read = MeetingList.read_recent

    def partly(self: MeetingList, now: datetime) -> object:
        listed = read(self, now)
        return type(listed)(listed.meetings, {"m2": "missing from 5 answers of DynamoDB"})

    monkeypatch.setattr(MeetingList, "read_recent", partly)
    assert "warning: m2 could not be read: missing from 5" in ops().stderr


def test_a_table_without_the_index_or_no_table_says_what_creates_it(world: World, ops: Ops) -> None:
    world.dynamodb.delete_table(TableName=TABLE)
    assert f"there is no table {TABLE}: `elephant deploy test` creates it" in flat(ops())
    world.dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    result = ops()
    assert result.exit_code == 1
    assert "has no index agenda" in flat(result)
    assert "`elephant meetings test --all` reads the whole table" in flat(result)
    assert ops("--all").exit_code == 0


def test_what_aws_refuses_is_said_by_its_name(world: World) -> None:
    stage = Stage("test", ACCOUNT, REGION, variables_in(world))
    found = MeetingList(world.app_dynamodb, stage)
    put(world, "m1")
    for operation in ("Query", "BatchGetItem"):
        world.recover()
        world.fail(operation, "AccessDeniedException")
        with pytest.raises(Exception, match=operation):
            found.read_recent(datetime.now(UTC))


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("show",), 2, "give the meeting: `show ID`"),
        (("show", "m1", "--all"), 2, "--all is for the list"),
        (("cancel", "m1", "--json"), 2, "--json is not an option of cancel"),
        (("--yes",), 2, "--yes is for cancel and end"),
        (("show", "m0"), 1, "no meeting 'm0' in its table elephant-meetings"),
        (("cancel", "theirs"), 1, "no meeting 'theirs'"),
        (("cancel", "rest"), 1, "left from a request that failed"),
        (("end", "m1", "--yes"), 1, "'m1' has not begun: to call it off, use `cancel`"),
        (("cancel", "busy", "--yes"), 1, "'busy' is in progress: to end it for its people, use"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(
    world: World, ops: Ops, words: tuple[str, ...], status: int, said: str
) -> None:
    put(world, "m1")
    put(world, "busy", -0.5, status="IN_PROGRESS")
    put(world, "theirs", agenda="elephant-other")
    put(world, "rest", request_hash="x")
    before = {each: world.row(each) for each in world.rows()}
    result = ops(*words)
    assert (result.exit_code, {each: world.row(each) for each in world.rows()}) == (status, before)
    assert said in flat(result)


# Ending it


def test_end_asks_and_waits_until_the_terminator_has_ended_the_desktops(
    ends: Ends, terminating: Ops
) -> None:
    desktops = ends.meeting("m1", 5, status="IN_PROGRESS", joined_at="2026-11-27T13:00:00Z")

    refused = terminating("end", "m1", typed="n\n")
    assert (refused.exit_code, ends.states(*desktops)) == (1, LIVE)
    assert "Its desktops end at once" in flat(refused)

    ended = terminating("end", "m1", typed="y\n")
    assert ended.exit_code == 0, ended.output
    assert "It is ended, and none of its desktops runs." in ended.output
    assert (ends.outcome("m1"), ends.states(*desktops)) == (("TERMINATED", "CANCELLED"), GONE)
    assert "It is over already." in terminating("end", "m1", "--yes").output


def test_cancel_takes_back_a_meeting_whose_desktops_start(ends: Ends, terminating: Ops) -> None:
    desktops = ends.meeting("m1", -5, status="LAUNCHED")
    result = terminating("cancel", "m1", "--yes")
    assert result.exit_code == 0, result.output
    assert ends.states(*desktops) == GONE
    assert ends.world.row("m1")["ended_at"]


def test_an_end_that_takes_longer_says_what_to_do(
    world: World, ops: Ops, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world, "m1")
    pauses: list[float] = []
    monkeypatch.setattr(cli_meetings, "_pause", pauses.append)
    result = ops("cancel", "m1", "--yes")
    assert (result.exit_code, pauses) == (cli_meetings.NOT_ENDED, [2.0] * LOOKS)
    assert "look in ten minutes with `elephant meetings test show m1`" in flat(result)
    assert world.row("m1")["termination_reason"] == "CANCELLED"


def test_whoever_joins_meanwhile_is_not_cancelled_and_other_changes_are_seen(world: World) -> None:
    found = MeetingList(world.app_dynamodb, Stage("test", ACCOUNT, REGION, variables_in(world)))
    put(world, "m1", status="HEALTHY")
    world.meanwhile("UpdateItem", lambda: put(world, "m1", status="IN_PROGRESS"))
    with pytest.raises(MeetingListError, match="is in progress"):
        claim_end(found, "m1", "cancel")

    def change() -> None:
        put(world, "m1", status=f"{world.row('m1')['status']}+")
        world.meanwhile("UpdateItem", change)

    world.meanwhile("UpdateItem", change)
    with pytest.raises(MeetingListError, match="is changing right now: repeat this"):
        claim_end(found, "m1", "end")
    assert "termination_reason" not in world.row("m1")


def test_a_row_without_room_for_the_claim_says_how_it_ends(
    world: World, ops: Ops, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RowFullError("row 'm1' is too large")

    monkeypatch.setattr("chalicelib.meeting_row.table.Meetings.update_row", refuse)
    put(world, "m1", status="HEALTHY")
    assert "has no room for it (row 'm1' is too large)" in flat(ops("cancel", "m1", "--yes"))

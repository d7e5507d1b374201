"""`elephant meetings`: what there is, what it cost, and an end that is waited for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import Meeting
from chalicelib.meeting_row.table import Meetings, RowsRead
from chalicelib.meetings.schedules import Schedules, schedules_of
from chalicelib.resource_names import StageNames
from ops import cli_meetings
from ops.account import Account, AwsError
from ops.cli import main
from ops.stage_meetings import LOOKS, MeetingError, StageMeetings
from ops.stages import ConfigFile
from tests.meetings.launches import MEETINGS
from tests.ops.played import Played, refusal
from tests.ops.projects import edit_stages
from tests.world import ACCOUNT, REGION, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from chalicelib.settings.meetings import MeetingsSettings
    from ops.stages import Stage
    from tests.world import World

    Ops = Callable[..., Result]

NOW = datetime.now(UTC).replace(microsecond=0)
UUID = "0b1e4c52-8b7c-4d0e-9d5b-1f2a3c4d5e6f"
DESKTOPS = {"teacher_ec2_id": "i-0123456789abcdef0", "student_ec2_id": "i-0123456789abcdef1"}
LARGEST_ITEM = 405_000
"""moto's limit, which is a little lower than DynamoDB's."""
PEOPLE = {"teacher_name": "Ada", "student_name": "Bo", "student_email": "bo@example.com"}


def at(hours: float) -> str:
    return format_time(NOW + timedelta(hours=hours))


def launched(hours: float) -> dict[str, str]:
    begun = NOW + timedelta(hours=hours)
    return DESKTOPS | {"launch_begun_at": begun.isoformat(timespec="milliseconds")}


def booked(hours: float, by: str = "anna") -> dict[str, str]:
    ours = {"agenda": "elephant-test", "scheduled_by": by, "scheduled_at": at(-48)}
    return ours | PEOPLE | {"meet_time": at(hours), "duration_minutes": "60", "status": "SCHEDULED"}


def over(hours: float, **more: str) -> dict[str, str]:
    ended = {"status": "TERMINATED", "termination_reason": "SUCCESS", "ended_at": at(hours + 1)}
    return booked(hours) | launched(hours) | ended | more


@pytest.fixture
def project(project: Path) -> Path:
    def add(stages: dict[str, dict[str, dict[str, str]]]) -> None:
        stages["test"]["environment_variables"].update(MEETINGS)

    edit_stages(project / ".chalice/config.json", add)
    return project


@pytest.fixture
def ops(project: Path, monkeypatch: pytest.MonkeyPatch) -> Ops:
    def run(*words: str, answer: str = "", pause: Callable[[float], object] = never) -> Result:
        monkeypatch.setattr(cli_meetings, "StageMeetings", partial(StageMeetings, pause=pause))
        monkeypatch.setattr(cli_meetings, "_now", lambda: NOW)
        arguments = ["meetings", "test", *words, "--project", str(project)]
        return CliRunner().invoke(main, arguments, input=answer)

    return run


def never(_: float) -> None:
    raise AssertionError("nothing is waited for")


@pytest.fixture
def rows(world: World) -> None:
    """Put one meeting of each kind."""
    world.put_row(UUID, meet_time=at(30), status="SCHEDULED")  # another program's
    world.put_row("upcoming00000001", **booked(20))
    world.put_row("running000000001", **booked(-0.2, "front-end") | launched(-0.5))
    world.put_row("over000000000001", **over(-48))
    world.put_row("older00000000001", **over(-24 * 8))
    world.put_row("no-times00000001", **DESKTOPS, meet_time=at(-5), status="TERMINATED")
    world.put_row("another-stages01", **booked(20) | {"agenda": "elephant-other"})
    world.put_row("half-booked00001", meet_time=at(9), status="SCHEDULED", request_hash="x")
    world.put_row("strange000000001", meet_time="soon", status="TERMINATED")


def ids(result: Result) -> list[str]:
    return [each["meeting_id"] for each in json.loads(result.stdout)["meetings"]]


@pytest.mark.usefixtures("rows")
def test_a_stages_meetings_are_listed_in_their_order_and_all_are_also_those_of_others(
    ops: Ops,
) -> None:
    over, running, upcoming = "over000000000001", "running000000001", "upcoming00000001"
    assert ids(ops("--json")) == [over, running, upcoming]
    every = [over, "no-times00000001", running, upcoming, UUID]
    assert ids(ops("--json", "--all")) == ["strange000000001", "older00000000001", *every]
    assert "are listed with --all" in ops().stdout
    assert "are listed with --all" not in ops("--all").stdout


def test_a_table_without_the_index_says_what_creates_it_and_what_does_without(
    world: World, ops: Ops
) -> None:
    world.dynamodb.delete_table(TableName=TABLE)
    assert "could not read the table" in ops().stderr
    key = {"AttributeName": "id", "KeyType": "HASH"}
    attributes = [{"AttributeName": "id", "AttributeType": "S"}]
    world.dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[key],
        AttributeDefinitions=attributes,
        BillingMode="PAY_PER_REQUEST",
    )
    result = ops()
    assert result.exit_code == 1
    assert "`elephant deploy test` creates it; until then, --all reads" in result.stderr
    assert ids(ops("--json", "--all")) == []
    assert ops("--all").stdout == "There is no meeting.\n"


@pytest.mark.usefixtures("rows")
def test_a_list_fits_a_terminal_and_breaks_no_id(ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = ops("--all").stdout.splitlines()

    assert max(map(len, lines)) <= 80
    first = [line.split()[0] for line in lines if line.strip()]
    assert {UUID, "running000000001", "over000000000001"} <= {*first}
    (ended,) = [line for line in lines if line.startswith("over0")]
    assert ended.endswith(" 2.0")
    assert "no valid time" in " ".join(lines)
    assert f"{NOW + timedelta(hours=20):%Y-%m-%d %H:%M}" in " ".join(lines)


def test_what_others_write_into_rows_cannot_control_the_terminal(world: World, ops: Ops) -> None:
    hostile = "A\x1b[2J\u202e[red]\nB"
    row = booked(1, hostile) | {"teacher_name": hostile, "student_name": hostile}
    world.put_row("hostile", **row)
    for words in ((), ("show", "hostile"), ("cancel", "hostile")):
        said = ops(*words, answer="n\n").output
        assert "A\ufffd" in said
        assert not {"\x1b", "\u202e"} & {*said}


@pytest.mark.usefixtures("rows")
def test_hours_are_of_each_desktop_and_what_is_not_known_is_not_counted(ops: Ops) -> None:
    found = json.loads(ops("--json", "--all", "--price-per-hour", "0.5").stdout)
    hours = {each["meeting_id"]: each["hours"] for each in found["meetings"]}

    assert hours["over000000000001"] == 2.0
    assert hours["running000000001"] == 1.0
    assert hours["no-times00000001"] is None
    assert hours["upcoming00000001"] == 0.0
    assert found["hours_unknown_of"] == 1
    assert found["cost"] == pytest.approx(2.5, abs=0.1)
    assert {each["cost"] for each in found["meetings"] if each["hours"] == 2.0} == {1.0}

    said = " ".join(ops("--all", "--price-per-hour", "0.5").stdout.split())
    assert "7 meetings; 5." in said
    assert "at 0.5 an hour" in said
    assert "an hour is one desktop's" in said
    assert "not counted: 1" in said


def test_one_is_shown_without_its_links(world: World, ops: Ops) -> None:
    item = over(-3, teacher_key_hash="secret-hash", teacher_mail="reminder 0 bounced")
    world.put_row("one", **item)
    world.dynamodb.update_item(
        TableName=TABLE,
        Key={"id": {"S": "one"}},
        UpdateExpression="SET expires_at = :at",
        ExpressionAttributeValues={":at": {"N": "1800000000"}},
    )

    shown = " ".join(ops("show", "one").stdout.split())
    for each in (
        "scheduled by anna",
        "Ada",
        "bo@example.com",
        "teacher desktop i-0123456789abcdef0",
    ):
        assert each in shown
    assert "teacher mail bounced" in shown
    assert "expires at 2027-01-15T08:00:00Z" in shown
    assert "cost" not in shown
    assert "\ncost              2.0\n" in ops("show", "one", "--price-per-hour", "1").stdout
    document = json.loads(ops("show", "one", "--json", "--price-per-hour", "1").stdout)
    assert (document["stage"], document["cost"], document["reason"]) == ("test", 2.0, "SUCCESS")
    assert not {each for each in document if "link" in each or "hash" in each or each == "actions"}


def terminated(world: World, meeting: str = "one") -> Callable[[float], object]:
    """Do what the deployed terminator does while the command waits."""

    def do(_: float) -> None:
        world.dynamodb.update_item(
            TableName=TABLE,
            Key={"id": {"S": meeting}},
            UpdateExpression="SET #status = :terminated",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":terminated": {"S": "TERMINATED"}},
        )

    return do


def test_a_meeting_is_cancelled_as_by_the_api_and_its_end_is_waited_for(
    world: World,
    ops: Ops,
    session: Any,  # noqa: ANN401 (botocore's)
) -> None:
    world.put_row("one", **booked(2))
    place = StageNames("aws", REGION, ACCOUNT, "elephant-test")
    scheduler = session.create_client("scheduler")
    scheduler.create_schedule_group(Name=place.schedule_group)
    for each in schedules_of(Meeting("one", {}), NOW + timedelta(hours=2), NOW):
        Schedules(scheduler).create_schedule(place, each)

    assert ops("cancel", "one", answer="n\n").exit_code == 1
    assert "termination_reason" not in world.row("one")
    result = ops("cancel", "one", answer="y\n", pause=terminated(world))

    assert result.exit_code == 0, result.output
    assert "Cancel one, of Ada and Bo, " in result.output
    assert "has ended (CANCELLED), and no desktop" in result.output
    row = world.row("one")
    assert row["termination_reason"] == "CANCELLED"
    assert row["ended_at"] >= format_time(NOW)
    assert scheduler.list_schedules()["Schedules"] == []
    again = json.loads(ops("cancel", "one", "--json").stdout)
    assert (again["state"], again["reason"]) == ("over", "CANCELLED")


def test_a_meeting_in_progress_is_ended_and_not_cancelled(world: World, ops: Ops) -> None:
    row = booked(-0.2) | launched(-0.5) | {"status": "IN_PROGRESS", "joined_at": at(-0.1)}
    world.put_row("one", **row)
    world.put_row("two", **booked(5))

    assert "somebody has joined it; to stop it, end it" in ops("cancel", "one").stderr
    assert "nobody has joined it yet; to stop it, cancel it" in ops("end", "two").stderr
    result = ops("end", "one", "--yes", pause=terminated(world))
    assert result.exit_code == 0
    assert world.row("one")["termination_reason"] == "CANCELLED"
    assert "warning, without consequences" not in result.stderr


def test_an_end_that_does_not_come_is_said_after_a_minute(world: World, ops: Ops) -> None:
    world.put_row("one", **booked(2))
    pauses: list[float] = []

    result = ops("cancel", "one", "--yes", pause=pauses.append)

    assert result.exit_code == 1
    assert sum(pauses) <= 60
    assert len(pauses) == LOOKS - 1
    assert "`elephant meetings test show one`" in " ".join(result.stderr.split())
    assert world.row("one")["termination_reason"] == "CANCELLED"  # and it is carried out later


REFUSED = {
    "no id": (("show",), "say which meeting"),
    "an unknown one": (("show", "unknown"), f"no meeting 'unknown' in {TABLE}"),
    "another stage's": (("cancel", "another-stages01"), "no meeting 'another-stages01'"),
    "a request's": (("cancel", "half-booked00001"), "no meeting 'half-booked00001'"),
    "no price": (("--price-per-hour", "-1"), "-1"),
}


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(("words", "why"), REFUSED.values(), ids=REFUSED)
def test_what_there_is_not_is_said(ops: Ops, words: tuple[str, ...], why: str) -> None:
    result = ops(*words)

    assert result.exit_code in {1, 2}
    assert why in " ".join(result.stderr.split())


class AccountOf(Account):
    """The account of a world, whose calls a test can interrupt; no schedule can be removed."""

    def __init__(self, world: World) -> None:
        super().__init__()
        refusing = Played(delete_schedule=refusal("AccessDeniedException"))
        self._clients = {"dynamodb": world.app_dynamodb, "scheduler": refusing}

    def client(self, service: str) -> Any:  # noqa: ANN401
        return self._clients[service]


def test_schedules_that_cannot_be_removed_are_named_and_the_meeting_has_ended(
    world: World, project: Path, ops: Ops, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put_row("one", **booked(2))
    account = AccountOf(world)
    monkeypatch.setattr(cli_meetings, "open_meetings", lambda *_: opened(project, account))

    result = ops("cancel", "one", "--yes", pause=terminated(world))

    assert result.exit_code == 0
    for each in ("launch-one", "safety-one"):
        assert f"without consequences: schedule '{each}' could not be removed" in result.stderr


def opened(project: Path, account: Account) -> tuple[Stage, Account, MeetingsSettings | None]:
    stage = ConfigFile(project).stage("test")
    return stage, account, stage.settings.meetings


def test_rows_that_cannot_be_read_are_an_error(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = StageMeetings(ConfigFile(project).stage("test"), AccountOf(world), never)
    world.put_row("one", **booked(2))
    world.fail("BatchGetItem", "AccessDeniedException")
    with pytest.raises(AwsError, match="BatchGetItem"):
        found.read_since(NOW)
    world.recover()
    read = RowsRead(unread={"one": "missing from 5 answers of DynamoDB"})
    monkeypatch.setattr(Meetings, "rows_of", lambda *_: read)
    with pytest.raises(MeetingError, match="1 rows could not be read: try again"):
        found.read_since(NOW)


def test_a_row_that_keeps_changing_or_has_no_room_is_left_alone(
    world: World, project: Path
) -> None:
    found = StageMeetings(ConfigFile(project).stage("test"), AccountOf(world), never)
    world.put_row("one", **booked(2))
    changes = iter(range(9))

    def change() -> None:
        world.put_row("one", **booked(2) | {"status": f"X{next(changes)}"})
        world.meanwhile("UpdateItem", change)

    change()
    with pytest.raises(MeetingError, match="keeps changing"):
        found.end("one", "cancel", NOW)

    world._meanwhile.clear()
    size = sum(len(name) + len(text) for name, text in booked(2).items())
    world.put_row("one", **booked(2), notes="x" * (LARGEST_ITEM - size - 20))
    with pytest.raises(MeetingError, match="no room for the claim"):
        found.end("one", "cancel", NOW)
    assert "termination_reason" not in world.row("one")

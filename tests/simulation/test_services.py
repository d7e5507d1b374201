"""The simulated AWS answers what moto's does, so that the simulation can be trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.ec2.desktops import DesktopOrder, Desktops
from chalicelib.ec2.instances import Instances
from chalicelib.ec2.launch_errors import AlreadyAskedError, NoRoomError
from chalicelib.meeting_row.meeting import Meeting, MeetingChange, RowUpdate
from chalicelib.meeting_row.table import Meetings, RowChangedError, RowExistsError
from chalicelib.meetings.schedules import Schedule, Schedules
from chalicelib.resource_names import StageNames
from tests.simulation.aws_edge import WRITTEN_BEFORE, AwsFault
from tests.simulation.dynamodb import LARGEST
from tests.simulation.ec2 import ZONES
from tests.simulation.names import IMAGE, PREFIX, SETTINGS
from tests.simulation.stage import Stage
from tests.world import FUNCTION_ARN, REGION, TABLE, UNKNOWN, make_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from botocore.session import Session

    from chalicelib.ec2.instances import Instance


@pytest.fixture
def stage() -> Stage:
    return Stage(has_meetings=True)


@pytest.fixture
def client(session: Session) -> Iterator[Callable[[str], Any]]:
    """Make clients of moto's AWS, with the same table and the same group of schedules."""
    with mock_aws():

        def make(service: str) -> Any:  # noqa: ANN401
            return session.create_client(service, region_name=REGION)

        make_table(make("dynamodb"))
        make("scheduler").create_schedule_group(Name=PREFIX)
        yield make


def outcome(do: Callable[..., object], *arguments: Any, **members: Any) -> object:  # noqa: ANN401
    """Return what a call returns, or what it raises: AWS's code, or the error's name."""
    try:
        return do(*arguments, **members)
    except ClientError as error:
        return error.response["Error"]["Code"]
    except Exception as error:  # noqa: BLE001 (any error: both must raise the same)
        return type(error).__name__


# Rows

TEXTS = {"status": "SCHEDULED", "teacher_name": "T", "teacher_ec2_link": "https://x"}
ITEM = {"id": {"S": "m1"}, **{name: {"S": text} for name, text in TEXTS.items()}}
READ = Meeting("m1", ITEM)
GONE = Meeting("m2", {**ITEM, "id": {"S": "m2"}})
BARE = Meeting("m1", {"id": {"S": "m1"}})
LINK, STATUS = ("teacher_ec2_link",), ("status",)


def but(**attributes: dict[str, str]) -> Meeting:
    return Meeting("m1", {**ITEM, **attributes})


CHANGES: dict[str, MeetingChange] = {
    "set a link and the status": MeetingChange(
        READ, {"student": "https://s"}, "DNS_WRITTEN", ("student_ec2_link", "status")
    ),
    "remove what is not there": MeetingChange(READ, {"other": None}, None, ()),
    "set and remove": MeetingChange(
        READ, {"teacher": None, "student": "https://s"}, "TERMINATED", STATUS
    ),
    "no row": MeetingChange(Meeting("m2", {}), {"teacher": "https://t"}, None, ()),
    "another link": MeetingChange(
        but(teacher_ec2_link={"S": "https://y"}), {"teacher": None}, None, LINK
    ),
    "another type": MeetingChange(but(status={"N": "2"}), {}, "TERMINATED", STATUS),
    "there, and thought not to be": MeetingChange(BARE, {}, "TERMINATED", STATUS),
    "not there, and thought to be": MeetingChange(but(x={"S": "x"}), {}, "TERMINATED", ("x",)),
}
UPDATES: dict[str, RowUpdate] = {
    "as it was read": RowUpdate(READ, {"status": "LAUNCHED", "a": "1"}, ("status", "b")),
    "changed meanwhile": RowUpdate(but(status={"S": "LAUNCHED"}), {"a": "1"}, STATUS),
    "gone meanwhile": RowUpdate(GONE, {"a": "1"}, STATUS),
    "too large": RowUpdate(READ, {"a": "1" * LARGEST}, STATUS),
}
WRITES: dict[str, tuple[Any, ...]] = {
    **{name: (Meetings.apply, each) for name, each in CHANGES.items()},
    **{name: (Meetings.update_row, each) for name, each in UPDATES.items()},
    "made again": (Meetings.make_row, "m1", TEXTS),
    "taken back": (Meetings.take_back_row, READ),
    "taken back, and changed": (Meetings.take_back_row, but(status={"S": "LAUNCHED"})),
    "taken back, and gone": (Meetings.take_back_row, GONE),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_rows_change_alike(
    stage: Stage, client: Callable[[str], Any], write: tuple[Any, ...]
) -> None:
    ours, motos = (Meetings(each, TABLE) for each in (stage.dynamodb, client("dynamodb")))
    for each in (ours, motos):
        each.make_row("m1", TEXTS)
    method, *arguments = write

    assert outcome(method, ours, *arguments) == outcome(method, motos, *arguments)

    for row in ("m1", "m2"):
        assert ours.read_row(row) == motos.read_row(row)
    assert ours.rows_of(["m1", "m2", "m3"]) == motos.rows_of(["m1", "m2", "m3"])


def test_a_write_whose_answer_was_lost_is_refused_the_second_time(stage: Stage) -> None:
    table = Meetings(stage.dynamodb, TABLE)
    stage.dynamodb.edge.faults += [AwsFault(WRITTEN_BEFORE)]
    with pytest.raises(RowExistsError):
        table.make_row("m1", TEXTS)
    stage.dynamodb.edge.faults += [AwsFault(WRITTEN_BEFORE)]
    with pytest.raises(RowChangedError):
        table.update_row(RowUpdate(READ, {"a": "1"}, ("a",)))
    assert stage.dynamodb.items["m1"] == {**ITEM, "a": {"S": "1"}}


# Schedules


def test_schedules_are_made_and_removed_alike(stage: Stage, client: Callable[[str], Any]) -> None:
    place = StageNames.of(FUNCTION_ARN.replace("dns_watchdog", "safety_net"))
    at = datetime.fromtimestamp(stage.clock.now, UTC) + timedelta(minutes=5)
    request = {
        "Name": "launch-m1",
        "GroupName": PREFIX,
        "ScheduleExpression": "at(2026-11-11T22:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": place.function_arn("launch_ec2"), "RoleArn": "arn:x", "Input": "{}"},
    }
    for service in (stage.scheduler, client("scheduler")):
        for _ in range(2):
            Schedules(service).create_schedule(
                place, Schedule("launch-m1", at, "launch_ec2", {"x": "m1"})
            )
            assert outcome(service.create_schedule, **request) == "ConflictException"
            for _ in range(2):
                Schedules(service).delete_schedule(place, "launch-m1")
            gone = outcome(service.delete_schedule, Name="launch-m1", GroupName=PREFIX)
            assert gone == "ResourceNotFoundException"


# Desktops


def order(role: str = "teacher", image: str = IMAGE, **members: Any) -> DesktopOrder:  # noqa: ANN401
    return DesktopOrder(
        meeting_id="m1",
        role=role,
        image_id=image,
        instance_type="t3.large",
        profile="p",
        security_group_ids=(),
        devices=(),
        project_tag=SETTINGS.project_tag,
        owner=SETTINGS.owner,
        **members,
    )


def test_desktops_start_are_found_and_end_alike(stage: Stage, client: Callable[[str], Any]) -> None:
    client("iam").create_instance_profile(InstanceProfileName="p")
    moto, stage.ec2.page_size = client("ec2"), 1
    (subnet, *_) = (each.id for each in Desktops(moto).read_subnets(None))
    found = life(stage.ec2, next(iter(ZONES)), IMAGE)
    assert found == life(moto, subnet, "ami-12c6146b")
    assert [len(each) for each in found[2:]] == [2, 1, 0, 2, 2]


def life(ec2: Any, subnet: str, image: str) -> list[Any]:  # noqa: ANN401
    """Start two desktops, end one, and return what EC2 says of that and of them."""
    instances, end = Instances(ec2, SETTINGS.project_tag, None), Desktops(ec2)
    ids = [Desktops(ec2).run_desktop(order(role, image), subnet) for role in ("teacher", "student")]
    said: list[Any] = [end.terminate_desktop(each) for each in (UNKNOWN, ids[0])]
    answers: list[Iterable[Instance | None]] = [
        instances.of_project(),
        instances.of_meeting("m1"),
        instances.of_meeting("M1"),
        instances.among([UNKNOWN, *ids]),
        map(instances.find, [UNKNOWN, *ids]),
    ]
    for answer in answers:
        found = {each.id: (each.tags, each.has_ended) for each in answer if each}
        said.append([found[each] for each in ids if each in found])
    return said


def test_a_token_is_known_in_its_zone_only(stage: Stage) -> None:
    """As EC2's guide has it; moto knows no tokens."""
    desktops, (first, second, third) = Desktops(stage.ec2), ZONES
    desktop = desktops.run_desktop(order(), first)
    assert desktops.run_desktop(order(), first) == desktop
    assert desktops.run_desktop(order(), second) != desktop
    with pytest.raises(AlreadyAskedError):
        desktops.run_desktop(order(key_name="other"), first)
    Desktops(stage.ec2).terminate_desktop(desktop)
    with pytest.raises(NoRoomError):
        desktops.run_desktop(order(), first)
    stage.ec2.full.add(ZONES[third])
    with pytest.raises(NoRoomError):
        desktops.run_desktop(order(), third)


def test_a_desktop_is_not_known_at_once(stage: Stage) -> None:
    stage.ec2.lag = 60
    desktop = Desktops(stage.ec2).run_desktop(order(), next(iter(ZONES)))
    assert not Desktops(stage.ec2).terminate_desktop(desktop)
    stage.clock.advance(61)
    assert Desktops(stage.ec2).terminate_desktop(desktop)

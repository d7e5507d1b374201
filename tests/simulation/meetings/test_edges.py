"""The simulated AWS answers the feature what moto's does, so that the simulation can be trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.ec2.desktops import DesktopOrder, Starts, Terminations
from chalicelib.ec2.images import Images
from chalicelib.ec2.launch_errors import AlreadyAskedError, NoRoomError
from chalicelib.ec2.subnets import Subnets
from chalicelib.meeting_row.meeting import Meeting, RowUpdate
from chalicelib.meeting_row.table import Meetings, RowChangedError, RowExistsError
from chalicelib.meetings.schedules import Scheduler, Unscheduler
from chalicelib.resource_names import Place
from tests.simulation.aws_edge import AwsFault
from tests.simulation.dynamodb import LARGEST, WRITTEN_BEFORE
from tests.simulation.meetings import scheduler
from tests.simulation.meetings.ec2 import ROOT, ZONES
from tests.simulation.meetings.stage import MeetingStage
from tests.simulation.meetings.world import IMAGE, PREFIX, SETTINGS
from tests.world import FUNCTION_ARN, REGION, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.session import Session

PLACE = Place.of(FUNCTION_ARN.replace("dns_watchdog", "safety_net"))
TEXTS = {"status": "SCHEDULED", "teacher_name": "T"}
ITEM = {"id": {"S": "m1"}, **{name: {"S": text} for name, text in TEXTS.items()}}
UNKNOWN = "i-0123456789abcdef0"


@pytest.fixture
def stage() -> MeetingStage:
    """Make a world in memory."""
    return MeetingStage()


@pytest.fixture
def client(session: Session) -> Iterator[Callable[[str], Any]]:
    """Make clients of moto's AWS, with the same table and the same group of schedules."""
    with mock_aws():

        def make(service: str) -> Any:  # noqa: ANN401
            return session.create_client(service, region_name=REGION)

        make("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        make("scheduler").create_schedule_group(Name=PREFIX)
        yield make


def outcome(do: Callable[..., object], *arguments: Any, **members: Any) -> object:  # noqa: ANN401
    """Return what a call returns, or what it raises: the code of AWS, or the error's name."""
    try:
        return do(*arguments, **members)
    except ClientError as error:
        return error.response["Error"]["Code"]
    except Exception as error:  # noqa: BLE001 (whatever it is, both must raise it)
        return type(error).__name__


# Rows


READ = Meeting("m1", ITEM)
UPDATES = {
    "as it was read": RowUpdate(READ, {"status": "LAUNCHED"}, ("status", "termination_reason")),
    "two texts": RowUpdate(READ, {"a": "1", "status": "TERMINATED"}, ()),
    "the same text": RowUpdate(READ, {"status": "SCHEDULED"}, ("status",)),
    "changed meanwhile": RowUpdate(
        Meeting("m1", {**ITEM, "status": {"S": "LAUNCHED"}}), {"a": "1"}, ("status",)
    ),
    "there meanwhile": RowUpdate(Meeting("m1", {"id": {"S": "m1"}}), {"a": "1"}, ("status",)),
    "gone meanwhile": RowUpdate(
        Meeting("m2", {**ITEM, "id": {"S": "m2"}}), {"a": "1"}, ("status",)
    ),
    "too large": RowUpdate(READ, {"a": "1" * LARGEST}, ("status",)),
    "no row at all": RowUpdate(Meeting("m2", {}), {"a": "1"}, ()),
}


@pytest.mark.parametrize("name", UPDATES)
def test_rows_change_alike(stage: MeetingStage, client: Callable[[str], Any], name: str) -> None:
    found = []
    for dynamodb in (stage.dynamodb, client("dynamodb")):
        table = Meetings(dynamodb, TABLE)
        table.make_row("m1", TEXTS)
        answer = outcome(table.update_row, UPDATES[name])
        found.append((answer, [row and row.item for row in map(table.read_row, ("m1", "m2"))]))
    assert found[0] == found[1]


def test_rows_are_made_and_taken_back_alike(
    stage: MeetingStage, client: Callable[[str], Any]
) -> None:
    found = []
    for dynamodb in (stage.dynamodb, client("dynamodb")):
        table = Meetings(dynamodb, TABLE)
        said = [outcome(table.make_row, "m1", TEXTS) for _ in range(2)]
        table.update_row(RowUpdate(READ, {"status": "LAUNCHED"}))
        said.append(outcome(table.take_back_row, READ))
        table.update_row(RowUpdate(READ, {"status": "SCHEDULED"}))
        said += [outcome(table.take_back_row, READ) for _ in range(2)]
        found.append((said, table.read_row("m1")))
    assert found[0] == found[1]
    assert found[0] == ([READ, "RowExistsError", "RowChangedError", None, None], None)


def test_a_write_whose_answer_was_lost_is_refused_the_second_time(stage: MeetingStage) -> None:
    table = Meetings(stage.dynamodb, TABLE)
    stage.dynamodb.edge.faults.append(AwsFault(WRITTEN_BEFORE))
    with pytest.raises(RowExistsError):
        table.make_row("m1", TEXTS)
    stage.dynamodb.edge.faults.append(AwsFault(WRITTEN_BEFORE))
    with pytest.raises(RowChangedError):
        table.update_row(RowUpdate(READ, {"a": "1"}, ("a",)))
    assert stage.dynamodb.items["m1"] == {**ITEM, "a": {"S": "1"}}


def test_the_stream_tells_of_changes_alone(stage: MeetingStage) -> None:
    table = Meetings(stage.dynamodb, TABLE)
    table.make_row("m1", TEXTS)
    table.update_row(RowUpdate(READ, {"status": "SCHEDULED"}))
    table.update_row(RowUpdate(READ, {"status": "LAUNCHED"}))
    stage.dynamodb.store("m1", None)
    kinds = [each["eventName"] for each in stage.stream.waiting]
    numbers = [each["dynamodb"]["SequenceNumber"] for each in stage.stream.waiting]
    assert kinds == ["INSERT", "MODIFY", "REMOVE"]
    assert numbers == sorted(set(numbers))
    assert stage.stream.waiting[1]["dynamodb"]["OldImage"]["status"] == {"S": "SCHEDULED"}
    assert stage.stream.waiting[1]["dynamodb"]["NewImage"]["status"] == {"S": "LAUNCHED"}


# Schedules


def test_schedules_are_made_and_removed_alike(
    stage: MeetingStage, client: Callable[[str], Any]
) -> None:
    at = datetime.fromtimestamp(stage.clock.now, UTC) + timedelta(minutes=5)
    found = []
    for service in (stage.scheduler, client("scheduler")):
        request = {
            "Name": "x",
            "GroupName": "other",
            "ScheduleExpression": "at(2026-11-11T22:00:00)",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {"Arn": PLACE.function_arn("launch_ec2"), "RoleArn": "arn:x", "Input": "{}"},
        }
        make, remove = Scheduler(service), Unscheduler(service)
        said = []
        for _ in range(2):
            make.create_schedule_at(PLACE, "launch-m1", at, "launch_ec2", {"meeting_id": "m1"})
            mine = {**request, "Name": "launch-m1", "GroupName": PREFIX}
            said.append(outcome(service.create_schedule, **mine))
            remove.delete_schedule(PLACE, "launch-m1")
            remove.delete_schedule(PLACE, "launch-m1")
            gone = {"Name": "launch-m1", "GroupName": PREFIX}
            said.append(outcome(service.delete_schedule, **gone))
        found.append(said)
    assert found[0] == found[1] == ["ConflictException", "ResourceNotFoundException"] * 2


def test_a_schedule_fires_at_its_time_and_is_gone(stage: MeetingStage) -> None:
    at = datetime.fromtimestamp(stage.clock.now, UTC) + timedelta(minutes=5)
    Scheduler(stage.scheduler).create_schedule_at(
        PLACE, "safety-m1", at, "safety_net", {"meetingId": "m1"}
    )
    assert stage.start_due() is None
    stage.clock.reach(at.timestamp())
    run = stage.start_due()
    assert run
    assert (run.function, run.event) == ("safety_net", {"meetingId": "m1"})
    assert run.invoked_function_arn == PLACE.function_arn("safety_net")
    assert not stage.scheduler.planned


def test_a_schedule_that_was_made_before_the_answer_was_lost_is_in_the_way(
    stage: MeetingStage,
) -> None:
    at = datetime.fromtimestamp(stage.clock.now, UTC) + timedelta(minutes=5)
    stage.scheduler.edge.faults.append(AwsFault(scheduler.WRITTEN_BEFORE))
    Scheduler(stage.scheduler).create_schedule_at(PLACE, "safety-m1", at, "safety_net", {})
    assert list(stage.scheduler.planned) == ["safety-m1"]


# Desktops


def image_in(moto: Any) -> str:  # noqa: ANN401
    """Register an image with moto and return its id."""
    root = {"DeviceName": ROOT, "Ebs": {"VolumeSize": 30}}
    answer = moto.register_image(Name="image", RootDeviceName=ROOT, BlockDeviceMappings=[root])
    return str(answer["ImageId"])


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


def test_desktops_are_started_and_ended_alike(
    stage: MeetingStage, client: Callable[[str], Any]
) -> None:
    client("iam").create_instance_profile(InstanceProfileName="p")
    moto = client("ec2")
    (subnet, *_) = (each.id for each in Subnets(moto).read_subnets(None))
    found = []
    for ec2, where, image in (
        (stage.ec2, next(iter(ZONES)), IMAGE),
        (moto, subnet, "ami-12c6146b"),
    ):
        desktop = Starts(ec2).run_desktop(order(image=image), where)
        (described,) = ec2.describe_instances(InstanceIds=[desktop])["Reservations"]
        tags = {each["Key"]: each["Value"] for each in described["Instances"][0]["Tags"]}
        end = Terminations(ec2).terminate_desktop
        said = [end(desktop), end(UNKNOWN)]
        (ended,) = ec2.describe_instances(InstanceIds=[desktop])["Reservations"]
        is_ended = ended["Instances"][0]["State"]["Name"] in {"shutting-down", "terminated"}
        found.append((tags, said, is_ended))
    assert found[0] == found[1]
    assert found[0][1:] == ([True, False], True)


def test_images_and_subnets_are_described_alike(
    stage: MeetingStage, client: Callable[[str], Any]
) -> None:
    unknown, moto = "ami-00000000000000000", client("ec2")
    found = []
    for ec2, image in ((stage.ec2, IMAGE), (moto, image_in(moto))):
        images, subnets = Images(ec2), Subnets(ec2).read_subnets(None)
        (device,) = images.read_devices(image, 60)
        zones = sorted(each.zone for each in subnets)
        is_good = all(each.has_room and each.is_public for each in subnets)
        wrong = outcome(images.read_devices, unknown, 60)
        found.append((sorted(device["Ebs"]), zones[:3], is_good, wrong))
    assert found[0] == found[1]


def test_a_token_is_known_in_its_zone_only(stage: MeetingStage) -> None:
    """As EC2's guide has it; moto knows no tokens."""
    starts, (first, second, third) = Starts(stage.ec2), ZONES
    desktop = starts.run_desktop(order(), first)
    assert starts.run_desktop(order(), first) == desktop
    assert starts.run_desktop(order(), second) != desktop
    with pytest.raises(AlreadyAskedError):
        starts.run_desktop(order(key_name="other"), first)
    Terminations(stage.ec2).terminate_desktop(desktop)
    with pytest.raises(NoRoomError):
        starts.run_desktop(order(), first)
    stage.ec2.full.add(ZONES[third])
    with pytest.raises(NoRoomError):
        starts.run_desktop(order(), third)


def test_a_desktop_is_not_known_at_once(stage: MeetingStage) -> None:
    stage.ec2.lag = 60
    desktop = Starts(stage.ec2).run_desktop(order(), next(iter(ZONES)))
    assert not Terminations(stage.ec2).terminate_desktop(desktop)
    stage.clock.advance(61)
    assert Terminations(stage.ec2).terminate_desktop(desktop)

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
from chalicelib.meetings.schedules import Schedules
from chalicelib.resource_names import StageNames
from tests.simulation.aws_edge import WRITTEN_BEFORE, AwsFault
from tests.simulation.dynamodb import LARGEST
from tests.simulation.ec2 import ROOT, ZONES
from tests.simulation.names import IMAGE, PREFIX, SETTINGS
from tests.simulation.stage import Stage
from tests.world import FUNCTION_ARN, REGION, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from botocore.session import Session

    from chalicelib.ec2.instances import Instance

PROJECT = ("Project", "Elephant")
PLACE = StageNames.of(FUNCTION_ARN.replace("dns_watchdog", "safety_net"))
UNKNOWN = "i-0123456789abcdef0"


@pytest.fixture
def stage() -> Stage:
    return Stage(has_meetings=True)


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


CHANGES: dict[str, MeetingChange | RowUpdate] = {
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
    "as it was read": RowUpdate(READ, {"status": "LAUNCHED", "a": "1"}, ("status", "b")),
    "the same text": RowUpdate(READ, {"status": "SCHEDULED"}, STATUS),
    "changed meanwhile": RowUpdate(but(status={"S": "LAUNCHED"}), {"a": "1"}, STATUS),
    "there meanwhile": RowUpdate(BARE, {"a": "1"}, STATUS),
    "gone meanwhile": RowUpdate(GONE, {"a": "1"}, STATUS),
    "too large": RowUpdate(READ, {"a": "1" * LARGEST}, STATUS),
}


@pytest.fixture
def tables(stage: Stage, client: Callable[[str], Any]) -> tuple[Any, Any]:
    """Give both services, in each of which the table has one row."""
    both = stage.dynamodb, client("dynamodb")
    for each in both:
        Meetings(each, TABLE).make_row("m1", TEXTS)
    return both


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_rows_change_alike(tables: tuple[Any, Any], change: MeetingChange | RowUpdate) -> None:
    ours, motos = (Meetings(each, TABLE) for each in tables)

    said, motos_said = (
        outcome(each.apply, change)
        if isinstance(change, MeetingChange)
        else outcome(each.update_row, change)
        for each in (ours, motos)
    )

    assert said == motos_said
    for row in ("m1", "m2"):
        assert ours.read_row(row) == motos.read_row(row)
    assert ours.rows_of(["m1", "m2", "m3"]) == motos.rows_of(["m1", "m2", "m3"])


WRONG_UPDATES: dict[str, Mapping[str, Any]] = {
    "an unused name": {"ExpressionAttributeNames": {"#id": "id", "#s": "status", "#x": "y"}},
    "an unused value": {"ExpressionAttributeValues": {":s": {"S": "x"}, ":x": {"S": "y"}}},
    "a missing value": {"ExpressionAttributeValues": {":x": {"S": "x"}}},
    "the key": {"ExpressionAttributeNames": {"#id": "id", "#s": "id"}},
    "one attribute twice": {"UpdateExpression": "SET #s = :s REMOVE #s"},
    "no expression": {"UpdateExpression": "SET #s == :s"},
}


@pytest.mark.parametrize("wrong", WRONG_UPDATES.values(), ids=WRONG_UPDATES)
def test_wrong_updates_are_refused_alike(tables: tuple[Any, Any], wrong: Mapping[str, Any]) -> None:
    request = {
        "TableName": TABLE,
        "Key": {"id": {"S": "m1"}},
        "UpdateExpression": "SET #s = :s",
        "ConditionExpression": "attribute_exists(#id)",
        "ExpressionAttributeNames": {"#id": "id", "#s": "status"},
        "ExpressionAttributeValues": {":s": {"S": "x"}},
        **wrong,
    }
    for each in tables:
        assert outcome(each.update_item, **request) == "ValidationException"
        assert Meetings(each, TABLE).read_row("m1") == READ


def test_rows_are_made_and_taken_back_alike(tables: tuple[Any, Any]) -> None:
    for each in tables:
        table = Meetings(each, TABLE)
        said = [outcome(table.make_row, "m1", TEXTS)]
        table.update_row(RowUpdate(READ, {"status": "LAUNCHED"}))
        said.append(outcome(table.take_back_row, READ))
        table.update_row(RowUpdate(READ, {"status": "SCHEDULED"}))
        said += [outcome(table.take_back_row, READ) for _ in range(2)]
        assert said == ["RowExistsError", "RowChangedError", None, None]
        assert table.read_row("m1") is None


def test_a_write_whose_answer_was_lost_is_refused_the_second_time(stage: Stage) -> None:
    table = Meetings(stage.dynamodb, TABLE)
    stage.dynamodb.edge.faults.append(AwsFault(WRITTEN_BEFORE))
    with pytest.raises(RowExistsError):
        table.make_row("m1", TEXTS)
    stage.dynamodb.edge.faults.append(AwsFault(WRITTEN_BEFORE))
    with pytest.raises(RowChangedError):
        table.update_row(RowUpdate(READ, {"a": "1"}, ("a",)))
    assert stage.dynamodb.items["m1"] == {**ITEM, "a": {"S": "1"}}


def test_the_stream_has_changes_only(stage: Stage) -> None:
    table = Meetings(stage.dynamodb, TABLE)
    table.make_row("m1", TEXTS)
    table.update_row(RowUpdate(READ, {"status": "SCHEDULED"}))
    table.update_row(RowUpdate(READ, {"status": "LAUNCHED"}))
    stage.dynamodb.store("m1", None)

    inserted, modified, removed = stage.stream.waiting
    kinds = [each["eventName"] for each in (inserted, modified, removed)]
    assert kinds == ["INSERT", "MODIFY", "REMOVE"]
    images = (modified["dynamodb"][f"{age}Image"]["status"] for age in ("Old", "New"))
    assert list(images) == [{"S": "SCHEDULED"}, {"S": "LAUNCHED"}]


# Schedules


def five_minutes_ahead(stage: Stage) -> datetime:
    return datetime.fromtimestamp(stage.clock.now, UTC) + timedelta(minutes=5)


def test_schedules_are_made_and_removed_alike(stage: Stage, client: Callable[[str], Any]) -> None:
    at, target = five_minutes_ahead(stage), PLACE.function_arn("launch_ec2")
    request = {
        "Name": "launch-m1",
        "GroupName": PREFIX,
        "ScheduleExpression": "at(2026-11-11T22:00:00)",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {"Arn": target, "RoleArn": "arn:x", "Input": "{}"},
    }
    for service in (stage.scheduler, client("scheduler")):
        for _ in range(2):
            Schedules(service).create_schedule_at(PLACE, "launch-m1", at, "launch_ec2", {"x": "m1"})
            assert outcome(service.create_schedule, **request) == "ConflictException"
            for _ in range(2):
                Schedules(service).delete_schedule(PLACE, "launch-m1")
            gone = outcome(service.delete_schedule, Name="launch-m1", GroupName=PREFIX)
            assert gone == "ResourceNotFoundException"


@pytest.mark.parametrize("fault", [None, AwsFault(WRITTEN_BEFORE)])
def test_a_schedule_fires_once_at_its_time_and_is_gone(
    stage: Stage, fault: AwsFault | None
) -> None:
    at, event = five_minutes_ahead(stage), {"meetingId": "m1"}
    stage.scheduler.edge.faults += [fault] if fault else []
    Schedules(stage.scheduler).create_schedule_at(PLACE, "safety-m1", at, "safety_net", event)
    assert stage.start_due() is None
    stage.clock.reach(at.timestamp())
    run = stage.start_due()
    assert run
    assert (run.function, run.event) == ("safety_net", event)
    assert run.invoked_function_arn == PLACE.function_arn("safety_net")
    assert not stage.scheduler.planned


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


def test_desktops_are_started_and_ended_alike(stage: Stage, client: Callable[[str], Any]) -> None:
    client("iam").create_instance_profile(InstanceProfileName="p")
    moto = client("ec2")
    (subnet, *_) = (each.id for each in Desktops(moto).read_subnets(None))
    found = []
    for ec2, where, image in (
        (stage.ec2, next(iter(ZONES)), IMAGE),
        (moto, subnet, "ami-12c6146b"),
    ):
        desktop = Desktops(ec2).run_desktop(order(image=image), where)
        (described,) = ec2.describe_instances(InstanceIds=[desktop])["Reservations"]
        tags = {each["Key"]: each["Value"] for each in described["Instances"][0]["Tags"]}
        end = Desktops(ec2).terminate_desktop
        said = [end(desktop), end(UNKNOWN)]
        (ended,) = ec2.describe_instances(InstanceIds=[desktop])["Reservations"]
        is_ended = ended["Instances"][0]["State"]["Name"] in {"shutting-down", "terminated"}
        found.append((tags, said, is_ended))
    assert found[0] == found[1]
    assert found[0][1:] == ([True, False], True)


def test_images_and_subnets_are_described_alike(stage: Stage, client: Callable[[str], Any]) -> None:
    moto, root = client("ec2"), {"DeviceName": ROOT, "Ebs": {"VolumeSize": 30}}
    image = moto.register_image(Name="image", RootDeviceName=ROOT, BlockDeviceMappings=[root])
    found = []
    for ec2, image_id in ((stage.ec2, IMAGE), (moto, image["ImageId"])):
        subnets = Desktops(ec2).read_subnets(None)
        (device,) = Desktops(ec2).read_devices(image_id, 60)
        assert all(each.has_room and each.is_public for each in subnets)
        zones = sorted(each.zone for each in subnets)[: len(ZONES)]
        wrong = outcome(Desktops(ec2).read_devices, "ami-00000000000000000", 60)
        found.append((sorted(device["Ebs"]), zones, wrong))
    assert found[0] == found[1]


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


# Instances


class Twins:
    """The same instances in both; our ids by moto's."""

    def __init__(self, stage: Stage, ec2: Any) -> None:  # noqa: ANN401
        self.stage, self.ec2 = stage, ec2
        self.ids: dict[str, str] = {}
        stage.ec2.page_size = 1000

    def launch(self, state: str = "running", **tags: str) -> None:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        answer = self.ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
        )
        host = self.stage.ec2.launch(**tags)
        self.stage.ec2.change(host, state=state)
        twin = answer["Instances"][0]["InstanceId"]
        self.ids[twin] = host.id
        if state == "stopped":
            self.ec2.stop_instances(InstanceIds=[twin])
        elif state == "terminated":
            self.ec2.terminate_instances(InstanceIds=[twin])

    def asked(self, ask: Callable[[Instances], Iterable[Instance | None]]) -> list[Any]:
        """Ask both as the code does, and return what both find."""
        found = [
            sorted(
                (self.ids.get(each.id, each.id), each.state, sorted(each.tags.items()))
                for each in ask(Instances(client, PROJECT, None))
                if each
            )
            for client in (self.stage.ec2, self.ec2)
        ]
        assert found[0] == found[1]
        return found[0]


@pytest.fixture
def twins(stage: Stage, client: Callable[[str], Any]) -> Twins:
    made = Twins(stage, client("ec2"))
    for state in ("running", "stopped", "terminated"):
        made.launch(state, Project="Elephant", MeetingID="m1", Role="teacher")
    made.launch(Project="Elephant", MeetingID="m2", Role="student")
    made.launch(Project="Elephant")
    made.launch(Project="Elephants", MeetingID="m1")
    made.launch(Project="elephant", MeetingID="m1")
    made.launch(Other="x")
    return made


@pytest.mark.parametrize(
    ("meeting", "count"), [("m1", 2), ("m2", 1), ("m3", 0), ("m", 0), ("M1", 0)]
)
def test_the_instances_of_a_meeting_are_found_alike(twins: Twins, meeting: str, count: int) -> None:
    assert len(twins.asked(lambda instances: instances.of_meeting(meeting))) == count


def test_the_projects_instances_are_found_alike_on_any_number_of_pages(twins: Twins) -> None:
    for size in (1, 2, 4, 1000):
        twins.stage.ec2.page_size = size
        assert len(twins.asked(lambda instances: instances.of_project())) == 5


def test_instances_are_found_by_their_ids_alike(twins: Twins) -> None:
    ids = [UNKNOWN, *twins.ids, *twins.ids.values()]

    assert len(twins.asked(lambda instances: instances.among(ids))) == len(twins.ids)
    assert len(twins.asked(lambda instances: map(instances.find, ids))) == len(twins.ids)


@pytest.mark.parametrize("value", ["m*", "m?", "*", "m\\*", "?1"])
def test_wildcards_mean_the_same(twins: Twins, value: str) -> None:
    request: dict[str, Any] = {"Filters": [{"Name": "tag:MeetingID", "Values": [value]}]}
    found = [
        {
            instance["InstanceId"]
            for reservation in client.describe_instances(**request)["Reservations"]
            for instance in reservation["Instances"]
        }
        for client in (twins.stage.ec2, twins.ec2)
    ]
    assert found[0] == {twins.ids[each] for each in found[1]}


def test_a_backslash_takes_a_wildcard_literally(stage: Stage) -> None:
    """As EC2's guide has it: moto knows no such thing where a value holds one."""
    stage.ec2.launch(Project="Elephant", MeetingID="m*")
    stage.ec2.launch(Project="Elephant", MeetingID="mm")
    instances = Instances(stage.ec2, PROJECT, None)
    assert [each.tags["MeetingID"] for each in instances.of_meeting("m*")] == ["m*"]
    assert not instances.of_meeting("m?")

"""The simulated AWS answers what moto's does, so that the simulation can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.ec2.instances import Instances
from chalicelib.meeting_row.meeting import Meeting, MeetingChange
from chalicelib.meeting_row.table import Meetings, RowChangedError
from tests.simulation.stage import Stage
from tests.world import REGION, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.session import Session

PROJECT = ("Project", "Elephant")
ROW = {
    "id": {"S": "m1"},
    "status": {"S": "LAUNCHED"},
    "teacher_ec2_link": {"S": "https://x"},
    "people": {"N": "2"},
}


@pytest.fixture
def stage() -> Stage:
    """Make a world in memory."""
    made = Stage()
    made.dynamodb.items["m1"] = dict(ROW)
    return made


@pytest.fixture
def dynamodb(session: Session) -> Iterator[Any]:
    """Make a client of moto's DynamoDB, with the same table."""
    with mock_aws():
        client: Any = session.create_client("dynamodb", region_name=REGION)
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.put_item(TableName=TABLE, Item=ROW)
        yield client


@pytest.fixture
def ec2(session: Session) -> Iterator[Any]:
    """Make a client of moto's EC2."""
    with mock_aws():
        yield session.create_client("ec2", region_name=REGION)


READ = Meeting("m1", ROW)
CHANGES = {
    "set a link": MeetingChange(READ, {"student": "https://s"}, None, ("student_ec2_link",)),
    "set link and status": MeetingChange(
        READ, {"teacher": "https://t"}, "DNS_WRITTEN", ("teacher_ec2_link", "status")
    ),
    "remove a link": MeetingChange(READ, {"teacher": None}, None, ("teacher_ec2_link",)),
    "remove what is not there": MeetingChange(READ, {"other": None}, None, ()),
    "set and remove": MeetingChange(
        READ, {"teacher": None, "student": "https://s"}, "TERMINATED", ("people", "status")
    ),
    "status alone": MeetingChange(READ, {}, "TERMINATED", ("status", "student_ec2_id")),
    "no row": MeetingChange(Meeting("m2", {}), {"teacher": "https://t"}, None, ()),
    "another link": MeetingChange(
        Meeting("m1", {**ROW, "teacher_ec2_link": {"S": "https://y"}}),
        {"teacher": None},
        None,
        ("teacher_ec2_link",),
    ),
    "another type": MeetingChange(
        Meeting("m1", {**ROW, "people": {"S": "2"}}), {}, "TERMINATED", ("people",)
    ),
    "there, and thought not to be": MeetingChange(
        Meeting("m1", {"id": {"S": "m1"}}), {}, "TERMINATED", ("status",)
    ),
    "not there, and thought to be": MeetingChange(
        Meeting("m1", {**ROW, "gone": {"S": "x"}}), {}, "TERMINATED", ("gone",)
    ),
}


def outcome(meetings: Meetings, change: MeetingChange) -> str:
    try:
        meetings.apply(change)
    except RowChangedError:
        return "changed meanwhile"
    return "written"


@pytest.mark.parametrize("name", CHANGES)
def test_rows_change_alike(stage: Stage, dynamodb: Any, name: str) -> None:  # noqa: ANN401
    change = CHANGES[name]
    ours, motos = Meetings(stage.dynamodb, TABLE), Meetings(dynamodb, TABLE)

    assert outcome(ours, change) == outcome(motos, change)

    for row in ("m1", "m2"):
        assert ours.read_row(row) == motos.read_row(row)
    assert ours.rows_of(["m1", "m2", "m3"]) == motos.rows_of(["m1", "m2", "m3"])


WRONG_UPDATES: dict[str, Mapping[str, Any]] = {
    "an unused name": {"ExpressionAttributeNames": {"#id": "id", "#s": "status", "#x": "y"}},
    "an unused value": {"ExpressionAttributeValues": {":s": {"S": "x"}, ":x": {"S": "y"}}},
    "a name that is no placeholder's": {"ExpressionAttributeNames": {"#id": "id", "s": "x"}},
    "a missing value": {"ExpressionAttributeValues": {":x": {"S": "x"}}},
    "the key": {"ExpressionAttributeNames": {"#id": "id", "#s": "id"}},
    "one attribute twice": {"UpdateExpression": "SET #s = :s REMOVE #s"},
    "no expression": {"UpdateExpression": "SET #s == :s"},
}


@pytest.mark.parametrize("name", WRONG_UPDATES)
def test_wrong_updates_are_refused_alike(stage: Stage, dynamodb: Any, name: str) -> None:  # noqa: ANN401
    request = {
        "TableName": TABLE,
        "Key": {"id": {"S": "m1"}},
        "UpdateExpression": "SET #s = :s",
        "ConditionExpression": "attribute_exists(#id)",
        "ExpressionAttributeNames": {"#id": "id", "#s": "status"},
        "ExpressionAttributeValues": {":s": {"S": "x"}},
        **WRONG_UPDATES[name],
    }
    for client in (stage.dynamodb, dynamodb):
        with pytest.raises(ClientError) as caught:
            client.update_item(**request)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert stage.dynamodb.items["m1"] == ROW


class Twins:
    """The same instances in both worlds; moto's ids by ours."""

    def __init__(self, stage: Stage, ec2: Any) -> None:  # noqa: ANN401
        self.stage, self.ec2 = stage, ec2
        self.ids: dict[str, str] = {}
        stage.ec2.page_size = 1000

    def launch(self, state: str = "running", **tags: str) -> None:
        """Launch one in either world and bring it into a state."""
        answer = self.ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
        host = self.stage.ec2.launch(**tags)
        self.stage.ec2.change(host, state=state)
        twin = answer["Instances"][0]["InstanceId"]
        self.ids[twin] = host.id
        if state == "stopped":
            self.ec2.stop_instances(InstanceIds=[twin])
        elif state == "terminated":
            self.ec2.terminate_instances(InstanceIds=[twin])

    @property
    def instances(self) -> tuple[Instances, Instances]:
        """Either world's instances, as the code asks for them."""
        return Instances(self.stage.ec2, PROJECT, None), Instances(self.ec2, PROJECT, None)


@pytest.fixture
def twins(stage: Stage, ec2: Any) -> Twins:  # noqa: ANN401
    """Launch some instances in both worlds."""
    made = Twins(stage, ec2)
    for state in ("running", "stopped", "terminated"):
        made.launch(state, Project="Elephant", MeetingID="m1", Role="teacher")
    made.launch(Project="Elephant", MeetingID="m2", Role="student")
    made.launch(Project="Elephant")
    made.launch(Project="Elephants", MeetingID="m1")
    made.launch(Project="elephant", MeetingID="m1")
    made.launch(Other="x")
    return made


def seen(twins: Twins, found: Any, *, is_twin: bool) -> list[Any]:  # noqa: ANN401
    return sorted(
        (twins.ids[each.id] if is_twin else each.id, each.state, sorted(each.tags.items()))
        for each in found
    )


@pytest.mark.parametrize("meeting", ["m1", "m2", "m3", "m", "M1"])
def test_the_instances_of_a_meeting_are_found_alike(twins: Twins, meeting: str) -> None:
    ours, motos = twins.instances
    found = seen(twins, ours.of_meeting(meeting), is_twin=False)
    assert found == seen(twins, motos.of_meeting(meeting), is_twin=True)


def test_the_instances_of_the_project_are_found_alike(twins: Twins) -> None:
    ours, motos = twins.instances
    found = seen(twins, ours.of_project(), is_twin=False)
    assert found == seen(twins, motos.of_project(), is_twin=True)
    assert len(found) == 5


def test_instances_are_found_by_their_ids_alike(twins: Twins) -> None:
    ours, motos = twins.instances
    unknown = "i-0123456789abcdef0"
    found = seen(twins, ours.among([*twins.ids.values(), unknown]), is_twin=False)
    assert found == seen(twins, motos.among([*twins.ids, unknown]), is_twin=True)
    assert len(found) == len(twins.ids)
    for twin, instance_id in twins.ids.items():
        one, other = ours.find(instance_id), motos.find(twin)
        assert one
        assert other
        assert (one.state, one.tags) == (other.state, other.tags)
    assert ours.find(unknown) is motos.find(unknown) is None


def test_pages_are_followed_alike(twins: Twins) -> None:
    whole = seen(twins, twins.instances[0].of_project(), is_twin=False)
    for size in (1, 2, 4):
        twins.stage.ec2.page_size = size
        assert seen(twins, twins.instances[0].of_project(), is_twin=False) == whole


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

"""A desktop is asked for with all that it must have, in one request, and is ended by its id."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.ec2.desktops import DesktopOrder, Starts, TerminationError, Terminations
from chalicelib.ec2.launch_errors import NeverError, NoRoomError, NotNowError

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.world import World

ORDER = DesktopOrder(
    meeting_id="abcdefgh12345678",
    role="student",
    image_id="ami-12c6146b",
    instance_type="t3.large",
    profile="elephant-test-desktop",
    security_group_ids=("sg-0123456789abcdef0", "sg-01234567"),
    devices=({"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 60, "DeleteOnTermination": True}},),
    project_tag=("Project", "Elephant"),
    owner="elephant:test/us-west-2",
)


def test_the_request_is_exactly_this() -> None:
    assert ORDER.request("subnet-1") == {
        "ImageId": "ami-12c6146b",
        "InstanceType": "t3.large",
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": "abcdefgh12345678-student",
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
            "InstanceMetadataTags": "enabled",
        },
        "IamInstanceProfile": {"Name": "elephant-test-desktop"},
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 60, "DeleteOnTermination": True}}
        ],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": "subnet-1",
                "Groups": ["sg-0123456789abcdef0", "sg-01234567"],
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
            }
        ],
        "TagSpecifications": [
            {
                "ResourceType": "instance",
                "Tags": [
                    {"Key": "Name", "Value": "abcdefgh12345678_student"},
                    {"Key": "MeetingID", "Value": "abcdefgh12345678"},
                    {"Key": "Role", "Value": "student"},
                    {"Key": "elephant:owner", "Value": "elephant:test/us-west-2"},
                    {"Key": "Project", "Value": "Elephant"},
                ],
            },
            {"ResourceType": "volume", "Tags": [{"Key": "Project", "Value": "Elephant"}]},
        ],
    }


@pytest.mark.parametrize("key", ["Our project", "team/project", "..", "_index", "Größe"])
def test_tags_that_the_metadata_cannot_hold_are_not_put_there(key: str) -> None:
    """EC2 would start nothing if it were asked to."""
    request: Any = replace(ORDER, project_tag=(key, "Elephant")).request("subnet-01234567")

    assert request["MetadataOptions"]["InstanceMetadataTags"] == "disabled"


def test_a_key_pair_is_named_only_if_there_is_one() -> None:
    assert "KeyName" not in ORDER.request("subnet-1")
    assert replace(ORDER, key_name="mine").request("subnet-1")["KeyName"] == "mine"


def test_a_project_tag_that_is_called_like_another_tag_stands_once() -> None:
    """EC2 refuses a key that stands twice; without this tag the desktop would not be ours."""
    request: Any = replace(ORDER, project_tag=("Name", "elephant")).request("subnet-1")

    tags = request["TagSpecifications"][0]["Tags"]
    assert [each["Value"] for each in tags if each["Key"] == "Name"] == ["elephant"]


@pytest.fixture
def subnet(world: World, session: Session) -> str:
    iam: Any = session.create_client("iam")
    iam.create_instance_profile(InstanceProfileName="elephant-test-desktop")
    return str(world.ec2.describe_subnets()["Subnets"][0]["SubnetId"])


def test_what_is_started_has_all_that_was_asked_for(world: World, subnet: str) -> None:
    instance_id = Starts(world.app_ec2).run_desktop(ORDER, subnet)

    (reservation,) = world.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    (started,) = reservation["Instances"]
    assert started["ClientToken"] == ORDER.client_token
    assert started["MetadataOptions"]["HttpTokens"] == "required"
    assert started["IamInstanceProfile"]["Arn"].endswith(":instance-profile/elephant-test-desktop")
    assert started["SubnetId"] == subnet
    assert started["PublicIpAddress"]
    assert {each["Key"]: each["Value"] for each in started["Tags"]} == {
        "Name": "abcdefgh12345678_student",
        "MeetingID": "abcdefgh12345678",
        "Role": "student",
        "elephant:owner": "elephant:test/us-west-2",
        "Project": "Elephant",
    }
    shutdown = world.ec2.describe_instance_attribute(
        InstanceId=instance_id, Attribute="instanceInitiatedShutdownBehavior"
    )
    assert shutdown["InstanceInitiatedShutdownBehavior"] == {"Value": "terminate"}
    (volume,) = world.ec2.describe_volumes()["Volumes"]
    assert volume["Size"] == 60
    assert volume["Tags"] == [{"Key": "Project", "Value": "Elephant"}]
    (attached,) = started["BlockDeviceMappings"]
    assert attached["Ebs"]["DeleteOnTermination"] is True


def test_a_refusal_names_the_desktop_and_the_subnet(world: World) -> None:
    world.fail("RunInstances", "UnauthorizedOperation")

    with pytest.raises(NeverError, match=r"student's desktop of 'abcdefgh12345678' in subnet-1"):
        Starts(world.app_ec2).run_desktop(ORDER, "subnet-1")


class Answers:
    """A client that gives this answer to whatever it is asked, or raises it."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer

    def __getattr__(self, _: str) -> Any:  # noqa: ANN401
        return self._give

    def _give(self, **_: object) -> dict[str, Any]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def client(answer: dict[str, Any] | Exception) -> Any:  # noqa: ANN401
    """Make a client that answers so."""
    return Answers(answer)


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_a_desktop_that_was_started_there_before_and_has_ended_is_none(state: str) -> None:
    ended = {"InstanceId": "i-01234567", "State": {"Name": state}}

    with pytest.raises(NoRoomError, match="i-01234567 was started there before and has ended"):
        Starts(client({"Instances": [ended]})).run_desktop(ORDER, "subnet-1")


def test_an_answer_without_an_instance_tells_nothing() -> None:
    with pytest.raises(NotNowError, match="EC2 returned no instance"):
        Starts(client({})).run_desktop(ORDER, "subnet-1")


def test_a_desktop_is_ended_and_one_that_has_ended_is_fine(world: World) -> None:
    desktop = world.desktop()
    terminations = Terminations(world.app_ec2)

    assert terminations.terminate_desktop(desktop)
    assert terminations.terminate_desktop(desktop)

    found = world.instances().find(desktop)
    assert found
    assert found.has_ended
    assert world.aws_calls[:2] == ["TerminateInstances", "TerminateInstances"]


def test_one_that_ec2_does_not_know_is_told_apart(world: World) -> None:
    assert not Terminations(world.app_ec2).terminate_desktop("i-0123456789abcdef0")


def test_an_end_that_ec2_does_not_accept_is_raised(world: World) -> None:
    desktop = world.desktop()
    world.fail("TerminateInstances", "UnauthorizedOperation")

    with pytest.raises(
        TerminationError, match=f"{desktop} could not be terminated: .*Unauthorized"
    ):
        Terminations(world.app_ec2).terminate_desktop(desktop)


def test_an_end_of_which_no_answer_came_is_raised() -> None:
    lost = ReadTimeoutError(endpoint_url="https://ec2")

    with pytest.raises(TerminationError, match="i-01234567 could not be terminated"):
        Terminations(client(lost)).terminate_desktop("i-01234567")

"""A desktop is launched complete, by one request, and terminated by its id."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.ec2.desktops import DesktopOrder, Desktops, TerminationError
from chalicelib.ec2.launch_errors import NeverError, NoRoomError, NotNowError
from tests.answers import INSTANCE, answering, refusal

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
            {
                "ResourceType": "network-interface",
                "Tags": [{"Key": "Project", "Value": "Elephant"}],
            },
        ],
    }


@pytest.mark.parametrize("key", ["Our project", "team/project", "..", "_index", "Größe"])
def test_tags_that_the_metadata_cannot_hold_are_not_put_there(key: str) -> None:
    """EC2 would reject the launch."""
    request: Any = replace(ORDER, project_tag=(key, "Elephant")).request("subnet-01234567")

    assert request["MetadataOptions"]["InstanceMetadataTags"] == "disabled"


def test_a_key_pair_is_named_only_if_there_is_one() -> None:
    assert "KeyName" not in ORDER.request("subnet-1")
    assert replace(ORDER, key_name="mine").request("subnet-1")["KeyName"] == "mine"


def test_a_project_tag_replaces_another_tag_with_its_key() -> None:
    """EC2 rejects a duplicate key; without this tag the desktop would not be ours."""
    request: Any = replace(ORDER, project_tag=("Name", "elephant")).request("subnet-1")

    tags = request["TagSpecifications"][0]["Tags"]
    assert [each["Value"] for each in tags if each["Key"] == "Name"] == ["elephant"]


def test_the_operators_tags_are_on_everything_and_replace_none_of_ours() -> None:
    own = (("CostCenter", "42"), ("Role", "admin"), ("elephant:owner", "x"), ("Project", "y"))
    request: Any = replace(ORDER, tags=own).request("subnet-1")

    tags = {
        each["ResourceType"]: {tag["Key"]: tag["Value"] for tag in each["Tags"]}
        for each in request["TagSpecifications"]
    }
    assert {each["CostCenter"] for each in tags.values()} == {"42"}
    assert {each["Project"] for each in tags.values()} == {"Elephant"}
    known_by = {"Role": "student", "elephant:owner": "elephant:test/us-west-2"}
    assert tags["instance"].items() >= known_by.items()


def test_ec2_takes_the_request_and_launches_a_desktop_with_address_and_tags(
    world: World, session: Session
) -> None:
    iam: Any = session.create_client("iam")
    iam.create_instance_profile(InstanceProfileName="elephant-test-desktop")
    subnet = world.ec2.describe_subnets()["Subnets"][0]["SubnetId"]

    instance_id = Desktops(world.app_ec2).run_desktop(ORDER, subnet)

    found = world.instances().find(instance_id)
    assert found
    assert found.address
    request: Any = ORDER.request(subnet)
    asked = request["TagSpecifications"][0]["Tags"]
    assert found.tags == {each["Key"]: each["Value"] for each in asked}


def ended(state: str) -> dict[str, Any]:
    return {"Instances": [{"InstanceId": "i-01234567", "State": {"Name": state}}]}


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (refusal("UnauthorizedOperation"), NeverError, "UnauthorizedOperation"),
        ({}, NotNowError, "EC2 returned no instance"),
        (ended("shutting-down"), NoRoomError, "i-01234567 was started there before and has ended"),
        (ended("terminated"), NoRoomError, "i-01234567 was started there before and has ended"),
    ],
)
def test_a_failed_launch_names_the_desktop_and_the_subnet(
    answer: dict[str, Any] | Exception, error: type[Exception], message: str
) -> None:
    asked = "starting the student's desktop of 'abcdefgh12345678' in subnet-1"

    with pytest.raises(error, match=f"{asked}: .*{message}"):
        Desktops(answering(answer)).run_desktop(ORDER, "subnet-1")


def test_a_desktop_is_terminated_and_a_terminated_one_is_no_error(world: World) -> None:
    desktop = world.desktop()
    desktops = Desktops(world.app_ec2)

    assert [desktops.terminate_desktop(desktop) for _ in range(2)] == [True, True]

    found = world.instances().find(desktop)
    assert found
    assert found.has_ended
    assert not desktops.terminate_desktop(INSTANCE)  # EC2 does not know it


@pytest.mark.parametrize(
    "error", [refusal("UnauthorizedOperation"), ReadTimeoutError(endpoint_url="https://ec2")]
)
def test_a_termination_that_ec2_does_not_confirm_is_an_error(error: Exception) -> None:
    with pytest.raises(TerminationError) as raised:
        Desktops(answering(error)).terminate_desktop(INSTANCE)

    assert str(raised.value) == f"{INSTANCE} could not be terminated: {error}"

"""A desktop's volumes are the image's; its root has the size asked for, and all end with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ec2.images import Images, devices_of
from chalicelib.ec2.launch_errors import NeverError, NotNowError
from tests.ec2.test_desktops import client

if TYPE_CHECKING:
    from tests.world import World

AMI = "ami-0123456789abcdef0"


def image(**members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make an image as EC2 describes one of Windows with a volume for data."""
    return {
        "ImageId": AMI,
        "State": "available",
        "RootDeviceName": "/dev/sda1",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {"VolumeSize": 30, "Encrypted": True, "SnapshotId": "snap-1"},
            },
            {"DeviceName": "xvdb", "Ebs": {"VolumeSize": 100, "DeleteOnTermination": False}},
            {"DeviceName": "xvdca", "VirtualName": "ephemeral0"},
        ],
    } | members


def root_of(**members: Any) -> Any:  # noqa: ANN401
    """Return the root device's part of a decision."""
    gigabytes = members.pop("volume_gb", 60)
    return devices_of(image(**members), gigabytes)[0]


def test_only_size_and_end_are_said_all_else_is_as_the_image_has_it() -> None:
    assert devices_of(image(), 60) == (
        {"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True, "VolumeSize": 60}},
        {"DeviceName": "xvdb", "Ebs": {"DeleteOnTermination": True}},
    )


def test_the_root_device_is_whichever_the_image_names() -> None:
    mappings = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}]

    root = root_of(RootDeviceName="/dev/xvda", BlockDeviceMappings=mappings)

    assert root == {
        "DeviceName": "/dev/xvda",
        "Ebs": {"DeleteOnTermination": True, "VolumeSize": 60},
    }


def test_without_a_size_the_images_own_stands() -> None:
    assert root_of(volume_gb=0) == {"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True}}


def test_a_volume_is_not_smaller_than_the_images() -> None:
    assert root_of(volume_gb=8)["Ebs"]["VolumeSize"] == 30


def test_an_image_on_its_way_is_waited_for() -> None:
    with pytest.raises(NotNowError, match=f"image {AMI} is pending"):
        root_of(State="pending")


@pytest.mark.parametrize("state", ["deregistered", "failed", "disabled"])
def test_an_image_that_will_not_come_is_not_waited_for(state: str) -> None:
    with pytest.raises(NeverError, match=f"image {AMI} is {state}"):
        root_of(State=state)


@pytest.mark.parametrize("members", [{"BlockDeviceMappings": []}, {"RootDeviceName": None}])
def test_an_image_without_such_a_root_device_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(NeverError, match="no EBS root device"):
        root_of(**members)


def test_an_image_is_looked_at_by_its_id(world: World) -> None:
    device = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 15}}
    ami = world.ec2.register_image(
        Name="desktop", RootDeviceName="/dev/sda1", BlockDeviceMappings=[device]
    )["ImageId"]

    devices = Images(world.app_ec2).read_devices(ami, 60)

    ebs = {"DeleteOnTermination": True, "VolumeSize": 60}
    assert devices == ({"DeviceName": "/dev/sda1", "Ebs": ebs},)
    assert world.aws_calls == ["DescribeImages"]


def test_an_image_that_does_not_exist_is_refused(world: World) -> None:
    with pytest.raises(NeverError, match=f"image {AMI}: .*InvalidAMIID.NotFound"):
        Images(world.app_ec2).read_devices(AMI, 60)


@pytest.mark.parametrize("images", [[], [image(ImageId="ami-01234567")]])
def test_an_answer_without_the_image_is_a_refusal(images: list[dict[str, Any]]) -> None:
    with pytest.raises(NeverError, match="correct AMI_ID"):
        Images(client({"Images": images})).read_devices(AMI, 60)

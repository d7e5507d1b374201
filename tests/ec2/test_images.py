"""A desktop has the image's volumes, a root of the size asked for, and all are deleted with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ec2.desktops import Desktops
from chalicelib.ec2.images import devices_of
from chalicelib.ec2.launch_errors import NeverError, NotNowError
from tests.answers import answering

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


def test_size_and_deletion_are_set_and_everything_else_is_the_images() -> None:
    assert devices_of(image(), 60) == (
        {"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True, "VolumeSize": 60}},
        {"DeviceName": "xvdb", "Ebs": {"DeleteOnTermination": True}},
    )


XVDA = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}]


@pytest.mark.parametrize(
    ("members", "asked", "device", "size"),
    [
        ({"RootDeviceName": "/dev/xvda", "BlockDeviceMappings": XVDA}, 60, "/dev/xvda", 60),
        ({}, 8, "/dev/sda1", 30),
        ({}, 0, "/dev/sda1", None),
    ],
    ids=["the root is what the image names", "never smaller than the image", "as the image"],
)
def test_the_root_has_the_size_asked_for(
    members: dict[str, Any], asked: int, device: str, size: int | None
) -> None:
    root = devices_of(image(**members), asked)[0]

    assert root["DeviceName"] == device
    assert root["Ebs"] == {"DeleteOnTermination": True} | ({"VolumeSize": size} if size else {})


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({"State": "pending"}, NotNowError, f"image {AMI} is pending"),
        ({"State": "transient"}, NotNowError, f"image {AMI} is transient"),
        ({"State": "deregistered"}, NeverError, f"image {AMI} is deregistered"),
        ({"State": "failed"}, NeverError, f"image {AMI} is failed"),
        ({"State": "disabled"}, NeverError, f"image {AMI} is disabled"),
        ({"BlockDeviceMappings": []}, NeverError, "no EBS root device"),
        ({"RootDeviceName": None}, NeverError, "no EBS root device"),
        ({"ImageId": "ami-01234567"}, NeverError, "correct AMI_ID"),
    ],
)
def test_an_unusable_image_is_refused_or_waited_for(
    members: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Desktops(answering({"Images": [image(**members)]})).read_devices(AMI, 60)


def test_an_image_is_read_by_its_id(world: World) -> None:
    device = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 15}}
    ami = world.ec2.register_image(
        Name="desktop", RootDeviceName="/dev/sda1", BlockDeviceMappings=[device]
    )["ImageId"]

    devices = Desktops(world.app_ec2).read_devices(ami, 60)

    ebs = {"DeleteOnTermination": True, "VolumeSize": 60}
    assert devices == ({"DeviceName": "/dev/sda1", "Ebs": ebs},)
    with pytest.raises(NeverError, match=f"image {AMI}: .*InvalidAMIID.NotFound"):
        Desktops(world.app_ec2).read_devices(AMI, 60)

"""Contents of an account before any deployment: images and security groups.

AWS chooses their ids; here they have the ids in a stage's settings.
"""

from __future__ import annotations

from typing import Final

from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.security_groups import SecurityGroup

from .account import ACCOUNT_ID

ANY_IMAGE: Final = "ami-12c6146b"
"""An image that always exists: one of moto's own."""


def make_image(image_id: str, region: str) -> None:
    """Make an image of Windows with a root volume of 15 GB, unless it is there."""
    make_image_in(ec2_backends[ACCOUNT_ID][region], image_id)


def make_image_in(backend: EC2Backend, image_id: str) -> None:
    """Make it in one of moto's backends."""
    if image_id not in backend.amis:
        backend.amis[image_id] = Ami(
            backend,
            image_id,
            name="desktop",
            description="a desktop of the local cloud",
            virtualization_type="hvm",
            architecture="x86_64",
            platform="windows",
            root_device_type="ebs",
            root_device_name="/dev/sda1",
            region_name=f"{backend.region_name}a",
        )


def make_security_group(group_id: str, region: str) -> None:
    """Make a security group of the default VPC, unless it is there."""
    backend = ec2_backends[ACCOUNT_ID][region]
    if backend.get_security_group_from_id(group_id) is None:
        vpc = str(backend.default_vpc.id)
        group = SecurityGroup(backend, group_id, f"desktops {group_id}", "desktops", vpc)  # type: ignore[abstract]  # moto's own does likewise
        backend.groups[vpc][group_id] = group

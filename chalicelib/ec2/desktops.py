"""Launching and terminating desktops in EC2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.ec2.images import devices_of
from chalicelib.ec2.instances import API_TAG, ENDED_STATES, MEETING_TAG, OWNER_TAG, ROLE_TAG
from chalicelib.ec2.launch_errors import NeverError, NoRoomError, NotNowError, refusal_of
from chalicelib.ec2.subnets import Subnet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.clients import DesktopClient

_NOT_FOUND: Final = "InvalidInstanceID.NotFound"
_PLAIN_KEY = re.compile(r"[A-Za-z0-9+=.,_:@-]+")


class TerminationError(Exception):
    """EC2 did not confirm the termination; the desktop may still run. Terminate it again."""


@dataclass(frozen=True)
class DesktopOrder:
    """A desktop to launch in any subnet with capacity."""

    meeting_id: str
    role: str
    image_id: str
    instance_type: str
    profile: str
    """The name of its instance profile."""
    security_group_ids: tuple[str, ...]
    devices: tuple[Mapping[str, Any], ...]
    """Its block device mappings; see `images.py`."""
    project_tag: tuple[str, str]
    owner: str
    """The stage's owner, by which other stages know that the desktop is not theirs."""
    key_name: str | None = None
    api_url: str = ""
    """The API to report to; empty if it is not known."""
    tags: tuple[tuple[str, str], ...] = ()
    """The operator's own tags, which never replace those by which a desktop is known."""

    @property
    def client_token(self) -> str:
        """The client token by which EC2 recognizes a repeated request.

        EC2 keeps it for each Availability Zone, as every request names a subnet: the same token
        starts one desktop in *each* of them that it is used in, so the caller must know where.
        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html#run-instances-idempotency
        """
        return f"{self.meeting_id}-{self.role}"

    def request(self, subnet_id: str) -> dict[str, object]:
        """Build the request for RunInstances.

        The tags are part of it, so that no desktop ever exists without them.
        """
        project = dict([*self.tags, self.project_tag])
        tags = (
            dict(self.tags)
            | {
                "Name": f"{self.meeting_id}_{self.role}",
                MEETING_TAG: self.meeting_id,
                ROLE_TAG: self.role,
                OWNER_TAG: self.owner,
            }
            | ({API_TAG: self.api_url} if self.api_url else {})
        )
        request: dict[str, object] = {
            "ImageId": self.image_id,
            "InstanceType": self.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": self.client_token,
            "InstanceInitiatedShutdownBehavior": "terminate",
            "MetadataOptions": {
                "HttpEndpoint": "enabled",
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 1,  # neither containers nor callers of a proxy
                # How a desktop learns its meeting and role without needing permissions.
                "InstanceMetadataTags": "enabled" if _is_plain(project) else "disabled",
            },
            "IamInstanceProfile": {"Name": self.profile},
            "BlockDeviceMappings": list(self.devices),
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "SubnetId": subnet_id,
                    "Groups": list(self.security_group_ids),
                    "AssociatePublicIpAddress": True,
                    "DeleteOnTermination": True,
                }
            ],
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": _tags(tags | dict([self.project_tag]))},
                {"ResourceType": "volume", "Tags": _tags(project)},
                {"ResourceType": "network-interface", "Tags": _tags(project)},
            ],
        }
        return request | ({"KeyName": self.key_name} if self.key_name else {})


class Desktops:
    """Launches and terminates desktops, in one region of one account."""

    def __init__(self, client: DesktopClient) -> None:
        self._client = client

    def read_devices(self, image_id: str, volume_gb: int) -> tuple[Mapping[str, Any], ...]:
        """Return the block device mappings for a desktop of the image.

        Raises NeverError if there is no such image or it has no EBS root device; NotNowError.
        """
        try:
            answer = self._client.describe_images(ImageIds=[image_id])
        except (BotoCoreError, ClientError) as error:
            raise refusal_of(error, f"describing image {image_id}") from error
        for image in answer.get("Images", ()):
            if image["ImageId"] == image_id:
                return devices_of(image, volume_gb)
        raise NeverError(f"no image {image_id} in this region; correct AMI_ID")

    def read_subnets(self, vpc_id: str | None) -> tuple[Subnet, ...]:
        """Read the subnets of the VPC, or the default subnets of the default VPC.

        If the VPC has public subnets, only those are returned. Raises NeverError if there is
        none; NotNowError.
        """
        where = {"vpc-id": vpc_id} if vpc_id else {"default-for-az": "true"}
        filters: list[dict[str, object]] = [
            {"Name": name, "Values": [value]}
            for name, value in (where | {"state": "available"}).items()
        ]
        subnets = tuple(Subnet.parse(each) for each in self._every_subnet(filters))
        if not subnets:
            remedy = "correct VPC_ID" if vpc_id else "set VPC_ID to the desktops' VPC"
            whose = vpc_id or "the default VPC"
            raise NeverError(f"{whose} has no usable subnet in this region; {remedy}")
        return tuple(each for each in subnets if each.is_public) or subnets

    def run_desktop(self, order: DesktopOrder, subnet_id: str) -> str:
        """Launch a desktop in the subnet, or find the one that the same request launched there.

        Returns the instance's id. Raises NoRoomError if none of ours is there and the Availability
        Zone has no capacity, AlreadyAskedError, NotNowError or NeverError.
        """
        asked = f"starting the {order.role}'s desktop of {order.meeting_id!r} in {subnet_id}"
        try:
            answer = self._client.run_instances(**order.request(subnet_id))
        except (BotoCoreError, ClientError) as error:
            raise refusal_of(error, asked) from error
        if not answer.get("Instances"):
            raise NotNowError(f"{asked}: EC2 returned no instance")
        (started,) = answer["Instances"]
        if started["State"]["Name"] in ENDED_STATES:  # EC2's answer to a used token until 2025
            ended = f"{asked}: {started['InstanceId']} was started there before and has ended"
            raise NoRoomError(ended, lasts=False)
        return str(started["InstanceId"])

    def terminate_desktop(self, instance_id: str) -> bool:
        """Terminate one desktop; one that is already terminated is no error.

        False means that EC2 does not know this id: it is gone, unless it was started a moment
        ago. Raises TerminationError if EC2 did not accept the call.
        """
        try:
            self._client.terminate_instances(InstanceIds=[instance_id])
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == _NOT_FOUND:
                return False
            raise TerminationError(f"{instance_id} could not be terminated: {error}") from error
        return True

    def _every_subnet(self, filters: list[dict[str, object]]) -> Iterable[Mapping[str, Any]]:
        request: dict[str, object] = {"Filters": filters}
        while True:
            try:
                answer = self._client.describe_subnets(**request)
            except (BotoCoreError, ClientError) as error:
                raise refusal_of(error, "listing subnets") from error
            yield from (each for each in answer["Subnets"] if not each.get("OutpostArn"))
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]


def _is_plain(tags: Mapping[str, str]) -> bool:
    """Return True if the metadata can hold the tags; otherwise EC2 would reject the launch.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
    """
    return all(_PLAIN_KEY.fullmatch(key) and key.strip(".") and key != "_index" for key in tags)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]

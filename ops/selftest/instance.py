"""The self-test's own instance in EC2: the smallest there is, which ends by itself in any case."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.account import AwsError, error_code, readable_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.account import Account
    from ops.stages import Stage

RUN_TAG: Final = "elephant:selftest"
"""The tag that names the run an instance belongs to."""

SMALLEST: Final = "t4g.nano"
PRICE: Final = "about a cent: the instance, its volume and its address for some minutes"

IMAGE: Final = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"
"""The public parameter with the newest Amazon Linux: https://docs.aws.amazon.com/linux/al2023/ug/ec2.html"""

# A boot hook runs at every start: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
# So early, `shutdown +60` may find no logind and then shut down at once; a timer needs none.
_ENDS_BY_ITSELF: Final = """\
#cloud-boothook
#!/bin/sh
systemd-run --on-active=60min /usr/bin/systemctl poweroff
"""

_ENDED: Final = ("shutting-down", "terminated")
_UNKNOWN: Final = "InvalidInstanceID.NotFound"

_TRIES: Final = 10
_PAUSE: Final = 3.0
"""Seconds between them."""


@dataclass(frozen=True)
class Seen:
    """What EC2 shows of an instance; `gone` is the state of one that it does not know."""

    state: str
    address: str | None
    has_tags: bool


class TestInstance:
    """At most one instance at a time, which `remove` terminates. Its methods raise AwsError."""

    __test__ = False  # for pytest, which goes by the name

    def __init__(
        self,
        stage: Stage,
        account: Account,
        run: str,
        kind: str = SMALLEST,
        subnet: str | None = None,
    ) -> None:
        self.id = ""
        self._may_run = False
        self._stage = stage
        self._account = account
        self._ec2 = account.client("ec2")
        self._run = run
        self._kind = kind
        self._subnet = subnet
        self._sleep: Callable[[float], object] = time.sleep

    def launch(self, **tags: str) -> None:
        """Launch it with the stage's tag and these: in the given subnet, or in the default VPC."""
        key, value = self._stage.settings.project_tag
        named = {key: value, RUN_TAG: self._run, "Name": "elephant-selftest"} | tags
        listed = [{"Key": name, "Value": text} for name, text in named.items()]
        with readable_errors("launch an instance"):
            image, subnet = self._image(), self._subnet or self._default_subnet()
            self._may_run = True
            answer = self._ec2.run_instances(
                ImageId=image,
                InstanceType=self._kind,
                MinCount=1,
                MaxCount=1,
                NetworkInterfaces=[
                    {
                        "DeviceIndex": 0,
                        "AssociatePublicIpAddress": True,
                        "SubnetId": subnet,
                    }
                ],
                InstanceInitiatedShutdownBehavior="terminate",
                UserData=_ENDS_BY_ITSELF,
                ClientToken=self._run,
                TagSpecifications=[
                    {"ResourceType": each, "Tags": listed} for each in ("instance", "volume")
                ],
            )
        self.id = str(answer["Instances"][0]["InstanceId"])

    def look(self) -> Seen:
        """Ask EC2 for its state."""
        with readable_errors("read the instance's state"):
            try:
                answer = self._ec2.describe_instances(InstanceIds=[self.id])
            except ClientError as error:
                if error_code(error) != _UNKNOWN:
                    raise
                return Seen("gone", None, has_tags=False)
        found = [each for part in answer["Reservations"] for each in part["Instances"]]
        if not found:
            return Seen("gone", None, has_tags=False)
        (shown,) = found
        return Seen(
            shown["State"]["Name"], shown.get("PublicIpAddress") or None, bool(shown.get("Tags"))
        )

    def stop(self) -> None:
        """Stop it: it loses its address."""
        with readable_errors("stop the instance"):
            self._ec2.stop_instances(InstanceIds=[self.id])

    def start(self) -> None:
        """Start it again: it gets another address."""
        with readable_errors("start the instance"):
            self._ec2.start_instances(InstanceIds=[self.id])

    def remove(self) -> list[str]:
        """Terminate every instance of this run that is not ended; return their ids.

        It also finds one whose launch was not answered.
        """
        found = self._running()
        for _ in range(_TRIES if self._may_run and not self.id else 0):
            if found:
                break
            self._sleep(_PAUSE)
            found = self._running()
        if self.id and self.id not in found and self.look().state not in _ENDED:
            found.append(self.id)
        if found:
            with readable_errors("terminate the instance"):
                self._terminate(found)
        return found

    def _running(self) -> list[str]:
        with readable_errors("find what the self-test has launched"):
            pages = self._ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": f"tag:{RUN_TAG}", "Values": [self._run]}]
            )
            return [
                str(each["InstanceId"])
                for page in pages
                for part in page["Reservations"]
                for each in part["Instances"]
                if each["State"]["Name"] not in _ENDED
            ]

    def _terminate(self, found: list[str]) -> None:
        """Terminate them; EC2 may not know yet what it has just launched."""
        for left in reversed(range(_TRIES)):
            try:
                self._ec2.terminate_instances(InstanceIds=found)
            except ClientError as error:
                if error_code(error) != _UNKNOWN or not left:
                    raise
                self._sleep(_PAUSE)
            else:
                return

    def _image(self) -> str:
        (kind,) = self._ec2.describe_instance_types(InstanceTypes=[self._kind])["InstanceTypes"]
        known = kind["ProcessorInfo"]["SupportedArchitectures"]
        architecture = "arm64" if "arm64" in known else "x86_64"
        name = IMAGE.format(architecture=architecture)
        parameter = self._account.client("ssm").get_parameter(Name=name)["Parameter"]
        return str(parameter["Value"])

    def _default_subnet(self) -> str:
        """Return a subnet of the default VPC in which this type of instance exists."""
        with readable_errors("choose a subnet"):
            offered = self._ec2.describe_instance_type_offerings(
                LocationType="availability-zone",
                Filters=[{"Name": "instance-type", "Values": [self._kind]}],
            )["InstanceTypeOfferings"]
            having = {each["Location"] for each in offered}
            subnets: list[dict[str, Any]] = self._ec2.describe_subnets(
                Filters=[{"Name": "default-for-az", "Values": ["true"]}]
            )["Subnets"]
        usable = sorted(each["SubnetId"] for each in subnets if each["AvailabilityZone"] in having)
        if not usable:
            raise AwsError(
                f"no default VPC here has a subnet for {self._kind}: name a public subnet with "
                "--subnet, or another type with --instance-type"
            )
        return str(usable[0])

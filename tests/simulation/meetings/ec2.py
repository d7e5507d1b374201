"""EC2 as the feature uses it: desktops are started and ended, images and subnets described."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.aws_edge import client_error
from tests.simulation.ec2 import Ec2, Host
from tests.simulation.meetings.world import IMAGE
from tests.simulation.names import is_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.clock import Clock
    from tests.simulation.meetings.promises import LifePromises
    from tests.simulation.strands import Strands

ZONES: Final = {"subnet-0a": "us-west-2a", "subnet-0b": "us-west-2b", "subnet-0c": "us-west-2c"}
"""The zone of each subnet."""
ROOT: Final = "/dev/sda1"
_NO_OWN_FAULTS: Final[frozenset[str]] = frozenset()


@dataclass
class Launched:
    """What a token was used for in a zone; `host` is None if nothing came of it."""

    request: str
    host: Host | None


class DesktopEc2(Ec2):
    """The region's instances, and a client that may start and end them.

    `full` zones take no instance, `closed` says with which code none does. A call to end what
    is younger than the lag is answered as if there were no such instance.

    A token is known in one zone only, since every request names a subnet:
    https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html#run-instances-idempotency
    """

    def __init__(self, clock: Clock, strands: Strands, promises: LifePromises) -> None:
        super().__init__(clock, strands, promises)
        self.full: set[str] = set()
        self.closed: str | None = None
        self.end: Callable[[Host], None]
        """How an instance is ended, and EventBridge told of it."""
        self._life = promises
        self._tokens: dict[tuple[str, str], Launched] = {}

    def run_instances(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""
        run = self._life.run

        def execute(_: str | None) -> dict[str, Any]:
            host = self._started(request)
            self._life.started(run, host)
            view = host.view
            assert view
            return {"Instances": [view.describe(host.id)]}

        return dict(self.edge.call("RunInstances", execute, _NO_OWN_FAULTS))

    def terminate_instances(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""
        run = self._life.run

        def execute(_: str | None) -> dict[str, Any]:
            hosts = [self._known(each, "TerminateInstances") for each in request["InstanceIds"]]
            for host in hosts:
                self._life.ends(run, host)
                if not is_gone(host.view):
                    self.end(host)
            ended = [
                {"InstanceId": each.id, "CurrentState": {"Name": "shutting-down"}} for each in hosts
            ]
            return {"TerminatingInstances": ended}

        return dict(self.edge.call("TerminateInstances", execute, _NO_OWN_FAULTS))

    def describe_images(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""

        def execute(_: str | None) -> dict[str, Any]:
            if request["ImageIds"] != [IMAGE]:
                raise client_error("InvalidAMIID.NotFound", "DescribeImages")
            root = {"DeviceName": ROOT, "Ebs": {"VolumeSize": 30, "SnapshotId": "snap-0"}}
            image = {"ImageId": IMAGE, "State": "available", "RootDeviceName": ROOT}
            return {"Images": [{**image, "BlockDeviceMappings": [root]}]}

        return dict(self.edge.call("DescribeImages", execute, _NO_OWN_FAULTS))

    def describe_subnets(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""
        filters = {each["Name"]: each["Values"] for each in request["Filters"]}
        if filters != {"default-for-az": ["true"], "state": ["available"]}:
            raise NotImplementedError(f"the simulation knows no subnets by {filters}")

        def execute(_: str | None) -> dict[str, Any]:
            shared = {"AvailableIpAddressCount": 250, "MapPublicIpOnLaunch": True}
            subnets = [
                {"SubnetId": subnet, "AvailabilityZone": zone, **shared}
                for subnet, zone in ZONES.items()
            ]
            return {"Subnets": subnets}

        return dict(self.edge.call("DescribeSubnets", execute, _NO_OWN_FAULTS))

    def _started(self, request: Mapping[str, Any]) -> Host:
        """Start an instance, or find the one that the token started in this zone."""
        if request["ImageId"] != IMAGE:
            raise client_error("InvalidAMIID.NotFound", "RunInstances")
        zone = ZONES[request["NetworkInterfaces"][0]["SubnetId"]]
        key, spelled = (zone, request["ClientToken"]), json.dumps(request, sort_keys=True)
        used = self._tokens.setdefault(key, Launched(spelled, None))
        if used.request != spelled:
            raise client_error("IdempotentParameterMismatch", "RunInstances")
        if used.host is not None:
            if is_gone(used.host.view):
                raise client_error("IdempotentInstanceTerminated", "RunInstances")
            return used.host
        if self.closed:
            raise client_error(self.closed, "RunInstances")
        if zone in self.full:
            raise client_error("InsufficientInstanceCapacity", "RunInstances")
        tags = {
            tag["Key"]: tag["Value"]
            for each in request["TagSpecifications"]
            if each["ResourceType"] == "instance"
            for tag in each["Tags"]
        }
        used.host = self.launch(request["ClientToken"], **tags)
        return used.host

    def _known(self, instance_id: str, operation: str) -> Host:
        """Find an instance that the service knows by now."""
        host = self.hosts.get(instance_id)
        if host is None or host.view is None or host.at(self._clock.now - self.lag) is None:
            raise client_error("InvalidInstanceID.NotFound", operation, instance_id)
        return host

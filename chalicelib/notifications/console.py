"""Links to the AWS console, each in the resource's region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.resource_names import StageNames

_HOSTS: Final[Mapping[str, str]] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def instance_link(place: StageNames, instance_id: str) -> str:
    """Return the address of an instance's page."""
    return f"{_ec2(place)}#InstanceDetails:instanceId={quote(instance_id, safe='')}"


def instances_link(place: StageNames) -> str:
    """Return the address of the list of running instances."""
    return f"{_ec2(place)}#Instances:instanceState=running"


def group_link(place: StageNames, group: str) -> str:
    """Return the address of an Auto Scaling group's activity."""
    return f"{_ec2(place)}#AutoScalingGroupDetails:id={quote(group, safe='')};view=activity"


def deployment_link(place: StageNames, deployment_id: str) -> str:
    """Return the address of a deployment's page."""
    page = f"codesuite/codedeploy/deployments/{quote(deployment_id, safe='')}"
    return f"{_console(place)}/{page}?region={place.region}"


def _ec2(place: StageNames) -> str:
    return f"{_console(place)}/ec2/home?region={place.region}"


def _console(place: StageNames) -> str:
    # The host without a region leads to the region that the visitor used last.
    host = _HOSTS.get(place.partition, _HOSTS["aws"])
    return f"https://{place.region}.{host}"

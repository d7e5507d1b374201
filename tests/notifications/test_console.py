"""A link leads to the thing in the region that it is in, whichever its reader saw last."""

from __future__ import annotations

import pytest

from chalicelib.notifications.console import (
    deployment_link,
    group_link,
    instance_link,
    instances_link,
)
from chalicelib.resource_names import Place


def place(partition: str, region: str) -> Place:
    return Place(partition, region, "123456789012", "elephant-prod")


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("aws-new", "new-1", "new-1.console.aws.amazon.com"),
    ],
)
def test_the_console_is_that_of_the_region(partition: str, region: str, host: str) -> None:
    there = place(partition, region)

    assert instance_link(there, "i-0123456789abcdef0") == (
        f"https://{host}/ec2/home?region={region}#InstanceDetails:instanceId=i-0123456789abcdef0"
    )
    assert instances_link(there) == (
        f"https://{host}/ec2/home?region={region}#Instances:instanceState=running"
    )
    assert deployment_link(there, "d-A1B2C3D4E") == (
        f"https://{host}/codesuite/codedeploy/deployments/d-A1B2C3D4E?region={region}"
    )


def test_a_name_in_a_link_stays_one_name() -> None:
    assert group_link(place("aws", "us-west-2"), "web (blue)/1;x=y&z").endswith(
        "#AutoScalingGroupDetails:id=web%20%28blue%29%2F1%3Bx%3Dy%26z;view=activity"
    )

"""A link leads to the resource in its own region, not to the one that its reader saw last."""

from __future__ import annotations

import pytest

from chalicelib.notifications import console
from chalicelib.resource_names import StageNames


@pytest.mark.parametrize(
    ("partition", "region", "domain"),
    [
        ("aws", "eu-west-1", "console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"),
        ("aws-new", "new-1", "console.aws.amazon.com"),
    ],
)
def test_a_link_leads_to_the_console_of_the_region(
    partition: str, region: str, domain: str
) -> None:
    place = StageNames(partition, region, "123456789012", "elephant-prod")
    ec2 = f"https://{region}.{domain}/ec2/home?region={region}#"

    assert console.instance_link(place, "i-01234567") == (
        f"{ec2}InstanceDetails:instanceId=i-01234567"
    )
    assert console.instances_link(place) == f"{ec2}Instances:instanceState=running"
    assert console.group_link(place, "web (blue)/1;x=y&z") == (
        f"{ec2}AutoScalingGroupDetails:id=web%20%28blue%29%2F1%3Bx%3Dy%26z;view=activity"
    )
    assert console.deployment_link(place, "d-A1B2C3D4E") == (
        f"https://{region}.{domain}/codesuite/codedeploy/deployments/d-A1B2C3D4E?region={region}"
    )

"""Starting instances, where moto is more lenient than EC2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.fixtures import make_image, make_security_group
from localcloud.aws.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

IMAGE = "ami-0123456789abcdef0"
GROUP = "sg-0123456789abcdef0"


@pytest.fixture(scope="module")
def ec2(cloud: Cloud) -> Any:  # noqa: ANN401 - botocore's clients have no static type
    return cloud.client("ec2")


@pytest.fixture(scope="module", autouse=True)
def _profile(cloud: Cloud) -> None:
    cloud.client("iam").create_instance_profile(InstanceProfileName="desktop")
    for _ in range(2):  # there may be one already
        make_image(IMAGE, "us-west-2")
        make_security_group(GROUP, "us-west-2")


@pytest.fixture(autouse=True)
def _nothing_refused(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.server.refusals.clear()


def subnet(ec2: Any, zone: str) -> str:  # noqa: ANN401
    where = [{"Name": "availability-zone", "Values": [zone]}]
    return str(ec2.describe_subnets(Filters=where)["Subnets"][0]["SubnetId"])


def start(ec2: Any, token: str | None = None, zone: str = "us-west-2a", **more: object) -> str:  # noqa: ANN401
    """Start a desktop as the feature does; return the instance's id."""
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet(ec2, zone),
        "AssociatePublicIpAddress": True,
        "Groups": [GROUP],
    }
    request = {
        "ImageId": IMAGE,
        "InstanceType": "t3.large",
        "MinCount": 1,
        "MaxCount": 1,
        "NetworkInterfaces": [interface],
        "IamInstanceProfile": {"Name": "desktop"},
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 60}}],
    } | ({"ClientToken": token} if token else {})
    return str(ec2.run_instances(**(request | more))["Instances"][0]["InstanceId"])


def refused(call: Any) -> str:  # noqa: ANN401
    with pytest.raises(ClientError) as raised:
        call()
    return str(raised.value.response["Error"]["Code"])


def test_a_desktop_has_a_public_address_its_root_volume_and_its_profile(ec2: Any) -> None:  # noqa: ANN401
    instance_id = start(ec2)
    (held,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    (instance,) = held["Instances"]
    assert instance["PublicIpAddress"]
    assert instance["IamInstanceProfile"]["Arn"].endswith(":instance-profile/desktop")
    where = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
    (volume,) = ec2.describe_volumes(Filters=where)["Volumes"]
    assert volume["Size"] == 60


def test_the_same_request_is_answered_with_the_same_instance(ec2: Any) -> None:  # noqa: ANN401
    first = start(ec2, "m1-teacher")
    assert start(ec2, "m1-teacher") == first
    where = [{"Name": "client-token", "Values": ["m1-teacher"]}]
    found = ec2.describe_instances(Filters=where)["Reservations"]
    assert [each["InstanceId"] for held in found for each in held["Instances"]] == [first]


def test_another_request_with_the_token_is_refused_in_its_zone_and_taken_in_another(
    ec2: Any,  # noqa: ANN401
) -> None:
    first = start(ec2, "m3-teacher")
    other = {"InstanceType": "t3.small"}
    code = refused(lambda: start(ec2, "m3-teacher", **other))
    assert code == "IdempotentParameterMismatch"
    assert start(ec2, "m3-teacher", zone="us-west-2b", **other) != first


def test_a_token_whose_instance_has_ended_starts_no_other_one(ec2: Any) -> None:  # noqa: ANN401
    ec2.terminate_instances(InstanceIds=[start(ec2, "m4-teacher")])
    assert refused(lambda: start(ec2, "m4-teacher")) == "IdempotentInstanceTerminated"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"KeyName": "missing"}, "InvalidKeyPair.NotFound"),
        ({"IamInstanceProfile": {"Name": "other"}}, "InvalidParameterValue"),
        (
            {"IamInstanceProfile": {"Arn": "arn:aws:iam::123456789012:instance-profile/other"}},
            "InvalidParameterValue",
        ),
        (
            {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 1}}]},
            "InvalidBlockDeviceMapping",
        ),
        (
            {"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-00000000"]}]},
            "InvalidGroup.NotFound",
        ),
        (
            {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-0"}]},
            "InvalidSubnetID.NotFound",
        ),
    ],
)
def test_a_request_with_something_missing_is_refused_and_starts_nothing(
    ec2: Any,  # noqa: ANN401
    wrong: dict[str, Any],
    code: str,
) -> None:
    before = len(ec2.describe_instances()["Reservations"])
    assert refused(lambda: start(ec2, "wrong", **wrong)) == code
    assert len(ec2.describe_instances()["Reservations"]) == before


def test_a_zone_refuses_as_often_as_configured(cloud: Cloud, ec2: Any) -> None:  # noqa: ANN401
    full = "InsufficientInstanceCapacity"
    cloud.server.refusals.add(Refusal(full, zone="us-west-2a", times=2))
    assert refused(lambda: start(ec2, "m5-teacher")) == full
    start(ec2, "m5-teacher", zone="us-west-2b")
    assert [each.times for each in cloud.server.refusals.on] == [1]
    assert refused(lambda: start(ec2, "m6-teacher")) == full
    start(ec2, "m6-teacher")
    assert cloud.server.refusals.on == ()


def test_a_repeated_request_is_answered_even_without_capacity(
    cloud: Cloud,
    ec2: Any,  # noqa: ANN401
) -> None:
    first = start(ec2, "m7-teacher")
    cloud.server.refusals.add(Refusal("InsufficientInstanceCapacity"))
    assert start(ec2, "m7-teacher") == first

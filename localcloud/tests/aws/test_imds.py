"""What an instance learns from its metadata."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from moto.sts.models import sts_backends

from localcloud.aws import ANY_IMAGE

if TYPE_CHECKING:
    from .conftest import Cloud

TOKEN = "X-aws-ec2-metadata-token"
TTL = f"{TOKEN}-ttl-seconds"
TAGS = {"MeetingID": "m1", "elephant:api": "https://abc.example/api"}
_numbers = count(1)


class Instance:
    """An instance, and what it gets from its metadata."""

    def __init__(self, cloud: Cloud, profile: str | None = None, **options: str) -> None:
        found = cloud.client("ec2").run_instances(
            ImageId=ANY_IMAGE,
            MinCount=1,
            MaxCount=1,
            MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"} | options,
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()],
                }
            ],
            **({"IamInstanceProfile": {"Name": profile}} if profile else {}),
        )
        self.id = str(found["Instances"][0]["InstanceId"])
        self._url = cloud.server.metadata_url(self.id)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(f"{self._url}/latest/{path}", method=method)  # noqa: S310
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 - our own
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def token(self) -> str:
        return self.ask("api/token", "PUT", **{TTL: "60"})[1]

    def read(self, path: str) -> str | None:
        status, text = self.ask(path, **{TOKEN: self.token()})
        return text if status == 200 else None


@pytest.fixture
def profile(cloud: Cloud) -> str:
    """Return the name of an instance profile, and of its role."""
    iam, name = cloud.client("iam"), f"desktop-{next(_numbers)}"
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name


def credentials(instance: Instance, role: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        instance.read(f"meta-data/iam/security-credentials/{role}") or "{}"
    )
    return document


def test_an_instance_learns_who_it_is_and_nothing_of_others(cloud: Cloud) -> None:
    instance, other = Instance(cloud), Instance(cloud)
    assert instance.read("meta-data/instance-id") == instance.id
    assert instance.read("meta-data/placement/region") == "us-west-2"
    assert instance.read("meta-data/placement/") == "availability-zone\nregion"
    assert instance.read("meta-data/nothing") is None
    assert instance.read("meta-data/iam/security-credentials/") is None
    document = json.loads(instance.read("dynamic/instance-identity/document") or "")
    assert document["instanceId"] == instance.id
    assert document["accountId"] == "123456789012"
    assert other.ask("meta-data/instance-id", **{TOKEN: instance.token()})[0] == 401


def test_tags_are_told_if_the_launch_says_so(cloud: Cloud) -> None:
    instance = Instance(cloud)
    assert {key: instance.read(f"meta-data/tags/instance/{key}") for key in TAGS} == TAGS
    assert instance.read("meta-data/tags/instance") == "MeetingID\nelephant:api"
    silent = Instance(cloud, InstanceMetadataTags="disabled")
    assert silent.read("meta-data/tags/instance/MeetingID") is None


def test_without_a_valid_token_nothing_is_told(cloud: Cloud) -> None:
    instance = Instance(cloud)
    assert instance.ask("meta-data/instance-id")[0] == 401
    assert instance.ask("meta-data/instance-id", **{TOKEN: "guessed"})[0] == 401
    for seconds in ("", "0", "21601", "an hour"):
        assert instance.ask("api/token", "PUT", **{TTL: seconds})[0] == 400
    assert instance.ask("api/token", "PUT", **{TTL: "60", "X-Forwarded-For": "192.0.2.1"})[0] == 403
    assert Instance(cloud, HttpTokens="optional").ask("meta-data/instance-id")[0] == 200
    assert Instance(cloud, HttpEndpoint="disabled").ask("api/token", "PUT")[0] == 403


def test_an_instance_that_does_not_run_cannot_ask(cloud: Cloud) -> None:
    instance = Instance(cloud)
    cloud.client("ec2").stop_instances(InstanceIds=[instance.id])
    assert instance.ask("api/token", "PUT", **{TTL: "60"})[0] == 404
    instance.id = "i-0123456789abcdef0"
    assert Instance.ask(instance, "api/token", "PUT", **{TTL: "60"})[0] == 404


def test_an_instance_gets_the_credentials_of_its_role(cloud: Cloud, profile: str) -> None:
    instance = Instance(cloud, profile)
    assert instance.read("meta-data/iam/security-credentials/") == profile
    held = credentials(instance, profile)
    assert held["Code"] == "Success"
    assert datetime.fromisoformat(held["Expiration"]) > datetime.now(UTC) + timedelta(hours=1)
    assert credentials(instance, profile) == held
    session = sts_backends["123456789012"]["aws"].get_assumed_role_from_access_key(
        held["AccessKeyId"]
    )
    assert session is not None
    assert session.session_token == held["Token"]
    assert session.arn == f"arn:aws:sts::123456789012:assumed-role/{profile}/{instance.id}"


def test_credentials_are_renewed_before_they_expire(cloud: Cloud, profile: str) -> None:
    instance = Instance(cloud, profile)
    held = credentials(instance, profile)
    session = sts_backends["123456789012"]["aws"].get_assumed_role_from_access_key(
        held["AccessKeyId"]
    )
    assert session is not None
    session.expiration = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=10)
    assert credentials(instance, profile)["AccessKeyId"] != held["AccessKeyId"]


def test_a_role_that_does_not_trust_ec2_gives_no_credentials(cloud: Cloud, profile: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [trust | {"Action": "sts:AssumeRole"}]}
    cloud.client("iam").update_assume_role_policy(
        RoleName=profile, PolicyDocument=json.dumps(document)
    )
    held = credentials(Instance(cloud, profile), profile)
    assert held["Code"] == "AssumeRoleUnauthorizedAccess"
    assert "AccessKeyId" not in held

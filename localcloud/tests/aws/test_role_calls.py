"""Calls of AWS's API with the credentials of a role."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

ACCOUNT = "123456789012"
_numbers = count(1)


class Role:
    """A session of a role with these statements."""

    def __init__(self, cloud: Cloud, *statements: tuple[str, str]) -> None:
        iam, name = cloud.client("iam"), f"caller-{next(_numbers)}"
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        allowed = [
            {"Effect": "Allow", "Action": action, "Resource": resource}
            for action, resource in statements
        ]
        if allowed:
            document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
        answer = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="i-1")
        self._held = answer["Credentials"]
        self._endpoint = cloud.server.endpoint

    def client(self, service: str, secret: str | None = None) -> Any:  # noqa: ANN401 - made at run time
        return botocore.session.Session().create_client(
            service,
            region_name="us-west-2",
            endpoint_url=self._endpoint,
            aws_access_key_id=self._held["AccessKeyId"],
            aws_secret_access_key=secret or self._held["SecretAccessKey"],
            aws_session_token=self._held["SessionToken"],
        )


@contextmanager
def refused(code: str, text: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert text in error["Message"]


@pytest.fixture(scope="module")
def secrets(cloud: Cloud) -> list[str]:
    """Return the ARNs of the secrets `one` and `two`."""
    client = cloud.client("secretsmanager")
    return [client.create_secret(Name=name, SecretString=name)["ARN"] for name in ("one", "two")]


def test_a_role_reads_its_own_secret_by_name_or_arn_and_no_other(
    cloud: Cloud, secrets: list[str]
) -> None:
    pattern = f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:one-??????"
    client = Role(cloud, ("secretsmanager:GetSecretValue", pattern)).client("secretsmanager")
    for name in ("one", secrets[0]):
        assert client.get_secret_value(SecretId=name)["SecretString"] == "one"
    for name in ("two", secrets[1], "three"):
        with refused("AccessDeniedException", "secretsmanager:GetSecretValue on resource"):
            client.get_secret_value(SecretId=name)
    with refused("AccessDeniedException", "secretsmanager:PutSecretValue"):
        client.put_secret_value(SecretId="one", SecretString="x")


def test_a_role_without_rights_learns_only_who_it_is(cloud: Cloud) -> None:
    role = Role(cloud)
    identity = role.client("sts").get_caller_identity()
    assert identity["Arn"].endswith("/i-1")
    table = f"arn:aws:dynamodb:us-west-2:{ACCOUNT}:table/rows"
    with refused("UnauthorizedOperation", "ec2:DescribeInstances"):
        role.client("ec2").describe_instances()
    with refused("AccessDenied", "iam:ListRoles"):
        role.client("iam").list_roles()
    with refused("AccessDenied", "s3:GET"):
        role.client("s3").list_buckets()
    with refused("AccessDeniedException", f"dynamodb:GetItem on resource: {table}"):
        role.client("dynamodb").get_item(TableName="rows", Key={"id": {"S": "1"}})


def test_a_call_that_is_not_signed_by_the_role_is_refused(cloud: Cloud) -> None:
    role = Role(cloud, ("*", "*"))
    assert role.client("secretsmanager").list_secrets()["SecretList"] is not None
    with refused("InvalidSignatureException", "does not match"):
        role.client("secretsmanager", secret="other").list_secrets()

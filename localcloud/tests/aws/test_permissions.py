"""What a role may do, where the local cloud acts with its rights."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws.permissions import role_may, role_trusts

if TYPE_CHECKING:
    from .conftest import Cloud

TABLE = "arn:aws:dynamodb:us-west-2:123456789012:table/rows"
ALLOW = {"Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": TABLE}
_numbers = count(1)


def role(cloud: Cloud, *statements: dict[str, Any], trust: dict[str, Any] | None = None) -> str:
    """Make a role with these statements; return its ARN."""
    iam, name = cloud.client("iam"), f"may-{next(_numbers)}"
    trusting = json.dumps({"Statement": trust or []})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting)["Role"]["Arn"]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    return str(arn)


def may(cloud: Cloud, *statements: dict[str, Any], **context: Any) -> bool:  # noqa: ANN401
    named = {name.replace("__", ":"): value for name, value in context.items()}
    return role_may(role(cloud, *statements), "dynamodb:UpdateItem", TABLE, named)


@pytest.mark.parametrize(
    "statement",
    [
        ALLOW,
        ALLOW | {"Action": ["sqs:*", "dynamodb:Update*"]},
        ALLOW | {"Action": "DYNAMODB:updateitem"},
        ALLOW | {"Action": "*"},
        ALLOW | {"Resource": ["arn:aws:sqs:*", "arn:aws:dynamodb:*:*:table/row?"]},
    ],
)
def test_what_a_statement_names_is_allowed(cloud: Cloud, statement: dict[str, Any]) -> None:
    assert may(cloud, statement)


@pytest.mark.parametrize(
    "statements",
    [
        (),
        (ALLOW | {"Action": "dynamodb:GetItem"},),
        (ALLOW | {"Resource": TABLE + "-other"},),
        (ALLOW | {"Resource": "arn:aws:dynamodb:us-west-2:123456789012:table/row[s]"},),
        (ALLOW, ALLOW | {"Effect": "Deny", "Action": "dynamodb:*"}),
        ({"Effect": "Allow", "NotAction": "sqs:*", "Resource": "*"},),
    ],
)
def test_anything_else_is_not(cloud: Cloud, statements: tuple[dict[str, Any], ...]) -> None:
    assert not may(cloud, *statements)


@pytest.mark.usefixtures("cloud")
def test_nobody_may_anything() -> None:
    nobody = "arn:aws:iam::123456789012:role/nobody"
    assert not role_may(nobody, "dynamodb:UpdateItem", TABLE)
    assert not role_trusts(nobody, "ec2.amazonaws.com")


@pytest.mark.parametrize(
    ("condition", "names", "holds"),
    [
        ({"ForAllValues:StringEquals": {"dynamodb:Attributes": ["id", "status"]}}, ["id"], True),
        ({"ForAllValues:StringEquals": {"dynamodb:Attributes": ["id"]}}, ["id", "key"], False),
        ({"ForAllValues:StringEquals": {"dynamodb:Attributes": ["id"]}}, [], True),
        ({"StringEquals": {"dynamodb:Attributes": ["id"]}}, ["key", "id"], True),
        ({"StringEquals": {"dynamodb:Attributes": "id"}}, [], False),
        ({"StringEqualsIfExists": {"dynamodb:Attributes": "id"}}, [], True),
        ({"StringEqualsIfExists": {"dynamodb:Attributes": "id"}}, ["key"], False),
        ({"NumericLessThan": {"dynamodb:Attributes": "7"}}, ["6"], False),
    ],
)
def test_conditions_hold_as_iams_do(
    cloud: Cloud, condition: dict[str, Any], names: list[str], *, holds: bool
) -> None:
    statement = ALLOW | {"Condition": condition}
    assert may(cloud, statement, dynamodb__Attributes=names) is holds


def test_a_condition_that_is_not_known_denies_what_it_stands_at(cloud: Cloud) -> None:
    deny = ALLOW | {"Effect": "Deny", "Condition": {"DateLessThan": {"aws:CurrentTime": "2099"}}}
    assert not may(cloud, ALLOW, deny)

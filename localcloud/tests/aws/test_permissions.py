"""What a role may do where the local cloud acts with its permissions."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws.permissions import role_may

if TYPE_CHECKING:
    from .conftest import Cloud

TABLE = "arn:aws:dynamodb:us-west-2:123456789012:table/rows"
ALLOW = {"Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": TABLE}
DENY = ALLOW | {"Effect": "Deny", "Action": "dynamodb:*"}
_numbers = count(1)


def may(cloud: Cloud, *statements: dict[str, Any], attributes: tuple[str, ...] = ()) -> bool:
    """Return whether a role with these statements may update the table."""
    iam, name = cloud.client("iam"), f"may-{next(_numbers)}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    return role_may(arn, "dynamodb:UpdateItem", TABLE, {"dynamodb:Attributes": attributes})


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([ALLOW], True),
        ([ALLOW | {"Action": ["sqs:*", "DYNAMODB:update*"]}], True),
        ([ALLOW | {"Action": "*", "Resource": ["arn:aws:dynamodb:*:*:table/row?"]}], True),
        ([ALLOW | {"Action": "dynamodb:GetItem"}], False),
        ([ALLOW | {"Resource": TABLE + "-other"}], False),
        ([ALLOW | {"Resource": TABLE.replace("rows", "row[s]")}], False),
        ([ALLOW, DENY], False),
        ([ALLOW, DENY | {"Condition": {"DateLessThan": {"aws:CurrentTime": "2099"}}}], False),
        ([{"Effect": "Allow", "NotAction": "sqs:*", "Resource": "*"}], False),
    ],
)
def test_a_statement_allows_what_it_names_and_none_denies(
    cloud: Cloud, statements: list[dict[str, Any]], *, allowed: bool
) -> None:
    assert may(cloud, *statements) is allowed


@pytest.mark.parametrize(
    ("operator", "wanted", "attributes", "holds"),
    [
        ("ForAllValues:StringEquals", ["id", "status"], ("id",), True),
        ("ForAllValues:StringEquals", ["id"], ("id", "key"), False),
        ("ForAllValues:StringEquals", ["id"], (), True),
        ("StringEquals", ["id"], ("key", "id"), True),
        ("StringEquals", "id", (), False),
        ("StringEqualsIfExists", "id", (), True),
        ("StringEqualsIfExists", "id", ("key",), False),
        ("ArnLike", "i*", ("id",), True),
        ("NumericLessThan", "7", ("6",), False),
    ],
)
def test_conditions_hold_as_iams_do(
    cloud: Cloud,
    operator: str,
    wanted: list[str] | str,
    attributes: tuple[str, ...],
    *,
    holds: bool,
) -> None:
    condition = {"Condition": {operator: {"dynamodb:Attributes": wanted}}}
    assert may(cloud, ALLOW | condition, attributes=attributes) is holds


def test_a_role_that_does_not_exist_may_nothing() -> None:
    assert not role_may("arn:aws:iam::123456789012:role/nobody", "dynamodb:UpdateItem", TABLE)

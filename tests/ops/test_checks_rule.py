"""Which permissions let EventBridge in; test_checks_deployed.py has the rules themselves."""

from __future__ import annotations

from typing import Any

import pytest

from ops.checks_rule import _lets_in

RULE = "arn:aws:events:us-west-2:123456789012:rule/elephant-prod-sweep-event"
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Condition": {"ArnLike": {"AWS:SourceArn": RULE}},
}
OUR_RULES = {"aws:sourcearn": "arn:aws:events:*:rule/elephant-prod-*"}


@pytest.mark.parametrize(
    ("change", "is_let_in"),
    [
        ({}, True),
        ({"Condition": {}}, True),
        ({"Condition": {"ArnLike": OUR_RULES}}, True),
        ({"Condition": {"ArnEquals": {"AWS:SourceArn": RULE}}}, True),
        ({"Effect": "Deny"}, False),
        ({"Action": "lambda:GetFunction"}, False),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, False),
        ({"Principal": "*"}, False),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": f"{RULE}-of-another"}}}, False),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}}}, False),
    ],
)
def test_only_a_statement_that_allows_just_this_lets_eventbridge_in(
    change: dict[str, Any], *, is_let_in: bool
) -> None:
    assert _lets_in(STATEMENT | change, RULE) is is_let_in

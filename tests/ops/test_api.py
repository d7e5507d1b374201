"""The table's stream and the stage's API: found among others, and limited."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from moto import mock_aws
from moto.events.models import EventPattern

from ops.account import Identity
from ops.api import (
    GATEWAY_VARIABLE,
    THROTTLES,
    Throttle,
    address_of,
    apis_of,
    origin_of_answers,
    origins_let_in,
    settle_api,
    throttles_of,
    url_of,
)
from ops.assemble import ADDRESS_VARIABLE
from ops.iam_page import EXAMPLE
from ops.meetings_table import TableError
from ops.opened import check_account
from ops.stages import ConfigError
from ops.stream import (
    INVITER,
    PATTERNS,
    SWITCHING_LOOKS,
    limits,
    readers_of,
    settle_mapping,
    table_stream,
    wrong_limits,
)
from tests.ops.played import Played
from tests.ops.projects import account as kept_account
from tests.ops.projects import silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.account import Account

TABLE = "elephant-meetings"
QUEUE = "arn:aws:sqs:us-west-2:123456789012:elephant-prod-failed-events"


def slow_table(looks: int, view: str = "NEW_IMAGE", *, is_on: bool = False) -> Played:
    """Play a table that takes so many looks until its stream is on."""
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": view}}
    on = {"TableStatus": "ACTIVE", "LatestStreamArn": "the stream"} | stream

    def describe_table(**_: object) -> dict[str, Any]:
        looked = [name for name, _ in table.calls]
        if "update_table" in looked:
            is_slow = len(looked) - 1 - looked.index("update_table") < looks
            return {"Table": {"TableStatus": "UPDATING"} if is_slow else on}
        return {"Table": on if is_on else {"TableStatus": "ACTIVE"}}

    table = Played(describe_table=describe_table)
    return table


def test_a_stream_is_switched_on_once_and_waited_for_and_then_used_as_it_is() -> None:
    slow, waited, said = slow_table(3), list[float](), list[str]()

    for _ in range(2):
        assert table_stream(slow, TABLE, said.append, pause=waited.append) == "the stream"

    (asked,) = [request for name, request in slow.calls if name == "update_table"]
    assert {*asked} == {"TableName", "StreamSpecification"}
    assert len(waited) == 2
    assert "does not change its rows" in said[0]


def test_a_stream_that_does_not_come_is_not_waited_for_for_ever() -> None:
    waited: list[float] = []

    with pytest.raises(TableError, match="still UPDATING"):
        table_stream(slow_table(1000), TABLE, silent, pause=waited.append)

    assert len(waited) == SWITCHING_LOOKS


def test_a_stream_that_shows_too_little_is_left_as_it_is() -> None:
    table = slow_table(1, "KEYS_ONLY", is_on=True)

    with pytest.raises(TableError, match="shows KEYS_ONLY"):
        table_stream(table, TABLE, silent)

    assert [name for name, _ in table.calls] == ["describe_table"]


def test_limits_are_right_however_aws_formats_the_filter() -> None:
    there = limits(QUEUE)
    there["FilterCriteria"] = {
        "Filters": [{"Pattern": json.dumps(each, indent=1)} for each in PATTERNS]
    }

    assert wrong_limits(there, QUEUE) == []
    assert wrong_limits({**there, "BisectBatchOnFunctionError": False}, QUEUE) == [
        "BisectBatchOnFunctionError"
    ]
    assert wrong_limits({}, QUEUE) == list(limits(QUEUE))
    assert wrong_limits(there, QUEUE, INVITER) == ["FilterCriteria"]


ROW = {
    "scheduled_by": "office",
    "scheduled_at": "2026-11-21T15:30:00Z",
    "status": "SCHEDULED",
}


@pytest.mark.parametrize(
    ("change", "is_read"),
    [
        ({}, True),
        ({"status": "HEALTHY"}, True),
        ({"status": "IN_PROGRESS"}, False),
        ({"scheduled_at": ""}, False),
        ({"scheduled_by": ""}, False),
        ({"termination_reason": "SUCCESS"}, False),
        ({"termination_reason": "CANCELLED", "status": "TERMINATED"}, True),
        ({"termination_reason": "DESKTOP_LIMIT"}, True),
        ({"termination_reason": "LAUNCH_FAILED", "scheduled_by": ""}, False),
    ],
)
def test_invitations_read_what_may_make_a_letter_due(
    change: dict[str, str], *, is_read: bool
) -> None:
    row = {name: {"S": text} for name, text in {**ROW, **change}.items() if text}
    record: Any = {"eventName": "MODIFY", "dynamodb": {"NewImage": row}}

    filters = limits(QUEUE, INVITER)["FilterCriteria"]["Filters"]
    patterns = [EventPattern(None, json.loads(each["Pattern"])) for each in filters]

    assert any(each.matches_event(record) for each in patterns) is is_read


def test_a_mapping_is_changed_once_it_is_made_and_only_once() -> None:
    states = iter(["Creating", "Creating", "Enabled"])
    waited: list[float] = []
    mapping: dict[str, Any] = {"UUID": "one"}
    new = Played(
        paginate=[{"EventSourceMappings": [mapping]}],
        get_event_source_mapping=lambda **_: {"State": next(states)},
        update_event_source_mapping=lambda **request: mapping.update(request, rest=[*states]),
    )
    without = {**EXAMPLE.variables, "INVITATIONS": "off"}

    for _ in range(2):
        stage = replace(EXAMPLE, variables=without)
        settle_mapping(new, stage, QUEUE, silent, pause=waited.append)

    assert [name for name, _ in new.calls].count("update_event_source_mapping") == 1
    assert (mapping["rest"], len(waited)) == ([], 2)
    assert wrong_limits(mapping, QUEUE) == []
    assert [readers_of(each) for each in (EXAMPLE, stage)] == [
        ("terminator", "invite"),
        ("terminator",),
    ]


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield kept_account()


def make_api(account: Account, function: str, name: str = "elephant") -> str:
    gateway = account.client("apigateway")
    api = str(gateway.create_rest_api(name=name)["id"])
    (root,) = gateway.get_resources(restApiId=api)["items"]
    where = {"restApiId": api, "resourceId": root["id"], "httpMethod": "POST"}
    arn = f"arn:aws:lambda:us-west-2:111122223333:function:{function}"
    gateway.put_method(**where, authorizationType="NONE")
    gateway.put_integration(
        **where,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/{arn}/invocations",
    )
    gateway.create_deployment(restApiId=api, stageName="prod")
    return api


def test_the_stages_own_api_is_limited_and_scheduling_more_than_asking(account: Account) -> None:
    make_api(account, "elephant-qa")
    make_api(account, "elephant-prod-eu")
    make_api(account, "elephant-prod", name="another")
    gateway = account.client("apigateway")
    assert apis_of(gateway, EXAMPLE) == []
    assert settle_api(account, EXAMPLE, "prod", silent) is None
    mine = make_api(account, "elephant-prod")

    url = settle_api(account, EXAMPLE, "prod", silent)

    assert apis_of(gateway, EXAMPLE) == [mine]
    assert url == f"https://{mine}.execute-api.us-west-2.amazonaws.com/prod/"
    assert throttles_of(gateway, mine, "prod") == THROTTLES
    assert throttles_of(gateway, mine, "another") is None
    own = "~1meetings~1{meeting_id}"
    assert THROTTLES["~1schedule/POST"] == Throttle(5, 20)
    assert {THROTTLES[f"{own}/{each}"] for each in ("PATCH", "DELETE")} == {Throttle(5, 20)}
    assert 5 < THROTTLES[f"{own}/GET"].rate < THROTTLES["*/*"].rate


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("", None),
        ("https://a.example.com", "https://a.example.com"),
        ("https://a.example.com,https://b.example.com", "*"),
    ],
)
def test_a_front_end_may_read_what_the_gateway_answers_itself(
    account: Account, allowed: str, origin: str | None
) -> None:
    api, gateway = make_api(account, "elephant-prod"), account.client("apigateway")
    stage = replace(EXAMPLE, variables={**EXAMPLE.variables, "ALLOWED_ORIGINS": allowed})

    for _ in range(2):
        settle_api(account, stage, "prod", silent)
        assert origins_let_in(gateway, api) == dict.fromkeys(("DEFAULT_4XX", "DEFAULT_5XX"), origin)
        assert throttles_of(gateway, api, "prod") == THROTTLES

    deployments = len(gateway.get_deployments(restApiId=api)["items"])
    assert deployments == (2 if origin else 1), "what is changed counts once it is deployed"
    settle_api(account, replace(stage, variables=EXAMPLE.variables), "prod", silent)
    assert {*origins_let_in(gateway, api).values()} == {origin_of_answers(EXAMPLE)}


def test_limits_are_read_as_aws_answers_them() -> None:
    """Without the first slash, and with the others as they are."""
    limits = {"throttlingRateLimit": 5.0, "throttlingBurstLimit": 20}
    settings = dict.fromkeys(("schedule/POST", "a/b/GET", "*/*"), limits)

    found = throttles_of(Played(get_stage={"methodSettings": settings}), "api", "prod")

    assert found is not None
    assert {*found} == {"~1schedule/POST", "~1a~1b/GET", "*/*"}


def test_china_has_addresses_of_its_own() -> None:
    stage = replace(EXAMPLE, region="cn-north-1")

    assert url_of("x", stage, "prod") == "https://x.execute-api.cn-north-1.amazonaws.com.cn/prod/"


def test_on_a_local_cloud_an_api_is_where_it_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_of("x", EXAMPLE, "prod") == url_of("x", EXAMPLE, "prod")
    monkeypatch.setenv(GATEWAY_VARIABLE, "http://127.0.0.1:8051/apis")
    assert address_of("x", EXAMPLE, "prod") == "http://127.0.0.1:8051/apis/x/prod/"


def test_no_command_mixes_a_local_cloud_with_the_real_cloudflare(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = SimpleNamespace(identity=lambda: Identity(EXAMPLE.account, "arn:me"))
    monkeypatch.setenv(ADDRESS_VARIABLE, EXAMPLE.settings.cloudflare_api_url + "/")
    check_account(EXAMPLE, cast("Account", account))
    monkeypatch.setenv(ADDRESS_VARIABLE, "http://127.0.0.1:8052/client/v4")
    with pytest.raises(ConfigError, match="unset it"):
        check_account(EXAMPLE, cast("Account", account))

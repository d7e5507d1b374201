"""EC2's events, and which functions get them."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws import Bridge, Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

NOON = datetime(2026, 3, 1, 12, 0, 0, 654321, tzinfo=UTC)
PATTERN: dict[str, Any] = {"source": ["aws.ec2"], "detail": {"state": ["running", "stopping"]}}
_numbers = count(1)


@pytest.fixture
def bridge(cloud: Cloud) -> Bridge:
    """Make a bridge that looks only when it is told to."""
    return Bridge(cloud.functions, clock=lambda: NOON)


@pytest.fixture
def deliveries(bridge: Bridge) -> list[Delivery]:
    deliveries: list[Delivery] = []
    bridge.on_event(deliveries.append)
    return deliveries


@pytest.fixture
def function(cloud: Cloud) -> Iterator[str]:
    """Deploy a function that rules may target; these are gone after the test."""
    yield cloud.function("def handler(event, context): return event['detail']")
    events = cloud.client("events")
    for rule in events.list_rules()["Rules"]:
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        events.remove_targets(Rule=rule["Name"], Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=rule["Name"])


def rule(cloud: Cloud, function: str, *, permitted: bool = True, **settings: object) -> None:
    """Deploy a rule with the function as its target, as Chalice does."""
    name = f"rule-{next(_numbers)}"
    settings = {"EventPattern": json.dumps(PATTERN)} | settings
    rule_arn = cloud.client("events").put_rule(Name=name, **settings)["RuleArn"]
    function_arn = f"arn:aws:lambda:us-west-2:123456789012:function:{function}"
    cloud.client("events").put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function_arn}])
    if permitted:
        cloud.client("lambda").add_permission(
            FunctionName=function,
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule_arn,
        )


def launch(cloud: Cloud) -> str:
    answer = cloud.client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    return str(answer["Instances"][0]["InstanceId"])


def states(deliveries: list[Delivery]) -> list[str]:
    return [delivery.event["detail"]["state"] for delivery in deliveries]


def seen(cloud: Cloud, function: str) -> list[Any]:
    """Return the states that the function was invoked with."""
    cloud.functions.wait_idle(100)
    return [attempt.result["state"] for attempt in cloud.attempts(function)]


def test_each_change_makes_the_events_of_the_whole_way(
    cloud: Cloud, bridge: Bridge, deliveries: list[Delivery]
) -> None:
    ec2 = cloud.client("ec2")
    instance = [launch(cloud)]
    for change in (ec2.stop_instances, ec2.start_instances, ec2.terminate_instances):
        bridge.flush()
        change(InstanceIds=instance)
    bridge.flush()
    bridge.flush()
    assert states(deliveries) == [
        "pending",
        "running",
        "stopping",
        "stopped",
        "pending",
        "running",
        "shutting-down",
        "terminated",
    ]


def test_the_deployed_pattern_decides_which_events_reach_the_function(
    cloud: Cloud, bridge: Bridge, function: str, deliveries: list[Delivery]
) -> None:
    rule(cloud, function)
    instance = launch(cloud)
    bridge.flush()
    cloud.client("ec2").stop_instances(InstanceIds=[instance])
    bridge.flush()
    assert sorted(seen(cloud, function)) == ["running", "stopping"]
    assert [delivery.functions for delivery in deliveries] == [(), (function,), (function,), ()]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"State": "DISABLED"}, id="disabled"),
        pytest.param({"EventPattern": "", "ScheduleExpression": "rate(1 minute)"}, id="schedule"),
        pytest.param({"permitted": False}, id="no permission"),
    ],
)
def test_a_rule_that_is_not_for_events_invokes_nothing(
    cloud: Cloud, bridge: Bridge, function: str, settings: dict[str, Any]
) -> None:
    rule(cloud, function, **settings)
    assert bridge.emit(bridge.state_change("i-1", "running")) == ()
    assert seen(cloud, function) == []


def test_events_are_lost_for_as_long_as_the_context_lasts(
    cloud: Cloud, bridge: Bridge, function: str
) -> None:
    ec2 = cloud.client("ec2")
    rule(cloud, function)
    instance = launch(cloud)
    with bridge.losing():
        ec2.stop_instances(InstanceIds=[instance])
    ec2.start_instances(InstanceIds=[instance])
    bridge.flush()
    assert seen(cloud, function) == ["running", "running"]


def test_a_watching_bridge_needs_no_telling(cloud: Cloud) -> None:
    before = set(threading.enumerate())
    arrived = threading.Event()
    bridge = Bridge(cloud.functions, interval=0.005)
    bridge.on_event(lambda _: arrived.set())
    with bridge:
        launch(cloud)
        assert arrived.wait(10)
    assert "bridge" not in {thread.name for thread in set(threading.enumerate()) - before}

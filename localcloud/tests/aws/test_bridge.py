"""EC2's events, and which functions get them."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws import Bridge, Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

NOON = datetime(2026, 3, 1, 12, 0, 0, 654321, tzinfo=UTC)
PATTERN = json.dumps({"source": ["aws.ec2"], "detail": {"state": ["running", "stopping"]}})


@pytest.fixture
def bridge(cloud: Cloud) -> Bridge:
    """Make a bridge that looks only on `flush`."""
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
    cloud.delete_rules()


def launch(cloud: Cloud) -> str:
    answer = cloud.client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    return str(answer["Instances"][0]["InstanceId"])


def seen(cloud: Cloud, function: str) -> list[Any]:
    """Return the states that the function was invoked with."""
    cloud.functions.wait_idle(600)
    return [attempt.result["state"] for attempt in cloud.attempts(function)]


def test_each_change_makes_the_events_of_all_states_in_between(
    cloud: Cloud, bridge: Bridge, deliveries: list[Delivery]
) -> None:
    ec2, instance = cloud.client("ec2"), launch(cloud)
    for change in (ec2.stop_instances, ec2.start_instances, ec2.terminate_instances):
        bridge.flush()
        change(InstanceIds=[instance])
    bridge.flush()
    bridge.flush()
    states = " ".join(delivery.event["detail"]["state"] for delivery in deliveries)
    assert states == ("pending running stopping stopped pending running shutting-down terminated")
    assert deliveries[0].event == {
        "version": "0",
        "id": deliveries[0].event["id"],
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "account": "123456789012",
        "time": "2026-03-01T12:00:00Z",
        "region": "us-west-2",
        "resources": [f"arn:aws:ec2:us-west-2:123456789012:instance/{instance}"],
        "detail": {"instance-id": instance, "state": "pending"},
    }


def test_the_deployed_pattern_decides_which_events_reach_the_function(
    cloud: Cloud, bridge: Bridge, function: str, deliveries: list[Delivery]
) -> None:
    cloud.rule(function, EventPattern=PATTERN)
    instance = launch(cloud)
    bridge.flush()
    cloud.client("ec2").stop_instances(InstanceIds=[instance])
    bridge.flush()
    assert sorted(seen(cloud, function)) == ["running", "stopping"]
    assert [delivery.functions for delivery in deliveries] == [(), (function,), (function,), ()]


@pytest.mark.parametrize(
    ("permitted", "settings"),
    [
        (True, {"EventPattern": PATTERN, "State": "DISABLED"}),
        (True, {"ScheduleExpression": "rate(1 minute)"}),
        (False, {"EventPattern": PATTERN}),
    ],
    ids=["disabled", "schedule", "no permission"],
)
def test_a_rule_that_is_not_for_events_invokes_nothing(
    cloud: Cloud, bridge: Bridge, function: str, settings: dict[str, str], *, permitted: bool
) -> None:
    cloud.rule(function, permitted=permitted, **settings)
    assert bridge.emit(bridge.state_change("i-1", "running")) == ()
    assert seen(cloud, function) == []


def test_events_are_lost_while_the_context_lasts(
    cloud: Cloud, bridge: Bridge, function: str
) -> None:
    cloud.rule(function, EventPattern=PATTERN)
    instance = launch(cloud)
    with bridge.losing():
        cloud.client("ec2").stop_instances(InstanceIds=[instance])
    cloud.client("ec2").start_instances(InstanceIds=[instance])
    bridge.flush()
    assert seen(cloud, function) == ["running", "running"]


def test_an_open_bridge_watches_by_itself(cloud: Cloud) -> None:
    arrived = threading.Event()
    bridge = Bridge(cloud.functions, interval=0.005)
    bridge.on_event(lambda _: arrived.set())
    with bridge:
        launch(cloud)
        assert arrived.wait(600)

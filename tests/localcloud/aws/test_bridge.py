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


def address(cloud: Cloud, instance: str) -> str | None:
    answer = cloud.client("ec2").describe_instances(InstanceIds=[instance])
    described = answer["Reservations"][0]["Instances"][0]
    (interface,) = described["NetworkInterfaces"]
    shown: str | None = described.get("PublicIpAddress")
    assert interface["Association"].get("PublicIp") == shown
    return shown


def associate(cloud: Cloud, instance: str, wanted: str) -> str:
    """Give the instance an Elastic IP, and return what to take it away with."""
    ec2 = cloud.client("ec2")
    allocated = ec2.allocate_address(Domain="vpc", Address=wanted)["AllocationId"]
    answer = ec2.associate_address(InstanceId=instance, AllocationId=allocated)
    return str(answer["AssociationId"])


def states(deliveries: list[Delivery]) -> list[str]:
    return [delivery.event["detail"]["state"] for delivery in deliveries]


def seen(cloud: Cloud, function: str) -> list[Any]:
    """Return the states that the function was invoked with."""
    cloud.functions.wait_idle(20)
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


def test_an_instance_first_seen_after_it_ended_has_begun_too(
    cloud: Cloud, bridge: Bridge, deliveries: list[Delivery]
) -> None:
    cloud.client("ec2").terminate_instances(InstanceIds=[launch(cloud)])
    bridge.flush()
    assert states(deliveries) == ["pending", "running", "shutting-down", "terminated"]


def test_an_event_has_the_shape_that_aws_documents(
    cloud: Cloud, bridge: Bridge, deliveries: list[Delivery]
) -> None:
    instance = launch(cloud)
    bridge.flush()
    first, second = (delivery.event for delivery in deliveries)
    assert first.pop("id") != second.pop("id")
    assert first == {
        "version": "0",
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "account": "123456789012",
        "time": "2026-03-01T12:00:00Z",
        "region": "us-west-2",
        "resources": [f"arn:aws:ec2:us-west-2:123456789012:instance/{instance}"],
        "detail": {"instance-id": instance, "state": "pending"},
    }


def test_instances_that_were_there_before_make_no_event(cloud: Cloud) -> None:
    launch(cloud)
    bridge = Bridge(cloud.functions)
    deliveries: list[Delivery] = []
    bridge.on_event(deliveries.append)
    bridge.flush()
    assert deliveries == []


def test_an_elastic_ip_changes_the_address_and_makes_no_event(
    cloud: Cloud, bridge: Bridge, deliveries: list[Delivery]
) -> None:
    ec2 = cloud.client("ec2")
    instance = launch(cloud)
    bridge.flush()
    deliveries.clear()
    first = address(cloud, instance)
    associated = [associate(cloud, instance, wanted) for wanted in ("203.0.113.7", "203.0.113.8")]
    assert address(cloud, instance) == "203.0.113.8"
    bridge.flush()
    for association in associated:
        ec2.disassociate_address(AssociationId=association)
    assert address(cloud, instance) not in {None, first, "203.0.113.7", "203.0.113.8"}
    bridge.flush()
    assert deliveries == []


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


def test_a_pattern_may_ask_that_something_is_not_there(
    cloud: Cloud, bridge: Bridge, function: str
) -> None:
    tags = {"Project": ["Elephant", {"exists": False}]}
    pattern = {"source": ["aws.ec2"], "detail": {"state": ["running"], "tags": tags}}
    rule(cloud, function, EventPattern=json.dumps(pattern))
    plain = bridge.state_change("i-1", "running")
    ours = {"detail": plain["detail"] | {"tags": {"Project": "Elephant"}}}
    theirs = {"detail": plain["detail"] | {"tags": {"Project": "Giraffe"}}}
    assert bridge.emit(plain) == (function,)
    assert bridge.emit(plain | ours) == (function,)
    assert bridge.emit(plain | theirs) == ()
    assert seen(cloud, function) == ["running", "running"]


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


def test_a_target_that_was_deleted_is_no_reason_to_stop(
    cloud: Cloud, bridge: Bridge, function: str
) -> None:
    doomed = cloud.function("def handler(event, context): pass")
    rule(cloud, doomed)
    rule(cloud, function)
    cloud.client("lambda").delete_function(FunctionName=doomed)
    assert bridge.emit(bridge.state_change("i-1", "running")) == (function,)


def test_targets_of_other_kinds_get_the_event_too(
    cloud: Cloud, bridge: Bridge, function: str
) -> None:
    url, arn = cloud.queue("events")
    rule(cloud, function)
    (name,) = (found["Name"] for found in cloud.client("events").list_rules()["Rules"])
    cloud.client("events").put_targets(Rule=name, Targets=[{"Id": "2", "Arn": arn}])
    bridge.emit(bridge.state_change("i-1", "running"))
    (message,) = cloud.messages(url)
    assert message["detail"] == {"instance-id": "i-1", "state": "running"}
    assert seen(cloud, function) == ["running"]


def test_events_can_be_lost_doubled_and_kept_back(
    cloud: Cloud, bridge: Bridge, function: str
) -> None:
    kept: list[dict[str, Any]] = []

    def faults(event: dict[str, Any]) -> list[dict[str, Any]]:
        if event["detail"]["state"] == "running":
            kept.append(event)
            return []
        return [event, event]

    bridge.faults = faults
    rule(cloud, function)
    cloud.client("ec2").stop_instances(InstanceIds=[launch(cloud)])
    bridge.flush()
    assert sorted(seen(cloud, function)) == ["stopping", "stopping"]
    bridge.emit(kept[0])
    assert seen(cloud, function)[-1] == "running"


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


def test_events_put_by_hand_reach_functions(cloud: Cloud, function: str) -> None:
    rule(cloud, function, EventPattern=json.dumps({"source": ["my.app"]}))
    entry = {"Source": "my.app", "DetailType": "Test", "Detail": '{"state": "any"}'}
    answer = cloud.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0
    assert seen(cloud, function) == ["any"]
    event: Any = cloud.attempts(function)[0].event
    assert event["id"] == answer["Entries"][0]["EventId"]
    assert datetime.fromisoformat(event["time"]).tzinfo == UTC
    assert "ingestion-time" not in event


def test_events_that_claim_to_be_awss_are_refused(cloud: Cloud, function: str) -> None:
    rule(cloud, function)
    detail = json.dumps({"instance-id": "i-1", "state": "running"})
    forged = {"Source": "aws.ec2", "DetailType": "x", "Detail": detail}
    fine = {"Source": "my.app", "DetailType": "x", "Detail": detail}
    answer = cloud.client("events").put_events(Entries=[forged, fine])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert seen(cloud, function) == []

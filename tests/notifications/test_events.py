"""Events are asked for by patterns that fit what AWS sends, and read whatever their shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from moto.events.models import EventPattern

from chalicelib.ec2.event import IgnoredEventError
from chalicelib.notifications.events import (
    DeploymentChange,
    GroupTermination,
    InstanceTermination,
    deployment_pattern,
    read_deployment,
    read_termination,
    termination_pattern,
)
from tests.notifications.harness import EVENTS, PLACE, VARIABLES, event
from tests.world import make_settings

TERMINATIONS = [
    "autoscaling-elb-health-check",
    "autoscaling-scale-in",
    "autoscaling-status-check",
    "ec2-terminated",
]
DEPLOYMENTS = ["codedeploy-failure", "codedeploy-success"]


def matching(pattern: dict[str, Any]) -> list[str]:
    """Name the files with an event that a pattern matches."""
    names = sorted(path.stem for path in EVENTS.glob("*.json"))
    return [name for name in names if matches(pattern, event(name))]


def matches(pattern: dict[str, Any], occurred: dict[str, Any]) -> bool:
    """Tell whether EventBridge, as moto has it, lets the event through."""
    return EventPattern.load(json.dumps(pattern)).matches_event(cast("Any", occurred))


def patterns(**variables: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the patterns of both rules of a stage."""
    settings = make_settings(**VARIABLES | variables).notifications
    assert settings
    return termination_pattern(settings), deployment_pattern(settings)


def test_each_rule_asks_for_its_own_events() -> None:
    terminations, deployments = patterns()

    assert matching(terminations) == TERMINATIONS
    assert matching(deployments) == DEPLOYMENTS


def test_the_pattern_of_terminations_is_one_for_both_sources() -> None:
    terminations, _ = patterns()

    assert terminations == {
        "source": ["aws.autoscaling", "aws.ec2"],
        "detail-type": [
            "EC2 Instance Terminate Successful",
            "EC2 Instance State-change Notification",
        ],
        "detail": {
            "AutoScalingGroupName": ["web", "workers", {"exists": False}],
            "state": ["terminated", {"exists": False}],
        },
    }


def test_only_what_the_stage_names_is_asked_for() -> None:
    terminations, deployments = patterns(AUTO_SCALING_GROUPS="workers", DEPLOYMENT_STATES="FAILURE")

    assert matching(terminations) == ["autoscaling-status-check", "ec2-terminated"]
    assert matching(deployments) == ["codedeploy-failure"]


def test_a_stage_that_names_nothing_asks_for_its_desktops_alone() -> None:
    terminations, deployments = patterns(AUTO_SCALING_GROUPS="", CODEDEPLOY_APPLICATIONS="")

    assert matching(terminations) == ["ec2-terminated"]
    assert matching(deployments) == []
    assert deployments["detail"]["application"] == [""]


@pytest.mark.parametrize("state", ["pending", "running", "stopped", "shutting-down"])
def test_no_other_change_of_an_instance_is_asked_for(state: str) -> None:
    for pattern in (*patterns(), *patterns(AUTO_SCALING_GROUPS="")):
        assert not matches(pattern, event("ec2-terminated", state=state))


def test_a_groups_event_is_read() -> None:
    found = read_termination(event("autoscaling-elb-health-check"), PLACE)

    assert found == GroupTermination(
        id="3e3c153a-8339-4e30-8c35-687ebef853fe",
        instance_id="i-0123456789abcdef0",
        group="web",
        cause="At 2026-11-21T15:30:11Z an instance was taken out of service in response to an ELB "
        "system health check failure.",
        at=datetime(2026, 11, 21, 15, 35, 15, 651000, UTC),
        zone="us-west-2b",
        was_kept=False,
    )


def test_an_instances_event_is_read() -> None:
    assert read_termination(event("ec2-terminated"), PLACE) == InstanceTermination(
        id="7bf73129-1428-4cd3-a780-95db273d1602",
        instance_id="i-0abcd1234abcd1234",
        at=datetime(2026, 11, 21, 15, 29, 54, tzinfo=UTC),
    )


def test_a_deployments_event_is_read() -> None:
    assert read_deployment(event("codedeploy-success"), PLACE) == DeploymentChange(
        id="c071bfbf-83c4-49ca-a6ff-3df053957145",
        deployment_id="d-A1B2C3D4E",
        application="shop",
        group="production",
        state="SUCCESS",
        at=datetime(2026, 11, 21, 15, 24, 31, tzinfo=UTC),
    )


@pytest.mark.parametrize("details", [None, "us-west-2b", {}])
@pytest.mark.parametrize("end", [None, "", "yyyy-mm-ddThh:mm:ssZ", 0])
def test_what_a_groups_event_need_not_say_may_be_missing(details: object, end: object) -> None:
    found = read_termination(
        event("autoscaling-elb-health-check", Details=details, EndTime=end), PLACE
    )

    assert isinstance(found, GroupTermination)
    assert (found.zone, found.at) == ("", datetime(2026, 11, 21, 15, 35, 15, tzinfo=UTC))


def test_a_time_without_a_zone_is_universal_as_all_of_awss_are() -> None:
    found = read_termination(
        event("autoscaling-elb-health-check", EndTime="2026-11-21T15:35:15"), PLACE
    )
    assert found.at == datetime(2026, 11, 21, 15, 35, 15, tzinfo=UTC)


def test_an_instance_that_goes_back_to_the_warm_pool_was_not_terminated() -> None:
    found = read_termination(event("autoscaling-scale-in", Destination="WarmPool"), PLACE)

    assert isinstance(found, GroupTermination)
    assert found.was_kept


@pytest.mark.parametrize("shape", [None, [], "x", {}, {"source": "aws.s3"}])
def test_what_is_no_such_event_is_ignored(shape: object) -> None:
    with pytest.raises(IgnoredEventError):
        read_termination(shape, PLACE)
    with pytest.raises(IgnoredEventError):
        read_deployment(shape, PLACE)


@pytest.mark.parametrize("name", [*TERMINATIONS, *DEPLOYMENTS])
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("source", "com.example"),
        ("detail-type", "Another Notification"),
        ("account", "210987654321"),
        ("region", "eu-west-1"),
        ("detail", None),
        ("detail", {}),
        ("id", None),
        ("id", ""),
    ],
)
def test_an_event_of_another_kind_or_place_is_ignored(
    name: str, member: str, value: object
) -> None:
    read = read_deployment if name.startswith("codedeploy") else read_termination
    read(event(name), PLACE)

    with pytest.raises(IgnoredEventError, match=r"^(its|the event)"):
        read(event(name) | {member: value}, PLACE)


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        ("autoscaling-elb-health-check", "EC2InstanceId", "i-1"),
        ("autoscaling-elb-health-check", "EC2InstanceId", None),
        ("autoscaling-elb-health-check", "AutoScalingGroupName", ""),
        ("autoscaling-elb-health-check", "Cause", ["x" * 200]),
        ("ec2-terminated", "instance-id", "../x"),
        ("ec2-terminated", "state", "running"),
        ("codedeploy-success", "deploymentId", None),
        ("codedeploy-success", "application", 1),
        ("codedeploy-success", "deploymentGroup", None),
        ("codedeploy-success", "state", None),
    ],
)
def test_an_event_that_does_not_say_enough_is_ignored(
    name: str, member: str, value: object
) -> None:
    read = read_deployment if name.startswith("codedeploy") else read_termination

    with pytest.raises(IgnoredEventError) as caught:
        read(event(name, **{member: value}), PLACE)
    assert len(str(caught.value)) < 200

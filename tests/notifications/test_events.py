"""The patterns match what AWS sends; an event is read, or ignored."""

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

CHECK, SCALE_IN = "autoscaling-elb-health-check", "autoscaling-scale-in"
STATUS, ENDED = "autoscaling-status-check", "ec2-terminated"
FAILURE, SUCCESS = "codedeploy-failure", "codedeploy-success"


def patterns(**variables: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the patterns of both rules of a stage."""
    settings = make_settings(**VARIABLES | variables).notifications
    assert settings
    return termination_pattern(settings), deployment_pattern(settings)


def matches(pattern: dict[str, Any], occurred: dict[str, Any]) -> bool:
    """Return whether EventBridge, as moto has it, lets the event through."""
    return EventPattern.load(json.dumps(pattern)).matches_event(cast("Any", occurred))


def read(name: str, body: object) -> Any:  # noqa: ANN401 (of either kind)
    reader = read_deployment if name in {FAILURE, SUCCESS} else read_termination
    return reader(body, PLACE)


@pytest.mark.parametrize(
    ("variables", "terminations", "deployments"),
    [
        ({}, [CHECK, SCALE_IN, STATUS, ENDED], [FAILURE, SUCCESS]),
        ({"AUTO_SCALING_GROUPS": "workers"}, [STATUS, ENDED], [FAILURE, SUCCESS]),
        ({"DEPLOYMENT_STATES": "FAILURE"}, [CHECK, SCALE_IN, STATUS, ENDED], [FAILURE]),
        ({"AUTO_SCALING_GROUPS": "", "CODEDEPLOY_APPLICATIONS": ""}, [ENDED], []),
    ],
)
def test_each_rule_asks_for_what_the_stage_names(
    variables: dict[str, str], terminations: list[str], deployments: list[str]
) -> None:
    names = sorted(path.stem for path in EVENTS.glob("*.json"))
    for pattern, expected in zip(patterns(**variables), (terminations, deployments), strict=True):
        assert [name for name in names if matches(pattern, event(name))] == expected
        for state in ("pending", "running", "stopped", "shutting-down"):
            assert not matches(pattern, event(ENDED, state=state))


def test_the_rule_of_a_stage_without_applications_is_valid() -> None:
    """EventBridge accepts no empty list; no application's name is empty."""
    assert patterns(CODEDEPLOY_APPLICATIONS="")[1]["detail"]["application"] == [""]


def test_an_event_is_read() -> None:
    check = event(CHECK)
    assert read(CHECK, check) == GroupTermination(
        id=check["id"],
        instance_id="i-0123456789abcdef0",
        group="web",
        cause=check["detail"]["Cause"],
        at=datetime(2026, 11, 21, 15, 35, 15, 651000, UTC),
        zone="us-west-2b",
        was_kept=False,
    )
    ended = event(ENDED)
    at = datetime(2026, 11, 21, 15, 29, 54, tzinfo=UTC)
    assert read(ENDED, ended) == InstanceTermination(ended["id"], "i-0abcd1234abcd1234", at)
    success = event(SUCCESS)
    assert read(SUCCESS, success) == DeploymentChange(
        id=success["id"],
        deployment_id="d-A1B2C3D4E",
        application="shop",
        group="production",
        state="SUCCESS",
        at=datetime(2026, 11, 21, 15, 24, 31, tzinfo=UTC),
    )


SENT_AT = datetime(2026, 11, 21, 15, 35, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        *(({"Details": details}, {"zone": ""}) for details in (None, "us-west-2b", {"x": 1})),
        *(({"EndTime": end}, {"at": SENT_AT}) for end in (None, "yyyy-mm-ddThh:mm:ssZ", 0)),
        ({"EndTime": "2026-11-21T15:35:14"}, {"at": SENT_AT.replace(second=14)}),
        ({"Destination": "WarmPool"}, {"was_kept": True}),
    ],
)
def test_optional_members_of_a_groups_event_may_be_missing(
    detail: dict[str, object], expected: dict[str, object]
) -> None:
    found = read(CHECK, event(CHECK, **detail))

    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("body", [None, [], "x", {}, {"source": "aws.s3"}])
@pytest.mark.parametrize("name", [ENDED, SUCCESS])
def test_what_is_no_event_is_ignored(name: str, body: object) -> None:
    with pytest.raises(IgnoredEventError):
        read(name, body)


@pytest.mark.parametrize("name", [CHECK, ENDED, SUCCESS])
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
    with pytest.raises(IgnoredEventError, match=r"^(its|the event)"):
        read(name, event(name) | {member: value})


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        (CHECK, "EC2InstanceId", "i-1"),
        (CHECK, "EC2InstanceId", None),
        (CHECK, "AutoScalingGroupName", ""),
        (CHECK, "Cause", ["x" * 200]),
        (ENDED, "instance-id", "../x"),
        (ENDED, "state", "running"),
        (SUCCESS, "deploymentId", None),
        (SUCCESS, "application", 1),
        (SUCCESS, "deploymentGroup", None),
        (SUCCESS, "state", None),
    ],
)
def test_an_incomplete_event_is_ignored(name: str, member: str, value: object) -> None:
    with pytest.raises(IgnoredEventError) as caught:
        read(name, event(name, **{member: value}))
    assert len(str(caught.value)) < 200

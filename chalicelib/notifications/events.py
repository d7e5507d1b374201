"""The events behind notifications: the rules' patterns, and parsing.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-cloudwatch-events.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chalicelib.clock import parse_time
from chalicelib.ec2.event import DETAIL_TYPE as STATE_CHANGE
from chalicelib.ec2.event import SOURCE as EC2
from chalicelib.ec2.event import IgnoredEventError, InstanceEvent
from chalicelib.ec2.instances import is_instance_id

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.resource_names import StageNames
    from chalicelib.settings.notifications import NotificationsSettings

AUTO_SCALING: Final = "aws.autoscaling"
CODEDEPLOY: Final = "aws.codedeploy"
TERMINATED_BY_GROUP: Final = "EC2 Instance Terminate Successful"
DEPLOYMENT_CHANGE: Final = "CodeDeploy Deployment State-change Notification"

NO_APPLICATION: Final = ""
"""Matches no application's name: for the rule of a stage without applications.

A pattern may match an empty text, and names of applications are not empty:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

_TERMINATED: Final = "terminated"
_ABSENT: Final[Mapping[str, bool]] = {"exists": False}
_SHORT: Final = 80


def termination_pattern(settings: NotificationsSettings) -> dict[str, Any]:
    """Build the pattern of the rule of `notify_instance_termination`.

    One rule matches both sources. Each has a field that the other lacks, and `exists: false`
    matches events without it. Without groups only EC2's own events are matched.
    """
    if not settings.groups:
        return {
            "source": [EC2],
            "detail-type": [STATE_CHANGE],
            "detail": {"state": [_TERMINATED]},
        }
    return {
        "source": [AUTO_SCALING, EC2],
        "detail-type": [TERMINATED_BY_GROUP, STATE_CHANGE],
        "detail": {
            "AutoScalingGroupName": [*settings.groups, dict(_ABSENT)],
            "state": [_TERMINATED, dict(_ABSENT)],
        },
    }


def deployment_pattern(settings: NotificationsSettings) -> dict[str, Any]:
    """Build the pattern of the rule of `notify_deployment`.

    A stage without applications still has the function, with a rule that matches nothing.
    """
    return {
        "source": [CODEDEPLOY],
        "detail-type": [DEPLOYMENT_CHANGE],
        "detail": {
            "application": list(settings.applications) or [NO_APPLICATION],
            "state": list(settings.deployment_states),
        },
    }


@dataclass(frozen=True)
class GroupTermination:
    """An Auto Scaling group terminated an instance."""

    id: str
    instance_id: str
    group: str
    cause: str
    at: datetime | None
    zone: str
    was_kept: bool
    """Whether it only returned to the group's warm pool."""


@dataclass(frozen=True)
class InstanceTermination:
    """An instance was terminated by anyone."""

    id: str
    instance_id: str
    at: datetime | None


@dataclass(frozen=True)
class DeploymentChange:
    """A deployment succeeded or failed."""

    id: str
    deployment_id: str
    application: str
    group: str
    state: str
    at: datetime | None


def read_termination(event: object, place: StageNames) -> GroupTermination | InstanceTermination:
    """Parse any event. Raises IgnoredEventError if it is not a termination."""
    body = _object(event, "the event")
    if body.get("source") != AUTO_SCALING:
        return _read_state_change(body, place)
    _expect(body, "detail-type", TERMINATED_BY_GROUP)
    detail = _detail(body, place)
    instance_id = _text(detail, "EC2InstanceId")
    if not is_instance_id(instance_id):
        raise IgnoredEventError(f"its EC2InstanceId {instance_id!r} is not an instance id")
    more = detail.get("Details")
    return GroupTermination(
        id=_text(body, "id"),
        instance_id=instance_id,
        group=_text(detail, "AutoScalingGroupName"),
        cause=_text(detail, "Cause"),
        at=_time(detail.get("EndTime")) or _time(body.get("time")),
        zone=str(more.get("Availability Zone", "")) if isinstance(more, Mapping) else "",
        # https://docs.aws.amazon.com/autoscaling/ec2/userguide/warm-pools-eventbridge-events.html
        was_kept=detail.get("Destination") == "WarmPool",
    )


def read_deployment(event: object, place: StageNames) -> DeploymentChange:
    """Parse any event. Raises IgnoredEventError if it is not a deployment."""
    body = _object(event, "the event")
    _expect(body, "source", CODEDEPLOY)
    _expect(body, "detail-type", DEPLOYMENT_CHANGE)
    detail = _detail(body, place)
    return DeploymentChange(
        id=_text(body, "id"),
        deployment_id=_text(detail, "deploymentId"),
        application=_text(detail, "application"),
        group=_text(detail, "deploymentGroup"),
        state=_text(detail, "state"),
        at=_time(body.get("time")),
    )


def _read_state_change(body: Mapping[str, object], place: StageNames) -> InstanceTermination:
    found = InstanceEvent.parse(body, place.function_arn("notify_instance_termination"))
    if found.state != _TERMINATED:
        raise IgnoredEventError(f"its state is {found.state!r}, not {_TERMINATED!r}")
    return InstanceTermination(_text(body, "id"), found.instance_id, _time(body.get("time")))


def _detail(body: Mapping[str, object], place: StageNames) -> Mapping[str, object]:
    _expect(body, "account", place.account)
    _expect(body, "region", place.region)
    return _object(body.get("detail"), "its detail")


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise IgnoredEventError(f"{what} is {_short(value)}, not a JSON object")
    return value


def _expect(body: Mapping[str, object], key: str, expected: str) -> None:
    if body.get(key) != expected:
        raise IgnoredEventError(f"its {key} is {_short(body.get(key))}, not {expected!r}")


def _text(body: Mapping[str, object], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise IgnoredEventError(f"its {key} is {_short(value)}, not a string")
    return value


def _time(value: object) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"

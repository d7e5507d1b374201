"""A sample notice of each kind, with made-up contents, to see its e-mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.ec2.instances import MEETING_TAG, ROLE_TAG, Instance
from chalicelib.notifications.deployments import Deployment
from chalicelib.notifications.events import (
    DeploymentChange,
    GroupTermination,
    InstanceTermination,
)
from chalicelib.notifications.messages import (
    deployment_notice,
    desktop_termination_notice,
    group_termination_notice,
    never_healthy_notice,
    no_address_notice,
)
from chalicelib.notifications.revision import Revision
from chalicelib.settings.notifications import FAILURE, SUCCESS

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.notifications.notice import Notice
    from ops.stages import Stage

_EVENT = "00000000-0000-0000-0000-000000000000"
_INSTANCE = "i-0123456789abcdef0"
_OTHER_INSTANCE = "i-0fedcba9876543210"
_DEPLOYMENT = "d-TEST12345"
_GROUP = "sample-group"
_APPLICATION = "sample-application"


def samples(stage: Stage, now: datetime) -> tuple[Notice, ...]:
    """Make the notices, each marked as a test, with the names that the stage watches."""
    settings, place = stage.settings.notifications, stage.place
    group = next(iter(settings.groups if settings else ()), _GROUP)
    application = next(iter(settings.applications if settings else ()), _APPLICATION)
    server = Instance(
        id=_INSTANCE,
        state="terminated",
        address=None,
        tags={"Name": f"{group}-1"},
        launched_at=now - timedelta(days=3, hours=4),
    )
    desktop = replace(
        server,
        tags={MEETING_TAG: "sample0meeting00", ROLE_TAG: "teacher"},
        launched_at=now - timedelta(minutes=24),
        stopped_at=now,
        reason_code="Server.InternalError",
        reason="Server.InternalError: Internal error on launch",
    )
    other = replace(desktop, id=_OTHER_INSTANCE, tags={**desktop.tags, ROLE_TAG: "student"})
    change = DeploymentChange(_EVENT, _DEPLOYMENT, application, "production", SUCCESS, now)
    revision = Revision.parse(
        {"s3Location": {"bucket": "releases", "key": f"{application}/{application}-1.4.2.zip"}}
    )
    deployment = Deployment(
        revision=revision,
        began_at=now - timedelta(minutes=6, seconds=12),
        completed_at=now,
        error_code="",
        error="",
        instances={"Succeeded": 4},
        rollback="",
    )
    failed = replace(
        deployment,
        error_code="HEALTH_CONSTRAINTS",
        error="The overall deployment failed because too many individual instances failed "
        "deployment, or too few healthy instances are available for deployment.",
        instances={"Succeeded": 1, "Failed": 2, "Skipped": 1},
    )
    ended = GroupTermination(
        id=_EVENT,
        instance_id=_INSTANCE,
        group=group,
        cause=f"At {now:%Y-%m-%dT%H:%M:%SZ} an instance was taken out of service in response to "
        "an ELB system health check failure.",
        at=now,
        zone=f"{stage.region}a",
        was_kept=False,
    )
    notices = (
        group_termination_notice(ended, server, place),
        desktop_termination_notice(InstanceTermination(_EVENT, _INSTANCE, now), desktop, place),
        never_healthy_notice(desktop.tags[MEETING_TAG], [desktop, other], place),
        no_address_notice([replace(desktop, state="running", stopped_at=None)], now, place),
        deployment_notice(change, deployment, place),
        deployment_notice(replace(change, state=FAILURE), failed, place),
    )
    return tuple(replace(each, subject=f"Test: {each.subject}") for each in notices)

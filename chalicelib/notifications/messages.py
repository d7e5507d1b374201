"""The notice for each kind of event, from the event and from AWS's descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chalicelib.clock import in_minutes
from chalicelib.ec2.instances import MEETING_TAG, ROLE_TAG
from chalicelib.meeting_row.meeting import NEVER_HEALTHY
from chalicelib.notifications.causes import failed_check
from chalicelib.notifications.console import (
    deployment_link,
    group_link,
    instance_link,
    instances_link,
)
from chalicelib.notifications.notice import (
    Action,
    Fact,
    Notice,
    one_line,
    duration_in_words,
    time_in_words,
)
from chalicelib.settings.meetings import SHORTEST_MEETING
from chalicelib.settings.notifications import SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from chalicelib.ec2.instances import Instance
    from chalicelib.notifications.deployments import Deployment
    from chalicelib.notifications.events import (
        DeploymentChange,
        GroupTermination,
        InstanceTermination,
    )
    from chalicelib.notifications.revision import Revision
    from chalicelib.resource_names import StageNames

_NAME: Final = "Name"
_MOST_LISTED: Final = 40


def group_termination_notice(
    ended: GroupTermination, instance: Instance | None, place: StageNames
) -> Notice:
    """Build the notice of an instance that an Auto Scaling group terminated."""
    name = _name_of(instance) or ended.instance_id
    check = failed_check(ended.cause)
    # A phone shows 40 characters or so: what and why come first, then in which group.
    why = f"{check} check failed" if check else "ended by its group"
    return Notice(
        subject=one_line(f"{name} terminated: {why} ({ended.group})"),
        label="Instance terminated",
        heading=f"{name} was terminated",
        summary=(
            f"It failed its {check} check, so its Auto Scaling group terminated it."
            if check
            else "Its Auto Scaling group terminated it; it did not fail a check."
        ),
        facts=(
            *_instance_facts(ended.instance_id, instance, place),
            Fact("Group", ended.group, group_link(place, ended.group)),
            *([Fact("Zone", ended.zone)] if ended.zone else []),
            *_time_facts(instance, ended.at),
        ),
        quote=ended.cause,
        action=Action("Open the group's activity", group_link(place, ended.group)),
    )


def desktop_termination_notice(
    ended: InstanceTermination, instance: Instance, place: StageNames
) -> Notice:
    """Build the notice of a desktop that was terminated because something failed."""
    title, code = _title_of(instance), instance.reason_code
    meeting = instance.tags.get(MEETING_TAG)
    of_meeting = f" (meeting {meeting})" if meeting else ""
    return Notice(
        subject=one_line(f"{title} failed: {code}{of_meeting}"),
        label="Desktop failed",
        heading=f"{title} failed",
        summary="AWS terminated it. Neither a person nor this project requested that.",
        facts=(
            *_instance_facts(ended.instance_id, instance, place),
            *_meeting_facts(instance),
            Fact("Reason", code, is_code=True),
            *_time_facts(instance, instance.stopped_at or ended.at),
        ),
        quote=instance.reason,
        action=Action("Open the instance", instance_link(place, ended.instance_id)),
    )


def never_healthy_notice(
    meeting_id: str, desktops: Sequence[Instance], place: StageNames
) -> Notice:
    """Build the notice of a meeting ended because none of its desktops reported HEALTHY."""
    title = f"Meeting {one_line(meeting_id, longest=60)}"
    return Notice(
        subject=one_line(f"Desktops never healthy: {title} was ended"),
        label="Never healthy",
        heading=f"{title} was ended: its desktops never became healthy",
        summary=(
            f"{in_minutes(SHORTEST_MEETING)} after its start none of its desktops had reported "
            "HEALTHY, so nobody could enter, and the safety net ended it."
        ),
        facts=(
            Fact("Meeting", meeting_id),
            Fact("Reason", NEVER_HEALTHY, is_code=True),
            *_listed(desktops, _how_long_it_lived, place),
        ),
        advice=(
            "The script in the desktops' image reports HEALTHY. Start a desktop from that image by "
            "hand and see whether the script runs and what it says; docs/operations.md has more "
            "under 'Alarm meetings-never-healthy'. Then schedule the meeting again."
        ),
        action=Action("Open the instance", instance_link(place, desktops[0].id)),
    )


def no_address_notice(instances: Sequence[Instance], now: datetime, place: StageNames) -> Notice:
    """Build the notice of running desktops without a public address."""
    first, count = instances[0], len(instances)
    title = _title_of(first) if count == 1 else f"{count} desktops"
    they, them = ("It is", "it") if count == 1 else ("They are", "them")
    oldest = duration_in_words(now - min(each.launched_at for each in instances))
    return Notice(
        subject=one_line(f"{title} without an address for {oldest}"),
        label="No public address",
        heading=f"{title} without a public address",
        summary=(
            f"{they} running, and nobody can reach {them}: without an address there is no "
            "DNS record."
        ),
        facts=_listed(instances, lambda each: _how_long(each, now), place),
        advice=(
            "Check whether the subnet assigns public addresses, and whether an Elastic IP address "
            "was removed."
        ),
        action=(
            Action("Open the instance", instance_link(place, first.id))
            if count == 1
            else Action("Open the running instances", instances_link(place))
        ),
    )


def deployment_notice(
    change: DeploymentChange, deployment: Deployment | None, place: StageNames
) -> Notice:
    """Build the notice of a deployment's success or failure, with details if it is known."""
    is_good = change.state == SUCCESS
    revision = deployment.revision if deployment else None
    version = f" {revision.version}" if revision else ""
    what = one_line(f"{change.application}{version}", longest=100)
    link = deployment_link(place, change.deployment_id)
    lasted = _lasted(deployment, change)
    return Notice(
        subject=one_line(f"{what} {'deployed to' if is_good else 'FAILED on'} {change.group}"),
        label="Deployed" if is_good else "Deployment failed",
        heading=f"{what} {'is on' if is_good else 'was not deployed to'} {change.group}",
        summary=(
            f"The deployment {'succeeded' if is_good else 'failed'}"
            + (f" after {lasted}." if lasted else ".")
        ),
        is_good=is_good,
        facts=(
            Fact("Application", change.application),
            Fact("Deployment group", change.group),
            *(_revision_facts(revision) if revision else []),
            Fact("Deployment", change.deployment_id, link, is_code=True),
            *([Fact("When", time_in_words(change.at))] if change.at else []),
            *([Fact("Duration", lasted)] if lasted else []),
            *(_failure_facts(deployment) if deployment and not is_good else []),
        ),
        quote=deployment.error if deployment and not is_good else "",
        advice=deployment.rollback if deployment and not is_good else "",
        action=Action("Open the deployment", link),
    )


def _listed(
    desktops: Sequence[Instance], more: Callable[[Instance], str], place: StageNames
) -> tuple[Fact, ...]:
    """List desktops, each with its link and details; of too many, only the first."""
    listed = [
        Fact(
            _title_of(each),
            each.id,
            instance_link(place, each.id),
            is_code=True,
            more=more(each),
        )
        for each in desktops[:_MOST_LISTED]
    ]
    left = len(desktops) - len(listed)
    return (*listed, *([Fact("And", f"{left} more")] if left else []))


def _how_long_it_lived(desktop: Instance) -> str:
    ended = desktop.stopped_at
    return f"lived {duration_in_words(ended - desktop.launched_at)}" if ended else ""


def _how_long(instance: Instance, now: datetime) -> str:
    meeting = instance.tags.get(MEETING_TAG)
    running = f"running for {duration_in_words(now - instance.launched_at)}"
    return f"{running}, meeting {meeting}" if meeting else running


def _lasted(deployment: Deployment | None, change: DeploymentChange) -> str:
    if deployment is None or deployment.began_at is None:
        return ""
    ended = deployment.completed_at or change.at
    return duration_in_words(ended - deployment.began_at) if ended else ""


def _revision_facts(revision: Revision) -> list[Fact]:
    kept = revision.object_version
    return [
        Fact("Version", revision.version),
        Fact("Revision", revision.name, revision.link, is_code=True),
        *([Fact("S3 version", kept, is_code=True)] if kept else []),
    ]


def _failure_facts(deployment: Deployment) -> list[Fact]:
    facts = [Fact("Error", deployment.error_code, is_code=True)] if deployment.error_code else []
    counted = [f"{count} {_words(kind)}" for kind, count in deployment.instances.items() if count]
    return [*facts, Fact("Instances", ", ".join(counted))] if counted else facts


def _words(kind: str) -> str:
    return {"InProgress": "in progress"}.get(kind, kind.lower())


def _instance_facts(instance_id: str, instance: Instance | None, place: StageNames) -> list[Fact]:
    facts = [Fact("Instance", instance_id, instance_link(place, instance_id), is_code=True)]
    name = _name_of(instance)
    return [*facts, Fact("Name", name)] if name else facts


def _meeting_facts(instance: Instance) -> list[Fact]:
    tags = ((label, instance.tags.get(key)) for label, key in _MEETING_LABELS)
    return [Fact(label, text) for label, text in tags if text]


_MEETING_LABELS: Final = (("Meeting", MEETING_TAG), ("Role", ROLE_TAG))


def _time_facts(instance: Instance | None, at: datetime | None) -> list[Fact]:
    facts = [Fact("Terminated", time_in_words(at))] if at else []
    if at and instance:
        facts.append(Fact("Lived", duration_in_words(at - instance.launched_at)))
    return facts


def _name_of(instance: Instance | None) -> str:
    return one_line(instance.tags.get(_NAME, ""), longest=60) if instance else ""


def _title_of(instance: Instance) -> str:
    """Return what desktop it is, as far as its tags say."""
    role = one_line(instance.tags.get(ROLE_TAG, ""), longest=20)
    return f"{role.capitalize()}'s desktop" if role else _name_of(instance) or "Desktop"

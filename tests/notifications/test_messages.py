"""A notice has every fact that is known, and leaves out the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from chalicelib.ec2.instances import Instance
from chalicelib.notifications.deployments import Deployment
from chalicelib.notifications.events import read_deployment, read_termination
from chalicelib.notifications.messages import (
    deployment_notice,
    desktop_termination_notice,
    group_termination_notice,
    never_healthy_notice,
    no_address_notice,
)
from tests.notifications.harness import PLACE, event

if TYPE_CHECKING:
    from chalicelib.notifications.events import GroupTermination, InstanceTermination
    from chalicelib.notifications.notice import Notice

CONSOLE = "https://us-west-2.console.aws.amazon.com"
EC2 = f"{CONSOLE}/ec2/home?region=us-west-2"
MEETING = "k3v9x2m8q1z7w5r4"
ID = "i-0123456789abcdef0"
CHECK, SCALE_IN = "autoscaling-elb-health-check", "autoscaling-scale-in"
FAILED_CHECK = "ELB system health check failed (web)"


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 11, 21, hour, minute, second, tzinfo=UTC)


def instance(instance_id: str = ID, state: str = "terminated", **tags: str) -> Instance:
    return Instance(instance_id, state, None, tags, launched_at=at(12, 3, 9))


def action_of(notice: Notice) -> str:
    assert notice.action
    return notice.action.link


def facts(notice: Notice) -> dict[str, str]:
    return {fact.label: fact.text for fact in notice.facts}


def links(notice: Notice) -> dict[str, str]:
    return {fact.label: fact.link for fact in notice.facts if fact.link}


def of_group(name: str = CHECK) -> GroupTermination:
    return cast("GroupTermination", read_termination(event(name), PLACE))


def of_instance() -> InstanceTermination:
    return cast("InstanceTermination", read_termination(event("ec2-terminated"), PLACE))


# An instance of a group


def test_an_instance_that_failed_a_check_has_everything_that_is_known() -> None:
    notice = group_termination_notice(of_group(), instance(Name="web-3"), PLACE)

    assert notice.subject == "web-3 terminated: ELB system health check failed (web)"
    assert facts(notice) == {
        "Instance": ID,
        "Name": "web-3",
        "Group": "web",
        "Zone": "us-west-2b",
        "Terminated": "21 Nov 2026, 15:35:15 UTC",
        "Lived": "3 h 32 min",
    }
    assert links(notice) == {
        "Instance": f"{EC2}#InstanceDetails:instanceId=i-0123456789abcdef0",
        "Group": f"{EC2}#AutoScalingGroupDetails:id=web;view=activity",
    }
    assert notice.quote == of_group().cause
    assert not notice.is_good


@pytest.mark.parametrize(
    ("name", "known", "subject"),
    [
        (CHECK, None, f"{ID} terminated: {FAILED_CHECK}"),
        (CHECK, instance(), f"{ID} terminated: {FAILED_CHECK}"),
        (CHECK, instance(Name="w\r\nBcc: x@y"), f"w Bcc: x@y terminated: {FAILED_CHECK}"),
        (SCALE_IN, None, f"{ID} terminated: ended by its group (web)"),
    ],
    ids=["unknown to EC2", "without a name", "a name that looks like a header", "no check"],
)
def test_what_is_not_known_of_an_instance_is_left_out(
    name: str, known: Instance | None, subject: str
) -> None:
    notice = group_termination_notice(replace(of_group(name), zone="", at=None), known, PLACE)

    assert notice.subject == subject
    assert [label for label in facts(notice) if label != "Name"] == ["Instance", "Group"]
    assert ("Name" in facts(notice)) is bool(known and known.tags)
    assert ("did not fail a check" in notice.summary) is (name == SCALE_IN)


# A desktop


def test_a_desktop_that_failed_has_its_meeting() -> None:
    failed = replace(
        instance("i-0abcd1234abcd1234", Role="teacher", MeetingID=MEETING),
        reason_code="Server.InternalError",
        reason="Server.InternalError: Internal error on launch",
        stopped_at=at(15, 29, 50),
    )

    notice = desktop_termination_notice(of_instance(), failed, PLACE)

    assert notice.subject == f"Teacher's desktop failed: Server.InternalError (meeting {MEETING})"
    assert facts(notice) == {
        "Instance": "i-0abcd1234abcd1234",
        "Meeting": MEETING,
        "Role": "teacher",
        "Reason": "Server.InternalError",
        "Terminated": "21 Nov 2026, 15:29:50 UTC",
        "Lived": "3 h 26 min",
    }
    assert notice.quote == "Server.InternalError: Internal error on launch"
    assert action_of(notice) == f"{EC2}#InstanceDetails:instanceId=i-0abcd1234abcd1234"


def test_a_desktop_without_a_meeting_has_its_name() -> None:
    failed = replace(instance(Name="spare"), reason_code="Server.ScheduledStop")

    notice = desktop_termination_notice(of_instance(), failed, PLACE)

    assert notice.subject == "spare failed: Server.ScheduledStop"
    assert facts(notice)["Terminated"] == "21 Nov 2026, 15:29:54 UTC"


# A meeting whose desktops never became healthy


def test_a_meeting_that_was_never_healthy_has_its_desktops() -> None:
    teacher = replace(instance(Role="teacher"), stopped_at=at(12, 28, 9))
    student = instance("i-0aaaa1234abcd1234", Role="student")

    notice = never_healthy_notice(MEETING, [teacher, student], PLACE)

    assert notice.subject == f"Desktops never healthy: Meeting {MEETING} was ended"
    assert notice.heading == f"Meeting {MEETING} was ended: its desktops never became healthy"
    assert facts(notice) == {
        "Meeting": MEETING,
        "Reason": "NEVER_HEALTHY",
        "Teacher's desktop": ID,
        "Student's desktop": "i-0aaaa1234abcd1234",
    }
    assert [fact.more for fact in notice.facts] == ["", "", "lived 25 min", ""]
    assert action_of(notice) == links(notice)["Teacher's desktop"]


# Desktops without an address


def test_a_desktop_without_an_address_has_its_age() -> None:
    notice = no_address_notice(
        [instance(state="running", Role="student", MeetingID=MEETING)], at(12, 15, 9), PLACE
    )

    assert notice.subject == "Student's desktop without an address for 12 min"
    assert facts(notice) == {"Student's desktop": ID}
    assert notice.facts[0].more == f"running for 12 min, meeting {MEETING}"
    assert action_of(notice) == notice.facts[0].link


def test_the_subject_of_several_desktops_has_the_longest_time() -> None:
    young = replace(instance("i-0aaaa1234abcd1234", "running"), launched_at=at(12, 30, 9))
    notice = no_address_notice([young, instance(state="running")], at(12, 45, 9), PLACE)

    assert notice.subject == "2 desktops without an address for 42 min"
    listed = [(fact.label, fact.text) for fact in notice.facts]
    assert listed == [("Desktop", "i-0aaaa1234abcd1234"), ("Desktop", ID)]
    assert notice.facts[0].more == "running for 15 min"
    assert action_of(notice) == f"{EC2}#Instances:instanceState=running"


def test_at_most_40_desktops_are_listed() -> None:
    many = [instance(f"i-{number:017x}", "running") for number in range(500)]

    notice = no_address_notice(many, at(12, 45), PLACE)

    assert notice.subject.startswith("500 desktops ")
    assert len(notice.facts) == 41
    assert (notice.facts[-1].label, notice.facts[-1].text) == ("And", "460 more")


# A deployment

S3 = {"s3Location": {"bucket": "releases", "key": "shop/shop-1.4.2.zip", "version": "rXm1l0vH"}}
COMMIT = "5f1c2a9d8e7b6a5f4c3d2e1f0a9b8c7d6e5f4a3b"
GITHUB = {"gitHubLocation": {"repository": "acme/shop", "commitId": COMMIT}}
SUCCEEDED = {"revision": S3, "startTime": at(15, 20, 3), "completeTime": at(15, 24, 30)}
FAILED = {
    "revision": GITHUB,
    "createTime": at(15, 20),
    "errorInformation": {"code": "HEALTH_CONSTRAINTS", "message": "Too few healthy instances."},
    "deploymentOverview": {"Pending": 0, "InProgress": 1, "Succeeded": 1, "Failed": 2},
    "rollbackInfo": {"rollbackMessage": "Rolled back."},
}


def test_a_deployment_that_succeeded_has_its_revision_and_duration() -> None:
    change = read_deployment(event("codedeploy-success"), PLACE)

    notice = deployment_notice(change, Deployment.parse(SUCCEEDED), PLACE)

    assert notice.is_good
    assert notice.subject == "shop 1.4.2 deployed to production"
    assert facts(notice) == {
        "Application": "shop",
        "Deployment group": "production",
        "Version": "1.4.2",
        "Revision": "s3://releases/shop/shop-1.4.2.zip",
        "S3 version": "rXm1l0vH",
        "Deployment": "d-A1B2C3D4E",
        "When": "21 Nov 2026, 15:24:31 UTC",
        "Duration": "4 min 27 s",
    }
    assert links(notice) == {
        "Deployment": f"{CONSOLE}/codesuite/codedeploy/deployments/d-A1B2C3D4E?region=us-west-2"
    }


def test_a_deployment_that_failed_has_its_error() -> None:
    change = read_deployment(event("codedeploy-failure"), PLACE)

    notice = deployment_notice(change, Deployment.parse(FAILED), PLACE)

    assert not notice.is_good
    assert notice.subject == "shop 5f1c2a9 FAILED on production"
    assert facts(notice) | {"Deployment": ""} == {
        "Application": "shop",
        "Deployment group": "production",
        "Version": "5f1c2a9",
        "Revision": f"acme/shop@{COMMIT}",
        "Deployment": "",
        "When": "21 Nov 2026, 15:24:31 UTC",
        "Duration": "4 min 31 s",
        "Error": "HEALTH_CONSTRAINTS",
        "Instances": "1 in progress, 1 succeeded, 2 failed",
    }
    assert links(notice)["Revision"] == f"https://github.com/acme/shop/commit/{COMMIT}"
    assert (notice.quote, notice.advice) == ("Too few healthy instances.", "Rolled back.")


def test_a_deployment_that_succeeded_has_no_error() -> None:
    change = read_deployment(event("codedeploy-success"), PLACE)

    notice = deployment_notice(change, Deployment.parse(FAILED), PLACE)

    assert not {"Error", "Instances"} & facts(notice).keys()
    assert (notice.quote, notice.advice) == ("", "")


@pytest.mark.parametrize("described", [None, {}, {"startTime": at(15, 20)}])
def test_what_is_not_known_of_a_deployment_is_left_out(
    described: dict[str, object] | None,
) -> None:
    change = replace(read_deployment(event("codedeploy-failure"), PLACE), at=None)
    deployment = None if described is None else Deployment.parse(described)

    notice = deployment_notice(change, deployment, PLACE)

    assert notice.subject == "shop FAILED on production"
    assert notice.summary == "The deployment failed."
    assert list(facts(notice)) == ["Application", "Deployment group", "Deployment"]

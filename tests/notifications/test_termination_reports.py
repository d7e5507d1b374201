"""People are told of instances that failed, of the groups and of the project, and of no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import NEVER_HEALTHY
from chalicelib.notifications.termination_reports import NotEndedError
from tests.notifications.office import event, run_of

if TYPE_CHECKING:
    from tests.notifications.office import Office

RUN = run_of("notify_instance_termination")
CHECK = "autoscaling-elb-health-check"


def test_an_instance_of_a_group_that_failed_a_check_is_told_with_its_name(office: Office) -> None:
    instance_id = office.world.launch(Project="", Name="web-3")
    office.world.terminate(instance_id)

    result = office.terminated(CHECK, EC2InstanceId=instance_id)

    assert office.subjects == ["web-3 terminated: ELB system health check failed (web)"]
    assert result == {
        "action": "notified",
        "reason": office.subjects[0],
        "instance_id": instance_id,
        "message_id": office.mails[0].id,
    }
    assert "Lived" in office.mails[0].body


def test_an_instance_that_ec2_has_forgotten_is_told_without_its_name(office: Office) -> None:
    assert office.terminated("autoscaling-status-check")["action"] == "notified"

    assert office.subjects == [
        "i-0fedcba9876543210 terminated: EC2 instance status check failed (workers)"
    ]


def test_an_instance_that_a_smaller_group_had_no_room_for_is_not_told(office: Office) -> None:
    result = office.terminated("autoscaling-scale-in")

    assert result["action"] == "ignored"
    assert result["reason"].startswith("it did not fail a check: At 2026-11-21T15:48:47Z a monitor")
    assert office.mails == []
    assert office.faults.calls == []


def test_every_cause_is_told_where_it_is_asked_for(office: Office) -> None:
    reports = office.terminations(TERMINATION_CAUSES="all")

    assert reports.handle(event("autoscaling-scale-in"), RUN)["action"] == "notified"
    kept = event("autoscaling-scale-in", Destination="WarmPool") | {"id": "another"}
    assert reports.handle(kept, RUN)["reason"] == (
        "it returned to the warm pool and was not terminated"
    )
    assert office.subjects == ["i-0123456789abcdef0 terminated: ended by its group (web)"]


def test_a_group_that_is_not_watched_any_more_is_not_told_of(office: Office) -> None:
    result = office.terminated(CHECK, AutoScalingGroupName="another")

    assert (result["action"], result["reason"]) == ("ignored", "group 'another' is not watched")


@pytest.mark.parametrize("code", ["Server.InternalError", "Client.VolumeLimitExceeded"])
def test_a_desktop_that_failed_is_told(office: Office, code: str) -> None:
    desktop = office.ended(code, "The words of AWS", Role="teacher", MeetingID="m1")

    assert office.terminated("ec2-terminated", **{"instance-id": desktop})["action"] == "notified"

    assert office.subjects == [f"Teacher's desktop failed: {code} (meeting m1)"]
    assert "The words of AWS" in office.mails[0].body


def test_a_desktop_that_the_project_ended_is_not_told(office: Office) -> None:
    desktop = office.world.desktop()
    office.world.terminate(desktop)

    result = office.terminated("ec2-terminated", **{"instance-id": desktop})

    assert result == {
        "action": "ignored",
        "reason": "it did not fail: Client.UserInitiatedShutdown",
        "instance_id": desktop,
    }
    assert office.mails == []


def test_a_desktop_of_which_ec2_does_not_say_why_it_ended_is_not_told(office: Office) -> None:
    desktop = office.ended("")

    result = office.terminated("ec2-terminated", **{"instance-id": desktop})

    assert result["reason"] == "it did not fail: EC2 gives no reason for its termination"


def test_whatever_groups_are_told_of_a_desktops_usual_end_is_not(office: Office) -> None:
    desktop = office.ended("Client.UserInitiatedShutdown")
    found = event("ec2-terminated", **{"instance-id": desktop})

    reports = office.terminations(TERMINATION_CAUSES="all")

    assert reports.handle(found, RUN)["action"] == "ignored"


@pytest.mark.parametrize("tags", [{"Project": "Giraffe"}, {"elephant:owner": "elephant:dev"}])
def test_an_instance_of_others_is_none_of_our_business(
    office: Office, tags: dict[str, str]
) -> None:
    other = office.ended("Server.InternalError", **tags)

    result = office.terminated("ec2-terminated", **{"instance-id": other})

    assert (result["action"], result["reason"]) == ("ignored", "it is not this stage's")


def test_an_instance_that_ec2_has_forgotten_is_nobodys(office: Office) -> None:
    assert office.terminated("ec2-terminated")["reason"] == "EC2 no longer knows it"


def test_a_description_that_is_behind_the_event_is_asked_for_again(office: Office) -> None:
    desktop = office.world.desktop()

    with pytest.raises(NotEndedError, match=r"still describes .* as running"):
        office.terminated("ec2-terminated", **{"instance-id": desktop})
    assert office.world.reports.lines[-1][2] == {"Failed": 1}


@pytest.mark.parametrize("shape", [None, [], {}, {"source": "aws.autoscaling"}])
def test_an_event_of_any_shape_is_answered(office: Office, shape: Any) -> None:  # noqa: ANN401
    result = office.terminations().handle(shape, RUN)

    assert result["action"] == "ignored"
    assert "instance_id" not in result
    assert office.world.reports.lines[-1][0] == "succeeded"
    assert office.world.reports.lines[-1][2] == {"Ignored": 1, "Warnings": 0}


def test_an_ec2_that_does_not_answer_is_asked_again_by_lambda(office: Office) -> None:
    office.faults.refused = {("describe_instances", "")}

    with pytest.raises(ClientError):
        office.terminated(CHECK)
    assert office.sent() == {}


# Meetings whose desktops never became healthy

NORMAL = "Client.UserInitiatedShutdown"


def end_of(office: Office, desktop: str, number: int = 1) -> dict[str, Any]:
    """Handle the event of a desktop's end; each number is an event of its own."""
    ended = event("ec2-terminated", **{"instance-id": desktop}) | {"id": f"event-{number}"}
    run = run_of("notify_instance_termination", request=str(number))
    return office.terminations().handle(ended, run)


@pytest.fixture
def unhealthy(office: Office) -> Office:
    """Have a stage with meetings, of which m1 was ended because it was never healthy."""
    office.has_meetings = True
    office.world.put_row(status="TERMINATED", termination_reason=NEVER_HEALTHY)
    return office


def test_a_meeting_that_was_never_healthy_is_told_once_with_both_desktops(
    unhealthy: Office,
) -> None:
    teacher, student = (
        unhealthy.ended(NORMAL, Role=role, MeetingID="m1") for role in ("teacher", "student")
    )
    other = unhealthy.ended(
        NORMAL, Role="teacher", MeetingID="m1", **{"elephant:owner": "elephant:dev"}
    )

    results = [end_of(unhealthy, teacher)]
    assert unhealthy.faults.calls.count("get_item") == 1
    results += [
        end_of(unhealthy, desktop, number)
        for number, desktop in [(1, teacher), (2, student), (3, other)]
    ]

    assert [each["action"] for each in results] == ["notified", "unchanged", "unchanged", "ignored"]
    assert unhealthy.subjects == ["Desktops never healthy: Meeting m1 was ended"]
    body = unhealthy.mails[0].body
    assert [each in body for each in (teacher, student, other)] == [True, True, False]


@pytest.mark.parametrize("row", [None, "NO_SHOW_TIMEOUT", ""])
def test_of_a_meeting_that_ended_otherwise_nothing_is_told(office: Office, row: str | None) -> None:
    office.has_meetings = True
    if row is not None:
        office.world.put_row(status="TERMINATED", termination_reason=row)
    desktop = office.ended(NORMAL, MeetingID="m1")

    assert end_of(office, desktop)["reason"] == f"it did not fail: {NORMAL}"
    assert office.mails == []


def test_a_stage_without_meetings_and_a_desktop_without_one_read_no_row(
    unhealthy: Office,
) -> None:
    spare = unhealthy.ended(NORMAL)
    assert end_of(unhealthy, spare)["action"] == "ignored"
    unhealthy.has_meetings = False
    desktop = unhealthy.ended(NORMAL, MeetingID="m1")

    assert end_of(unhealthy, desktop, 2)["action"] == "ignored"
    assert unhealthy.mails == []


def test_a_desktop_that_failed_by_itself_is_told_of_as_such(unhealthy: Office) -> None:
    desktop = unhealthy.ended("Server.InternalError", Role="teacher", MeetingID="m1")

    end_of(unhealthy, desktop)

    assert unhealthy.subjects == ["Teacher's desktop failed: Server.InternalError (meeting m1)"]


def test_a_row_that_cannot_be_read_is_read_again_by_lambda(unhealthy: Office) -> None:
    desktop = unhealthy.ended(NORMAL, Role="teacher", MeetingID="m1")
    unhealthy.faults.refused = {("get_item", "m1")}

    with pytest.raises(ClientError):
        end_of(unhealthy, desktop)
    assert unhealthy.world.reports.lines[-1][2] == {"Failed": 1}
    unhealthy.faults.refused = set()

    assert end_of(unhealthy, desktop)["action"] == "notified"

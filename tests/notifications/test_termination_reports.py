"""Failed instances of the groups and of the project become e-mails, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import NEVER_HEALTHY
from chalicelib.notifications.termination_reports import NotEndedError
from tests.notifications.harness import event, run_of

if TYPE_CHECKING:
    from tests.notifications.harness import Stage

RUN = run_of("notify_instance_termination")
CHECK, SCALE_IN = "autoscaling-elb-health-check", "autoscaling-scale-in"
NORMAL = "Client.UserInitiatedShutdown"


def end_of(stage: Stage, desktop: str, number: int = 1) -> dict[str, Any]:
    """Handle the event of a desktop's termination."""
    return stage.terminated("ec2-terminated", number, **{"instance-id": desktop})


def test_an_instance_of_a_group_that_failed_a_check_is_reported_by_name(stage: Stage) -> None:
    instance_id = stage.world.launch(Project="", Name="web-3")
    stage.world.terminate(instance_id)

    result = stage.terminated(CHECK, EC2InstanceId=instance_id)

    assert stage.subjects == ["web-3 terminated: ELB system health check failed (web)"]
    assert result == {
        "action": "notified",
        "reason": stage.subjects[0],
        "instance_id": instance_id,
        "message_id": stage.mails[0].id,
    }
    assert "Lived" in stage.mails[0].body


@pytest.mark.parametrize("has_meetings", [False, True])
def test_a_desktop_that_failed_is_reported(stage: Stage, *, has_meetings: bool) -> None:
    if has_meetings:
        make_unhealthy(stage)
    desktop = stage.ended(
        "Server.InternalError", "The words of AWS", Role="teacher", MeetingID="m1"
    )

    assert end_of(stage, desktop)["action"] == "notified"
    assert stage.subjects == ["Teacher's desktop failed: Server.InternalError (meeting m1)"]
    assert "The words of AWS" in stage.mails[0].body


def test_every_cause_is_reported_where_the_stage_asks_for_it(stage: Stage) -> None:
    reports = stage.functions(TERMINATION_CAUSES="all").notifications.termination_reports

    assert reports.handle(event(SCALE_IN), RUN)["action"] == "notified"
    kept = event(SCALE_IN, Destination="WarmPool") | {"id": "another"}
    assert reports.handle(kept, RUN)["reason"] == (
        "it returned to the warm pool and was not terminated"
    )
    desktop = stage.ended(NORMAL)  # which concerns groups only
    found = event("ec2-terminated", **{"instance-id": desktop})
    assert reports.handle(found, RUN)["action"] == "ignored"
    assert stage.subjects == ["i-0123456789abcdef0 terminated: ended by its group (web)"]


@pytest.mark.parametrize(
    ("name", "detail", "reason", "calls"),
    [
        (SCALE_IN, {}, "it did not fail a check: At 2026-11-21T15:48:47Z a monitor", []),
        (CHECK, {"AutoScalingGroupName": "another"}, "group 'another' is not watched", []),
        ("ec2-terminated", {}, "EC2 no longer knows it", ["describe_instances"]),
    ],
    ids=["a smaller group", "another group", "unknown"],
)
def test_an_event_without_a_failure_is_ignored(
    stage: Stage, name: str, detail: dict[str, Any], reason: str, calls: list[str]
) -> None:
    result = stage.terminated(name, **detail)

    assert result["action"] == "ignored"
    assert result["reason"].startswith(reason)
    assert (stage.mails, stage.faults.calls) == ([], calls)


@pytest.mark.parametrize(
    ("code", "tags", "reason"),
    [
        (NORMAL, {}, f"it did not fail: {NORMAL}"),
        ("", {}, "it did not fail: EC2 gives no reason for its termination"),
        ("Server.InternalError", {"Project": "Giraffe"}, "it is not this stage's"),
        ("Server.InternalError", {"elephant:owner": "elephant:dev"}, "it is not this stage's"),
    ],
)
def test_a_desktop_that_did_not_fail_or_is_not_ours_is_ignored(
    stage: Stage, code: str, tags: dict[str, str], reason: str
) -> None:
    desktop = stage.ended(code, **tags)

    ignored = {"action": "ignored", "reason": reason, "instance_id": desktop}
    assert end_of(stage, desktop) == ignored
    assert stage.mails == []


def test_a_description_that_is_behind_the_event_is_left_to_lambdas_retry(stage: Stage) -> None:
    desktop = stage.world.desktop()

    with pytest.raises(NotEndedError, match=r"still describes .* as running"):
        end_of(stage, desktop)
    assert stage.world.reports.lines[-1][2] == {"Failed": 1}


# Meetings whose desktops never became healthy


def make_unhealthy(stage: Stage, reason: str = NEVER_HEALTHY) -> None:
    """Have meetings, of which m1 was ended."""
    stage.has_meetings = True
    stage.world.put_row(status="TERMINATED", termination_reason=reason)


def test_a_meeting_that_was_never_healthy_is_reported_once_with_both_desktops(
    stage: Stage,
) -> None:
    make_unhealthy(stage)
    owners = "elephant:test/us-west-2", "elephant:test/us-west-2", "elephant:dev"
    desktops = [
        stage.ended(NORMAL, Role="teacher", MeetingID="m1", **{"elephant:owner": owner})
        for owner in owners
    ]

    results = [end_of(stage, desktops[0])]
    assert stage.faults.calls.count("get_item") == 1
    results += [end_of(stage, desktop, number) for number, desktop in enumerate(desktops, 2)]

    actions = [each["action"] for each in results]
    assert actions == ["notified", "unchanged", "unchanged", "ignored"]
    assert stage.subjects == ["Desktops never healthy: Meeting m1 was ended"]
    assert [each in stage.mails[0].body for each in desktops] == [True, True, False]


@pytest.mark.parametrize("reason", [None, "NO_SHOW_TIMEOUT", ""])
def test_a_meeting_that_ended_otherwise_is_not_reported(stage: Stage, reason: str | None) -> None:
    stage.has_meetings = True
    if reason is not None:
        make_unhealthy(stage, reason)
    desktop = stage.ended(NORMAL, MeetingID="m1")

    assert end_of(stage, desktop)["reason"] == f"it did not fail: {NORMAL}"
    assert stage.mails == []


@pytest.mark.parametrize(
    ("has_meetings", "tags"), [(True, {}), (False, {"MeetingID": "m1"})], ids=["spare", "without"]
)
def test_a_desktop_without_a_meeting_and_a_stage_without_meetings_read_no_row(
    stage: Stage, tags: dict[str, str], *, has_meetings: bool
) -> None:
    make_unhealthy(stage)
    stage.has_meetings = has_meetings

    assert end_of(stage, stage.ended(NORMAL, **tags))["action"] == "ignored"
    assert (stage.mails, stage.faults.calls) == ([], ["describe_instances"])


def test_a_row_that_cannot_be_read_is_left_to_lambdas_retry(stage: Stage) -> None:
    make_unhealthy(stage)
    desktop = stage.ended(NORMAL, Role="teacher", MeetingID="m1")
    stage.faults.refused = {("get_item", "")}

    with pytest.raises(ClientError):
        end_of(stage, desktop)
    assert stage.sent() == {}
    assert stage.world.reports.lines[-1][2] == {"Failed": 1}

    stage.faults.refused = set()
    assert end_of(stage, desktop)["action"] == "notified"

"""A schedule names a meeting; its desktops are started once, or it is ended with an alarm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.clock import format_time
from chalicelib.ec2.desktops import DesktopOrder
from chalicelib.ec2.images import devices_of
from chalicelib.meeting_row.meeting import ROLES, Meeting
from tests.meetings.faults import LOST, REFUSED
from tests.meetings.launches import (
    API_URL,
    BEGINNING,
    GROUP,
    ID,
    MEETINGS,
    SETTINGS,
    Cloud,
    Invocation,
    launch,
)
from tests.simulation.ec2 import ZONES
from tests.simulation.names import IMAGE
from tests.world import Context, make_settings

# The whole of it


def test_a_meeting_that_is_due_gets_two_desktops_which_its_row_names(cloud: Cloud) -> None:
    """What becomes of the request at EC2 is tested with the request itself."""
    cloud.put_row(student_name="Zoë")
    asked = {"INSTANCE_TYPE": "g4dn.xlarge", "KEY_NAME": "mine", "VOLUME_GB": "80"}

    result = launch(
        cloud, settings=make_settings(**MEETINGS, **asked, VPC_ID="vpc-01234567")
    ).outcome

    desktops = {each.view.tag("Role"): each.id for each in cloud.hosts.values()}
    assert result == {
        "action": "launched",
        "reason": "its desktops were started",
        "meeting_id": ID,
        "desktops": desktops,
    }
    noted = {f"{role}_ec2_id": each for role, each in desktops.items()}
    expected = {"status": "LAUNCHED", "student_name": "Zoë", **noted}
    assert cloud.row().items() >= expected.items()
    fields = {"request_id": Context().aws_request_id, **result}
    assert cloud.reports.lines == [("succeeded", fields, {"Launched": 2, "Warnings": 0})]
    vpc = {"Name": "vpc-id", "Values": ["vpc-01234567"]}
    assert cloud.subnets_asked_for == [vpc, {"Name": "state", "Values": ["available"]}]
    for role, request in zip(ROLES, cloud.requests, strict=True):
        order = DesktopOrder(
            meeting_id=ID,
            role=role,
            image_id=IMAGE,
            instance_type="g4dn.xlarge",
            profile="elephant-test-desktop",
            security_group_ids=(GROUP,),
            devices=devices_of(cloud.image(), 80),
            project_tag=SETTINGS.project_tag,
            owner=SETTINGS.owner,
            key_name="mine",
            api_url=API_URL,
        )
        assert request == order.request(request["NetworkInterfaces"][0]["SubnetId"])


def test_a_repeated_launch_changes_nothing_and_each_run_has_a_lease_of_its_own(
    cloud: Cloud,
) -> None:
    launch(cloud)
    row = cloud.row()

    again = launch(cloud)

    assert again.outcome["action"] == "unchanged"
    assert again.calls == ["get_item"]
    assert cloud.row() == row
    assert len(cloud.hosts) == 2
    cloud.put_row()
    launch(cloud)
    assert cloud.row()["launch_lease"].split()[1] != row["launch_lease"].split()[1]


@pytest.mark.parametrize("meanwhile", ["", "DNS_WRITTEN"])
def test_a_row_that_has_its_desktops_becomes_launched_unless_it_is_further(
    cloud: Cloud, meanwhile: str
) -> None:
    """The watchdog may write between read and write."""
    cloud.put_row(teacher_ec2_id="i-0123456789abcdef0", student_ec2_id="i-01234567")
    change = {1: lambda: cloud.change_row(status=meanwhile or "SCHEDULED")}

    assert launch(cloud, meanwhile=change).outcome["action"] == "unchanged"
    assert cloud.row()["status"] == (meanwhile or "LAUNCHED")


# Too many desktops


def entry(meeting: str, starts: float, **more: str) -> dict[str, Any]:
    """Make another meeting of the index, which starts so many minutes after the beginning."""
    start = format_time(BEGINNING + timedelta(minutes=starts))
    return dict(Meeting.made(meeting, {"meet_time": start, "duration_minutes": "60"} | more).item)


BEGUN = {"launch_begun_at": "2026-11-21T15:00:00.000+00:00"}
OTHERS: list[tuple[list[dict[str, Any]], bool]] = [
    ([entry("first", -20)], False),
    ([entry("aaa", 10)], False),  # at the same time; the ids decide
    ([entry("zzz", 10, **BEGUN)], False),
    ([entry("zzz", 10)], True),
    ([entry("first", -60)], True),  # over when this one's desktops start
    ([entry("first", -20, termination_reason="CANCELLED")], True),
    ([entry("first", -20, meet_time="soon")], True),
    ([entry(ID, 10)], True),
]


@pytest.mark.parametrize(("others", "is_launched"), OTHERS)
def test_a_meeting_is_not_launched_if_its_desktops_were_too_many(
    cloud: Cloud, others: list[dict[str, Any]], *, is_launched: bool
) -> None:
    cloud.agenda = others

    run = launch(cloud, settings=make_settings(**MEETINGS, MAX_DESKTOPS="3"))

    assert len(cloud.living()) == (2 if is_launched else 0)
    if not is_launched:
        assert run.failure.startswith("LaunchFailedError: not launched, and the meeting was ended")
        assert "MAX_DESKTOPS" in run.failure
        assert cloud.row()["termination_reason"] == "DESKTOP_LIMIT"
        assert cloud.row()["status"] == "TERMINATED"


@pytest.mark.parametrize(
    ("state", "starts", "action"),
    [
        ("running", 7.4, "LaunchFailedError: not launched, and the meeting was ended"),
        ("running", 7.6, "LaunchDelayedError: not launched yet: at most 3 desktops"),
        ("terminated", 7.4, "launched"),
    ],
)
def test_desktops_that_no_index_knows_are_waited_for_and_then_count_as_well(
    cloud: Cloud, state: str, starts: float, action: str
) -> None:
    """They may be those of a meeting that has just ended."""
    cloud.put_row(starts)
    for role in ("teacher", "student"):
        other = cloud.launch(MeetingID="another", Role=role, Project="Elephant")
        cloud.change(other, state=state)
    cloud.launch(Name="no desktop", Project="Elephant")
    cloud.put_desktop()  # its own, from a launch that died

    run = launch(cloud, settings=make_settings(**MEETINGS, MAX_DESKTOPS="3"))

    said = run.failure if run.error else run.outcome["action"]
    assert said.startswith(action)
    assert ("termination_reason" in cloud.row()) == ("LaunchFailedError" in action)


def test_a_meeting_that_was_booked_at_short_notice_is_waited_for_as_long(cloud: Cloud) -> None:
    """Its launch could not come earlier than a minute after the booking."""
    booked = BEGINNING - timedelta(minutes=1, seconds=30)
    cloud.put_row(3, scheduled_at=format_time(booked))
    for role in ("teacher", "student"):
        cloud.launch(MeetingID="another", Role=role, Project="Elephant")

    run = launch(cloud, settings=make_settings(**MEETINGS, MAX_DESKTOPS="2"))

    assert run.failure.startswith("LaunchDelayedError: not launched yet")
    assert "termination_reason" not in cloud.row()


def test_a_launch_that_has_begun_goes_on_even_if_the_meeting_is_moved(cloud: Cloud) -> None:
    cloud.put_row(60, launch_begun_at="2026-11-21T14:59:00.000+00:00")

    assert launch(cloud).outcome["action"] == "launched"


def test_a_meeting_that_is_moved_just_before_its_launch_is_not_launched(cloud: Cloud) -> None:
    later = format_time(BEGINNING + timedelta(hours=2))

    run = launch(cloud, meanwhile={3: lambda: cloud.change_row(meet_time=later)})

    assert run.outcome["action"] == "ignored"
    assert cloud.hosts == {}


# What is not launched


UNCLAIMED = "its status is TERMINATED without a termination_reason: it is left to the safety net"
OVER = {"status": "TERMINATED", "termination_reason": "SUCCESS"}
UNFIT: dict[str, tuple[float, dict[str, str] | None, str]] = {
    "unknown": (10, None, "no such meeting"),
    "not due": (12, {}, "it is not due before 2026-11-21T15:02:00Z"),
    "too late": (-180, {}, "its longest time is over"),
    "over": (10, OVER, "the meeting is over: SUCCESS"),
    # Without a claim people may be in it, so nothing is ended either.
    "not claimed": (10, {"status": "TERMINATED"}, UNCLAIMED),
}


@pytest.mark.parametrize(("starts", "row", "reason"), UNFIT.values(), ids=UNFIT)
def test_a_meeting_that_is_not_to_be_launched_gets_no_desktops(
    cloud: Cloud, starts: float, row: dict[str, str] | None, reason: str
) -> None:
    if row is None:
        cloud.items.clear()
    else:
        cloud.put_row(starts, **row)
    left = [] if "termination_reason" in (row or {}) else [cloud.put_desktop()]
    before = cloud.row()

    ignored = launch(cloud)

    warnings = {"warnings": [reason]} if row == {} else {}
    assert ignored.outcome == {
        "action": "ignored", "reason": reason, "meeting_id": ID, **warnings
    }  # fmt: skip
    assert cloud.reports.lines[0][2] == {"Ignored": 1, "Warnings": len(warnings)}
    assert (cloud.living(), cloud.row(), "run_instances" in ignored.calls) == (left, before, False)


def test_what_was_never_confirmed_as_a_meeting_gets_no_desktops(cloud: Cloud) -> None:
    """Its request died half-way: nobody has the links, unless the request is repeated."""
    cloud.put_row(request_hash="0" * 64)

    failed = launch(cloud)

    assert failed.failure.startswith("LaunchDelayedError: ")
    assert "was never confirmed" in failed.failure
    assert failed.calls == ["get_item"]


def test_an_end_that_was_cut_short_is_completed(cloud: Cloud) -> None:
    cloud.put_row(status="LAUNCHED", termination_reason="NO_SHOW_TIMEOUT")
    desktop = cloud.put_desktop()

    result = launch(cloud).outcome

    assert (result["action"], result["ended"]) == ("ended", [desktop])
    assert cloud.living() == []
    assert cloud.row()["status"] == "TERMINATED"
    assert cloud.reports.lines[0][2] == {"Ended": 1, "Warnings": 0}


# What fails


@pytest.mark.parametrize("starts", [10, -10, -50], ids="{} minutes".format)
def test_what_does_not_pass_ends_the_meeting_with_the_third_try_however_late_the_first(
    cloud: Cloud, starts: float
) -> None:
    cloud.put_row(starts)
    fault: dict[str, Any] = {"refused": {("run_instances", "")}, "code": "InstanceLimitExceeded"}
    for pause in (60, 120):
        assert launch(cloud, **fault).failure.startswith("LaunchDelayedError")
        cloud.pass_time(pause)

    failure = launch(cloud, **fault).failure

    assert failure.startswith("LaunchFailedError: not launched, and the meeting was ended: ")
    assert "InstanceLimitExceeded" in failure
    assert cloud.row()["status"] == "TERMINATED"
    assert cloud.row()["termination_reason"] == "LAUNCH_FAILED"
    assert launch(cloud).outcome["action"] == "ignored"


# Rows that change under it


@pytest.mark.parametrize(("first", "what"), [(0, "done"), (8, "written")])
def test_a_row_that_changes_at_every_look_is_left_to_the_next_try(
    cloud: Cloud, first: int, what: str
) -> None:
    """From the beginning, or while the first desktop is started."""

    def write(position: int) -> None:
        if position >= first:
            cloud.change_row(status=f"X{position}")

    failure = launch(cloud, before_each=write).failure

    assert failure.startswith("LaunchDelayedError")
    assert f"kept changing; nothing was {what}" in failure
    assert bool(cloud.hosts) is (what == "written")


def test_a_row_that_is_removed_meanwhile_leaves_nothing_running(cloud: Cloud) -> None:
    run = launch(cloud, meanwhile={9: cloud.items.clear})

    assert run.outcome == {
        "action": "ended",
        "reason": "its row was removed concurrently",
        "meeting_id": ID,
        "ended": [next(iter(cloud.hosts))],
    }
    assert cloud.living() == []
    assert cloud.items == {}


def give_up(cloud: Cloud, meanwhile: dict[int, dict[str, str] | None]) -> Invocation:
    """Refuse the second desktop; the row is then changed before calls, or removed."""

    def change(position: int) -> None:
        if cloud.hosts:
            cloud.refusals = {subnet: ["AuthFailure"] for subnet in ZONES}
        texts = meanwhile.get(position, {})
        if texts is None:
            cloud.items.clear()
        else:
            cloud.change_row(**texts)

    return launch(cloud, before_each=change)


@pytest.mark.parametrize("position", [12, 13])
@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({}, ("the meeting was ended", "TERMINATED", 0)),
        ({"status": "DNS_WRITTEN"}, ("the meeting was ended", "TERMINATED", 0)),
        ({"status": "IN_PROGRESS"}, ("somebody is in the meeting", "IN_PROGRESS", 1)),
        (None, ("the meeting was ended", None, 0)),
    ],
    ids=["nothing", "another status", "somebody joins", "the row is removed"],
)
def test_giving_up_depends_on_the_row_as_it_is_by_then(
    cloud: Cloud, position: int, change: dict[str, str] | None, end: tuple[str, str | None, int]
) -> None:
    """Before the row is read, and between the read and the claim."""
    run = give_up(cloud, {position: change})

    failure, status, living = end
    assert run.failure.startswith("LaunchFailedError: ")
    assert failure in run.failure
    assert cloud.row().get("status") == status
    assert len(cloud.living()) == living


def test_a_row_that_never_keeps_still_cannot_be_ended_now(cloud: Cloud) -> None:
    changes: dict[int, dict[str, str] | None] = {
        position: {"status": f"X{position}"} for position in range(12, 32)
    }

    assert "the row kept changing" in give_up(cloud, changes).failure
    assert "termination_reason" not in cloud.row()


def test_one_desktop_that_ec2_does_not_end_keeps_no_other_one_running(cloud: Cloud) -> None:
    """The meeting was claimed while both were started; EC2 refuses to end the first."""
    run = launch(cloud, meanwhile={12: cloud.claim}, faults={14: REFUSED})

    assert run.calls[14:16] == ["terminate_instances", "terminate_instances"]
    assert run.failure.startswith("TerminationError")
    assert cloud.living() == [next(iter(cloud.hosts))]
    cloud.pass_time(60)
    launch(cloud)
    assert cloud.living() == []


def test_a_desktop_that_ec2_does_not_know_for_long_is_ended_by_the_next_try(cloud: Cloud) -> None:
    cloud.lag = 30
    run = launch(cloud, meanwhile={9: cloud.claim})
    (desktop,) = cloud.living()
    assert run.failure.startswith(f"LaunchDelayedError: cannot terminate {desktop} yet")

    cloud.pass_time(60)
    assert launch(cloud).outcome["ended"] == [desktop]
    assert cloud.living() == []


def test_a_lease_that_cannot_be_given_up_ends_by_itself(cloud: Cloud) -> None:
    """EC2 does not answer, and neither does DynamoDB when the run ends its lease."""
    first = launch(cloud, faults=dict.fromkeys(range(8, 22), LOST))

    assert first.calls[9:] == ["update_item"]
    assert first.failure.startswith("LaunchDelayedError")

    cloud.pass_time(60)
    assert launch(cloud).outcome["action"] == "launched"
    assert len(cloud.hosts) == 2

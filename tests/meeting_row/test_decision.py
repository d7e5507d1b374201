"""The decision about a meeting's row: it moves forward only, and only by the desktop it has."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.ec2.instances import Instance
from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop, MeetingDecision, decide_meeting, rivals_of
from chalicelib.meeting_row.meeting import Assignment, Meeting, Status
from tests.world import DOMAIN, OWNER

ID, OTHER = "i-0123456789abcdef0", "i-0fedcba9876543210"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def link(instance_id: str) -> str:
    return f"https://{instance_id}.{DOMAIN}:8443"


def instance(
    instance_id: str, *, age: int = 0, role: str = "teacher", state: str = "running"
) -> Instance:
    tags = {"Project": "Elephant", "MeetingID": "m1", "Role": role}
    return Instance(instance_id, state, None, tags, NOW - timedelta(minutes=age))


def meeting(item: dict[str, Any] | None = None, **attributes: str) -> Meeting:
    typed = {key: {"S": value} for key, value in attributes.items()}
    return Meeting("m1", {"id": {"S": "m1"}} | typed | (item or {}))


def desktop(presence: Presence, role: str = "teacher") -> Desktop:
    assignment = Assignment("m1", role)
    found = instance(ID, role=role)
    return Desktop(ID, assignment, presence, link(ID), found, ("Project", "Elephant"), OWNER)


def rivals(
    row: Meeting, presence: Presence, rival: Instance | None = None
) -> dict[str, Instance | None]:
    """Say of every rival that it is this one."""
    return dict.fromkeys(rivals_of(desktop(presence), row), rival)


def live(row: Meeting, rival: Instance | None = None) -> MeetingDecision:
    seen = rivals(row, Presence.LIVE, rival)
    return decide_meeting(row, desktop(Presence.LIVE), seen, (), is_listed=True)


def away(row: Meeting) -> MeetingDecision:
    seen = rivals(row, Presence.AWAY)
    return decide_meeting(row, desktop(Presence.AWAY), seen, (), is_listed=True)


def ended(
    row: Meeting, *others: Instance, rival: Instance | None = None, is_listed: bool = True
) -> MeetingDecision:
    seen = rivals(row, Presence.ENDED, rival)
    return decide_meeting(row, desktop(Presence.ENDED), seen, others, is_listed=is_listed)


def written(decision: MeetingDecision) -> tuple[dict[str, str | None], str | None] | None:
    """Return the links and the status that are written, None if nothing is."""
    change = decision.change
    return (dict(change.links), change.status) if change else None


SET: dict[str, str | None] = {"teacher": link(ID)}
REMOVED: dict[str, str | None] = {"teacher": None}


@pytest.mark.parametrize("status", Status)
def test_a_link_moves_the_status_forward_only(status: str) -> None:
    expected = "DNS_WRITTEN" if status in {"SCHEDULED", "LAUNCHED"} else None

    assert written(live(meeting(status=status))) == (SET, expected)


def test_a_row_without_a_status_gets_one() -> None:
    assert written(live(meeting())) == (SET, "DNS_WRITTEN")


@pytest.mark.parametrize("odd", [{"S": "CANCELLED"}, {"S": ""}, {"NULL": True}, {"N": "3"}])
def test_a_status_that_is_not_known_is_left(odd: dict[str, Any]) -> None:
    assert written(live(meeting({"status": odd}))) == (SET, None)
    assert written(ended(meeting({"status": odd}, teacher_ec2_link=link(ID)))) == (REMOVED, None)


def test_a_row_that_is_right_is_not_written() -> None:
    row = meeting(status="IN_PROGRESS", teacher_ec2_link=link(ID))

    assert live(row) == MeetingDecision("the row is up to date")


def test_a_right_link_with_a_status_that_was_not_told_is_completed() -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_link=link(ID))

    assert written(live(row)) == ({}, "DNS_WRITTEN")


@pytest.mark.parametrize("old", [link(OTHER), f"https://{ID}.old.example.com:8443", "elsewhere"])
def test_a_wrong_link_is_replaced(old: str) -> None:
    assert written(live(meeting(status="HEALTHY", teacher_ec2_link=old))) == (SET, None)


def test_a_role_that_the_row_gives_to_another_instance_is_left_to_it() -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_id=OTHER)
    noted = instance(OTHER, age=60, state="stopped")

    assert rivals_of(desktop(Presence.LIVE), row) == (OTHER,)
    assert rivals_of(desktop(Presence.ENDED), row) == (OTHER,)
    assert live(row, noted) == MeetingDecision(f"{OTHER} has the role of teacher")
    assert ended(row, rival=noted) == MeetingDecision(f"the meeting's {OTHER} has not ended")


STRANGER = replace(instance(OTHER), tags={"MeetingID": "m1", "Role": "teacher"})


@pytest.mark.parametrize("noted", [None, instance(OTHER, state="terminated"), STRANGER])
def test_an_instance_that_ended_or_left_the_project_keeps_no_role(noted: Instance | None) -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_id=OTHER, teacher_ec2_link=link(OTHER))

    assert written(live(row, noted)) == (SET, "DNS_WRITTEN")


@pytest.mark.parametrize(
    ("noted", "status"),
    [(instance(OTHER, state="terminated"), "TERMINATED"), (STRANGER, None), (None, None)],
)
def test_a_meeting_is_not_over_while_the_noted_instance_may_be_starting(
    noted: Instance | None, status: str | None
) -> None:
    """Right after a launch EC2 may not know it, and TERMINATED is never taken back."""
    row = meeting(status="HEALTHY", teacher_ec2_id=OTHER, teacher_ec2_link=link(ID))

    assert written(ended(row, rival=noted)) == (REMOVED, status)


def test_a_desktop_whose_new_role_another_has_loses_the_link_of_its_old_one() -> None:
    row = meeting(status="HEALTHY", teacher_ec2_id=OTHER, student_ec2_link=link(ID))

    decision = live(row, instance(OTHER))

    assert decision.reason == f"{OTHER} has the role of teacher"
    assert written(decision) == ({"student": None}, None)


def test_the_instance_that_the_row_names_takes_the_link_from_any_other() -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_id=ID, teacher_ec2_link=link(OTHER))

    assert rivals_of(desktop(Presence.LIVE), row) == ()
    assert written(live(row)) == (SET, "DNS_WRITTEN")


@pytest.mark.parametrize(("age", "keeps"), [(1, False), (0, True), (-1, True)])
def test_of_two_instances_in_a_role_the_one_launched_last_has_it(age: int, *, keeps: bool) -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_link=link(OTHER))

    decision = live(row, instance(OTHER, age=age))

    assert rivals_of(desktop(Presence.LIVE), row) == (OTHER,)
    expected = None if keeps else (SET, "DNS_WRITTEN")
    assert written(decision) == expected


@pytest.mark.parametrize(
    "rival", [instance(OTHER, state="terminated"), instance(OTHER, role="student")]
)
def test_an_instance_that_no_longer_serves_in_the_role_is_no_rival(rival: Instance) -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_link=link(OTHER))

    assert written(live(row, rival)) == (SET, "DNS_WRITTEN")


def test_a_desktop_that_is_not_live_has_no_rival_for_its_link() -> None:
    row = meeting(teacher_ec2_link=link(OTHER))

    assert rivals_of(desktop(Presence.AWAY), row) == ()


def test_only_ones_own_link_is_no_rivals() -> None:
    assert rivals_of(desktop(Presence.LIVE), meeting(teacher_ec2_link=link(ID))) == ()
    assert rivals_of(desktop(Presence.LIVE), meeting()) == ()


def test_a_stop_removes_the_link_and_leaves_the_status() -> None:
    row = meeting(status="IN_PROGRESS", teacher_ec2_link=link(ID))

    assert written(away(row)) == (REMOVED, None)


@pytest.mark.parametrize("presence", [Presence.AWAY, Presence.ENDED])
def test_another_instances_link_is_left(presence: Presence) -> None:
    row = meeting(status="HEALTHY", teacher_ec2_link=link(OTHER))

    assert decide_meeting(row, desktop(presence), {}, (), is_listed=True).change is None


def test_a_link_of_an_older_domain_or_port_is_still_this_instances() -> None:
    row = meeting(status="HEALTHY", teacher_ec2_link=f"https://{ID}.old.example.com:443")

    assert written(away(row)) == (REMOVED, None)


@pytest.mark.parametrize("status", [*Status.TERMINATED.earlier, None])
def test_the_last_end_ends_the_meeting_whatever_its_status(status: str | None) -> None:
    known = {"status": {"S": status}} if status else {}
    row = meeting(known, teacher_ec2_link=link(ID))

    assert written(ended(row)) == (REMOVED, "TERMINATED")


def test_an_ended_meeting_only_loses_a_link_that_was_left() -> None:
    row = meeting(status="TERMINATED", teacher_ec2_link=link(ID))

    assert written(ended(row)) == (REMOVED, None)
    assert ended(meeting(status="TERMINATED")).reason == "the row's status is TERMINATED"


def test_an_end_after_a_stop_ends_the_meeting_though_the_link_is_gone() -> None:
    assert written(ended(meeting(status="HEALTHY"))) == ({}, "TERMINATED")


@pytest.mark.parametrize("role", ["student", "observer"])
def test_a_link_of_any_other_role_keeps_the_meeting(role: str) -> None:
    row = meeting({f"{role}_ec2_link": {"S": link(OTHER)}}, teacher_ec2_link=link(ID))

    assert written(ended(row)) == (REMOVED, None)


def test_an_empty_link_of_another_role_keeps_nothing() -> None:
    row = meeting({"student_ec2_link": {"NULL": True}}, teacher_ec2_link=link(ID))

    assert written(ended(row)) == (REMOVED, "TERMINATED")


def test_another_desktop_that_has_not_ended_keeps_the_meeting() -> None:
    row = meeting(status="HEALTHY")

    decision = ended(row, instance(OTHER, role="student", state="stopped"))

    assert decision == MeetingDecision(f"the meeting's {OTHER} has not ended")


def test_a_listing_that_shows_the_ended_desktop_alive_keeps_the_meeting() -> None:
    """Two answers that contradict each other prove nothing."""
    decision = ended(meeting(status="HEALTHY"), instance(ID))

    assert decision.reason == f"the meeting's {ID} has not ended"


def test_a_listing_without_the_ended_desktop_keeps_the_meeting() -> None:
    row = meeting(status="HEALTHY", teacher_ec2_link=link(ID))

    assert written(ended(row, is_listed=False)) == (REMOVED, None)
    untagged = replace(desktop(Presence.ENDED), instance=replace(instance(ID), tags={}))
    assert decide_meeting(row, untagged, {}, (), is_listed=False).change == ended(row).change


@pytest.mark.parametrize("noted", ["teacher_ec2_id", "student_ec2_id"])
def test_an_instance_that_the_row_names_keeps_the_meeting_until_ec2_shows_its_end(
    noted: str,
) -> None:
    row = meeting({noted: {"S": OTHER}}, status="HEALTHY", teacher_ec2_link=link(ID))

    assert written(ended(row, rival=None)) == (REMOVED, None)
    assert written(ended(row, rival=instance(OTHER, state="stopped"))) == (REMOVED, None)
    assert written(ended(row, rival=instance(OTHER, state="terminated"))) == (
        REMOVED,
        "TERMINATED",
    )


def test_a_condition_stays_as_short_as_dynamodb_takes_it() -> None:
    many = {f"r{number}_ec2_link": {"S": link(ID)} for number in range(300)}
    change = ended(meeting(many, status="HEALTHY", teacher_ec2_link=link(ID))).change

    assert change is not None
    assert len(change.links) == len(change.relies_on) == 100
    up = live(meeting(many)).change
    assert up is not None
    assert len(up.relies_on) == 100


def test_a_write_relies_on_all_that_it_was_decided_from() -> None:
    up = live(meeting(status="LAUNCHED")).change
    down = ended(meeting(status="HEALTHY", teacher_ec2_link=link(ID))).change
    kept = ended(meeting(teacher_ec2_link=link(ID), student_ec2_link=link(OTHER))).change

    assert up is not None
    assert set(up.relies_on) == {"teacher_ec2_link", "teacher_ec2_id", "status"}
    assert down is not None
    assert set(down.relies_on) == {
        "teacher_ec2_link",
        "student_ec2_link",
        "teacher_ec2_id",
        "student_ec2_id",
        "status",
    }
    assert kept is not None
    assert set(kept.relies_on) == set(down.relies_on)
    stopped = away(meeting(status="HEALTHY", teacher_ec2_link=link(ID))).change
    assert stopped is not None
    assert set(stopped.relies_on) == {"teacher_ec2_link"}


def test_an_instance_whose_role_was_changed_has_the_link_of_its_new_role_only() -> None:
    row = meeting(status="HEALTHY", student_ec2_link=link(ID))

    assert written(live(row)) == ({"student": None, "teacher": link(ID)}, None)
    both = meeting(status="HEALTHY", student_ec2_link=link(ID), teacher_ec2_link=link(ID))
    assert written(live(both)) == ({"student": None}, None)
    assert written(ended(both)) == ({"teacher": None, "student": None}, "TERMINATED")

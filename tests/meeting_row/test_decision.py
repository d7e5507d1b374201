"""The decision about a meeting's row: it moves forward only, and only by the desktop it has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop, MeetingDecision, decide_meeting, rivals_of
from chalicelib.meeting_row.meeting import Assignment, Meeting, Status
from tests.surveys import HOUR, instance
from tests.world import OWNER, link

if TYPE_CHECKING:
    from chalicelib.ec2.instances import Instance

ID, OTHER = "i-0123456789abcdef0", "i-0fedcba9876543210"


def meeting(item: dict[str, Any] | None = None, /, **attributes: str) -> Meeting:
    typed = {key: {"S": value} for key, value in attributes.items()}
    return Meeting("m1", {"id": {"S": "m1"}} | typed | (item or {}))


def desktop(presence: Presence, role: str = "teacher") -> Desktop:
    assignment = Assignment("m1", role)
    found = instance(ID, role=role)
    return Desktop(ID, assignment, presence, link(ID), found, ("Project", "Elephant"), OWNER)


def rivals(
    row: Meeting, presence: Presence, rival: Instance | None = None
) -> dict[str, Instance | None]:
    """Describe every rival as this one."""
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


STRANGER = instance(OTHER, project=None)
STOPPED = instance(OTHER, state="stopped")
GONE = instance(OTHER, state="terminated")
OLD_DOMAIN = f"https://{ID}.old.example.com:443"


# A running desktop


@pytest.mark.parametrize("status", [*Status, None])
def test_a_link_moves_the_status_forward_only(status: str | None) -> None:
    row = meeting(**({"status": status} if status else {}))
    expected = "DNS_WRITTEN" if status in {"SCHEDULED", "LAUNCHED", None} else None

    assert written(live(row)) == (SET, expected)


@pytest.mark.parametrize("odd", [{"S": "CANCELLED"}, {"S": ""}, {"NULL": True}, {"N": "3"}])
def test_a_status_that_is_not_known_is_left(odd: dict[str, Any]) -> None:
    assert written(live(meeting({"status": odd}))) == (SET, None)
    assert written(ended(meeting({"status": odd}, teacher_ec2_link=link(ID)))) == (REMOVED, None)


def test_a_row_that_is_right_is_not_written() -> None:
    row = meeting(status="IN_PROGRESS", teacher_ec2_link=link(ID))

    assert live(row) == MeetingDecision("the row is up to date")


@pytest.mark.parametrize(
    ("attributes", "after"),
    [
        ({"status": "LAUNCHED", "teacher_ec2_link": link(ID)}, ({}, "DNS_WRITTEN")),
        ({"status": "HEALTHY", "teacher_ec2_link": link(OTHER)}, (SET, None)),
        ({"status": "HEALTHY", "teacher_ec2_link": OLD_DOMAIN}, (SET, None)),
        ({"status": "HEALTHY", "teacher_ec2_link": "elsewhere"}, (SET, None)),
        ({"status": "HEALTHY", "student_ec2_link": link(ID)}, ({"student": None, **SET}, None)),
        (
            {"status": "HEALTHY", "student_ec2_link": link(ID), "teacher_ec2_link": link(ID)},
            ({"student": None}, None),
        ),
    ],
)
def test_a_running_desktop_has_the_link_of_its_role_and_no_other(
    attributes: dict[str, str], after: tuple[dict[str, str | None], str | None]
) -> None:
    """Its role may have been changed."""
    assert written(live(meeting(**attributes))) == after


# Rivals


@pytest.mark.parametrize(
    ("attributes", "of_live"),
    [
        ({}, ()),
        ({"teacher_ec2_link": link(ID)}, ()),
        ({"teacher_ec2_link": link(OTHER)}, (OTHER,)),
        ({"teacher_ec2_id": OTHER}, (OTHER,)),
        ({"teacher_ec2_id": ID, "teacher_ec2_link": link(OTHER)}, ()),
    ],
)
def test_rivals_are_whom_the_row_names_for_the_role(
    attributes: dict[str, str], of_live: tuple[str, ...]
) -> None:
    assert rivals_of(desktop(Presence.LIVE), meeting(**attributes)) == of_live
    assert rivals_of(desktop(Presence.AWAY), meeting(**attributes)) == ()


def test_a_role_that_the_row_gives_to_another_instance_is_left_to_it() -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_id=OTHER)
    noted = instance(OTHER, "stopped")

    assert live(row, noted) == MeetingDecision(f"{OTHER} has the role of teacher")
    assert rivals_of(desktop(Presence.ENDED), row) == (OTHER,)
    assert ended(row, rival=noted) == MeetingDecision(f"the meeting's {OTHER} has not ended")


@pytest.mark.parametrize("noted", [None, GONE, STRANGER])
def test_an_instance_that_ended_or_left_the_project_keeps_no_role(noted: Instance | None) -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_id=OTHER, teacher_ec2_link=link(OTHER))

    assert written(live(row, noted)) == (SET, "DNS_WRITTEN")


@pytest.mark.parametrize(
    ("rival", "keeps"),
    [
        (instance(OTHER, age=HOUR + 1), False),
        (instance(OTHER, age=HOUR), True),
        (instance(OTHER, age=HOUR - 1), True),
        (GONE, False),
        (instance(OTHER, role="student"), False),
    ],
)
def test_of_two_instances_in_a_role_the_one_launched_last_has_it(
    rival: Instance, *, keeps: bool
) -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_link=link(OTHER))

    assert written(live(row, rival)) == (None if keeps else (SET, "DNS_WRITTEN"))


def test_the_instance_that_the_row_names_takes_the_link_from_any_other() -> None:
    row = meeting(status="LAUNCHED", teacher_ec2_id=ID, teacher_ec2_link=link(OTHER))

    assert written(live(row)) == (SET, "DNS_WRITTEN")


# A desktop that is stopped, or has ended


@pytest.mark.parametrize("old", [link(ID), OLD_DOMAIN])
def test_a_stop_removes_the_link_and_leaves_the_status(old: str) -> None:
    assert written(away(meeting(status="IN_PROGRESS", teacher_ec2_link=old))) == (REMOVED, None)


@pytest.mark.parametrize("presence", [Presence.AWAY, Presence.ENDED])
def test_another_instances_link_is_left(presence: Presence) -> None:
    row = meeting(status="HEALTHY", teacher_ec2_link=link(OTHER))

    assert decide_meeting(row, desktop(presence), {}, (), is_listed=True).change is None


@pytest.mark.parametrize("status", [*Status.TERMINATED.earlier, None])
def test_the_last_end_ends_the_meeting_in_any_status(status: str | None) -> None:
    row = meeting({"status": {"S": status}} if status else {}, teacher_ec2_link=link(ID))

    assert written(ended(row)) == (REMOVED, "TERMINATED")


@pytest.mark.parametrize(
    ("attributes", "after"),
    [
        ({"status": "HEALTHY"}, ({}, "TERMINATED")),
        ({"status": "TERMINATED", "teacher_ec2_link": link(ID)}, (REMOVED, None)),
        ({"student_ec2_link": link(OTHER), "teacher_ec2_link": link(ID)}, (REMOVED, None)),
        ({"observer_ec2_link": link(OTHER), "teacher_ec2_link": link(ID)}, (REMOVED, None)),
        ({"student_ec2_link": "", "teacher_ec2_link": link(ID)}, (REMOVED, "TERMINATED")),
        (
            {"student_ec2_link": link(ID), "teacher_ec2_link": link(ID)},
            ({"teacher": None, "student": None}, "TERMINATED"),
        ),
    ],
    ids=["stopped before", "ended before", "other role", "any role", "empty link", "both links"],
)
def test_an_end_ends_the_meeting_unless_another_role_has_a_link(
    attributes: dict[str, str], after: tuple[dict[str, str | None], str | None]
) -> None:
    assert written(ended(meeting(**attributes))) == after


@pytest.mark.parametrize("other", [instance(OTHER, "stopped", role="student"), instance(ID)])
def test_an_instance_of_the_meeting_that_has_not_ended_keeps_it(other: Instance) -> None:
    """Two answers of EC2 that contradict each other prove nothing."""
    decision = ended(meeting(status="HEALTHY"), other)

    assert decision == MeetingDecision(f"the meeting's {other.id} has not ended")


def test_the_end_of_a_terminated_meetings_desktop_changes_nothing() -> None:
    assert ended(meeting(status="TERMINATED")).reason == "the row's status is TERMINATED"


def test_a_listing_without_the_ended_desktop_keeps_the_meeting() -> None:
    row = meeting(status="HEALTHY", teacher_ec2_link=link(ID))

    assert written(ended(row, is_listed=False)) == (REMOVED, None)
    untagged = replace(desktop(Presence.ENDED), instance=replace(instance(ID), tags={}))
    assert decide_meeting(row, untagged, {}, (), is_listed=False).change == ended(row).change


@pytest.mark.parametrize("noted", ["teacher_ec2_id", "student_ec2_id"])
@pytest.mark.parametrize(
    ("rival", "status"), [(None, None), (STOPPED, None), (STRANGER, None), (GONE, "TERMINATED")]
)
def test_an_instance_that_the_row_names_keeps_the_meeting_until_ec2_shows_its_end(
    noted: str, rival: Instance | None, status: str | None
) -> None:
    """Right after a launch EC2 may not know it, and TERMINATED is never taken back."""
    row = meeting({noted: {"S": OTHER}}, status="HEALTHY", teacher_ec2_link=link(ID))

    assert written(ended(row, rival=rival)) == (REMOVED, status)


@pytest.mark.parametrize(
    ("others", "successor"),
    [
        ((), None),
        ((instance(OTHER),), OTHER),
        ((instance(OTHER, role="student"),), None),
        ((instance(OTHER, meeting="m2"),), None),
        ((STOPPED,), None),
        ((instance(OTHER, age=2 * HOUR), instance("i-0000000c", age=HOUR)), "i-0000000c"),
        ((instance("i-0000000c", age=2 * HOUR), instance(OTHER, age=HOUR)), OTHER),
    ],
)
def test_the_successor_is_the_last_launched_of_those_that_run_in_the_role(
    others: tuple[Instance, ...], successor: str | None
) -> None:
    kept, left = meeting(teacher_ec2_link=link(OTHER)), meeting(teacher_ec2_link=link(ID))

    assert ended(kept, *others, rival=GONE).successor == successor
    assert ended(left, *others).successor == successor


# What a write relies on


def relied_on(decision: MeetingDecision) -> set[str]:
    assert decision.change
    return set(decision.change.relies_on)


def test_a_write_relies_on_all_that_it_was_decided_from() -> None:
    mine = {"teacher_ec2_link", "teacher_ec2_id", "status"}
    every = mine | {"student_ec2_link", "student_ec2_id"}
    linked = meeting(status="HEALTHY", teacher_ec2_link=link(ID))

    assert relied_on(live(meeting(status="LAUNCHED"))) == mine
    assert relied_on(ended(linked)) == every
    kept = meeting(teacher_ec2_link=link(ID), student_ec2_link=link(OTHER))
    assert relied_on(ended(kept)) == every
    assert relied_on(away(linked)) == {"teacher_ec2_link"}
    assert relied_on(live(meeting(status="HEALTHY"))) == mine - {"status"}


def test_a_link_in_a_role_that_a_rival_has_goes_on_condition_that_it_is_still_there() -> None:
    row = meeting(student_ec2_link=link(ID), teacher_ec2_id=OTHER)

    decision = live(row, instance(OTHER))

    assert decision.reason == f"{OTHER} has the role of teacher"
    assert decision.change
    assert decision.change.meeting is row
    assert (dict(decision.change.links), relied_on(decision)) == (
        {"student": None},
        {"student_ec2_link"},
    )


def test_a_condition_stays_as_short_as_dynamodb_takes_it() -> None:
    many = {f"r{number}_ec2_link": {"S": link(ID)} for number in range(300)}
    down = ended(meeting(many, status="HEALTHY", teacher_ec2_link=link(ID)))

    assert down.change
    assert len(down.change.links) == len(down.change.relies_on) == 100
    assert len(relied_on(live(meeting(many)))) == 100

"""Meetings' rows: what they name, and what a change makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.ec2.instances import Instance
from chalicelib.meeting_row.meeting import REASON, Assignment, Meeting, MeetingChange, Status
from tests.surveys import row

LINK = "https://i-0123456789abcdef0.desktops.example.com:8443"


ROW = row(status="HEALTHY", teacher_ec2_link=LINK, jitsi_url="x")


def test_the_statuses_before_one_are_those_that_a_meeting_passes_first() -> None:
    assert Status.SCHEDULED.earlier == ()
    assert Status.HEALTHY.earlier == ("SCHEDULED", "LAUNCHED", "DNS_WRITTEN")
    assert set(Status.TERMINATED.earlier) == set(Status) - {"TERMINATED"}


@pytest.mark.parametrize(
    ("tags", "assignment"),
    [
        ({"MeetingID": "m1", "Role": "teacher"}, Assignment("m1", "teacher")),
        ({"MeetingID": "m1"}, None),
        ({"Role": "teacher"}, None),
        ({"MeetingID": "", "Role": "teacher"}, None),
        ({"MeetingID": "m1", "Role": ""}, None),
        ({"meetingid": "m1", "role": "teacher"}, None),
    ],
)
def test_an_assignment_needs_both_tags(tags: dict[str, str], assignment: Assignment | None) -> None:
    assert Assignment.of(Instance("i-1", "running", None, tags, datetime.now(UTC))) == assignment


@pytest.mark.parametrize(
    ("role", "is_valid"),
    [
        *((role, True) for role in ("teacher", "Student_2", "_x", "r" * 64)),
        *((role, False) for role in ("", "co-host", "2nd", "a b", "a.b", "élève", "r" * 65, "a\n")),
    ],
)
def test_a_role_is_valid_if_it_can_name_attributes(role: str, is_valid: bool) -> None:  # noqa: FBT001
    assert Assignment("m1", role).is_valid is is_valid


def test_attributes_are_found_by_role() -> None:
    found = row(
        status="HEALTHY", teacher_ec2_link=LINK, teacher_ec2_id="i-00000001", observer_ec2_link=""
    )

    assert (found.status, found.link("teacher")) == ("HEALTHY", LINK)
    assert found.instance_id("teacher") == "i-00000001"
    assert found.linked_instance("teacher") == "i-0123456789abcdef0"
    assert (found.link("observer"), found.linked_instance("student")) == (None, None)
    assert found.roles == ("teacher", "student", "observer")


def test_what_is_not_text_is_read_as_an_empty_one_and_names_no_instance() -> None:
    odd: dict[str, Any] = {"teacher_ec2_id": {"N": "1"}, "teacher_ec2_link": {"L": []}}
    found = Meeting("m1", {REASON: {"N": "1"}, **odd})

    assert (found.text(REASON), found.status, found.instance_ids) == ("", None, frozenset())


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"status": "HEALTHY", "jitsi_url": "https://i-00000001.x.example.com"}, set()),
        ({"teacher_ec2_id": "i-00000001"}, {"i-00000001"}),
        ({"student_ec2_link": "https://i-00000002.x.example.com:8443"}, {"i-00000002"}),
        (
            {"observer_ec2_id": "i-00000003", "guest_ec2_link": "https://i-00000004.x:8443"},
            {"i-00000003", "i-00000004"},
        ),
        (
            {"teacher_ec2_id": "i-00000001", "teacher_ec2_link": "https://i-00000002.x"},
            {"i-00000001", "i-00000002"},
        ),
        (
            {"teacher_ec2_id": "i-00000001", "teacher_ec2_link": "https://i-00000001.x"},
            {"i-00000001"},
        ),
        *(
            ({"teacher_ec2_id": odd, "teacher_ec2_link": f"https://{odd}.example.com:8443/"}, set())
            for odd in ("", "dcv", "i-1", "i-00000001x", "I-00000001", "i-0000000g")
        ),
    ],
)
def test_a_row_names_instances_as_launched_for_a_role_or_linked(
    attributes: dict[str, str], named: set[str]
) -> None:
    """EC2 would call anything else malformed, and the run would fail each time."""
    assert row(**attributes).instance_ids == named


def test_removing_a_link_that_is_not_there_leaves_the_row_as_it_is() -> None:
    assert MeetingChange(ROW, {"student": None}, None, ()).result == ROW


def test_a_status_that_only_the_first_of_two_changes_sets_is_kept() -> None:
    first = MeetingChange(ROW, {}, "TERMINATED", ())
    later = MeetingChange(first.result, {"teacher": None}, None, ())

    assert first.then(later).status == "TERMINATED"


def test_two_changes_become_one_that_relies_on_all_that_either_did() -> None:
    relied = ("student_ec2_link", "status")
    first = MeetingChange(ROW, {"student": None, "teacher": None}, None, relied)
    second = MeetingChange(
        first.result, {"teacher": LINK}, "DNS_WRITTEN", ("status", "teacher_ec2_link")
    )

    both = first.then(second)

    assert both.meeting == ROW
    assert both.relies_on == ("student_ec2_link", "status", "teacher_ec2_link")
    assert both.result == second.result
    assert both.summary == ("student_ec2_link removed, teacher_ec2_link set, status DNS_WRITTEN")

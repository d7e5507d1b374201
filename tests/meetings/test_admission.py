"""Nobody enters before the desktop is healthy, nobody enters an ended meeting, all are told why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from chalicelib.meeting_row.meeting import Meeting, Status
from chalicelib.meetings.admission import (
    REFUSED,
    STEPS,
    TROUBLE,
    UNKNOWN,
    Admission,
    Phase,
    admit,
)
from tests.world import link

if TYPE_CHECKING:
    from collections.abc import Mapping

A, B = "i-0123456789abcdef0", "i-0123456789abcdef1"
START = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
SOON = START - timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
LONGEST = timedelta(hours=3)


def meeting(**attributes: str) -> Meeting:
    texts = {"meet_time": "2026-11-21T15:30:00Z"} | attributes
    return Meeting("m1", {name: {"S": text} for name, text in texts.items() if text})


def admitted(
    now: datetime = SOON,
    role: str = "student",
    row: Mapping[str, str] | None = None,
    **attributes: str,
) -> Admission:
    return admit(meeting(**{**(row or {}), **attributes}), role, now, LONGEST, link)


def linked(instance_id: str = A) -> dict[str, str]:
    return {"student_ec2_id": instance_id, "student_ec2_link": link(instance_id)}


# Who may enter


@pytest.mark.parametrize("status", ["HEALTHY", "IN_PROGRESS"])
@pytest.mark.parametrize("now", [SOON, START + MINUTE, START + LONGEST + MINUTE])
def test_the_gate_is_open_with_a_link_and_a_healthy_status(now: datetime, status: str) -> None:
    found = admitted(now, status=status, row=linked())

    assert (found.phase, found.link, found.status) == (Phase.READY, link(A), status)
    assert (found.step, found.retry_after, found.warnings) == (Phase.READY, None, ())


@pytest.mark.parametrize("status", ["", "SCHEDULED", "LAUNCHED", "DNS_WRITTEN", "odd"])
def test_the_gate_is_closed_before_the_status_is_healthy(status: str) -> None:
    found = admitted(status=status, row=linked())

    assert (found.phase, found.link) == (Phase.CHECKING, None)
    assert found.status == (status or "SCHEDULED")


@pytest.mark.parametrize("status", Status)
def test_the_gate_is_closed_without_a_link_of_the_visitors_own(status: str) -> None:
    found = admitted(role="teacher", status=status, row=linked())

    assert found.link is None
    assert found.phase is not Phase.READY


@pytest.mark.parametrize("status", Status)
def test_the_gate_is_closed_once_somebody_ends_the_meeting(status: str) -> None:
    found = admitted(status=status, termination_reason="SUCCESS", row=linked())

    assert (found.phase, found.link, found.status) == (Phase.OVER, None, status)
    assert (found.step, found.retry_after) == (None, None)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "https://i-0123456789abcdef0.evil.example:8443",
        f"{link(A)}/elsewhere",
        f"{link(A)}@evil.example",
        link(A).replace("https", "http"),
        link(A).replace("8443", "443"),
        "javascript:alert(1)",
        "https://i-012.desktops.example.com:8443",
    ],
)
def test_an_address_that_is_no_desktops_own_is_not_handed_out(address: str) -> None:
    """Whoever may write the table must not be able to send people anywhere."""
    row = linked() | {"student_ec2_link": address}

    found = admitted(status="HEALTHY", row=row)

    assert (found.phase, found.link) == (Phase.ADDRESS, None)
    assert found.warnings == (
        f"student_ec2_link is not a link to a desktop of this stage: {address!r}",
    )


def test_a_desktop_that_replaced_the_launched_one_may_be_entered() -> None:
    row = linked(A) | {"student_ec2_link": link(B)}

    assert admitted(status="HEALTHY", row=row).link == link(B)


# What one waits for


@pytest.mark.parametrize(
    ("row", "before", "phase"),
    [
        ({"status": "SCHEDULED"}, 60, Phase.SCHEDULED),
        ({}, 11, Phase.SCHEDULED),
        ({"status": "SCHEDULED"}, 10, Phase.STARTING),
        ({"status": "LAUNCHED"}, 60, Phase.STARTING),
        ({"status": "LAUNCHED", "teacher_ec2_id": A}, 9, Phase.STARTING),
        ({"status": "SCHEDULED", "student_ec2_id": A}, 9, Phase.ADDRESS),
        ({"status": "IN_PROGRESS", "student_ec2_id": A}, 9, Phase.ADDRESS),
        ({"status": "DNS_WRITTEN", **linked()}, 9, Phase.CHECKING),
    ],
)
def test_a_visitor_is_told_how_far_the_own_desktop_is(
    row: dict[str, str], before: int, phase: Phase
) -> None:
    found = admitted(START - before * MINUTE, row=row)

    assert (found.phase, found.step) == (phase, phase)
    assert found.message


@pytest.mark.parametrize("row", [{}, {"student_ec2_id": A}, {**linked(), "status": "DNS_WRITTEN"}])
def test_from_the_start_on_a_desktop_is_late(row: dict[str, str]) -> None:
    just_before, at_start = admitted(START - MINUTE, row=row), admitted(START, row=row)

    assert just_before.phase is not Phase.LATE
    assert (at_start.phase, at_start.step) == (Phase.LATE, just_before.step)
    assert "not ready 15 minutes after the start, the meeting is ended" in at_start.message


def test_a_meeting_that_nobody_entered_in_its_longest_time_has_passed() -> None:
    row = {"status": "LAUNCHED", "student_ec2_id": A}

    assert admitted(START + LONGEST - MINUTE, row=row).phase is Phase.LATE
    found = admitted(START + LONGEST, row=row)

    assert (found.phase, found.status) == (Phase.OVER, "LAUNCHED")
    assert "has passed" in found.message
    assert found.retry_after is None


def test_what_is_wrong_with_a_link_is_told_of_a_meeting_that_has_passed_too() -> None:
    found = admitted(START + LONGEST, student_ec2_link="https://evil.example")

    assert len(found.warnings) == 1


@pytest.mark.parametrize("meet_time", ["", "tomorrow"])
def test_without_a_readable_time_nothing_is_late(meet_time: str) -> None:
    assert admitted(meet_time=meet_time, status="SCHEDULED").phase is Phase.SCHEDULED
    assert admitted(meet_time=meet_time, status="LAUNCHED").phase is Phase.STARTING
    assert admitted(meet_time=meet_time, status="HEALTHY", row=linked()).phase is Phase.READY


@pytest.mark.parametrize(
    ("row", "before", "seconds"),
    [
        ({}, 60, 60),
        ({}, 12, 60),
        ({}, 11, 5),
        ({}, 5, 5),
        ({"student_ec2_id": A}, 5, 2),
        (linked(), 5, 2),
        (linked(), -5, 5),
        ({"meet_time": "some day"}, 5, 60),
    ],
)
def test_one_is_asked_to_wait_longer_the_further_it_is(
    row: dict[str, str], before: int, seconds: int
) -> None:
    assert admitted(START - before * MINUTE, row=row).retry_after == seconds


# What one is told at the end


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("NO_SHOW_TIMEOUT", "Nobody came"),
        ("PARTIAL_NO_SHOW_TIMEOUT", "Not everybody came"),
        ("NEVER_HEALTHY", "did not become ready"),
        ("MAX_LENGTH_TIMEOUT", "longest time"),
        ("LAUNCH_FAILED", "could not be started"),
        ("15_MIN_SUCCESS", "went well"),
        ("SUCCESS", "went well"),
        ("another", "ask the person who invited you"),
        ("", "ask the person who invited you"),
    ],
)
def test_the_end_is_told_with_its_reason(reason: str, words: str) -> None:
    found = admitted(status="TERMINATED", termination_reason=reason)

    assert found.phase is Phase.OVER
    assert words in found.message


def test_a_row_whose_attributes_are_no_texts_opens_nothing() -> None:
    names = ("status", "student_ec2_link", "student_ec2_id", "meet_time")
    row = Meeting("m1", {name: {"N": "1"} for name in names})

    found = admit(row, "student", SOON, LONGEST, link)

    assert (found.phase, found.link, found.warnings) == (Phase.SCHEDULED, None, ())


def test_a_visitor_never_goes_back_while_the_row_goes_on() -> None:
    rows = [
        {"status": "SCHEDULED"},
        {"status": "SCHEDULED", "student_ec2_id": A},
        {"status": "LAUNCHED", "student_ec2_id": A},
        {"status": "DNS_WRITTEN", "student_ec2_id": A},
        {"status": "DNS_WRITTEN", **linked()},
        {"status": "HEALTHY", **linked()},
        {"status": "IN_PROGRESS", **linked()},
    ]
    steps = [step for row in rows if (step := admitted(row=row).step)]

    assert len(steps) == len(rows)
    assert all(STEPS.index(now) <= STEPS.index(later) for now, later in pairwise(steps))


def test_only_what_may_change_is_worth_asking_again() -> None:
    assert UNKNOWN.retry_after is None
    assert REFUSED.retry_after is None
    assert TROUBLE.retry_after
    assert {each.phase for each in (UNKNOWN, REFUSED, TROUBLE)} == {
        Phase.UNKNOWN,
        Phase.REFUSED,
        Phase.TROUBLE,
    }

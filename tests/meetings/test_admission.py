"""Nobody enters before the desktop is healthy or once the meeting ends; visitors learn why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from chalicelib.meeting_row.meeting import Meeting, Status
from chalicelib.meetings.admission import STEPS, Admission, Phase, admit
from tests.world import link

if TYPE_CHECKING:
    from collections.abc import Mapping

A, B = "i-0123456789abcdef0", "i-0123456789abcdef1"
START = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
SOON = START - timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
LONGEST = timedelta(hours=3)
LAUNCHED = {"student_ec2_id": A}
LINKED = LAUNCHED | {"student_ec2_link": link(A)}
WELL = LINKED | {"student_healthy_desktop": A}


def admitted(
    row: Mapping[str, str], now: datetime = SOON, role: str = "student", **texts: str
) -> Admission:
    every = {"meet_time": "2026-11-21T15:30:00Z"} | dict(row) | texts
    meeting = Meeting("m1", {name: {"S": text} for name, text in every.items() if text})
    return admit(meeting, role, now, LONGEST, link)


# Who may enter


@pytest.mark.parametrize("status", ["HEALTHY", "IN_PROGRESS"])
@pytest.mark.parametrize("now", [SOON, START + MINUTE, START + LONGEST + MINUTE])
@pytest.mark.parametrize("instance_id", [A, B], ids=["launched", "replaced"])
def test_the_link_is_given_out_in_a_healthy_status(
    now: datetime, status: str, instance_id: str
) -> None:
    texts = {"student_ec2_link": link(instance_id), "student_healthy_desktop": instance_id}
    found = admitted(LINKED, now, status=status, **texts)

    assert (found.phase, found.link, found.status) == (Phase.READY, link(instance_id), status)
    assert (found.step, found.retry_after, found.warnings) == (Phase.READY, None, ())
    assert found.message.startswith("You may enter now.")


@pytest.mark.parametrize(
    "healthy", [{}, {"teacher_healthy_desktop": B}, {"student_healthy_desktop": B}]
)
def test_a_healthy_desktop_opens_its_own_door_alone(healthy: dict[str, str]) -> None:
    """Neither the other side's nor an earlier one of the same role."""
    found = admitted(LINKED | healthy, status="HEALTHY")

    assert (found.phase, found.link) == (Phase.CHECKING, None)


@pytest.mark.parametrize("status", ["", "SCHEDULED", "LAUNCHED", "DNS_WRITTEN", "odd"])
def test_nobody_enters_before_the_status_is_healthy(status: str) -> None:
    found = admitted(WELL, status=status)

    assert (found.phase, found.link) == (Phase.CHECKING, None)
    assert found.status == (status or "SCHEDULED")


@pytest.mark.parametrize("status", Status)
def test_nobody_enters_by_the_other_roles_link_or_once_the_meeting_ends(status: str) -> None:
    other = admitted(WELL, role="teacher", status=status)
    assert other.link is None
    assert other.phase is not Phase.READY

    finished = admitted(WELL, status="IN_PROGRESS", student_session_data="{}")
    assert (finished.phase, finished.link, finished.status) == (Phase.OVER, None, "IN_PROGRESS")
    assert finished.message.startswith("Your desktop has finished")

    ended = admitted(WELL, status=status, termination_reason="SUCCESS")
    assert (ended.phase, ended.link, ended.status) == (Phase.OVER, None, status)
    assert (ended.step, ended.retry_after) == (None, None)


@pytest.mark.parametrize(
    "address",
    [
        *("https://evil.example/", "https://i-0123456789abcdef0.evil.example:8443"),
        *(f"{link(A)}/elsewhere", f"{link(A)}@evil.example", link(A).replace("https", "http")),
        *(link(A).replace("8443", "443"), "javascript:alert(1)"),
        "https://i-012.desktops.example.com:8443",
    ],
)
def test_an_address_that_is_no_desktops_link_is_not_given_out(address: str) -> None:
    """A writer of the table must not be able to send people anywhere."""
    warning = f"student_ec2_link is not a link to a desktop of this stage: {address!r}"

    found = admitted(LAUNCHED, status="HEALTHY", student_ec2_link=address)
    passed = admitted({}, START + LONGEST, student_ec2_link=address)

    assert (found.phase, found.link) == (Phase.ADDRESS, None)
    assert found.warnings == passed.warnings == (warning,)


# How far it is


@pytest.mark.parametrize(
    ("row", "before", "phase", "seconds"),
    [
        ({"status": "SCHEDULED"}, 60, Phase.SCHEDULED, 60),
        ({}, 12, Phase.SCHEDULED, 60),
        ({}, 11, Phase.SCHEDULED, 5),
        ({"status": "SCHEDULED"}, 10, Phase.STARTING, 5),
        ({"status": "LAUNCHED"}, 60, Phase.STARTING, 5),
        ({"status": "LAUNCHED", "teacher_ec2_id": A}, 9, Phase.STARTING, 5),
        ({"status": "SCHEDULED"} | LAUNCHED, 9, Phase.ADDRESS, 2),
        ({"status": "IN_PROGRESS"} | LAUNCHED, 9, Phase.ADDRESS, 2),
        ({"status": "DNS_WRITTEN"} | LINKED, 9, Phase.CHECKING, 2),
        # Without a readable time nothing is late.
        ({"meet_time": ""}, 5, Phase.SCHEDULED, 60),
        ({"meet_time": "tomorrow", "status": "LAUNCHED"}, 5, Phase.STARTING, 5),
        ({"meet_time": "tomorrow", "status": "HEALTHY"} | WELL, 5, Phase.READY, None),
    ],
)
def test_a_visitor_learns_how_far_the_own_desktop_is_and_when_to_ask_again(
    row: dict[str, str], before: int, phase: Phase, seconds: int | None
) -> None:
    found = admitted(row, START - before * MINUTE)

    assert (found.phase, found.step, found.retry_after) == (phase, phase, seconds)
    assert found.message


@pytest.mark.parametrize("row", [{}, LAUNCHED, LINKED | {"status": "DNS_WRITTEN"}])
def test_from_the_start_on_a_desktop_is_late_and_at_last_over(row: dict[str, str]) -> None:
    before, late, later, over = (
        admitted(row, START + after) for after in (-MINUTE, timedelta(0), LONGEST - MINUTE, LONGEST)
    )

    assert before.phase is not Phase.LATE
    for each in (late, later):
        assert (each.phase, each.step, each.retry_after) == (Phase.LATE, before.step, 5)
        assert "not ready 15 minutes after the start, the meeting is ended" in each.message
    assert (over.phase, over.status, over.retry_after) == (Phase.OVER, before.status, None)
    assert "has passed" in over.message


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("NO_SHOW_TIMEOUT", "Nobody came"),
        ("PARTIAL_NO_SHOW_TIMEOUT", "Not everybody came"),
        ("NEVER_HEALTHY", "did not become ready"),
        ("MAX_LENGTH_TIMEOUT", "Its time was over"),
        ("CANCELLED", "cancelled by the person who invited you"),
        ("DESKTOP_LIMIT", "Too many desktops"),
        ("LAUNCH_FAILED", "could not be started"),
        ("15_MIN_SUCCESS", "went well"),
        ("SUCCESS", "went well"),
        ("another", "ask the person who invited you"),
        ("", "ask the person who invited you"),
    ],
)
def test_the_end_is_explained_by_its_reason(reason: str, words: str) -> None:
    found = admitted({}, status="TERMINATED", termination_reason=reason)

    assert found.phase is Phase.OVER
    assert words in found.message


def test_a_meeting_that_was_ended_while_people_were_in_it_was_not_cancelled_for_them() -> None:
    ended = {"joined_at": "2026-11-21T15:31:00Z", "termination_reason": "CANCELLED"}

    assert "ended by the person who booked it" in admitted(ended).message


def test_a_row_whose_attributes_are_no_texts_opens_nothing() -> None:
    names = ("status", "student_ec2_link", "student_ec2_id", "meet_time")
    row = Meeting("m1", {name: {"N": "1"} for name in names})

    found = admit(row, "student", SOON, LONGEST, link)

    assert (found.phase, found.link, found.warnings) == (Phase.SCHEDULED, None, ())


def test_a_visitor_never_goes_back_while_the_row_goes_on() -> None:
    rows = [
        {"status": "SCHEDULED"},
        {"status": "SCHEDULED"} | LAUNCHED,
        {"status": "LAUNCHED"} | LAUNCHED,
        {"status": "DNS_WRITTEN"} | LAUNCHED,
        {"status": "DNS_WRITTEN"} | LINKED,
        {"status": "HEALTHY"} | LINKED,
        {"status": "IN_PROGRESS"} | LINKED,
    ]
    steps = [step for row in rows if (step := admitted(row).step)]

    assert len(steps) == len(rows)
    assert all(STEPS.index(now) <= STEPS.index(later) for now, later in pairwise(steps))

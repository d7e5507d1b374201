"""What a launch decides: whether it is due, whose turn it is, and what the row is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.ec2.instances import Instance
from chalicelib.meeting_row.meeting import Meeting, Status
from chalicelib.meetings.launch_plan import (
    BEGUN_AT,
    LEASE,
    PATIENCE,
    Lease,
    begin,
    desktop_of,
    intend,
    is_confirmed,
    is_out_of_patience,
    meeting_id_of,
    missing_roles,
    note_desktop,
    rest,
    settle,
    why_not,
)

START = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
LONGEST = timedelta(hours=3)
TEACHER, STUDENT = "i-0123456789abcdef0", "i-01234567"


def row(**attributes: str) -> Meeting:
    """Make a row as it was read."""
    texts = {"status": "SCHEDULED", "meet_time": "2026-11-21T15:30:00Z"} | attributes
    return Meeting("m1", {name: {"S": text} for name, text in texts.items() if text})


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        "m1",
        ["m1"],
        {"meetingId": "m1"},
        {"meeting_id": None},
        {"meeting_id": 1},
        {"meeting_id": ""},
        {"meeting_id": "two words"},
        {"meeting_id": "línea"},
        {"meeting_id": "m1\n"},
        {"meeting_id": "m" * 57},
    ],
)
def test_an_event_that_names_no_meeting_is_told_apart(event: object) -> None:
    assert meeting_id_of(event) is None


@pytest.mark.parametrize("meeting_id", ["abcdefgh12345678", "m" * 56, "*?\\"])
def test_an_event_names_the_meeting(meeting_id: str) -> None:
    assert meeting_id_of({"meeting_id": meeting_id, "more": 1}) == meeting_id


@pytest.mark.parametrize(
    ("minutes", "reason"),
    [
        (-60, "it is not due before 2026-11-21T15:20:00Z"),
        (-11.1, "it is not due before 2026-11-21T15:20:00Z"),
        (-11, None),
        (-10, None),
        (0, None),
        (179.9, None),
        (180, "its longest time is over"),
    ],
)
def test_a_meeting_is_launched_from_ten_minutes_before_its_start(
    minutes: float, reason: str | None
) -> None:
    assert why_not(row(), START + timedelta(minutes=minutes), LONGEST) == reason


@pytest.mark.parametrize("meet_time", ["", "tomorrow"])
def test_a_meeting_without_a_start_is_not_launched(meet_time: str) -> None:
    assert why_not(row(meet_time=meet_time), START, LONGEST) == "the row has no valid meet_time"


def test_a_request_that_was_not_completed_has_made_no_meeting() -> None:
    assert not is_confirmed(row(request_hash="f"))
    assert is_confirmed(row(request_hash="f", scheduled_at="2026-11-21T12:00:00Z"))


def test_a_row_that_others_made_is_a_meeting() -> None:
    assert is_confirmed(row())


def test_a_role_is_missing_until_a_desktop_is_noted() -> None:
    assert missing_roles(row()) == ("teacher", "student")
    assert missing_roles(row(teacher_ec2_id=TEACHER)) == ("student",)
    assert missing_roles(row(teacher_ec2_id=TEACHER, student_ec2_id="soon")) == ("student",)
    assert missing_roles(row(teacher_ec2_id=TEACHER, student_ec2_id=STUDENT)) == ()


# Leases


def test_a_lease_is_read_as_it_is_written() -> None:
    lease = Lease(START, "run-1")

    assert lease.text == "2026-11-21T15:30:00.000+00:00 run-1"
    assert Lease.of(row(launch_lease=lease.text)) == lease


def test_a_lease_counts_in_utc() -> None:
    local = START.astimezone(timezone(timedelta(hours=2)))

    assert Lease.of(row(launch_lease=Lease(local, "run-1").text)) == Lease(START, "run-1")


@pytest.mark.parametrize(
    "text", ["", "run-1", "2026-11-21T15:30:00 run-1", "9999-12-31T23:59:59-23:00 run-1"]
)
def test_what_is_no_lease_keeps_nobody_waiting(text: str) -> None:
    assert Lease.of(row(launch_lease=text)) is None


def test_the_first_run_notes_when_the_launch_was_begun() -> None:
    update = begin(row(), Lease(START, "run-1"), START)

    assert update.texts == {
        LEASE: "2026-11-21T15:30:00.000+00:00 run-1",
        BEGUN_AT: "2026-11-21T15:30:00.000+00:00",
    }
    assert {LEASE, "termination_reason", "status"} <= set(update.relies_on)


@pytest.mark.parametrize("begun_at", ["soon", "2026-11-21T15:30:00"])
def test_a_beginning_that_cannot_be_read_is_noted_anew(begun_at: str) -> None:
    assert BEGUN_AT in begin(row(launch_begun_at=begun_at), Lease(START, "run-1"), START).texts


def test_a_later_run_leaves_the_beginning_as_it_is() -> None:
    begun = row(launch_begun_at="2026-11-21T15:20:00+00:00")

    assert begin(begun, Lease(START, "run-2"), START).texts.keys() == {LEASE}


def test_a_failed_run_lets_the_next_one_begin_soon() -> None:
    held = row(launch_lease=Lease(START + timedelta(minutes=1), "run-1").text)

    update = rest(held, START)

    assert update
    assert update.texts == {LEASE: "2026-11-21T15:30:20.000+00:00 run-1"}
    assert update.relies_on == (LEASE,)


def test_a_lease_is_never_made_longer_by_a_failure() -> None:
    assert rest(row(), START) is None
    assert rest(row(launch_lease=Lease(START, "run-1").text), START) is None


def test_patience_ends_between_the_second_and_the_third_try() -> None:
    begun = row(launch_begun_at=START.isoformat())

    assert not is_out_of_patience(row(), START)
    assert not is_out_of_patience(begun, START + PATIENCE)
    assert is_out_of_patience(begun, START + PATIENCE + timedelta(seconds=1))
    assert timedelta(minutes=1) < PATIENCE < timedelta(minutes=3)


# What the row is told


def test_where_a_desktop_is_asked_for_is_noted_once() -> None:
    update = intend(row(), "teacher", "subnet-1")

    assert update
    assert update.texts == {"teacher_subnet_id": "subnet-1"}
    assert {"teacher_subnet_id", LEASE, "termination_reason", "status"} <= set(update.relies_on)
    assert intend(row(teacher_subnet_id="subnet-1"), "teacher", "subnet-1") is None
    assert intend(row(teacher_subnet_id="subnet-1"), "teacher", "subnet-2")


def test_with_the_last_desktop_the_meeting_is_launched() -> None:
    first = note_desktop(row(), "teacher", TEACHER)
    second = note_desktop(row(teacher_ec2_id=TEACHER), "student", STUDENT)

    assert first
    assert first.texts == {"teacher_ec2_id": TEACHER}
    assert second
    assert second.texts == {"student_ec2_id": STUDENT, "status": "LAUNCHED"}
    every = {"teacher_ec2_id", "student_ec2_id", "termination_reason", "status"}
    assert set(second.relies_on) == every


def test_a_row_that_has_no_status_is_launched_as_well() -> None:
    update = note_desktop(row(status="", teacher_ec2_id=TEACHER), "student", STUDENT)

    assert update
    assert update.texts["status"] == "LAUNCHED"


@pytest.mark.parametrize("status", [*list(Status)[1:], "PAUSED"])
def test_a_status_is_never_put_back(status: str) -> None:
    update = note_desktop(row(status=status, teacher_ec2_id=TEACHER), "student", STUDENT)

    assert update
    assert update.texts == {"student_ec2_id": STUDENT}
    assert settle(row(status=status, teacher_ec2_id=TEACHER, student_ec2_id=STUDENT)) is None


@pytest.mark.parametrize("noted", [TEACHER, STUDENT])
def test_a_desktop_that_is_noted_stays(noted: str) -> None:
    assert note_desktop(row(teacher_ec2_id=noted), "teacher", TEACHER) is None


def test_a_row_that_has_both_and_does_not_say_so_is_told() -> None:
    update = settle(row(teacher_ec2_id=TEACHER, student_ec2_id=STUDENT))

    assert update
    assert update.texts == {"status": "LAUNCHED"}
    assert settle(row(teacher_ec2_id=TEACHER)) is None


# Desktops that are there


def desktop(instance_id: str, role: str, minute: int) -> Instance:
    """Make an instance of the meeting."""
    launched_at = START + timedelta(minutes=minute)
    return Instance(instance_id, "running", None, {"Role": role}, launched_at)


def test_the_oldest_desktop_of_a_role_is_the_roles() -> None:
    found = [desktop("i-3", "teacher", 2), desktop("i-2", "teacher", 1), desktop("i-1", "x", 0)]

    assert desktop_of(found, "teacher") == (found[1], ("i-3",))
    assert desktop_of(found, "student") == (None, ())

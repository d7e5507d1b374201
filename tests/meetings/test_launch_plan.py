"""The decisions of a launch: whether it is due, who may start desktops, the row's updates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.ec2.instances import Instance
from chalicelib.meeting_row.meeting import Meeting, RowUpdate, Status
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
from tests.meetings.ends import minutes

START = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
START_TEXT = "2026-11-21T15:30:00.000+00:00"
TEACHER, STUDENT = "i-0123456789abcdef0", "i-01234567"
FIRST = Lease(START, "run-1")


def row(**attributes: str) -> Meeting:
    texts = {"status": "SCHEDULED", "meet_time": "2026-11-21T15:30:00Z"} | attributes
    return Meeting("m1", {name: {"S": text} for name, text in texts.items() if text})


def texts_of(update: RowUpdate | None) -> dict[str, str] | None:
    return dict(update.texts) if update else None


# Whether it is due


NO_ID = (None, 1, "", "two words", "línea", "m1\n", "m" * 57)
NO_EVENT = (None, {}, "m1", ["m1"], {"meetingId": "m1"}, *({"meeting_id": no} for no in NO_ID))


@pytest.mark.parametrize(
    ("event", "meeting_id"),
    [
        *((each, None) for each in NO_EVENT),
        *(({"meeting_id": each, "more": 1}, each) for each in ("m" * 56, "*?\\")),
    ],
)
def test_an_event_names_a_meeting_by_an_id_that_fits_a_token(
    event: object, meeting_id: str | None
) -> None:
    assert meeting_id_of(event) == meeting_id


@pytest.mark.parametrize(
    ("meet_time", "after", "reason"),
    [
        (START_TEXT, -60, "it is not due before 2026-11-21T15:20:00Z"),
        (START_TEXT, -11.1, "it is not due before 2026-11-21T15:20:00Z"),
        (START_TEXT, -11, None),
        (START_TEXT, -10, None),
        (START_TEXT, 0, None),
        (START_TEXT, 179.9, None),
        (START_TEXT, 180, "its longest time is over"),
        ("", 0, "the row has no valid meet_time"),
        ("tomorrow", 0, "the row has no valid meet_time"),
    ],
)
def test_a_meeting_is_launched_from_ten_minutes_before_its_start(
    meet_time: str, after: float, reason: str | None
) -> None:
    assert why_not(row(meet_time=meet_time), START + minutes(after), minutes(180)) == reason


def test_a_row_is_a_meeting_unless_its_request_was_not_completed() -> None:
    assert not is_confirmed(row(request_hash="f"))
    assert is_confirmed(row(request_hash="f", scheduled_at="2026-11-21T12:00:00Z"))
    assert is_confirmed(row(request_hash="f", status="LAUNCHED"))
    assert is_confirmed(row())


def test_a_role_is_missing_until_the_row_names_a_desktop() -> None:
    assert missing_roles(row()) == ("teacher", "student")
    assert missing_roles(row(teacher_ec2_id=TEACHER, student_ec2_id="soon")) == ("student",)
    assert missing_roles(row(teacher_ec2_id=TEACHER, student_ec2_id=STUDENT)) == ()


# Leases


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2))])
def test_a_lease_is_read_as_it_is_written_and_counts_in_utc(zone: timezone) -> None:
    lease = Lease(START.astimezone(zone), "run-1")

    assert lease.text == f"{START_TEXT} run-1"
    assert Lease.of(row(launch_lease=lease.text)) == FIRST


@pytest.mark.parametrize(
    "text", ["", "run-1", "2026-11-21T15:30:00 run-1", "9999-12-31T23:59:59-23:00 run-1"]
)
def test_an_invalid_lease_keeps_nobody_waiting(text: str) -> None:
    assert Lease.of(row(launch_lease=text)) is None


@pytest.mark.parametrize(
    ("begun_at", "written"),
    [
        *((none, {BEGUN_AT: START_TEXT}) for none in ("", "soon", "2026-11-21T15:30:00")),
        ("2026-11-21T15:20:00+00:00", {}),
    ],
)
def test_the_first_run_records_when_the_launch_began(
    begun_at: str, written: dict[str, str]
) -> None:
    update = begin(row(launch_begun_at=begun_at), FIRST, START)

    assert update.texts == {LEASE: f"{START_TEXT} run-1"} | written
    assert {LEASE, "termination_reason", "status"} <= set(update.relies_on)


@pytest.mark.parametrize(
    ("lease", "written"),
    [
        (Lease(START + minutes(1), "run-1").text, "2026-11-21T15:30:20.000+00:00 run-1"),
        ("", None),
        (FIRST.text, None),
    ],
)
def test_a_failed_run_lets_the_next_one_begin_soon_and_never_later(
    lease: str, written: str | None
) -> None:
    meeting = row(launch_lease=lease)

    assert rest(meeting, START) == (
        RowUpdate(meeting, {LEASE: written}, (LEASE,)) if written else None
    )


def test_patience_ends_between_the_second_and_the_third_try() -> None:
    begun = row(launch_begun_at=START.isoformat())

    assert not is_out_of_patience(row(), START)
    assert not is_out_of_patience(begun, START + PATIENCE)
    assert is_out_of_patience(begun, START + PATIENCE + timedelta(seconds=1))
    assert minutes(1) < PATIENCE < minutes(3)


# The row's updates


def test_where_a_desktop_is_asked_for_is_recorded_once() -> None:
    update = intend(row(), "teacher", "subnet-1")

    assert update
    assert update.texts == {"teacher_subnet_id": "subnet-1"}
    assert {"teacher_subnet_id", LEASE, "termination_reason", "status"} <= set(update.relies_on)
    assert intend(row(teacher_subnet_id="subnet-1"), "teacher", "subnet-1") is None
    assert intend(row(teacher_subnet_id="subnet-1"), "teacher", "subnet-2")


BOTH = {"teacher_ec2_id": TEACHER, "student_ec2_id": STUDENT}


@pytest.mark.parametrize("status", ["SCHEDULED", "", *list(Status)[1:], "PAUSED"])
def test_with_the_last_desktop_the_meeting_is_launched_unless_it_is_further(status: str) -> None:
    first = note_desktop(row(status=status), "teacher", TEACHER)
    second = note_desktop(row(status=status, teacher_ec2_id=TEACHER), "student", STUDENT)

    written = {"status": "LAUNCHED"} if status in {"SCHEDULED", ""} else {}
    assert texts_of(first) == {"teacher_ec2_id": TEACHER}
    assert texts_of(second) == {"student_ec2_id": STUDENT} | written
    assert second
    assert set(second.relies_on) == {*BOTH, "termination_reason", "status"}
    assert texts_of(settle(row(status=status, **BOTH))) == (written or None)
    assert settle(row(status=status, teacher_ec2_id=TEACHER)) is None


@pytest.mark.parametrize("noted", [TEACHER, STUDENT])
def test_a_desktop_that_the_row_names_stays(noted: str) -> None:
    assert note_desktop(row(teacher_ec2_id=noted), "teacher", TEACHER) is None


def test_the_oldest_desktop_of_a_role_is_the_roles() -> None:
    found = [
        Instance(each, "running", None, {"Role": role}, START + minutes(minute))
        for each, role, minute in (("i-3", "teacher", 2), ("i-2", "teacher", 1), ("i-1", "x", 0))
    ]

    assert desktop_of(found, "teacher") == (found[1], ("i-3",))
    assert desktop_of(found, "student") == (None, ())

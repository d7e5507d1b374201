"""Which letter is due, from the row and the time alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.clock import format_time
from chalicelib.invitations.letters import Kind, Letter, Mark, Outcome, due_letter, due_letters
from chalicelib.meeting_row.meeting import Meeting

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
LONGEST = timedelta(hours=3)
BOOKED = {
    "status": "SCHEDULED",
    "scheduled_by": "office",
    "scheduled_at": "2026-11-20T15:00:00Z",
    "teacher_email": "ada@example.net",
}


def due(starts: float = 60, /, **attributes: str) -> Letter | None:
    """Return the teacher's letter for a meeting that starts so many minutes from now."""
    start = format_time(NOW + timedelta(minutes=starts))
    texts = {"meet_time": start, **BOOKED, **attributes}
    meeting = Meeting.made("m1", {name: text for name, text in texts.items() if text})
    return due_letter(meeting, "teacher", NOW, LONGEST)


@pytest.mark.parametrize(
    ("mark", "sequence", "kind", "is_change"),
    [
        ("", "", Kind.INVITATION, False),
        ("", "2", Kind.INVITATION, False),
        ("invitation 0 sent", "", None, None),
        ("invitation 0 failed", "", None, None),
        ("invitation 0 bounced", "", None, None),
        ("invitation 0 sent", "1", Kind.INVITATION, True),
        ("reminder 1 sent", "2", Kind.INVITATION, True),
        ("invitation 0 bounced", "1", Kind.INVITATION, False),
        ("invitation 2 sent", "1", None, None),
        ("garbage", "", Kind.INVITATION, False),
    ],
)
def test_an_invitation_is_due_for_each_time_of_a_meeting(
    mark: str, sequence: str, kind: Kind | None, *, is_change: bool | None
) -> None:
    letter = due(teacher_mail=mark, sequence=sequence)

    assert (letter and letter.kind, letter and letter.is_change) == (kind, is_change)
    assert letter is None or letter.number == int(sequence or 0)


@pytest.mark.parametrize(
    "attributes",
    [
        {"scheduled_by": ""},
        {"scheduled_at": ""},
        {"teacher_email": ""},
        {"status": "IN_PROGRESS"},
        {"status": "TERMINATED"},
        {"joined_at": "2026-11-21T15:00:00Z"},
        {"meet_time": "soon"},
        {"meet_time": "2026-11-21T14:00:00Z", "duration_minutes": "60"},
        {"termination_reason": "SUCCESS"},
        {"termination_reason": "CANCELLED"},  # nobody knows of it yet
    ],
)
def test_nobody_is_invited_to_what_is_not_confirmed_or_under_way_or_over(
    attributes: dict[str, str],
) -> None:
    assert due(**attributes) is None


@pytest.mark.parametrize(("minutes", "reminds"), [(26, False), (25, True), (10, True), (-30, True)])
def test_an_invitation_within_15_minutes_of_the_launch_is_the_reminder_too(
    minutes: float, *, reminds: bool
) -> None:
    letter = due(minutes)

    assert letter is not None
    assert letter.reminds is reminds
    marked = "reminder" if reminds else "invitation"
    assert str(letter.mark(Outcome.SENT)) == f"{marked} 0 sent"


def test_an_invitation_to_a_new_time_of_desktops_that_run_is_the_reminder_too() -> None:
    letter = due(600, status="HEALTHY", sequence="1", teacher_mail="reminder 0 sent")

    assert letter is not None
    assert letter.reminds


@pytest.mark.parametrize("status", ["LAUNCHED", "DNS_WRITTEN", "HEALTHY"])
def test_a_reminder_is_due_once_the_desktops_are_started(status: str) -> None:
    sent = {"sequence": "3", "teacher_mail": "invitation 3 sent"}

    assert due(10, status=status, **sent) == Letter(Kind.REMINDER, 3)
    assert due(10, **sent) is None
    for mark in ("invitation 3 failed", "invitation 3 bounced", "reminder 3 sent"):
        assert due(10, status=status, sequence="3", teacher_mail=mark) is None


@pytest.mark.parametrize("reason", ["CANCELLED", "LAUNCH_FAILED", "DESKTOP_LIMIT"])
@pytest.mark.parametrize("status", ["SCHEDULED", "TERMINATED"])
def test_who_was_invited_is_due_a_cancellation(reason: str, status: str) -> None:
    over = {"termination_reason": reason, "status": status, "sequence": "1"}

    for mark in ("invitation 0 sent", "reminder 1 sent", "invitation 1 failed"):
        assert due(teacher_mail=mark, **over) == Letter(Kind.CANCELLATION, 1)
    for mark in ("invitation 0 failed", "invitation 0 bounced", "cancellation 1 sent"):
        assert due(teacher_mail=mark, **over) is None
    assert due(teacher_mail="invitation 0 sent", joined_at="x", **over) is None


def test_each_person_is_due_their_own_letter() -> None:
    start = format_time(NOW + timedelta(hours=1))
    texts = BOOKED | {"meet_time": start, "student_email": "b@example.net"}
    meeting = Meeting.made("m1", texts | {"teacher_mail": "invitation 0 sent"})

    found = due_letters(meeting, NOW, LONGEST)

    assert list(found) == ["student"]
    assert found["student"].key(meeting.id, "student") == "invitation/m1/student/0"


def test_a_mark_is_read_as_it_was_written() -> None:
    mark = Mark(Kind.CANCELLATION, 12, Outcome.BOUNCED)

    assert Mark.of(Meeting.made("m1", {"teacher_mail": str(mark)}), "teacher") == mark

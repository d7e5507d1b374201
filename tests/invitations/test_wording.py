"""The words of letters: times in both zones, names as plain text."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib.invitations.letters import Kind, Letter
from chalicelib.invitations.wording import footer_of, notice_of, plain, zone_of
from chalicelib.meeting_row.meeting import Meeting
from chalicelib.notifications.layout import lay_out

if TYPE_CHECKING:
    from chalicelib.notifications.notice import Notice

LINK = "https://api.example.com/join/m1/teacher?key=k"


def written(kind: Kind = Kind.INVITATION, /, *, late: bool = False, **attributes: str) -> Notice:
    texts = {
        "meet_time": "2026-11-28T10:00:00Z",
        "duration_minutes": "60",
        "teacher_name": "Ada",
        "student_name": "Bob",
        "time_zone": "Europe/Berlin",
        "sequence": "0",
        **attributes,
    }
    letter = Letter(kind, 0, is_change=texts["sequence"] != "0", reminds=late)
    meeting = Meeting.made("m1", texts)
    return notice_of(letter, meeting, "teacher", LINK, timedelta(hours=3))


def facts(notice: Notice) -> dict[str, str]:
    return {fact.label: fact.text for fact in notice.facts}


def test_an_invitation_says_when_in_both_zones_how_long_with_whom_and_where() -> None:
    notice = written(jitsi_url="https://meet.example.org/abc")

    assert notice.subject == "Invitation: meeting with Bob, 28 Nov, 11:00 (Europe/Berlin)"
    assert facts(notice) == {
        "When": "Saturday, 28 November 2026, 11:00 to 12:00 (Europe/Berlin)",
        "In UTC": "Saturday, 28 November 2026, 10:00 to 11:00",
        "Length": "60 minutes",
        "With": "Bob",
        "Talk here": "https://meet.example.org/abc",
    }
    assert notice.action is not None
    assert notice.action.link == LINK


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "Europe", "../etc/passwd"])
def test_without_a_known_zone_times_are_in_utc(zone: str) -> None:
    notice = written(time_zone=zone)

    assert zone_of(zone) is None
    assert notice.subject.endswith("28 Nov, 10:00 (UTC)")
    assert facts(notice)["When"] == "Saturday, 28 November 2026, 10:00 to 11:00 (UTC)"
    assert "In UTC" not in facts(notice)


def test_a_meeting_into_the_next_day_says_so() -> None:
    when = facts(written(meet_time="2026-12-31T22:30:00Z"))["When"]

    assert when == (
        "Thursday, 31 December 2026, 23:30 to Friday, 1 January 2027, 00:30 (Europe/Berlin)"
    )


def test_a_meeting_that_was_changed_says_so() -> None:
    notice = written(sequence="1")

    assert notice.subject == "New time: meeting with Bob, 28 Nov, 11:00 (Europe/Berlin)"
    assert "replaces the earlier invitation" in notice.summary


def test_a_reminder_begins_with_the_start() -> None:
    notice = written(Kind.REMINDER)

    assert notice.subject == "Starts at 11:00 (Europe/Berlin): meeting with Bob"
    assert "being prepared" in notice.summary


@pytest.mark.parametrize(
    ("reason", "why"),
    [("CANCELLED", "It was cancelled."), ("LAUNCH_FAILED", "could not be started; we are sorry.")],
)
def test_a_cancellation_says_why_and_has_no_link(reason: str, why: str) -> None:
    notice = written(Kind.CANCELLATION, termination_reason=reason)
    mail = lay_out(notice, footer_of(Meeting.made("m1", {})))

    assert why in notice.summary
    assert (notice.is_good, notice.action) == (False, None)
    assert LINK not in mail.text + mail.html
    assert "<a" not in mail.html


def test_names_are_plain_text_in_one_line_that_nothing_makes_a_link_of() -> None:
    name = '<b>"Bob"</b> http://evil.example/x\u202eyx'
    mail = lay_out(written(student_name=name), "footer")

    assert "<b>" not in mail.html
    assert "evil.example" not in mail.subject + mail.text + mail.html
    assert "\u202e" not in mail.subject + mail.text + mail.html
    assert plain("Dr. Bob") == "Dr. Bob"
    assert plain("\u202e") == "somebody"


def test_a_row_without_a_start_has_no_letter() -> None:
    with pytest.raises(ValueError, match="'m1' has no valid start"):
        written(meet_time="soon")

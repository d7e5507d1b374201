"""Calendar objects, as another library and RFC 5545 read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from chalicelib.meeting_row.meeting import Meeting
from chalicelib.meetings.calendar import CANCEL, PUBLISH, REQUEST, calendar_of

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
LINK = "https://api.example.com/prod/join/m1/teacher?key=abc-_123"
SENDER, TEACHER = "elephant@example.com", "ada+x@example.net"
TEXTS = {
    "meet_time": "2026-11-28T10:00:00Z",
    "duration_minutes": "45",
    "teacher_name": "Ada",
    "student_name": "Bob",
}


def written(method: str = REQUEST, role: str | None = "teacher", **attributes: str) -> str:
    return calendar_of(
        Meeting.made("m1", TEXTS | attributes),
        method=method,
        role=role,
        link=LINK if role else None,
        organizer=SENDER,
        attendee=TEACHER,
        now=NOW,
        longest=timedelta(hours=3),
    )


def event_of(text: str) -> Any:  # noqa: ANN401
    calendar = Calendar.from_ical(text)
    assert not calendar.errors
    (event,) = calendar.walk("VEVENT")
    assert not event.errors
    return event


def test_a_request_asks_its_person_to_come() -> None:
    text = written(sequence="3", jitsi_url="https://meet.example.org/abc")
    event = event_of(text)

    assert Calendar.from_ical(text)["METHOD"] == "REQUEST"
    assert event["DTSTART"].dt == datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
    assert event["DTEND"].dt == datetime(2026, 11, 28, 10, 45, tzinfo=UTC)
    assert (event["DTSTAMP"].dt, event["SEQUENCE"]) == (NOW, 3)
    assert (event["UID"], event["STATUS"], event["CLASS"]) == (
        "m1@elephant",
        "CONFIRMED",
        "PRIVATE",
    )
    assert event["SUMMARY"] == "Meeting with Bob"
    assert event["ORGANIZER"] == "mailto:elephant@example.com"
    attendee = event["ATTENDEE"]
    assert attendee == "mailto:ada+x@example.net"
    assert (attendee.params["CN"], attendee.params["RSVP"]) == ("Ada", "TRUE")
    assert event["LOCATION"] == event["URL"] == LINK
    assert event["DESCRIPTION"].splitlines() == [
        "Length: 45 minutes",
        f"Join the meeting (this link is yours alone): {LINK}",
        "Talk to each other here: https://meet.example.org/abc",
    ]


def test_a_cancellation_is_a_later_object_of_the_same_meeting_without_its_link() -> None:
    event = event_of(written(CANCEL, sequence="3"))

    assert (event["UID"], event["SEQUENCE"], event["STATUS"]) == ("m1@elephant", 4, "CANCELLED")
    assert "RSVP" not in event["ATTENDEE"].params
    assert LINK not in written(CANCEL)


def test_what_is_published_asks_nobody_and_names_both() -> None:
    event = event_of(written(PUBLISH, role=None))

    assert "ATTENDEE" not in event
    assert event["SUMMARY"] == "Meeting of Ada and Bob"
    assert event["DESCRIPTION"] == "Length: 45 minutes"
    assert "URL" not in event


def test_without_a_sender_the_organizer_is_nobody() -> None:
    text = calendar_of(
        Meeting.made("m1", TEXTS | {"sequence": "x"}),
        method=PUBLISH,
        role="student",
        link=None,
        organizer=None,
        attendee=None,
        now=NOW,
        longest=timedelta(hours=3),
    )

    assert event_of(text)["ORGANIZER"] == "invalid:nomail"
    assert event_of(text)["SEQUENCE"] == 0


def test_a_row_without_a_start_has_no_calendar() -> None:
    with pytest.raises(ValueError, match="'m1' has no valid start"):
        written(meet_time="soon")


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)


@given(NAMES, st.text())
def test_any_name_is_read_as_it_was_written(name: str, hostile: str) -> None:
    text = written(student_name=name, teacher_name=f"{name}{hostile}")

    assert event_of(text)["SUMMARY"] == f"Meeting with {name}"
    lines = text.split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines)
    assert "\n" not in "".join(lines)
    assert "\r" not in "".join(lines)
    names = [line.partition(":")[0].partition(";")[0] for line in lines if line[:1] != " "]
    assert names == [
        *("BEGIN", "VERSION", "PRODID", "CALSCALE", "METHOD", "BEGIN", "UID", "SEQUENCE"),
        *("DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "STATUS", "CLASS", "ORGANIZER", "ATTENDEE"),
        *("DESCRIPTION", "LOCATION", "URL", "END", "END", ""),
    ]


@given(st.from_regex(r"[\w!#$&'*+/=?^`{|}~-]{1,20}@example\.net", fullmatch=True))
def test_any_address_is_one_uri(address: str) -> None:
    text = calendar_of(
        Meeting.made("m1", TEXTS),
        method=REQUEST,
        role="teacher",
        link=None,
        organizer=SENDER,
        attendee=address,
        now=NOW,
        longest=timedelta(hours=3),
    )

    assert event_of(text)["ATTENDEE"].isascii()
    assert event_of(text)["ATTENDEE"].startswith("mailto:")

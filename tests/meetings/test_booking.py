"""A request says who meets and when; everything that is wrong with it is told at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.meeting_row.meeting import ROLES
from chalicelib.meetings.booking import Booking, BookingError
from chalicelib.meetings.keys import Seed, hash_of

NOW = datetime(2026, 11, 21, 12, 0, 30, 400_000, UTC)
BODY: dict[str, Any] = {
    "teacher_name": "Ada Lovelace",
    "student_name": "Zoë",
    "meet_time": "2026-11-21T15:30:00Z",
}


def parse(**changed: object) -> Booking:
    return Booking.parse(json.dumps(BODY | changed).encode(), NOW)


def errors_of(body: object) -> dict[str, str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(BookingError) as caught:
        Booking.parse(raw, NOW)
    return caught.value.errors


def test_a_meeting_is_asked_for() -> None:
    booking = parse(teacher_name="  Ada Lovelace ", teacher_email="ada@example.com")

    assert (booking.teacher_name, booking.student_name) == ("Ada Lovelace", "Zoë")
    assert booking.teacher_email == "ada@example.com"
    assert booking.time == "2026-11-21T15:30:00Z"


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("2026-11-21T15:30:00Z", "2026-11-21T15:30:00Z"),
        ("2026-11-21T15:30:00.123Z", "2026-11-21T15:30:00Z"),
        ("2026-11-21T15:30:00+02:00", "2026-11-21T13:30:00Z"),
        ("2026-11-21T15:30-08:00", "2026-11-21T23:30:00Z"),
        ("20261121T183000+0530", "2026-11-21T13:00:00Z"),
        (" 2026-11-22T00:15:00+12:00 ", "2026-11-21T12:15:00Z"),
    ],
)
def test_the_times_offset_is_honoured(spelled: str, meant: str) -> None:
    assert parse(meet_time=spelled).time == meant


@pytest.mark.parametrize(
    "spelled",
    ["2026-11-21T15:30:00", "2026-11-21", "2026-W47-6"],
)
def test_a_time_without_its_offset_is_refused(spelled: str) -> None:
    assert errors_of(BODY | {"meet_time": spelled}) == {
        "meet_time": "needs its offset from UTC: end it with Z or +01:00"
    }


@pytest.mark.parametrize(
    "spelled",
    [
        "",
        "tomorrow",
        "2026-13-01T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-02-30T10:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "\ud800",
        "٢٠٢٦-11-21T15:30:00Z",
    ],
)
def test_what_is_no_time_is_refused(spelled: str) -> None:
    assert errors_of(BODY | {"meet_time": spelled}) == {
        "meet_time": "must be a time such as 2026-11-21T15:30:00+01:00"
    }


def test_the_past_is_refused() -> None:
    assert errors_of(BODY | {"meet_time": "2026-11-21T12:00:29Z"}) == {
        "meet_time": "has passed; it is 2026-11-21T12:00:30Z now"
    }


def test_a_meeting_may_begin_now() -> None:
    assert parse(meet_time="2026-11-21T12:00:30Z").time == "2026-11-21T12:00:30Z"


def test_a_meeting_may_be_a_year_ahead_and_no_more() -> None:
    year = (NOW + timedelta(days=366)).replace(microsecond=0)

    assert parse(meet_time=year.isoformat()).meet_time == year
    assert errors_of(BODY | {"meet_time": (year + timedelta(seconds=1)).isoformat()}) == {
        "meet_time": "is more than 366 days ahead"
    }


def test_a_meeting_whose_time_alone_has_passed_is_told_apart() -> None:
    """It may have been scheduled by the same request, before its time."""
    late = BODY | {"meet_time": "2026-11-20T12:00:00Z"}
    with pytest.raises(BookingError) as caught:
        Booking.parse(json.dumps(late).encode(), NOW)
    assert caught.value.too_late is not None
    assert caught.value.too_late.time == "2026-11-20T12:00:00Z"

    with pytest.raises(BookingError) as caught:
        Booking.parse(json.dumps(late | {"student_name": ""}).encode(), NOW)
    assert caught.value.too_late is None
    assert sorted(caught.value.errors) == ["meet_time", "student_name"]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert errors_of({"teacher_name": 7, "teacher_email": "ada", "meet_time": []}) == {
        "teacher_name": "must be a string",
        "student_name": "is missing",
        "teacher_email": "must be an e-mail address, or omitted",
        "meet_time": "must be a string",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("", "  ", "x" * 101, "a\nb", "a\x00b", "a\x7fb", "\ud800", "a\u2028b", "\u202egnirts"),
        *("\u200b\u200d", "\ufeff", "\u3164", "\u2800 \u115f", "\u0301"),
    ],
)
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    assert errors_of(BODY | {"student_name": name}) == {
        "student_name": "must be 1 to 100 visible characters without control characters"
    }


@pytest.mark.parametrize(
    "name", ["x", "x" * 100, "José O'Neil-Ruíz", "李小龍", "محمد", "👩‍🏫 Ada", "<b>Ada</b> & Co."]
)
def test_people_are_called_as_they_are(name: str) -> None:
    assert parse(teacher_name=name).teacher_name == name


@pytest.mark.parametrize("email", [None, ""])
def test_an_address_may_be_left_out(email: str | None) -> None:
    assert parse(teacher_email=email).teacher_email is None


@pytest.mark.parametrize(
    "email", ["a@b.c", "ada+x@mail.example.co.uk", "zoë@exämple.com", "a@" + "b" * 250 + ".c"]
)
def test_a_plausible_address_is_taken(email: str) -> None:
    assert parse(teacher_email=email).teacher_email == email


@pytest.mark.parametrize(
    "email",
    [
        " ",
        "a@b",
        "@b.c",
        "a@.c",
        "a@b.",
        "a@b@c.d",
        "a b@c.d",
        "a@b.c\nBcc: x@y.z",
        "x" * 65 + "@b.c",
        "a@" + "b" * 251 + ".c",
        "a\x00@b.c",
        "a,b@c.d",
        "a;b@c.d",
        "<x>@y.z",
        "a%0aBcc:x@y.z",
        "a@b,c.d",
        '"a"@b.c',
        ".a@b.c",
        "a..b@c.d",
        "a@-b.c",
        7,
        [],
        {},
        False,
    ],
)
def test_what_is_no_address_is_refused(email: object) -> None:
    assert list(errors_of(BODY | {"teacher_email": email})) == ["teacher_email"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b'"text"',
        b"7",
        b"NaN",
        b"[" * 8000,
        b'{"a":' * 1600,
        b"1" * 8000,
        json.dumps(BODY).encode("utf-16"),
        json.dumps(BODY).encode("utf-32-le"),
    ],
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    assert errors_of(body) == {"body": "send a JSON object"}


def test_fields_that_are_not_known_are_ignored() -> None:
    assert parse(id="mine", status="HEALTHY", notes={"a": 1}) == parse()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*BODY, "teacher_email"), JSON_VALUES)))
def test_a_body_of_any_shape_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        booking = parse(**body)
    except BookingError as error:
        assert set(error.errors) <= {*BODY, "teacher_email"}  # noqa: PT017 (one of two ends)
    else:
        json.dumps(booking.row(Seed.random(), NOW, with_keys=True), ensure_ascii=False).encode()


# Whether two requests ask for the same


def test_the_same_meeting_spelled_otherwise_is_the_same() -> None:
    again = parse(meet_time="2026-11-21T16:30:00.5+01:00", student_name=" Zoë", other=1)

    assert again.fingerprint == parse().fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"teacher_name": "Ada"},
        {"student_name": "Zoe"},
        {"teacher_email": "ada@example.com"},
        {"meet_time": "2026-11-21T15:30:01Z"},
        {"teacher_name": "Zoë", "student_name": "Ada Lovelace"},
    ],
)
def test_another_meeting_is_another(changed: dict[str, str]) -> None:
    assert parse(**changed).fingerprint != parse().fingerprint


# The row


def test_the_row_is_as_the_other_parts_read_it() -> None:
    seed = Seed.random()

    assert parse(teacher_email="ada@example.com").row(seed, NOW, with_keys=True) == {
        "teacher_name": "Ada Lovelace",
        "student_name": "Zoë",
        "teacher_email": "ada@example.com",
        "meet_time": "2026-11-21T15:30:00Z",
        "jitsi_url": f"https://meet.jit.si/{seed.meeting_id}",
        "created_at": "2026-11-21T12:00:30Z",
        "status": "SCHEDULED",
        "request_hash": parse(teacher_email="ada@example.com").fingerprint,
        "teacher_key_hash": hash_of(seed.join_key("teacher")),
        "student_key_hash": hash_of(seed.join_key("student")),
    }


def test_no_row_holds_a_key() -> None:
    seed = Seed.random()
    row = json.dumps(parse().row(seed, NOW, with_keys=True))

    assert not [role for role in ROLES if seed.join_key(role) in row]


def test_what_is_not_there_is_not_in_the_row() -> None:
    row = parse().row(Seed.random(), NOW, with_keys=False)

    assert not {"teacher_email", "teacher_key_hash", "student_key_hash"} & set(row)


def test_people_are_not_shown() -> None:
    booking = parse(teacher_email="ada@example.com")

    assert "ada" not in repr(booking).lower()
    assert "Zoë" not in repr(booking)

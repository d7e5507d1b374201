"""A request says who meets and when; all its errors are reported at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.meetings.booking import Booking, BookingError
from tests.json_values import JSON
from tests.meetings.launches import MEETINGS
from tests.world import make_settings

if TYPE_CHECKING:
    from chalicelib.settings.meetings import MeetingsSettings

NOW = datetime(2026, 11, 21, 12, 0, 30, 400_000, UTC)
YEAR = (NOW + timedelta(days=366)).replace(microsecond=0)
BODY: dict[str, Any] = {
    "teacher_name": "Ada Lovelace",
    "student_name": "Zoë",
    "meet_time": "2026-11-21T15:30:00Z",
}
FIELDS = (*BODY, "teacher_email", "student_email", "duration_minutes", "time_zone")
SETTINGS = cast("MeetingsSettings", make_settings(**MEETINGS).meetings)


def parse(**changed: object) -> Booking:
    return Booking.parse(encoded(BODY | changed), NOW, SETTINGS)


def encoded(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def refusal(body: object) -> BookingError:
    with pytest.raises(BookingError) as caught:
        Booking.parse(encoded(body), NOW, SETTINGS)
    return caught.value


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-11-21T15:30:00Z", "2026-11-21T15:30:00Z"),
        ("2026-11-21T15:30:00.123Z", "2026-11-21T15:30:00Z"),
        ("2026-11-21T15:30:00+02:00", "2026-11-21T13:30:00Z"),
        ("2026-11-21T15:30-08:00", "2026-11-21T23:30:00Z"),
        ("20261121T183000+0530", "2026-11-21T13:00:00Z"),
        (" 2026-11-22T00:15:00+12:00 ", "2026-11-21T12:15:00Z"),
        ("2026-11-21T12:00:30Z", "2026-11-21T12:00:30Z"),  # now
        (YEAR.isoformat(), "2027-11-22T12:00:30Z"),
    ],
)
def test_the_times_offset_is_honoured(written: str, time: str) -> None:
    assert parse(meet_time=written).time == time


NAMES = ("x", "x" * 100, "José O'Neil-Ruíz", "李小龍", "محمد", "👩‍🏫 Ada", "<b>&")
EMAILS = ("a@b.c", "ada+x@mail.example.co.uk", "zoë@exämple.com", f"a@{'b' * 250}.c")


@pytest.mark.parametrize(
    ("field_name", "value"),
    [*(("teacher_name", each) for each in NAMES), *(("teacher_email", each) for each in EMAILS)],
)
def test_names_and_addresses_of_all_languages_are_kept(field_name: str, value: str) -> None:
    assert getattr(parse(**{field_name: f" {value} "}), field_name) == value


@pytest.mark.parametrize("changed", [{"teacher_email": None}, {"teacher_email": ""}, {}])
def test_an_address_may_be_omitted_and_is_not_in_the_row_then(changed: dict[str, None]) -> None:
    row = parse(**changed).row(NOW)

    assert not {"teacher_email", "teacher_key_hash", "student_key_hash", "jitsi_url"} & set(row)


def test_unknown_fields_are_ignored() -> None:
    assert parse(id="mine", status="HEALTHY", notes={"a": 1}) == parse()


NO_NAME = "must be 1 to 100 visible characters without control characters"
NO_EMAIL = "must be an e-mail address, or omitted"
NO_OFFSET = "needs its offset from UTC: end it with Z or +01:00"
NO_TIME = "must be a time such as 2026-11-21T15:30:00+01:00"
ERRORS: dict[tuple[str, str], list[object]] = {
    ("student_name", NO_NAME): [
        *("", "  ", "x" * 101, "a\nb", "a\x00b", "a\x7fb", "\ud800", "a\u2028b", "\u202egnirts"),
        *("\u200b\u200d", "\ufeff", "\u3164", "\u2800 \u115f", "\u0301"),
    ],
    ("teacher_email", NO_EMAIL): [
        *(" ", "a@b", "@b.c", "a@.c", "a@b.", "a@b@c.d", "a b@c.d", "a@b.c\nBcc: x@y.z"),
        *("x" * 65 + "@b.c", "a@" + "b" * 251 + ".c", "a\x00@b.c", "a,b@c.d", "a;b@c.d"),
        *("<x>@y.z", "a%0aBcc:x@y.z", "a@b,c.d", '"a"@b.c', ".a@b.c", "a..b@c.d", "a@-b.c"),
    ],
    ("teacher_email", "must be a string"): [7, [], {}, False],
    ("meet_time", NO_OFFSET): ["2026-11-21T15:30:00", "2026-11-21", "2026-W47-6"],
    ("meet_time", NO_TIME): [
        *("", "tomorrow", "2026-13-01T00:00:00Z", "2026-11-21T25:00:00Z", "2026-02-30T10:00:00Z"),
        *("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "\ud800"),
        "٢٠٢٦-11-21T15:30:00Z",
    ],
    ("meet_time", "has passed; it is 2026-11-21T12:00:30Z now"): ["2026-11-21T12:00:29Z"],
    ("meet_time", "is too far ahead; the latest is 2027-11-22T12:00:30Z"): [
        (YEAR + timedelta(seconds=1)).isoformat()
    ],
    ("duration_minutes", "must be a whole number from 15 to 180"): [
        *(14, 181, 60.5, "60", True, [], -30, 10**30, float("nan")),
    ],
    ("time_zone", "must be the name of a time zone such as Europe/Berlin"): [
        *("", "Europe/", "+01:00", "../../etc/passwd", "a/b/c/d", "x" * 65),
    ],
    ("time_zone", "must be a string"): [1, ["UTC"]],
}


@pytest.mark.parametrize(
    ("field_name", "error", "value"),
    [(*key, value) for key, values in ERRORS.items() for value in values],
)
def test_an_invalid_field_is_refused(field_name: str, error: str, value: object) -> None:
    assert refusal(BODY | {field_name: value}).errors == {field_name: error}


def test_all_errors_are_reported_at_once() -> None:
    assert refusal({"teacher_name": 7, "teacher_email": "ada", "meet_time": []}).errors == {
        "teacher_name": "must be a string",
        "student_name": "is missing",
        "teacher_email": NO_EMAIL,
        "meet_time": "must be a string",
    }


def test_a_booking_that_is_only_too_late_is_recognized() -> None:
    """It may have been scheduled by the same request, before its time."""
    late = BODY | {"meet_time": "2026-11-20T12:00:00Z"}

    booking = refusal(late).too_late
    assert booking
    assert booking.time == "2026-11-20T12:00:00Z"
    assert refusal(late | {"student_name": ""}).too_late is None


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff", b"[]", b"null", b'"text"', b"7", b"NaN"),
        *(b"[" * 8000, b'{"a":' * 1600, b"1" * 8000),
        *(json.dumps(BODY).encode("utf-16"), json.dumps(BODY).encode("utf-32-le")),
    ],
    ids=lambda body: repr(body[:8]),
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    assert refusal(body).errors == {"body": "send a JSON object"}


@given(
    st.binary(max_size=200)
    | JSON.map(encoded)
    | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)).map(encoded)
    | st.builds(lambda name, value: encoded(BODY | {name: value}), st.sampled_from(FIELDS), JSON)
)
def test_every_body_is_read_or_refused(body: bytes) -> None:
    try:
        booking = Booking.parse(body, NOW, SETTINGS)
    except BookingError as error:
        assert set(error.errors) <= {*FIELDS, "body"}  # noqa: PT017 (one of two ends)
    else:
        json.dumps(booking.row(NOW), ensure_ascii=False).encode()


def test_the_fingerprint_does_not_depend_on_how_a_booking_is_written() -> None:
    again = parse(meet_time="2026-11-21T16:30:00.5+01:00", student_name=" Zoë", other=1)

    assert again.fingerprint == parse().fingerprint
    as_a_fraction = parse(duration_minutes=45.0)
    assert as_a_fraction.fingerprint == parse(duration_minutes=45).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"teacher_name": "Ada"},
        {"student_name": "Zoe"},
        {"teacher_email": "ada@example.com"},
        {"meet_time": "2026-11-21T15:30:01Z"},
        {"teacher_name": "Zoë", "student_name": "Ada Lovelace"},
        {"student_email": "ada@example.com"},
        {"duration_minutes": 15},
        {"time_zone": "UTC"},
    ],
)
def test_another_booking_has_another_fingerprint(changed: dict[str, object]) -> None:
    assert parse(**changed).fingerprint != parse().fingerprint


def test_the_row_has_what_was_booked() -> None:
    more = {"student_email": "zoe@example.com", "time_zone": "Europe/Berlin"}
    booking = parse(teacher_email="ada@example.com", duration_minutes=45, **more)

    assert booking.row(NOW) == {
        "teacher_name": "Ada Lovelace",
        "student_name": "Zoë",
        "teacher_email": "ada@example.com",
        "student_email": "zoe@example.com",
        "meet_time": "2026-11-21T15:30:00Z",
        "duration_minutes": "45",
        "time_zone": "Europe/Berlin",
        "created_at": "2026-11-21T12:00:30Z",
        "status": "SCHEDULED",
        "request_hash": booking.fingerprint,
    }


def test_people_are_not_shown() -> None:
    shown = repr(parse(teacher_email="ada@example.com"))

    assert "ada" not in shown.lower()
    assert "Zoë" not in shown

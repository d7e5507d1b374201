"""Bookings: parsing a request to schedule a meeting, and reporting all its errors."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import (
    DURATION,
    MEET_TIME,
    REQUEST_HASH,
    TIME_ZONE,
    Status,
)
from chalicelib.settings.meetings import MINUTE, SHORTEST_MEETING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.settings.meetings import MeetingsSettings

LONGEST_NAME: Final = 100

_LONGEST_EMAIL: Final = 254
"""https://www.rfc-editor.org/errata/eid1690"""
_ATOM = r"[\w!#$&'*+/=?^`{|}~-]+"
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
"""One plain address: nothing that another program might take for a list, name or escape.

https://www.rfc-editor.org/rfc/rfc5322#section-3.2.3 without `%`, with letters of all languages.
"""
_ZONE_NAME = re.compile(r"(?!.{65})[A-Za-z][\w+-]*(?:/[\w+-]+){0,2}", re.ASCII)
"""The form of a name in the time zone database: https://data.iana.org/time-zones/theory.html#naming

Which names there are depends on the version, and the visitor's may be newer than Lambda's.
"""
_HIDDEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Character categories not allowed in names: controls, surrogates, line breaks."""
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the reading order of a text."""
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters categorized as letters or symbols that are invisible."""


class BookingError(Exception):
    """The request cannot be scheduled; `errors` says why, by field.

    `too_late` is the booking if its only problem is that its time has passed.
    """

    def __init__(self, errors: Mapping[str, str], too_late: Booking | None = None) -> None:
        self.errors = dict(errors)
        self.too_late = too_late
        super().__init__(f"invalid fields: {', '.join(sorted(errors))}")


@dataclass(frozen=True)
class Booking:
    """A requested meeting. `meet_time` is in UTC, in whole seconds.

    `length` is None if the request does not say how long it is to be.
    """

    teacher_name: str = field(repr=False)
    student_name: str = field(repr=False)
    teacher_email: str | None = field(repr=False)
    meet_time: datetime
    student_email: str | None = field(default=None, repr=False)
    length: timedelta | None = None
    time_zone: str | None = None

    @classmethod
    def parse(cls, body: bytes, now: datetime, settings: MeetingsSettings) -> Booking:
        """Parse a request's body. Unknown fields are ignored.

        Raises BookingError, which names all errors.
        """
        reader = Reader.of(body)
        booking = cls(
            teacher_name=reader.name("teacher_name"),
            student_name=reader.name("student_name"),
            teacher_email=reader.email("teacher_email"),
            student_email=reader.email("student_email"),
            meet_time=reader.time(MEET_TIME, now + settings.days_ahead),
            length=reader.length(settings.longest),
            time_zone=reader.time_zone(),
        )
        is_late = MEET_TIME not in reader.errors and booking.meet_time < now.replace(microsecond=0)
        is_only_late = is_late and not reader.errors
        if is_late:
            reader.errors[MEET_TIME] = passed(now)
        if reader.errors:
            raise BookingError(reader.errors, booking if is_only_late else None)
        return booking

    @property
    def time(self) -> str:
        """The meeting's time as in rows and answers: `2026-11-21T15:30:00Z`."""
        return format_time(self.meet_time)

    @property
    def fingerprint(self) -> str:
        """A hash that is equal for requests with the same meaning, however they are written."""
        asked = [self.teacher_name, self.student_name, self.teacher_email, self.time]
        # Only what is given, so that a request from before these fields existed is still the same.
        more = [self.student_email, self._minutes, self.time_zone]
        return hashlib.sha256(json.dumps(asked + (more if any(more) else [])).encode()).hexdigest()

    def row(self, now: datetime) -> dict[str, str]:
        """Build what the request says of the meeting's row."""
        texts = {
            "teacher_name": self.teacher_name,
            "student_name": self.student_name,
            MEET_TIME: self.time,
            "created_at": format_time(now),
            "status": Status.SCHEDULED,
            REQUEST_HASH: self.fingerprint,
        }
        optional = {
            "teacher_email": self.teacher_email,
            "student_email": self.student_email,
            DURATION: self._minutes,
            TIME_ZONE: self.time_zone,
        }
        return texts | {name: text for name, text in optional.items() if text}

    @property
    def _minutes(self) -> str | None:
        return str(self.length // MINUTE) if self.length else None


def passed(now: datetime) -> str:
    """Say that a time is not one for a meeting any more."""
    return f"has passed; it is {format_time(now)} now"


class Reader:
    """Reads fields and collects problems in `errors`; on errors, results must not be used."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._document = document
        self.errors: dict[str, str] = {}

    @classmethod
    def of(cls, body: bytes) -> Reader:
        """Read a request's body. Raises BookingError if it is no JSON object."""
        try:
            document = json.loads(body.decode("utf-8-sig"))  # bytes might be UTF-16 as well
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise BookingError({"body": "send a JSON object"})
        return cls(document)

    @property
    def names(self) -> frozenset[str]:
        """The fields that were sent."""
        return frozenset(self._document)

    def name(self, field_name: str) -> str:
        """Read a person's name."""
        text = self._text(field_name)
        is_name = text and len(text) <= LONGEST_NAME and _is_plain(text) and _is_visible(text)
        if text is not None and not is_name:
            self.errors[field_name] = (
                f"must be 1 to {LONGEST_NAME} visible characters without control characters"
            )
        return text or ""

    def email(self, field_name: str) -> str | None:
        """Read an optional e-mail address."""
        if self._document.get(field_name) is None or self._document[field_name] == "":
            return None
        text = self._text(field_name) or ""
        is_plausible = _EMAIL.fullmatch(text) and len(text) <= _LONGEST_EMAIL and _is_plain(text)
        if not is_plausible:
            self.errors.setdefault(field_name, "must be an e-mail address, or omitted")
        return text

    def length(self, longest: timedelta) -> timedelta | None:
        """Read an optional length in minutes."""
        minutes = self._document.get(DURATION)
        if minutes is None:
            return None
        least, most = SHORTEST_MEETING // MINUTE, longest // MINUTE
        if isinstance(minutes, float) and minutes.is_integer():  # JSON has one kind of number
            minutes = int(minutes)
        if type(minutes) is not int or not least <= minutes <= most:
            self.errors[DURATION] = f"must be a whole number from {least} to {most}"
            return None
        return minutes * MINUTE

    def time_zone(self) -> str | None:
        """Read the optional name of a time zone."""
        if self._document.get(TIME_ZONE) is None:
            return None
        text = self._text(TIME_ZONE)
        if text is not None and not _ZONE_NAME.fullmatch(text):
            self.errors[TIME_ZONE] = "must be the name of a time zone such as Europe/Berlin"
        return text

    def time(self, field_name: str, latest: datetime) -> datetime:
        """Read a time with its offset."""
        text = self._text(field_name)
        never = datetime.min.replace(tzinfo=UTC)
        if text is None:
            return never
        try:
            read = datetime.fromisoformat(text)
            offset = read.utcoffset()
            in_utc = read.astimezone(UTC).replace(microsecond=0) if offset is not None else None
        except (ValueError, OverflowError):
            self.errors[field_name] = "must be a time such as 2026-11-21T15:30:00+01:00"
            return never
        if in_utc is None:
            self.errors[field_name] = "needs its offset from UTC: end it with Z or +01:00"
            return never
        if in_utc > latest:
            self.errors[field_name] = f"is too far ahead; the latest is {format_time(latest)}"
        return in_utc

    def _text(self, field_name: str) -> str | None:
        value = self._document.get(field_name)
        if value is None:
            self.errors[field_name] = "is missing"
        elif not isinstance(value, str):
            self.errors[field_name] = "must be a string"
        else:
            return value.strip()
        return None


def _is_plain(text: str) -> bool:
    return not any(
        unicodedata.category(character) in _HIDDEN or character in _TURNING for character in text
    )


def _is_visible(text: str) -> bool:
    """Return True if it has a visible letter, number, symbol or punctuation mark."""
    return any(
        unicodedata.category(character)[0] in "LNPS" and character not in _BLANK
        for character in text
    )

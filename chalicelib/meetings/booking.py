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
    API_URL,
    MEET_TIME,
    REQUEST_HASH,
    ROLES,
    ROOM_URL,
    Status,
)
from chalicelib.meetings.keys import hash_of, key_hash_attribute
from chalicelib.settings.meetings import MEETING_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.meetings.keys import Seed

LONGEST_NAME: Final = 100
FURTHEST: Final = timedelta(days=366)
"""How far ahead a meeting may be."""

_LONGEST_EMAIL: Final = 254
"""https://www.rfc-editor.org/errata/eid1690"""
_ATOM = r"[\w!#$&'*+/=?^`{|}~-]+"
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
"""One plain address: nothing that another program might take for a list, name or escape.

https://www.rfc-editor.org/rfc/rfc5322#section-3.2.3 without `%`, with letters of all languages.
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
    """A requested meeting. `meet_time` is in UTC, in whole seconds."""

    teacher_name: str = field(repr=False)
    student_name: str = field(repr=False)
    teacher_email: str | None = field(repr=False)
    meet_time: datetime

    @classmethod
    def parse(cls, body: bytes, now: datetime) -> Booking:
        """Parse a request's body. Unknown fields are ignored.

        Raises BookingError, which names all errors.
        """
        try:
            document = json.loads(body.decode("utf-8-sig"))  # bytes might be UTF-16 as well
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise BookingError({"body": "send a JSON object"})
        reader = _Reader(document)
        booking = cls(
            teacher_name=reader.name("teacher_name"),
            student_name=reader.name("student_name"),
            teacher_email=reader.email("teacher_email"),
            meet_time=reader.time(MEET_TIME),
        )
        if MEET_TIME not in reader.errors and booking.meet_time - now > FURTHEST:
            reader.errors[MEET_TIME] = f"is more than {FURTHEST.days} days ahead"
        is_late = MEET_TIME not in reader.errors and booking.meet_time < now.replace(microsecond=0)
        is_only_late = is_late and not reader.errors
        if is_late:
            reader.errors[MEET_TIME] = f"has passed; it is {format_time(now)} now"
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
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def row(
        self, seed: Seed, now: datetime, *, api_url: str, room_url: str | None, with_keys: bool
    ) -> dict[str, str]:
        """Build the row of the seed's meeting, without its id; the room is a template."""
        texts = {
            "teacher_name": self.teacher_name,
            "student_name": self.student_name,
            MEET_TIME: self.time,
            "created_at": format_time(now),
            "status": Status.SCHEDULED,
            REQUEST_HASH: self.fingerprint,
            API_URL: api_url,
        }
        if room_url:
            texts[ROOM_URL] = room_url.replace(MEETING_ID, seed.meeting_id)
        if self.teacher_email:
            texts["teacher_email"] = self.teacher_email
        if with_keys:
            texts |= {key_hash_attribute(role): hash_of(seed.join_key(role)) for role in ROLES}
        return texts


class _Reader:
    """Reads fields and collects problems in `errors`; on errors, results must not be used."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._document = document
        self.errors: dict[str, str] = {}

    def name(self, field_name: str) -> str:
        text = self._text(field_name)
        is_name = text and len(text) <= LONGEST_NAME and _is_plain(text) and _is_visible(text)
        if text is not None and not is_name:
            self.errors[field_name] = (
                f"must be 1 to {LONGEST_NAME} visible characters without control characters"
            )
        return text or ""

    def email(self, field_name: str) -> str | None:
        if self._document.get(field_name) is None or self._document[field_name] == "":
            return None
        text = self._text(field_name) or ""
        is_plausible = _EMAIL.fullmatch(text) and len(text) <= _LONGEST_EMAIL and _is_plain(text)
        if not is_plausible:
            self.errors.setdefault(field_name, "must be an e-mail address, or omitted")
        return text

    def time(self, field_name: str) -> datetime:
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

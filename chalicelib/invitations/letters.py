"""The decision which letter a meeting's person is due, from the meeting's row alone.

Pure. It depends on the state of the row, never on what has changed in it, so records of the stream
that are late, repeated or out of order lead to no outdated letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from chalicelib.meeting_row.meeting import (
    REASON,
    ROLES,
    SCHEDULED_AT,
    SCHEDULED_BY,
    Meeting,
    Status,
    mail_attribute,
)
from chalicelib.meetings.lifetime import LEAD
from chalicelib.meetings.state import (
    CANCELLED,
    DESKTOP_LIMIT,
    JOINED_AT,
    LAUNCH_FAILED,
    is_over,
    length_of,
    meet_time_of,
    sequence_of,
)

if TYPE_CHECKING:
    from datetime import datetime

CALLED_OFF: Final = frozenset({CANCELLED, LAUNCH_FAILED, DESKTOP_LIMIT})
"""The reasons for which a meeting does not take place although people were invited."""
INVITABLE: Final = (Status.SCHEDULED, Status.LAUNCHED, Status.DNS_WRITTEN, Status.HEALTHY)
"""The statuses before anybody has joined."""

BETWEEN_LETTERS: Final = timedelta(minutes=15)
"""An invitation sent this long before the desktops are launched, or later, is the reminder too.

So who is invited to a meeting that starts at once gets one e-mail, not two.
"""

_MARK = re.compile(
    "(?P<kind>invitation|reminder|cancellation) (?P<number>[0-9]{1,9}) "
    "(?P<outcome>sending|sent|failed|bounced)"
)


class Kind(IntEnum):
    """In the order in which a person gets them for one time of a meeting."""

    INVITATION = 0
    REMINDER = 1
    CANCELLATION = 2

    @property
    def word(self) -> str:
        """The kind as it is written in rows and keys."""
        return self.name.lower()


class Outcome(StrEnum):
    """What became of a letter."""

    SENDING = "sending"
    """It was given to SES, unless the run died before that: nothing more was noted."""
    SENT = "sent"
    FAILED = "failed"
    """SES refused it for good."""
    BOUNCED = "bounced"


_SENDING: Final = Outcome.SENDING


@dataclass(frozen=True)
class Mark:
    """What a row says of the last letter to a person: its kind, its number, and its outcome."""

    kind: Kind
    number: int
    outcome: Outcome

    @classmethod
    def of(cls, meeting: Meeting, role: str) -> Mark | None:
        """Read it from the row; None if there is none, or what is there is not one."""
        found = _MARK.fullmatch(meeting.text(mail_attribute(role)) or "")
        if found is None:
            return None
        kind = Kind[found["kind"].upper()]
        return cls(kind, int(found["number"]), Outcome(found["outcome"]))

    def __str__(self) -> str:
        return f"{self.kind.word} {self.number} {self.outcome}"

    @property
    def place(self) -> tuple[int, int]:
        """Where the letter is among all to that person."""
        return self.number, self.kind


@dataclass(frozen=True)
class Letter:
    """A letter that is due. `number` is the meeting's SEQUENCE."""

    kind: Kind
    number: int
    is_change: bool = field(default=False, compare=False)
    """Whether the person had an invitation to another time or length."""
    reminds: bool = field(default=False, compare=False)
    """Whether an invitation is so late that no reminder follows: this depends on the clock."""

    def key(self, meeting_id: str, role: str) -> str:
        """Return the key under which it is sent once."""
        return f"{self.kind.word}/{meeting_id}/{role}/{self.number}"

    @property
    def intent(self) -> Mark:
        """What the row says just before it is sent."""
        return Mark(self.kind, self.number, Outcome.SENDING)

    def mark(self, outcome: Outcome) -> Mark:
        """Return what the row says once it is done."""
        return Mark(Kind.REMINDER if self.reminds else self.kind, self.number, outcome)


def due_letters(meeting: Meeting, now: datetime, longest: timedelta) -> dict[str, Letter]:
    """Return the letters that are due, by role; `longest` is the stage's longest meeting."""
    found = {role: due_letter(meeting, role, now, longest) for role in ROLES}
    return {role: letter for role, letter in found.items() if letter}


def due_letter(meeting: Meeting, role: str, now: datetime, longest: timedelta) -> Letter | None:
    """Return the letter that the role's person is due; None if there is none.

    Nobody is due one whose address the row lacks, nor for a meeting that was not scheduled by the
    API, is not confirmed yet, or has been joined.
    """
    is_booked = SCHEDULED_BY in meeting.item and SCHEDULED_AT in meeting.item
    was_joined = JOINED_AT in meeting.item or meeting.status == Status.IN_PROGRESS
    if not is_booked or was_joined or not address_of(meeting, role):
        return None
    mark = Mark.of(meeting, role)
    if is_over(meeting):
        return _cancellation(meeting, mark)
    start = meet_time_of(meeting)
    if start is None or now >= start + length_of(meeting, longest):
        return None
    return _invitation(meeting, mark, start, now) if meeting.status in INVITABLE else None


def address_of(meeting: Meeting, role: str) -> str:
    """Return the e-mail address of the role's person; empty if the row has none."""
    return meeting.text(f"{role}_email") or ""


def _invitation(
    meeting: Meeting, mark: Mark | None, start: datetime, now: datetime
) -> Letter | None:
    """Return the invitation or reminder that a person is due who has got this mark."""
    number = sequence_of(meeting)
    is_launched = meeting.status != Status.SCHEDULED
    if mark is None or mark.number < number or mark == Mark(Kind.INVITATION, number, _SENDING):
        reminds = is_launched or now >= start - LEAD - BETWEEN_LETTERS
        has_one = mark is not None and mark.outcome is Outcome.SENT
        return Letter(Kind.INVITATION, number, is_change=has_one, reminds=reminds)
    awaits = (Mark(Kind.INVITATION, number, Outcome.SENT), Mark(Kind.REMINDER, number, _SENDING))
    return Letter(Kind.REMINDER, number) if is_launched and mark in awaits else None


def _cancellation(meeting: Meeting, mark: Mark | None) -> Letter | None:
    """Return the cancellation that a person is due who got an invitation, or may have."""
    if meeting.text(REASON) not in CALLED_OFF or mark is None:
        return None
    if mark.kind is Kind.CANCELLATION and mark.outcome is not _SENDING:
        return None
    never_got_one = mark.outcome in {Outcome.FAILED, Outcome.BOUNCED} and mark.number == 0
    return None if never_got_one else Letter(Kind.CANCELLATION, sequence_of(meeting))

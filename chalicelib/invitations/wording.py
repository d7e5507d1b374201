"""The words of each letter, before layout.

Names come from those who schedule the meeting, so they are plain text in one line, of which no mail
program makes a link.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from chalicelib.clock import in_minutes
from chalicelib.invitations.letters import Kind
from chalicelib.meeting_row.meeting import REASON, ROOM_URL, TIME_ZONE
from chalicelib.meetings.calendar import other_name
from chalicelib.meetings.state import CANCELLED, length_of, meet_time_of
from chalicelib.notifications.notice import Action, Fact, Notice, one_line

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from chalicelib.invitations.letters import Letter
    from chalicelib.meeting_row.meeting import Meeting

_LONGEST_NAME: Final = 60
_LINKED = re.compile(r"([.:/@])(?=\S)")
_INVISIBLE: Final = "\u200c"
"""Joins nothing: between the parts of an address it keeps mail programs from linking it."""


def notice_of(
    letter: Letter, meeting: Meeting, role: str, link: str | None, longest: timedelta
) -> Notice:
    """Return the words of a letter about a meeting with a valid start; `link` is the person's."""
    times = Times(meeting, longest)
    name = plain(other_name(meeting, role))
    write = {
        Kind.INVITATION: _changed if letter.is_change else _invited,
        Kind.REMINDER: _reminded,
        Kind.CANCELLATION: _cancelled,
    }[letter.kind]
    return write(letter, meeting, name, link, times)


def footer_of(meeting: Meeting) -> str:
    """Say why the person gets it."""
    return (
        "Sent by Elephant, since this address was given when the meeting was booked. "
        f"Meeting {meeting.id}."
    )


def plain(name: str) -> str:
    """Reduce a name to plain text in one line."""
    return _LINKED.sub(rf"\1{_INVISIBLE}", one_line(name, _LONGEST_NAME)) or "somebody"


class Times:
    """A meeting's start and end in words: in the zone in which it was booked, and in UTC."""

    def __init__(self, meeting: Meeting, longest: timedelta) -> None:
        start = meet_time_of(meeting)
        if start is None:
            raise ValueError(f"the row of meeting {meeting.id!r} has no valid start")
        self._start = start
        self._end = start + length_of(meeting, longest)
        self._zone = zone_of(meeting.text(TIME_ZONE) or "")

    @property
    def begin(self) -> str:
        """The start, for a heading: `11:00 (Europe/Berlin)`."""
        return f"{self._local(self._start):%H:%M} ({self._zone_name})"

    @property
    def short(self) -> str:
        """The start, for a subject: `28 Nov, 11:00 (Europe/Berlin)`."""
        local = self._local(self._start)
        return f"{local.day} {local:%b}, {self.begin}"

    @property
    def span(self) -> str:
        """Start and end: `Saturday, 28 November 2026, 11:00 to 12:00 (Europe/Berlin)`."""
        words = _span(self._local(self._start), self._local(self._end))
        return f"{words} ({self._zone_name})"

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The times, in each zone."""
        found = [Fact("When", self.span)]
        if self._zone:
            found.append(Fact("In UTC", _span(self._start, self._end)))
        return (*found, Fact("Length", in_minutes(self._end - self._start)))

    @property
    def _zone_name(self) -> str:
        return self._zone.key if self._zone else "UTC"

    def _local(self, time: datetime) -> datetime:
        return time.astimezone(self._zone) if self._zone else time


def zone_of(name: str) -> ZoneInfo | None:
    """Return the time zone of a name; None if there is none here, or no database of them."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no name at all; a directory of zones
        return None


def _span(start: datetime, end: datetime) -> str:
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{_day(end)}, {end:%H:%M}"
    return f"{_day(start)}, {start:%H:%M} to {until}"


def _day(time: datetime) -> str:
    return f"{time:%A}, {time.day} {time:%B %Y}"


def _invited(letter: Letter, meeting: Meeting, name: str, link: str | None, times: Times) -> Notice:
    more = f" {_SOON}" if letter.reminds else ""
    return Notice(
        subject=one_line(f"Invitation: meeting with {name}, {times.short}"),
        label="Invitation",
        heading=f"Meeting with {name}",
        summary=f"You are invited to a meeting: {times.span}.{more}",
        is_good=True,
        facts=_facts(meeting, name, times),
        advice=_ADVICE,
        action=_join(link),
    )


def _changed(letter: Letter, meeting: Meeting, name: str, link: str | None, times: Times) -> Notice:
    more = f" {_SOON}" if letter.reminds else ""
    return Notice(
        subject=one_line(f"New time: meeting with {name}, {times.short}"),
        label="New time",
        heading=f"Your meeting with {name} has a new time",
        summary=(
            f"It is now {times.span}. This replaces the earlier invitation; your link is the "
            f"same.{more}"
        ),
        is_good=True,
        facts=_facts(meeting, name, times),
        advice=_ADVICE,
        action=_join(link),
    )


def _reminded(_: Letter, meeting: Meeting, name: str, link: str | None, times: Times) -> Notice:
    return Notice(
        subject=one_line(f"Starts at {times.begin}: meeting with {name}"),
        label="Reminder",
        heading=f"Your meeting with {name} starts at {times.begin}",
        summary="Your desktop is being prepared. You can open your link now and wait there.",
        is_good=True,
        facts=_facts(meeting, name, times),
        advice=_ADVICE,
        action=_join(link),
    )


def _cancelled(_: Letter, meeting: Meeting, name: str, __: str | None, times: Times) -> Notice:
    was_wanted = meeting.text(REASON) == CANCELLED
    why = "It was cancelled." if was_wanted else "Its desktops could not be started; we are sorry."
    return Notice(
        subject=one_line(f"Cancelled: meeting with {name}, {times.short}"),
        label="Cancelled",
        heading=f"Your meeting with {name} does not take place",
        summary=f"{why} Your link to it no longer works.",
        facts=(*times.facts, Fact("With", name)),
        action=None,
    )


_SOON: Final = "Your desktop will be ready at the start; you can open your link now and wait there."
_ADVICE: Final = (
    "The link is yours alone: who has it can enter as you, so please do not pass it on."
)


def _facts(meeting: Meeting, name: str, times: Times) -> tuple[Fact, ...]:
    room = meeting.text(ROOM_URL)
    return (*times.facts, Fact("With", name), *([Fact("Talk here", room, room)] if room else []))


def _join(link: str | None) -> Action | None:
    return Action("Join the meeting", link) if link else None

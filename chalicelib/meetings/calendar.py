"""A meeting as an iCalendar object, to be mailed or imported.

Times are in UTC, so that no definition of a time zone is needed: calendars show the reader's own.

https://www.rfc-editor.org/rfc/rfc5545 and https://www.rfc-editor.org/rfc/rfc5546
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from chalicelib.clock import in_minutes
from chalicelib.meeting_row.meeting import ROLES, ROOM_URL
from chalicelib.meetings.state import length_of, meet_time_of, sequence_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from chalicelib.meeting_row.meeting import Meeting

PUBLISH: Final = "PUBLISH"
REQUEST: Final = "REQUEST"
CANCEL: Final = "CANCEL"

_LONGEST_LINE: Final = 75
"""Octets of a content line, without its end."""
_IN_ADDRESSES: Final = "@!$'*+"
"""What is not encoded in a `mailto:`: https://www.rfc-editor.org/rfc/rfc6068#section-2"""
_NOBODY: Final = "invalid:nomail"
"""The organizer of a stage that sends no mail, as Exchange writes it: `PUBLISH` requires one."""
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no value may contain, and what some programs take for the end of a line."""


def calendar_of(  # noqa: PLR0913 (what the row does not say)
    meeting: Meeting,
    *,
    method: str,
    role: str | None,
    link: str | None,
    organizer: str | None,
    attendee: str | None,
    now: datetime,
    longest: timedelta,
) -> str:
    """Return the meeting's calendar object for the person of a role, or for who schedules it.

    `method` is `PUBLISH`, `REQUEST` or `CANCEL`; the last two require `organizer` and `attendee`,
    which are e-mail addresses, and the first ignores `attendee`. `link` is the person's own join
    link. `longest` is the stage's longest meeting. All objects of a meeting have the same UID, so
    that a calendar replaces the earlier by the later.

    Raises ValueError if the row has no valid start.
    """
    start = meet_time_of(meeting)
    if start is None:
        raise ValueError(f"the row of meeting {meeting.id!r} has no valid start")
    length = length_of(meeting, longest)
    is_cancelled = method == CANCEL
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Elephant//Meetings//EN",
        "CALSCALE:GREGORIAN",
        f"METHOD:{method}",
        "BEGIN:VEVENT",
        f"UID:{_text(meeting.id)}@elephant",
        f"SEQUENCE:{sequence_of(meeting) + is_cancelled}",
        f"DTSTAMP:{_time(now)}",
        f"DTSTART:{_time(start)}",
        f"DTEND:{_time(start + length)}",
        f"SUMMARY:{_text(title_of(meeting, role))}",
        f"STATUS:{'CANCELLED' if is_cancelled else 'CONFIRMED'}",
        # The link lets its holder enter, and others may see the reader's calendar.
        "CLASS:PRIVATE",
        f"ORGANIZER;CN=Elephant:{_address(organizer) if organizer else _NOBODY}",
    ]
    if attendee and method != PUBLISH:
        lines.append(_attendee(attendee, _name_of(meeting, role), is_asked=not is_cancelled))
    if not is_cancelled:
        lines += _places(meeting, link, length)
    lines += ["END:VEVENT", "END:VCALENDAR"]
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def title_of(meeting: Meeting, role: str | None) -> str:
    """Return what the meeting is called for the person of a role, or for others."""
    if role is None:
        return f"Meeting of {' and '.join(_name_of(meeting, each) for each in ROLES)}"
    return f"Meeting with {other_name(meeting, role)}"


def other_name(meeting: Meeting, role: str) -> str:
    """Return the name of the person whom the role's person meets."""
    return _name_of(meeting, next(each for each in ROLES if each != role))


def _name_of(meeting: Meeting, role: str | None) -> str:
    return meeting.text(f"{role}_name") or "somebody"


def _places(meeting: Meeting, link: str | None, length: timedelta) -> Iterator[str]:
    room = meeting.text(ROOM_URL)
    about = [f"Length: {in_minutes(length)}"]
    about += [f"Join the meeting (this link is yours alone): {link}"] if link else []
    about += [f"Talk to each other here: {room}"] if room else []
    yield f"DESCRIPTION:{_text(chr(10).join(about))}"
    place = link or room
    if place:
        yield f"LOCATION:{_text(place)}"
        yield f"URL:{_line(place)}"


def _attendee(address: str, name: str, *, is_asked: bool) -> str:
    """Return the property of the person to whom it is sent, who is asked to accept or not."""
    reply = ";PARTSTAT=NEEDS-ACTION;RSVP=TRUE" if is_asked else ""
    # A quoted value has no escape for a quotation mark that programs agree on.
    name = _line(name.replace('"', "'"))
    return f'ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT{reply};CN="{name}":{_address(address)}'


def _address(email: str) -> str:
    return f"mailto:{quote(email, safe=_IN_ADDRESSES)}"


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(text: str) -> str:
    """Escape a text: https://www.rfc-editor.org/rfc/rfc5545#section-3.3.11."""
    lines = text.splitlines()
    for character in ("\\", ";", ","):
        lines = [line.replace(character, f"\\{character}") for line in lines]
    return _line(r"\n".join(lines))


def _line(text: str) -> str:
    return _CONTROLS.sub("", text)


def _folded(line: str) -> Iterator[str]:
    """Split a line between characters: https://www.rfc-editor.org/rfc/rfc5545#section-3.1."""
    part, size = "", 0
    for character in line:
        width = len(character.encode())
        if size + width > _LONGEST_LINE:
            yield part
            part, size = " ", 1
        part += character
        size += width
    yield part

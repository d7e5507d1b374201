"""Tickets, by which a person who opened a join link gets into the desktop without a password. Pure.

DCV's server passes a ticket on to `POST /dcv/<instance-id>`, at the first connection and perhaps
whenever the client connects again. So a ticket is good for one minute until it is first used. After
that it is good again only shortly after somebody was connected to the desktop, and the desktop
lets one client in at a time: who reads the address later gets nothing.
https://docs.aws.amazon.com/dcv/latest/adminguide/external-authentication.html
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import (
    REASON,
    ROLES,
    RowUpdate,
    Status,
    instance_attribute,
    link_attribute,
)
from chalicelib.meetings.desktop_reports import connected_attribute
from chalicelib.meetings.keys import hash_of, opens
from chalicelib.meetings.state import JOINED_AT, has_data, is_over, is_within, waiting_attribute

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.meeting_row.meeting import Meeting

SESSION: Final = "elephant"
"""The id of a desktop's DCV session."""
USER: Final = "elephant"
"""The owner of that session."""
LIFE: Final = timedelta(minutes=1)
"""How long a ticket is good until it is first used."""
RECONNECT: Final = timedelta(minutes=3)
"""How long a used ticket is good after somebody was last known to be connected."""

LONGEST: Final = 512
_SECRET_BYTES: Final = 24


class NoEntryError(Exception):
    """The ticket does not open the desktop; the message says why, without the ticket."""


@dataclass(frozen=True)
class Ticket:
    """A ticket for the desktop that a role of a meeting has; its text is a secret."""

    meeting_id: str
    role: str
    text: str = field(repr=False)

    @classmethod
    def new(cls, meeting_id: str, role: str) -> Ticket:
        """Make a ticket that nobody can guess. Its text is URL-safe."""
        where = base64.urlsafe_b64encode(meeting_id.encode()).decode().rstrip("=")
        return cls(meeting_id, role, f"{where}.{role}.{secrets.token_urlsafe(_SECRET_BYTES)}")

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """Read for whom a text claims to be a ticket. Raises NoEntryError if it cannot be one."""
        where, _, rest = text.partition(".")
        role = rest.partition(".")[0]
        try:
            meeting_id = base64.b64decode(where + "=" * (-len(where) % 4), "-_", validate=True)
            name = meeting_id.decode()
        except ValueError:
            name = ""
        if not name or role not in ROLES or len(text) > LONGEST:
            raise NoEntryError("this is no ticket")
        return cls(name, role, text)


def entrance(link: str, ticket: Ticket) -> str:
    """Return the address at which a browser enters the desktop of this link."""
    return f"{link}/?authToken={ticket.text}#{SESSION}"


def connection_file(link: str, ticket: Ticket) -> str:
    """Write the file with which DCV's native clients enter it.

    https://docs.aws.amazon.com/dcv/latest/userguide/using-connection-file.html
    """
    place = urlsplit(link)
    lines = ("[version]", "format=1.0", "", "[connect]", f"host={place.hostname}")
    more = (f"port={place.port}", f"sessionid={SESSION}", f"authtoken={ticket.text}", "")
    return "\r\n".join((*lines, *more))


def offer(meeting: Meeting, ticket: Ticket, now: datetime) -> RowUpdate:
    """Decide what to write for a new ticket; it takes the place of one that nobody has used.

    Whoever has it is on the way in, so the meeting is not to be ended as a no-show meanwhile.
    """
    role, time = ticket.role, format_time(now)
    of_desktop = hash_of(_bound(ticket, meeting.instance_id(role) or ""))
    texts = {_offered(role): of_desktop, _offered_at(role): time}
    texts[waiting_attribute(role)] = time
    return RowUpdate(meeting, texts, (link_attribute(role), instance_attribute(role), REASON))


def admit(meeting: Meeting, ticket: Ticket, instance_id: str, now: datetime) -> RowUpdate | None:
    """Let the bearer of a ticket in; return what to write for its first use, None for another.

    The first use begins the meeting. Using it again writes nothing: it would keep itself alive,
    whether or not somebody is connected. Raises NoEntryError.
    """
    role = ticket.role
    if is_over(meeting) or has_data(meeting, role):
        raise NoEntryError("the meeting is over")
    shown = _bound(ticket, instance_id)
    is_offered, *is_used = (
        opens(shown, meeting.text(attribute) or "")
        for attribute in (_offered(role), _used(role), _used_before(role))
    )
    if meeting.instance_id(role) != instance_id or not (is_offered or any(is_used)):
        raise NoEntryError("this ticket does not open this desktop")
    if is_offered:
        if not is_within(meeting, _offered_at(role), LIFE, now):
            raise NoEntryError("this ticket has expired")
        return _first_use(meeting, ticket, instance_id, now)
    seen = (_used_at(role), connected_attribute(role))
    if not any(is_within(meeting, attribute, RECONNECT, now) for attribute in seen):
        raise NoEntryError("this ticket was used, and nobody was connected since")
    return None


def _first_use(meeting: Meeting, ticket: Ticket, instance_id: str, now: datetime) -> RowUpdate:
    """Keep the ticket used before as well: its owner may be the one who is connected."""
    role, time = ticket.role, format_time(now)
    texts = {_used(role): hash_of(_bound(ticket, instance_id)), _used_at(role): time}
    if before := meeting.text(_used(role)):
        texts[_used_before(role)] = before
    if JOINED_AT not in meeting.item:
        texts[JOINED_AT] = time
    if meeting.status in Status.IN_PROGRESS.earlier:
        texts["status"] = Status.IN_PROGRESS
    relies_on = (_offered(role), instance_attribute(role), "status", JOINED_AT, REASON)
    return RowUpdate(meeting, texts, relies_on, (_offered(role), _offered_at(role)))


def _bound(ticket: Ticket, instance_id: str) -> str:
    """Combine a ticket with the desktop that it is for."""
    return f"{instance_id} {ticket.text}"


def _offered(role: str) -> str:
    return f"{role}_ticket_hash"


def _offered_at(role: str) -> str:
    return f"{role}_ticket_at"


def _used(role: str) -> str:
    return f"{role}_entered_hash"


def _used_before(role: str) -> str:
    return f"{role}_entered_before_hash"


def _used_at(role: str) -> str:
    return f"{role}_entered_at"

"""The simulated stages, and what names, links and records mean, without the product's code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from chalicelib.meeting_row.meeting import Status
from tests.world import DOMAIN, OWNER, make_settings

if TYPE_CHECKING:
    from chalicelib.settings.meetings import MeetingsSettings
    from localcloud.cloudflare import Record

SETTINGS: Final = make_settings()
IMAGE: Final = "ami-0123456789abcdef0"
_OF_MEETINGS: Final = {
    "FEATURES": "meetings",
    "AMI_ID": IMAGE,
    "SECURITY_GROUP_IDS": "sg-0123456789abcdef0",
    "ALLOWED_ORIGINS": "https://app.example.com",
    "MAX_MEETING_MINUTES": "45",
}
WITH_MEETINGS: Final = make_settings(**_OF_MEETINGS)
WITHOUT_SIGN_IN: Final = make_settings(**_OF_MEETINGS, DESKTOP_SIGN_IN="none")
_MAIL: Final = {
    "FEATURES": "meetings,notifications",
    "MAIL_FROM": "elephant@example.com",
    "MAIL_TO": "operator@example.com",
}
USUAL, WITH_LETTERS = "usual", "with letters"
STAGES: Final = {
    USUAL: WITH_MEETINGS,
    WITH_LETTERS: make_settings(**(_OF_MEETINGS | _MAIL)),
    "without sign-in": WITHOUT_SIGN_IN,
    "for one meeting": make_settings(**_OF_MEETINGS, MAX_DESKTOPS="2"),
    "one for each key": make_settings(**_OF_MEETINGS, MAX_DESKTOPS="4", KEY_MEETINGS_AT_ONCE="1"),
}
MEETINGS: Final[MeetingsSettings] = WITH_MEETINGS.meetings  # type: ignore[assignment]
CALLERS: Final = {"front-end": "the-key-of-the-front-end", "office": "the-key-of-the-office"}
"""The names of those who may schedule meetings, and their keys."""
FRONT_END, OFFICE = CALLERS
PREFIX: Final = "elephant-test"
NEIGHBOUR: Final = f"{OWNER}1"
"""Another deployment, whose name begins with ours."""

BASE_URL: Final = "https://api.example.com/api"

ROLES: Final = ("teacher", "student")
RANKS: Final[dict[str, int]] = {status: rank for rank, status in enumerate(Status)}
IDS: Final = {f"{role}_ec2_id": role for role in ROLES}
"""The attributes that name the desktop of a role."""
REASON: Final = "termination_reason"
CANCELLED, DESKTOP_LIMIT = "CANCELLED", "DESKTOP_LIMIT"
BEGUN: Final = "launch_begun_at"
JOINED: Final = "joined_at"
CONFIRMED: Final = "scheduled_at"
"""What a row has once its meeting is scheduled."""

MINUTE: Final = 60.0
LONGEST: Final = MEETINGS.longest.total_seconds()
SHORTEST: Final = 15 * MINUTE
AHEAD: Final = 10 * MINUTE
"""How long before its start a meeting's desktops are launched."""
FRESHNESS: Final = 10.0
"""How many seconds old the agenda may be at most."""
PRESENCE: Final = 5 * MINUTE
"""For how long a visitor counts as present after the page has asked."""
LIFE, RECONNECT = MINUTE, 3 * MINUTE
"""For how long a ticket is good until it is used, and then since somebody was connected."""

WATCHDOG, SWEEP, TERMINATOR = "dns_watchdog", "sweep", "terminator"
LAUNCH, SAFETY_NET = "launch_ec2", "safety_net"
INVITE: Final = "invite"
BY_HAND: Final = "sweep by hand"
"""The sweep as an operator runs it, in a process of its own."""
API: Final = "api_handler"
"""The function behind all routes; its name is the stage's alone."""
CORE: Final = frozenset({WATCHDOG, SWEEP, BY_HAND})

_MEETING = re.compile(r"m=(\S+) r=(\S+)")
_INSTANCE = r"i-[0-9a-f]{17}"
_NAME = re.compile(rf"({_INSTANCE})\.{re.escape(DOMAIN)}")
_LINK = re.compile(rf"https://({_INSTANCE})\.{re.escape(DOMAIN)}:8443")


def name_of(instance_id: str) -> str:
    return f"{instance_id}.{DOMAIN}"


def instance_named(name: str) -> str | None:
    found = _NAME.fullmatch(name)
    return found[1] if found else None


def instance_linked(link: str | None) -> str | None:
    found = _LINK.fullmatch(link or "")
    return found[1] if found else None


# Records


def owner_of(record: Record) -> str:
    first, *_ = (record.fields.comment or "").split() or [""]
    return first


def is_ours(record: Record) -> bool:
    return record.type == "A" and owner_of(record) == OWNER


def is_unmarked(record: Record) -> bool:
    """Return True if a record is an address record without an owner comment."""
    return record.type == "A" and not owner_of(record).startswith("elephant:")


def noted(record: Record) -> tuple[str, str] | None:
    """Return the meeting and role that a record's comment names."""
    found = _MEETING.search(record.fields.comment or "")
    return (found[1], unquote(found[2])) if found else None


def described(record: Record) -> str:
    fields = record.fields
    return f"{fields.type} {fields.name} at {fields.content} ({fields.comment})"

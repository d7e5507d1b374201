"""The simulated stages, and what records, rows and instances mean, without the product's code."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from chalicelib.meeting_row.meeting import Status
from tests.world import DOMAIN, OWNER, make_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.settings.meetings import MeetingsSettings
    from localcloud.cloudflare import Record
    from tests.simulation.dynamodb import Item
    from tests.simulation.ec2 import Host, View

SETTINGS: Final = make_settings()
IMAGE: Final = "ami-0123456789abcdef0"
WITH_MEETINGS: Final = make_settings(
    FEATURES="meetings",
    AMI_ID=IMAGE,
    SECURITY_GROUP_IDS="sg-0123456789abcdef0",
    ALLOWED_ORIGINS="https://app.example.com",
    MAX_MEETING_MINUTES="45",
)
MEETINGS: Final[MeetingsSettings] = WITH_MEETINGS.meetings  # type: ignore[assignment]
CALLER_KEY: Final = "the-key-of-the-front-end"
PREFIX: Final = "elephant-test"
NEIGHBOUR: Final = f"{OWNER}1"
"""Another deployment, whose name begins with ours."""

ROLES: Final = ("teacher", "student")
RANKS: Final[dict[str, int]] = {status: rank for rank, status in enumerate(Status)}
IDS: Final = {f"{role}_ec2_id": role for role in ROLES}
"""The attributes that name the desktop of a role."""
REASON: Final = "termination_reason"
JOINED: Final = "joined_at"
CONFIRMED: Final = "scheduled_at"
"""What a row has once its meeting is scheduled."""

MINUTE: Final = 60.0
LONGEST: Final = MEETINGS.longest.total_seconds()
SHORTEST: Final = 15 * MINUTE
AHEAD: Final = 10 * MINUTE
"""How long before its start a meeting's desktops are launched."""
PRESENCE: Final = 5 * MINUTE
"""For how long a visitor counts as present after the page has asked."""

WATCHDOG, SWEEP, TERMINATOR = "dns_watchdog", "sweep", "terminator"
LAUNCH, SAFETY_NET = "launch_ec2", "safety_net"
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


def link_to(instance_id: str) -> str:
    return f"https://{name_of(instance_id)}:8443"


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


# Instances


def is_project(view: View | None) -> bool:
    """Return True if an instance has our tag, and no other stage's owner tag."""
    if view is None or view.tag("Project") != "Elephant":
        return False
    return view.tag("elephant:owner") in {None, OWNER}


def is_live(view: View | None) -> bool:
    return is_project(view) and view is not None and view.state == "running" and bool(view.address)


def is_gone(view: View | None) -> bool:
    return view is None or view.state in {"shutting-down", "terminated"}


def meeting_of(view: View | None) -> str | None:
    return view.tag("MeetingID") if view else None


def assignment(view: View | None) -> tuple[str, str] | None:
    meeting, role = (view.tag("MeetingID"), view.tag("Role")) if view else (None, None)
    return (meeting, role) if meeting and role else None


def launched_at(host: Host) -> float:
    return host.past[0][0]


def desktops_of(hosts: Iterable[Host], meeting: str, role: str | None = None) -> list[Host]:
    """List the project's instances of a meeting that have not terminated."""
    return [
        host
        for host in hosts
        if host.view
        and not is_gone(host.view)
        and is_project(host.view)
        and meeting_of(host.view) == meeting
        and role in {None, host.view.tag("Role")}
    ]


# Rows


def text(item: Item | None, attribute: str) -> str | None:
    value = (item or {}).get(attribute)
    return None if value is None else str(value.get("S", ""))


def status(item: Item | None) -> str:
    return text(item, "status") or ""


def rank(item: Item | None) -> int:
    """Return how far a row's status is; -1 if it has none."""
    return RANKS.get(status(item), -1)


def links(item: Item | None) -> dict[str, str]:
    return {
        name.removesuffix("_ec2_link"): text(item, name) or ""
        for name in item or {}
        if name.endswith("_ec2_link")
    }


def changed(before: Item, after: Item) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def meet_time(item: Item) -> float:
    """Return when a row's meeting starts, in seconds since 1970."""
    return datetime.fromisoformat(text(item, "meet_time") or "").timestamp()


def session_data(item: Item) -> list[str]:
    """List what each side has left; an empty text is nothing."""
    return [text(item, f"{role}_session_data") or "" for role in ROLES]


def is_claimed(item: Item) -> bool:
    """Return True if the meeting was ended by the rules: anyone may write a mere status."""
    return REASON in item


def is_over(item: Item) -> bool:
    """Return True if somebody has ended the meeting, or begun to."""
    return REASON in item or status(item) == "TERMINATED"


def has_begun(item: Item) -> bool:
    """Return True if somebody has joined; a desktop's health check may set the status back."""
    return status(item) == "IN_PROGRESS" or JOINED in item


def goes_on(item: Item, now: float) -> bool:
    """Return True if somebody is in the meeting who may stay: nobody is to end it."""
    is_done = all(session_data(item)) or now >= meet_time(item) + LONGEST
    return has_begun(item) and not is_done

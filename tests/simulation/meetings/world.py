"""The stage with meetings that is simulated, and what its rows and desktops mean for promises."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from tests.simulation.names import RANKS, ROLES, is_gone, is_project, text
from tests.world import make_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.settings.meetings import MeetingsSettings
    from tests.simulation.dynamodb import Item
    from tests.simulation.ec2 import Host

IMAGE: Final = "ami-0123456789abcdef0"
SETTINGS: Final = make_settings(
    FEATURES="meetings",
    AMI_ID=IMAGE,
    SECURITY_GROUP_IDS="sg-0123456789abcdef0",
    ALLOWED_ORIGINS="https://app.example.com",
    MAX_MEETING_MINUTES="45",
)
MEETINGS: Final[MeetingsSettings] = SETTINGS.meetings  # type: ignore[assignment]
LONGEST: Final = MEETINGS.longest.total_seconds()
CALLER_KEY: Final = "the-key-of-the-front-end"
PREFIX: Final = "elephant-test"

MINUTE: Final = 60.0
AHEAD: Final = 10 * MINUTE
"""How long before its start a meeting's desktops are launched."""
SHORTEST: Final = 15 * MINUTE
PRESENCE: Final = 5 * MINUTE
"""For how long nobody counts as absent whose page has asked."""

LAUNCH, SAFETY_NET, TERMINATOR = "launch_ec2", "safety_net", "terminator"
REASON: Final = "termination_reason"
JOINED: Final = "joined_at"
CONFIRMED: Final = "scheduled_at"
"""What a row has once its meeting is scheduled."""


def meet_time(item: Item) -> float:
    """Tell when a row's meeting starts, in seconds since 1970."""
    return datetime.fromisoformat(text(item, "meet_time") or "").timestamp()


def status(item: Item | None) -> str:
    """Tell a row's status."""
    return text(item or {}, "status") or ""


def has_all_data(item: Item) -> bool:
    """Tell whether both sides have left their data."""
    return all(map(bool, data_of(item)))


def data_of(item: Item) -> list[str]:
    """List what each side has left; an empty text is nothing."""
    return [text(item, f"{role}_session_data") or "" for role in ROLES]


def is_over(item: Item) -> bool:
    """Tell whether somebody has ended the meeting, or begun to."""
    return REASON in item or status(item) == "TERMINATED"


def is_claimed(item: Item) -> bool:
    """Tell whether somebody has ended the meeting by the rules: a mere status is written by any."""
    return REASON in item


def is_live(item: Item, now: float) -> bool:
    """Tell whether somebody is in the meeting who may stay: nobody is to end it."""
    return has_begun(item) and not has_all_data(item) and now < meet_time(item) + LONGEST


def has_begun(item: Item) -> bool:
    """Tell whether somebody has joined; a desktop's own check may set the status back."""
    return status(item) == "IN_PROGRESS" or JOINED in item


def desktops_of(hosts: Iterable[Host], meeting: str, role: str | None = None) -> list[Host]:
    """List the project's instances of a meeting that have not ended."""
    return [
        host
        for host in hosts
        if host.view
        and not is_gone(host.view)
        and is_project(host.view)
        and host.view.tag("MeetingID") == meeting
        and role in {None, host.view.tag("Role")}
    ]


def launched_at(host: Host) -> float:
    """Tell when an instance was launched."""
    return host.past[0][0]


def goes_back(before: Item | None, after: Item | None) -> bool:
    """Tell whether a row's status went back."""
    old, new = status(before), status(after)
    return bool(old and after is not None) and RANKS.get(new, -1) < RANKS.get(old, -1)

"""The stage that is simulated, and whose is what in its world: told apart without its own code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from chalicelib.meeting_row.meeting import Status
from tests.world import DOMAIN, OWNER, make_settings

if TYPE_CHECKING:
    from localcloud.cloudflare import Record
    from tests.simulation.dynamodb import Item
    from tests.simulation.ec2 import View

SETTINGS: Final = make_settings()
NEIGHBOUR: Final = f"{OWNER}1"
"""Another deployment, whose name begins with ours."""
ROLES: Final = ("teacher", "student")
RANKS: Final[dict[str, int]] = {status: rank for rank, status in enumerate(Status)}

_MEETING = re.compile(r"m=(\S+) r=(\S+)")
_INSTANCE = r"i-[0-9a-f]{17}"
_NAME = re.compile(rf"({_INSTANCE})\.{re.escape(DOMAIN)}")
_LINK = re.compile(rf"https://({_INSTANCE})\.{re.escape(DOMAIN)}:8443")


def name_of(instance_id: str) -> str:
    """Name an instance's record."""
    return f"{instance_id}.{DOMAIN}"


def link_to(instance_id: str) -> str:
    """Spell the link to an instance."""
    return f"https://{name_of(instance_id)}:8443"


def instance_named(name: str) -> str | None:
    """Return the instance that a record is named after."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


def instance_linked(link: str | None) -> str | None:
    """Return the instance that one of our links leads to."""
    found = _LINK.fullmatch(link or "")
    return found[1] if found else None


def is_ours(record: Record) -> bool:
    """Tell whether a record is ours: an address record with our owner's marker."""
    words = (record.fields.comment or "").split()
    return record.type == "A" and words[:1] == [OWNER]


def is_unmarked(record: Record) -> bool:
    """Tell whether a record is an address record that bears nobody's marker."""
    first, *_ = (record.fields.comment or "").split() or [""]
    return record.type == "A" and not first.startswith("elephant:")


def is_project(view: View | None) -> bool:
    """Tell whether an instance carries our tag, and no other stage's."""
    if view is None or view.tag("Project") != "Elephant":
        return False
    return view.tag("elephant:owner") in {None, OWNER}


def is_live(view: View | None) -> bool:
    """Tell whether an instance is to have a record."""
    return is_project(view) and view is not None and view.state == "running" and bool(view.address)


def is_gone(view: View | None) -> bool:
    """Tell whether an instance has ended for good, or is ending."""
    return view is None or view.state in {"shutting-down", "terminated"}


def assignment(view: View | None) -> tuple[str, str] | None:
    """Return the meeting and role that an instance's tags name."""
    meeting, role = (view.tag("MeetingID"), view.tag("Role")) if view else (None, None)
    return (meeting, role) if meeting and role else None


def noted(record: Record) -> tuple[str, str] | None:
    """Return the meeting and role that a record's comment names."""
    found = _MEETING.search(record.fields.comment or "")
    return (found[1], unquote(found[2])) if found else None


def text(item: Item, attribute: str) -> str | None:
    """Return an attribute of a row."""
    value = item.get(attribute)
    return None if value is None else str(value.get("S", ""))


def links(item: Item) -> dict[str, str]:
    """Return a row's links by role."""
    return {
        name.removesuffix("_ec2_link"): text(item, name) or ""
        for name in item
        if name.endswith("_ec2_link")
    }

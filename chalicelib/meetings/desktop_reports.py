"""What a desktop reports, and what its meeting's row becomes by that. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import (
    MEET_TIME,
    REASON,
    ROOM_URL,
    RowUpdate,
    Status,
    instance_attribute,
    link_attribute,
)
from chalicelib.meetings.state import data_attribute, end_of, has_data, is_noted

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meetings.desktop_caller import CallingDesktop

LARGEST_DATA: Final = 8192
"""Bytes of a finished session's data."""


class NoAddressError(Exception):
    """The row has no link to the desktop yet, so nobody could enter it: it should report again."""


class BadDataError(Exception):
    """The session's data are no JSON object."""


class TooMuchDataError(Exception):
    """The session's data are larger than LARGEST_DATA."""


def healthy_attribute(role: str) -> str:
    """Name the attribute with the id of the role's desktop that reported that it is healthy."""
    return f"{role}_healthy_desktop"


def connected_attribute(role: str) -> str:
    """Name the attribute with the time when somebody was last seen connected to the desktop."""
    return f"{role}_connected_at"


def is_healthy(meeting: Meeting, role: str) -> bool:
    """Whether the desktop to which the role's link leads has reported that it is healthy."""
    linked = meeting.linked_instance(role)
    return linked is not None and meeting.text(healthy_attribute(role)) == linked


def report_healthy(desktop: CallingDesktop, _: datetime) -> RowUpdate | None:
    """Decide what to write when a desktop is healthy; None if the row says so already.

    Raises NoAddressError.
    """
    meeting, role = desktop.meeting, desktop.role
    if meeting.linked_instance(role) != desktop.instance_id:
        raise NoAddressError(f"the row has no link to {desktop.instance_id} yet")
    texts: dict[str, str] = {}
    if not is_healthy(meeting, role):
        texts[healthy_attribute(role)] = desktop.instance_id
    if meeting.status in Status.HEALTHY.earlier:
        texts["status"] = Status.HEALTHY
    relies_on = ("status", link_attribute(role), healthy_attribute(role))
    return _update(desktop, texts, *relies_on) if texts else None


def report_connected(desktop: CallingDesktop, now: datetime) -> RowUpdate | None:
    """Decide what to write while somebody is connected: once a minute is enough."""
    attribute = connected_attribute(desktop.role)
    if is_noted(desktop.meeting, attribute, now):
        return None
    return _update(desktop, {attribute: format_time(now)}, attribute)


def report_finished(desktop: CallingDesktop, body: bytes) -> RowUpdate | None:
    """Decide what to write when a desktop's session is over; None if it has reported before.

    Raises TooMuchDataError, and BadDataError if the body is no JSON object.
    """
    if len(body) > LARGEST_DATA:
        raise TooMuchDataError(f"the data are larger than {LARGEST_DATA} bytes")
    try:
        data = json.loads(body.decode())
        text = json.dumps(data, allow_nan=False)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise BadDataError("send a JSON object")
    if has_data(desktop.meeting, desktop.role):
        return None
    attribute = data_attribute(desktop.role)
    return _update(desktop, {attribute: text}, attribute)


def description(desktop: CallingDesktop, longest: timedelta) -> dict[str, Any]:
    """Describe its meeting to a desktop: its own, and nothing of the other side but the name."""
    meeting, role = desktop.meeting, desktop.role
    ends_at = end_of(meeting, longest)
    state = "healthy" if is_healthy(meeting, role) else "starting"
    return {
        "meeting_id": meeting.id,
        "role": role,
        "teacher_name": meeting.text("teacher_name") or "",
        "student_name": meeting.text("student_name") or "",
        MEET_TIME: meeting.text(MEET_TIME),
        "ends_at": format_time(ends_at) if ends_at else None,
        "room_url": meeting.text(ROOM_URL),
        "status": meeting.status,
        "desktop": "finished" if has_data(meeting, role) else state,
    }


def _update(desktop: CallingDesktop, texts: dict[str, str], *relies_on: str) -> RowUpdate:
    """Write only while the desktop has its role and the meeting is not being ended."""
    always = (instance_attribute(desktop.role), REASON)
    return RowUpdate(desktop.meeting, texts, (*relies_on, *always))

"""The decision about a meeting's row: what a desktop's record, or its end, means for it.

Pure, like the decision about records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.meeting import (
    DNS_WRITTEN,
    STATUSES,
    TERMINATED,
    Assignment,
    Meeting,
    MeetingChange,
    instance_attribute,
    link_attribute,
)
from chalicelib.plan import Presence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.instance import Instance

_BEFORE_DNS: Final = frozenset({None, *STATUSES[: STATUSES.index(DNS_WRITTEN)]})
_BEFORE_END: Final = frozenset({None, *STATUSES[: STATUSES.index(TERMINATED)]})


@dataclass(frozen=True)
class Desktop:
    """An instance in its role, with its link if it has a confirmed record."""

    instance_id: str
    role: str
    presence: Presence
    link: str
    instance: Instance | None


@dataclass(frozen=True)
class MeetingDecision:
    """The one write that the row needs, if any, and why."""

    reason: str
    change: MeetingChange | None = None


def rival_of(desktop: Desktop, meeting: Meeting) -> str | None:
    """Name the instance that has to be looked at before the desktop may have its role's link.

    None if no other has the link, or the row itself says which instance was launched for the
    role.
    """
    linked = meeting.linked_instance(desktop.role)
    if desktop.presence is not Presence.LIVE or meeting.instance_id(desktop.role):
        return None
    return linked if linked != desktop.instance_id else None


def decide_meeting(
    meeting: Meeting, desktop: Desktop, others: Sequence[Instance]
) -> MeetingDecision:
    """Decide what the row is told.

    `others` are the other instances that the meeting may still have: the rival of a live
    desktop, every one that has not ended for an ended desktop.
    """
    if desktop.presence is Presence.LIVE:
        return _decide_live(meeting, desktop, others)
    return _decide_gone(meeting, desktop, others)


def _decide_live(meeting: Meeting, desktop: Desktop, others: Sequence[Instance]) -> MeetingDecision:
    role = desktop.role
    holder = meeting.instance_id(role) or _holder(meeting, desktop, others)
    if holder not in {None, desktop.instance_id}:
        return MeetingDecision(f"{holder} has taken the role of {role}")
    status = DNS_WRITTEN if meeting.status in _BEFORE_DNS else None
    if meeting.link(role) == desktop.link and not status:
        return MeetingDecision("the row says so already")
    relies_on = [link_attribute(role), instance_attribute(role)]
    if status:
        relies_on.append("status")
    change = MeetingChange(meeting, role, desktop.link, status, tuple(relies_on))
    return MeetingDecision(change.summary, change)


def _holder(meeting: Meeting, desktop: Desktop, others: Sequence[Instance]) -> str | None:
    """Of two instances that serve in one role, the one launched last has it."""
    assignment = Assignment(meeting.id, desktop.role)
    for other in others:
        serves = not other.has_ended and Assignment.of(other) == assignment
        linked = other.id == meeting.linked_instance(desktop.role)
        if serves and linked and not _launched_after(desktop.instance, other):
            return other.id
    return None


def _launched_after(instance: Instance | None, other: Instance) -> bool:
    return instance is not None and instance.launched_at > other.launched_at


def _decide_gone(meeting: Meeting, desktop: Desktop, others: Sequence[Instance]) -> MeetingDecision:
    role = desktop.role
    is_linked = meeting.linked_instance(role) == desktop.instance_id
    blocker = _what_keeps_it_open(meeting, desktop, others, is_linked=is_linked)
    if blocker and not is_linked:
        return MeetingDecision(blocker)
    relies_on = [link_attribute(role)]
    if not blocker:
        relies_on += [link_attribute(other) for other in meeting.roles if other != role]
        relies_on += [instance_attribute(role), "status"]
    status = None if blocker else TERMINATED
    change = MeetingChange(meeting, role, None, status, tuple(relies_on))
    return MeetingDecision(change.summary, change)


def _what_keeps_it_open(
    meeting: Meeting, desktop: Desktop, others: Sequence[Instance], *, is_linked: bool
) -> str | None:
    """Say why the meeting is not over with this desktop; None if it is."""
    if desktop.presence is not Presence.ENDED:
        return "the row has no link of this instance"
    if meeting.status not in _BEFORE_END:
        return f"the row's status is {meeting.status}"
    holder = meeting.instance_id(desktop.role)
    if holder not in {None, desktop.instance_id}:
        return f"{holder} has taken the role of {desktop.role}"
    for role in meeting.roles:
        if meeting.link(role) and not (is_linked and role == desktop.role):
            return f"the {role} still has a link"
    left = [other.id for other in others if other.id != desktop.instance_id]
    return f"{', '.join(left)} of the meeting has not ended" if left else None

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
    """An instance in its role; `link` is its address if it has a confirmed record."""

    instance_id: str
    assignment: Assignment
    presence: Presence
    link: str
    instance: Instance | None

    @property
    def role(self) -> str:
        """The role that it serves in."""
        return self.assignment.role


@dataclass(frozen=True)
class MeetingDecision:
    """The one write that the row needs, if any, and why."""

    reason: str
    change: MeetingChange | None = None


def rival_of(desktop: Desktop, meeting: Meeting) -> str | None:
    """Name the other instance that has to be looked at before the row is told of this one.

    That is the one that the row notes as launched for the role, or, for a live desktop of which
    the row notes nothing, the one that the role's link leads to.
    """
    noted = meeting.instance_id(desktop.role)
    linked = meeting.linked_instance(desktop.role)
    rival = noted or (linked if desktop.presence is Presence.LIVE else None)
    return rival if rival != desktop.instance_id else None


def decide_meeting(
    meeting: Meeting, desktop: Desktop, rival: Instance | None, others: Sequence[Instance]
) -> MeetingDecision:
    """Decide what the row is told.

    `rival` is the instance named by rival_of, None if EC2 does not know it. `others` are the
    meeting's instances that have not ended; they matter at an end only.
    """
    if desktop.presence is Presence.LIVE:
        return _decide_live(meeting, desktop, rival)
    return _decide_gone(meeting, desktop, rival, others)


def _decide_live(meeting: Meeting, desktop: Desktop, rival: Instance | None) -> MeetingDecision:
    role = desktop.role
    if rival and _has_the_role(rival, meeting, desktop):
        return MeetingDecision(f"{rival.id} has the role of {role}")
    links: dict[str, str | None] = dict.fromkeys(_linked_roles(meeting, desktop))
    links.pop(role, None)
    if meeting.link(role) != desktop.link:
        links[role] = desktop.link
    status = DNS_WRITTEN if meeting.status in _BEFORE_DNS else None
    if not (links or status):
        return MeetingDecision("the row says so already")
    relies_on = [link_attribute(each) for each in {**links, role: None}]
    relies_on += [instance_attribute(role), *(("status",) if status else ())]
    change = MeetingChange(meeting, links, status, tuple(relies_on))
    return MeetingDecision(change.summary, change)


def _has_the_role(rival: Instance, meeting: Meeting, desktop: Desktop) -> bool:
    """Tell whether the rival keeps its role: it is noted for it, or was not launched before."""
    if rival.has_ended:
        return False
    if rival.id == meeting.instance_id(desktop.role):
        return True
    serves = Assignment.of(rival) == desktop.assignment
    return serves and (
        desktop.instance is None or desktop.instance.launched_at <= rival.launched_at
    )


def _decide_gone(
    meeting: Meeting, desktop: Desktop, rival: Instance | None, others: Sequence[Instance]
) -> MeetingDecision:
    mine = _linked_roles(meeting, desktop)
    blocker = _what_keeps_it_open(meeting, desktop, rival, others)
    if blocker and not mine:
        return MeetingDecision(blocker)
    relies_on = [link_attribute(role) for role in mine]
    if desktop.presence is Presence.ENDED:
        # Of two desktops that end at once, the second to write must see what the first wrote.
        relies_on = [link_attribute(role) for role in meeting.roles]
        relies_on += [instance_attribute(desktop.role), "status"]
    status = None if blocker else TERMINATED
    change = MeetingChange(meeting, dict.fromkeys(mine), status, tuple(relies_on))
    return MeetingDecision(change.summary, change)


def _linked_roles(meeting: Meeting, desktop: Desktop) -> list[str]:
    """List the roles whose link leads to this instance: more than one if its tag was changed."""
    return [role for role in meeting.roles if meeting.linked_instance(role) == desktop.instance_id]


def _what_keeps_it_open(
    meeting: Meeting, desktop: Desktop, rival: Instance | None, others: Sequence[Instance]
) -> str | None:
    """Say why the meeting is not over with this desktop; None if it is."""
    if desktop.presence is not Presence.ENDED:
        return "the row has no link of this instance"
    if meeting.status not in _BEFORE_END:
        return f"the row's status is {meeting.status}"
    for role in meeting.roles:
        if meeting.link(role) and meeting.linked_instance(role) != desktop.instance_id:
            return f"the {role} still has a link"
    noted = meeting.instance_id(desktop.role)
    if noted not in {None, desktop.instance_id} and rival is None:
        # It may have been launched just now, and TERMINATED is never taken back.
        return f"EC2 does not know {noted}, which the row notes, or not yet"
    known = (rival, *others) if rival else tuple(others)
    left = {each.id for each in known if not each.has_ended} - {desktop.instance_id}
    return f"{', '.join(sorted(left))} of the meeting has not ended" if left else None

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
    from collections.abc import Mapping, Sequence

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
    project_tag: tuple[str, str]

    @property
    def role(self) -> str:
        """The role that it serves in."""
        return self.assignment.role


@dataclass(frozen=True)
class MeetingDecision:
    """The one write that the row needs, if any, and why."""

    reason: str
    change: MeetingChange | None = None


def rivals_of(desktop: Desktop, meeting: Meeting) -> tuple[str, ...]:
    """Name the other instances that have to be looked at before the row is told of this one.

    That is the one that the row notes as launched for the role, and for a live desktop, unless it
    is the noted one itself, the one that the role's link leads to: the noted one may be gone.
    """
    noted = meeting.instance_id(desktop.role)
    linked = meeting.linked_instance(desktop.role)
    if noted == desktop.instance_id:
        return ()
    named = (noted, linked if desktop.presence is Presence.LIVE else None)
    return tuple(dict.fromkeys(each for each in named if each and each != desktop.instance_id))


def decide_meeting(
    meeting: Meeting,
    desktop: Desktop,
    rivals: Mapping[str, Instance | None],
    others: Sequence[Instance],
) -> MeetingDecision:
    """Decide what the row is told.

    `rivals` are the instances named by rivals_of, None for one that EC2 does not know. `others`
    are the meeting's instances that have not ended; they matter at an end only.
    """
    if desktop.presence is Presence.LIVE:
        return _decide_live(meeting, desktop, rivals)
    return _decide_gone(meeting, desktop, rivals, others)


def _decide_live(
    meeting: Meeting, desktop: Desktop, rivals: Mapping[str, Instance | None]
) -> MeetingDecision:
    role = desktop.role
    links: dict[str, str | None] = dict.fromkeys(_linked_roles(meeting, desktop))
    links.pop(role, None)
    for rival in rivals.values():
        if rival and _has_the_role(rival, meeting, desktop):
            relied = tuple(link_attribute(each) for each in links)
            change = MeetingChange(meeting, links, None, relied) if links else None
            return MeetingDecision(f"{rival.id} has the role of {role}", change)
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
    if rival.has_ended or not rival.has_tag(desktop.project_tag):
        return False
    if rival.id == meeting.instance_id(desktop.role):
        return True
    serves = Assignment.of(rival) == desktop.assignment
    return serves and (
        desktop.instance is None or desktop.instance.launched_at <= rival.launched_at
    )


def _decide_gone(
    meeting: Meeting,
    desktop: Desktop,
    rivals: Mapping[str, Instance | None],
    others: Sequence[Instance],
) -> MeetingDecision:
    mine = _linked_roles(meeting, desktop)
    blocker = _what_keeps_it_open(meeting, desktop, rivals, others)
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
    meeting: Meeting,
    desktop: Desktop,
    rivals: Mapping[str, Instance | None],
    others: Sequence[Instance],
) -> str | None:
    """Say why the meeting is not over with this desktop; None if it is."""
    if desktop.presence is not Presence.ENDED:
        return "the row has no link of this instance"
    if meeting.status not in _BEFORE_END:
        return f"the row's status is {meeting.status}"
    for role in meeting.roles:
        if meeting.link(role) and meeting.linked_instance(role) != desktop.instance_id:
            return f"the {role} still has a link"
    for rival_id, rival in rivals.items():
        if rival is None:
            # It may have been launched just now, and TERMINATED is never taken back.
            return f"EC2 does not know {rival_id}, which the row notes, or not yet"
    known = [*(rival for rival in rivals.values() if rival), *others]
    left = {each.id for each in known if not each.has_ended} - {desktop.instance_id}
    return f"{', '.join(sorted(left))} of the meeting has not ended" if left else None

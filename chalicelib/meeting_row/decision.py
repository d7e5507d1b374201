"""The decision about a meeting's row: how a desktop's record, or its termination, changes it.

Pure, like the plan for records. A link can be set and removed again; TERMINATED is final, so it
needs proof: EC2 shows every instance of the meeting as terminated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from chalicelib.ec2.instances import MEETING_TAG, RUNNING
from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.meeting import (
    ROLES,
    Assignment,
    Meeting,
    MeetingChange,
    Status,
    instance_attribute,
    link_attribute,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from chalicelib.ec2.instances import Instance

MOST_CONDITIONS: Final = 100
"""A condition may have 4 KB, and a row may have any number of links.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_BEFORE_DNS: Final = (None, *Status.DNS_WRITTEN.earlier)
_BEFORE_END: Final = (None, *Status.TERMINATED.earlier)


@dataclass(frozen=True)
class Desktop:
    """An instance in its role; `link` is its address once its record is confirmed."""

    instance_id: str
    assignment: Assignment
    presence: Presence
    link: str
    instance: Instance | None
    project_tag: tuple[str, str]
    owner: str

    @property
    def role(self) -> str:
        """The instance's role."""
        return self.assignment.role


class MeetingDecision(NamedTuple):
    """The one write that the row needs, if any, and the reason."""

    reason: str
    change: MeetingChange | None = None
    successor: str | None = None
    """Another running instance in the role of an ended one; it may get the link now."""


def rivals_of(desktop: Desktop, meeting: Meeting) -> tuple[str, ...]:
    """Name the other instances to describe before the row is written.

    For a live desktop, unless the row names it as launched for the role, these are the instance
    that the row names so and the one that the role's link leads to: the former may be gone. For a
    desktop that has ended, it is every instance that the row names.
    """
    if desktop.presence is Presence.ENDED:
        return tuple(sorted(meeting.instance_ids - {desktop.instance_id}))
    noted = meeting.instance_id(desktop.role)
    if desktop.presence is not Presence.LIVE or noted == desktop.instance_id:
        return ()
    named = (noted, meeting.linked_instance(desktop.role))
    return tuple(dict.fromkeys(each for each in named if each and each != desktop.instance_id))


def decide_meeting(
    meeting: Meeting,
    desktop: Desktop,
    rivals: Mapping[str, Instance | None],
    others: Sequence[Instance],
    *,
    is_listed: bool,
) -> MeetingDecision:
    """Decide how to update the row.

    `rivals` are the instances named by rivals_of, None for one that EC2 does not show. `others`
    are the meeting's instances, ended ones too, and `is_listed` says whether EC2's listing of them
    included this one: a listing without it proves nothing. Both matter only when a desktop ends.
    """
    if desktop.presence is Presence.LIVE:
        return _decide_live(meeting, desktop, rivals)
    return _decide_gone(meeting, desktop, rivals, others, is_listed=is_listed)


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
    status = Status.DNS_WRITTEN if meeting.status in _BEFORE_DNS else None
    if not (links or status):
        return MeetingDecision("the row is up to date")
    relies_on = [link_attribute(each) for each in {**links, role: None}]
    relies_on += [instance_attribute(role), *(("status",) if status else ())]
    change = MeetingChange(meeting, links, status, tuple(relies_on[:MOST_CONDITIONS]))
    return MeetingDecision(change.summary, change)


def _has_the_role(rival: Instance, meeting: Meeting, desktop: Desktop) -> bool:
    """Return True if the rival keeps its role: the row names it, or it was launched later.

    EC2's launch times are whole seconds; within one second the ids decide, so that every run
    picks the same instance.
    """
    if rival.has_ended or not rival.belongs_to(desktop.project_tag, desktop.owner):
        return False
    if rival.id == meeting.instance_id(desktop.role):
        return True
    serves = Assignment.of(rival) == desktop.assignment
    return serves and (desktop.instance is None or _turn(desktop.instance) < _turn(rival))


def _turn(instance: Instance) -> tuple[datetime, str]:
    return instance.launched_at, instance.id


def _decide_gone(
    meeting: Meeting,
    desktop: Desktop,
    rivals: Mapping[str, Instance | None],
    others: Sequence[Instance],
    *,
    is_listed: bool,
) -> MeetingDecision:
    mine = _linked_roles(meeting, desktop)[:MOST_CONDITIONS]
    blocker = _what_keeps_it_open(meeting, desktop, rivals, others, is_listed=is_listed)
    successor = _successor_of(desktop, others)
    if blocker and not mine:
        return MeetingDecision(blocker, successor=successor)
    relies_on = [link_attribute(role) for role in mine]
    if desktop.presence is Presence.ENDED:
        # If two desktops end at once, the second write must see the first.
        relies_on = [instance_attribute(desktop.role), "status"]
        relies_on += [link_attribute(role) for role in dict.fromkeys((*mine, *meeting.roles))]
        relies_on += [instance_attribute(role) for role in ROLES if role != desktop.role]
    status = None if blocker else Status.TERMINATED
    relied = tuple(relies_on[:MOST_CONDITIONS])
    change = MeetingChange(meeting, dict.fromkeys(mine), status, relied)
    return MeetingDecision(change.summary, change, successor)


def _successor_of(desktop: Desktop, others: Sequence[Instance]) -> str | None:
    """Return the latest-launched of the other instances running in the desktop's role."""
    running = [
        each
        for each in others
        if each.state == RUNNING
        and each.id != desktop.instance_id
        and Assignment.of(each) == desktop.assignment
    ]
    return max(running, key=_turn).id if running else None


def _linked_roles(meeting: Meeting, desktop: Desktop) -> list[str]:
    """List the roles whose link leads to this instance: more than one if its tag was changed."""
    return [role for role in meeting.roles if meeting.linked_instance(role) == desktop.instance_id]


def _what_keeps_it_open(
    meeting: Meeting,
    desktop: Desktop,
    rivals: Mapping[str, Instance | None],
    others: Sequence[Instance],
    *,
    is_listed: bool,
) -> str | None:
    """Return why the meeting does not end with this desktop; None if it does."""
    if desktop.presence is not Presence.ENDED:
        return "the row has no link to this instance"
    if meeting.status not in _BEFORE_END:
        return f"the row's status is {meeting.status}"
    for role in meeting.roles:
        if meeting.link(role) and meeting.linked_instance(role) != desktop.instance_id:
            return f"the {role} still has a link"
    return _what_is_not_proven(desktop, rivals, others, is_listed=is_listed)


def _what_is_not_proven(
    desktop: Desktop,
    rivals: Mapping[str, Instance | None],
    others: Sequence[Instance],
    *,
    is_listed: bool,
) -> str | None:
    """Return what is missing to prove that every instance of the meeting has ended."""
    known = [*(rival for rival in rivals.values() if rival), *others]
    left = {each.id for each in known if not each.has_ended}
    if left:
        return f"the meeting's {', '.join(sorted(left))} has not ended"
    unknown = sorted(rival_id for rival_id, rival in rivals.items() if rival is None)
    if unknown:
        return f"EC2 does not confirm that {', '.join(unknown)}, named in the row, has ended"
    if is_listed or not _should_be_listed(desktop):
        return None
    return "EC2's listing of the meeting lacks this instance too, so it proves nothing"


def _should_be_listed(desktop: Desktop) -> bool:
    """Return True if the instance has the tags by which the meeting's instances are listed.

    An ended instance may have lost them.
    """
    instance = desktop.instance
    return (
        instance is not None
        and instance.has_tag(desktop.project_tag)
        and instance.tags.get(MEETING_TAG) == desktop.assignment.meeting_id
    )

"""Meetings' rows: statuses, attributes, and changes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chalicelib.ec2.instances import INSTANCE_ID, MEETING_TAG, ROLE_TAG, is_instance_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.ec2.instances import Instance


class Status(StrEnum):
    """In the order in which a meeting passes through them; it never goes back."""

    SCHEDULED = "SCHEDULED"
    LAUNCHED = "LAUNCHED"
    DNS_WRITTEN = "DNS_WRITTEN"
    HEALTHY = "HEALTHY"
    IN_PROGRESS = "IN_PROGRESS"
    TERMINATED = "TERMINATED"

    @property
    def earlier(self) -> tuple[Status, ...]:
        """The statuses before this one."""
        order = tuple(Status)
        return order[: order.index(self)]


MEET_TIME: Final = "meet_time"
REASON: Final = "termination_reason"
"""The claim to end a meeting, written before anything is terminated."""
REQUEST_HASH: Final = "request_hash"
"""In every row that `POST /schedule` creates; distinguishes a repeated request from another."""
ROOM_URL: Final = "jitsi_url"
"""Where the people of a meeting talk, if the stage has such rooms; the name is the guide's."""
API_URL: Final = "api_url"
"""The address of the API by which the meeting was scheduled, for its desktops."""
SCHEDULED_AT: Final = "scheduled_at"
"""Written into such a row once both schedules exist: from then on it is a meeting."""

SCHEDULED_BY: Final = "scheduled_by"
"""The name of the key by which the meeting was scheduled: who may see and change it."""
DURATION: Final = "duration_minutes"
"""The length that was booked; without it a meeting may last as long as the stage allows."""
TIME_ZONE: Final = "time_zone"
"""The time zone in which people read the meeting's time, by its IANA name."""
SEQUENCE: Final = "sequence"
"""How often the time or the length was changed; iCalendar's property of that name."""
SCHEDULES: Final = "schedules"
"""What the names of the meeting's two schedules end with, once it was moved."""
ENDED_AT: Final = "ended_at"
"""Written together with the reason."""
AGENDA: Final = "agenda"
"""The partition of the index of that name, in which a stage's meetings are sorted by their start.

Its value is the prefix of the stage's names.
"""
EXPIRES_AT: Final = "expires_at"
"""When DynamoDB removes the row, in seconds since 1970: a number, unlike all other attributes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
"""

NEVER_HEALTHY: Final = "NEVER_HEALTHY"
"""The reason of a meeting none of whose desktops reported ready: nobody could join."""

ROLES: Final = ("teacher", "student")

_ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_LINK_SUFFIX, _INSTANCE_SUFFIX = "_ec2_link", "_ec2_id"
_LINKED_INSTANCE = re.compile(rf"https://(?P<instance>{INSTANCE_ID})\.")


class Assignment(NamedTuple):
    """The meeting that an instance serves, and in which role."""

    meeting_id: str
    role: str

    @classmethod
    def of(cls, instance: Instance) -> Assignment | None:
        """Read it from the instance's tags; None unless both are there."""
        meeting_id, role = instance.tags.get(MEETING_TAG), instance.tags.get(ROLE_TAG)
        return cls(meeting_id, role) if meeting_id and role else None

    @property
    def is_valid(self) -> bool:
        """Whether the role can name attributes of a row: a tag may hold anything."""
        return _ROLE.fullmatch(self.role) is not None


def link_attribute(role: str) -> str:
    """Name the attribute that holds the role's link."""
    return role + _LINK_SUFFIX


def instance_attribute(role: str) -> str:
    """Name the attribute that holds the id of the instance launched for the role."""
    return role + _INSTANCE_SUFFIX


def mail_attribute(role: str) -> str:
    """Name the attribute with the last letter to the role's person, and its outcome."""
    return f"{role}_mail"


@dataclass(frozen=True)
class Meeting:
    """A meeting's row as it was read.

    `item` holds the attributes as DynamoDB types them: other writers may use any type.
    """

    id: str
    item: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @classmethod
    def made(cls, meeting_id: str, texts: Mapping[str, str]) -> Meeting:
        """Return the row with this id and these texts."""
        return cls(meeting_id, {"id": {"S": meeting_id}, **typed(texts)})

    @property
    def status(self) -> str | None:
        """The status; None if there is none, and an empty string if it is not text."""
        return self.text("status")

    def link(self, role: str) -> str | None:
        """Return the role's link, if there is one."""
        return self.text(link_attribute(role)) or None

    def instance_id(self, role: str) -> str | None:
        """Return the id of the instance that was launched for the role, if the row has one."""
        noted = self.text(instance_attribute(role)) or ""
        return noted if is_instance_id(noted) else None

    def linked_instance(self, role: str) -> str | None:
        """Return the id of the instance that the role's link leads to, from its host name."""
        found = _LINKED_INSTANCE.match(self.link(role) or "")
        return found["instance"] if found else None

    @property
    def instance_ids(self) -> frozenset[str]:
        """The instances that the row names, as launched for a role or by a role's link."""
        noted = {
            self.instance_id(name.removesuffix(_INSTANCE_SUFFIX))
            for name in self.item
            if name.endswith(_INSTANCE_SUFFIX)
        }
        linked = {self.linked_instance(role) for role in self.roles}
        return frozenset(each for each in noted | linked if each)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that a meeting has, and any other that has a link in the row."""
        others = (
            name.removesuffix(_LINK_SUFFIX) for name in self.item if name.endswith(_LINK_SUFFIX)
        )
        return tuple(dict.fromkeys((*ROLES, *others)))

    def text(self, attribute: str) -> str | None:
        """Return an attribute's text; None if it is absent, and an empty text if it is not text."""
        value = self.item.get(attribute)
        return None if value is None else str(value.get("S", ""))


def typed(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return texts as DynamoDB types them; the time of expiry has to be a number."""
    return {name: {"N" if name == EXPIRES_AT else "S": text} for name, text in texts.items()}


class RowUpdate(NamedTuple):
    """Texts to set in a row, valid only while what it relies on is unchanged.

    `relies_on` names attributes; one that the row did not have must still be absent.
    """

    meeting: Meeting
    texts: Mapping[str, str]
    relies_on: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    """Attributes to remove."""

    @property
    def result(self) -> Meeting:
        """The row as it is after the write."""
        item = {**self.meeting.item, **typed(self.texts)}
        kept = {name: value for name, value in item.items() if name not in self.removes}
        return Meeting(self.meeting.id, kept)


@dataclass(frozen=True)
class MeetingChange:
    """One conditional write to a row, valid only while what it relies on is unchanged.

    `links` has the link to set, or None to remove it, by role; `status` the status to set, if any.
    """

    meeting: Meeting
    links: Mapping[str, str | None]
    status: str | None
    relies_on: tuple[str, ...]

    @property
    def summary(self) -> str:
        """A short description of what it writes."""
        parts = [
            f"{link_attribute(role)} {'set' if link else 'removed'}"
            for role, link in self.links.items()
        ]
        return ", ".join([*parts, f"status {self.status}"] if self.status else parts)

    def then(self, later: MeetingChange) -> MeetingChange:
        """Merge this change with one that was decided from its result."""
        return MeetingChange(
            self.meeting,
            {**self.links, **later.links},
            later.status or self.status,
            tuple(dict.fromkeys((*self.relies_on, *later.relies_on))),
        )

    @property
    def update(self) -> RowUpdate:
        """What is written."""
        links = {link_attribute(role): link for role, link in self.links.items()}
        texts = {name: link for name, link in links.items() if link}
        if self.status:
            texts["status"] = self.status
        return RowUpdate(
            self.meeting, texts, self.relies_on, tuple(name for name in links if name not in texts)
        )

    @property
    def result(self) -> Meeting:
        """The row as it is after the change."""
        return self.update.result

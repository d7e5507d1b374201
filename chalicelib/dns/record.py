"""DNS records and their owner comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from chalicelib.ec2.instances import is_instance_id
from chalicelib.meeting_row.meeting import Assignment

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS_RECORD: Final = "A"

LONGEST_COMMENT: Final = 100
"""On every plan: https://developers.cloudflare.com/dns/manage-dns-records/reference/record-attributes/"""

_MARKER: Final = "elephant:"
_NO_MEETING: Final = "managed by Elephant"
_MEETING = re.compile(r"m=(?P<meeting>\S+) r=(?P<role>\S+)")
_KEPT = "".join(map(chr, range(ord("!"), ord("~") + 1))).replace("%", "")


@dataclass(frozen=True)
class WantedRecord:
    """An address record as it should be in the zone."""

    name: str
    content: str
    proxied: bool
    ttl: int
    comment: str

    def to_dict(self) -> dict[str, object]:
        """Serialize for Cloudflare's API, with every field, so that none takes a default."""
        return {
            "type": ADDRESS_RECORD,
            "name": self.name,
            "content": self.content,
            "proxied": self.proxied,
            "ttl": self.ttl,
            "comment": self.comment,
        }


@dataclass(frozen=True)
class Record:
    """A record as it is in the zone."""

    id: str
    type: str
    name: str
    content: str
    proxied: bool
    ttl: int
    comment: str
    modified_at: datetime | None = None
    created_at: datetime | None = None

    @classmethod
    def parse(cls, answered: Mapping[str, Any]) -> Record:
        """Parse a record of Cloudflare's API; unknown fields are ignored.

        Raises KeyError, TypeError, ValueError or AttributeError if it is not a valid record.
        """
        created = answered.get("created_on")
        modified = answered.get("modified_on") or created
        return cls(
            id=str(answered["id"]),
            type=str(answered["type"]),
            name=str(answered["name"]).lower(),
            content=str(answered["content"]),
            proxied=bool(answered.get("proxied", False)),
            ttl=int(answered.get("ttl", 0)),
            comment=str(answered.get("comment") or ""),
            modified_at=_moment(modified) if modified else None,
            created_at=_moment(created) if created else None,
        )

    @property
    def owner(self) -> str | None:
        """The owner that the comment names; None if it is not an owner comment."""
        first, *_ = self.comment.split(maxsplit=1) or ("",)
        return first if first.startswith(_MARKER) else None

    @property
    def instance_id(self) -> str | None:
        """The id of the instance that the record is named after, in any domain."""
        label = self.name.partition(".")[0]
        return label if is_instance_id(label) else None

    @property
    def assignment(self) -> Assignment | None:
        """The meeting and role that the comment names."""
        found = _MEETING.search(self.comment)
        if self.owner is None or found is None:
            return None
        return Assignment(unquote(found["meeting"]), unquote(found["role"]))

    def is_right(self, wanted: WantedRecord) -> bool:
        """Return True if the record already is as wanted."""
        return (self.name, self.content, self.proxied, self.ttl, self.comment) == (
            wanted.name,
            wanted.content,
            wanted.proxied,
            wanted.ttl,
            wanted.comment,
        )


def _moment(text: str) -> datetime:
    """Parse a time, which is in UTC unless it has an offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def ownership_comment(owner: str, assignment: Assignment | None) -> str:
    """Format the owner comment of a record: the owner, then the meeting and role if they fit.

    Anything but plain characters is percent-encoded, so that the comment stays one line of words.
    """
    if assignment:
        meeting = quote(assignment.meeting_id, safe=_KEPT)
        comment = f"{owner} m={meeting} r={quote(assignment.role, safe=_KEPT)}"
        if len(comment) <= LONGEST_COMMENT:
            return comment
    return f"{owner} {_NO_MEETING}"

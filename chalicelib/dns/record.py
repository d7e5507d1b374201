"""DNS records and their owner comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from chalicelib.ec2.instances import is_instance_id
from chalicelib.meeting_row.meeting import Assignment

if TYPE_CHECKING:
    from datetime import datetime

ADDRESS_RECORD: Final = "A"

LONGEST_COMMENT: Final = 100
"""What every provider has to keep; Cloudflare keeps no more:
https://developers.cloudflare.com/dns/manage-dns-records/reference/record-attributes/"""

_MARKER: Final = "elephant:"
_NO_MEETING: Final = "managed by Elephant"
_MEETING = re.compile(r"m=(?P<meeting>\S+) r=(?P<role>\S+)")
_KEPT = "".join(map(chr, range(ord("!"), ord("~") + 1))).replace("%", "")


@dataclass(frozen=True)
class Record:
    """A record as it is in the zone, or as it should be: that one has no id and no times yet."""

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
    def address(cls, name: str, content: str, *, proxied: bool, ttl: int, comment: str) -> Record:
        """Make an address record that is not in the zone yet."""
        return cls("", ADDRESS_RECORD, name, content, proxied, ttl, comment)

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

    def matches(self, wanted: Record) -> bool:
        """Return True if the record already is as wanted."""
        return (self.name, self.content, self.proxied, self.ttl, self.comment) == (
            wanted.name,
            wanted.content,
            wanted.proxied,
            wanted.ttl,
            wanted.comment,
        )


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

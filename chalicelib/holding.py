"""The records that name one instance, by whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.record import ADDRESS_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from chalicelib.meeting import Assignment
    from chalicelib.record import Record
    from chalicelib.settings import Settings

_EXCLUSIVE_TYPES: Final = frozenset({"CNAME"})
"""Types of a record beside which its name can have no other:
https://developers.cloudflare.com/dns/manage-dns-records/troubleshooting/records-with-same-name/"""


@dataclass(frozen=True)
class Holding:
    """Ours are so by their marker, whatever their domain; all others bear exactly the name."""

    ours: tuple[Record, ...]
    unmarked: tuple[Record, ...]
    others: tuple[Record, ...]
    fresh: bool
    """Whether one of ours is so young that EC2 may not show its instance's state yet: right after
    a launch AWS advises to wait up to minutes.
    https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html"""

    @classmethod
    def of(cls, records: Iterable[Record], name: str, settings: Settings, now: datetime) -> Holding:
        """Sort the records out; what is neither ours nor of this name is passed over."""
        ours, unmarked, others = [], [], []
        for record in records:
            is_address = record.type == ADDRESS_RECORD
            if is_address and record.owner == settings.owner:
                ours.append(record)
            elif record.name != name:
                continue
            elif record.type in _EXCLUSIVE_TYPES or (is_address and record.owner):
                others.append(record)
            elif is_address:
                unmarked.append(record)
        fresh = any(
            record.modified_at is None or now - record.modified_at < settings.grace
            for record in ours
        )
        return cls(tuple(ours), tuple(unmarked), tuple(others), fresh)

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """What our own comments say, for when tags no longer do."""
        noted = (record.assignment for record in self.ours)
        return tuple(dict.fromkeys(each for each in noted if each))

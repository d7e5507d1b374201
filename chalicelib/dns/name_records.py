"""The records that name one instance, grouped by owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from chalicelib.dns.record import ADDRESS_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from chalicelib.dns.record import Record
    from chalicelib.meeting_row.meeting import Assignment
    from chalicelib.settings.stage import Settings

_EXCLUSIVE_TYPES: Final = frozenset({"CNAME"})
"""Record types that exclude any other record of the same name: RFC 1034, section 3.6.2."""


class NameRecords(NamedTuple):
    """`ours` match by owner comment in any domain; all others match by exact name."""

    ours: tuple[Record, ...]
    unmarked: tuple[Record, ...]
    others: tuple[Record, ...]
    fresh: bool
    """Whether one of ours is within the grace period: EC2 may not know its instance yet. Right
    after a launch AWS advises to wait up to minutes. Its last change does not count: another
    program that touches the record would keep it fresh forever.
    https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html"""
    changed: bool
    """Whether one of ours was changed so recently that EC2 may show an older state of its instance
    than the one that the change was made for."""

    @classmethod
    def of(
        cls, records: Iterable[Record], name: str, settings: Settings, now: datetime
    ) -> NameRecords:
        """Group the records; ignore those that are neither ours nor of this name."""
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
        grace = settings.grace
        return cls(
            tuple(ours),
            tuple(unmarked),
            tuple(others),
            fresh=any(_is_recent(each.created_at or each.modified_at, now, grace) for each in ours),
            changed=any(_is_recent(each.modified_at, now, grace) for each in ours),
        )

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """The assignments in our own comments, for when the tags are gone."""
        noted = (record.assignment for record in self.ours)
        return tuple(dict.fromkeys(each for each in noted if each))


def _is_recent(moment: datetime | None, now: datetime, grace: timedelta) -> bool:
    """Return True if less than the grace period has passed since then, as far as is known.

    A time further ahead than the grace period is not mere clock skew.
    """
    return moment is None or abs(now - moment) < grace

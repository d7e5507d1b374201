"""Changes to DNS records, as a plan holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.dns.record import Record


@dataclass(frozen=True)
class Create:
    """A record to create."""

    wanted: Record

    @property
    def name(self) -> str:
        """The record's name."""
        return self.wanted.name

    def __str__(self) -> str:
        return f"create {self.wanted.name} at {self.wanted.content}"


@dataclass(frozen=True)
class Update:
    """A record to overwrite."""

    record: Record
    wanted: Record

    @property
    def name(self) -> str:
        """The record's name."""
        return self.record.name

    def __str__(self) -> str:
        return f"update {self.record.name} from {self.record.content} to {self.wanted.content}"


@dataclass(frozen=True)
class Delete:
    """A record to delete."""

    record: Record

    @property
    def name(self) -> str:
        """The record's name."""
        return self.record.name

    def __str__(self) -> str:
        return f"delete {self.record.name} at {self.record.content}"


Change = Create | Update | Delete

ORDER = (Delete, Update, Create)
"""The order in which changes are applied, also within a batch."""

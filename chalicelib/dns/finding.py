"""What was found about one instance and its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.dns.record import ADDRESS_RECORD
from chalicelib.ec2.presence import Presence

if TYPE_CHECKING:
    from chalicelib.dns.change import Change
    from chalicelib.dns.record import Record
    from chalicelib.meeting_row.meeting import Assignment


@dataclass(frozen=True)
class Finding:
    """What was found about one instance, and the resulting changes to its records."""

    presence: Presence
    reason: str
    changes: tuple[Change, ...] = ()
    assignment: Assignment | None = None
    formers: tuple[Assignment, ...] = ()
    """Assignments to other meetings in our records' comments, which the changes would erase:
    their rows are updated first."""
    row_comes_first: bool = False
    """Whether the record to delete is the last trace of the assignment, so that its row must be
    updated first."""
    conflicting: tuple[Record, ...] = ()
    """Conflicting records of the name: another owner's or of another type; never touched."""
    waits: bool = False
    """Whether something is left unchanged only because too little is known, or because it is
    within the grace period."""
    is_untagged: bool = False
    """Whether the reason for the changes is that the running instance is not the project's."""
    held: bool = False
    """Whether changes are held back by the limit on unproven deletions."""
    unproven: bool = False
    """Whether the changes are deletions for which EC2 has not shown the reason: it does not know
    the instance, or the record names none."""

    @property
    def in_former(self) -> Presence:
        """The instance's presence for the meetings of its former assignments."""
        return Presence.ENDED if self.presence is Presence.ENDED else Presence.AWAY

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody should look at."""
        warnings = [
            f"the record {record.name} at {record.content} belongs to {record.owner}; "
            "left unchanged"
            if record.type == ADDRESS_RECORD
            else f"conflicting {record.type} record {record.name} left unchanged"
            for record in self.conflicting
        ]
        if self.assignment and not self.assignment.is_valid:
            warnings.append(
                f"the Role tag {self.assignment.role!r} cannot name an attribute of a row; "
                "no row was updated"
            )
        return tuple(warnings)

    @property
    def may_be_linked(self) -> bool:
        """Whether the row may link to the instance's name once the changes are applied."""
        return self.presence is Presence.LIVE and not self.conflicting

"""A snapshot: the project's instances and the rows of meetings, each read at most once.

A sweep and the features that run with it share one, so that a run pays for one listing of
instances and one read of each row, no matter how many features look at them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chalicelib.meeting_row.table import RowsRead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.meeting_row.table import Meetings

YOUNG: Final = 10.0
"""Seconds after which what was read is too old to act on: instances and records change."""


class Snapshot:
    """Reads on first use; a read that raised is repeated by the next use."""

    def __init__(
        self, instances: Instances, meetings: Meetings | None, clock: Callable[[], float]
    ) -> None:
        self._instances = instances
        self._meetings = meetings
        self._clock = clock
        self._listed: tuple[Instance, ...] | None = None
        self._listed_at = clock()
        self._read = RowsRead()
        self._asked: frozenset[str] = frozenset()

    @property
    def is_young(self) -> bool:
        """Whether instances, if they were listed, were listed recently enough to act on."""
        return self._clock() - self._listed_at <= YOUNG

    @property
    def meetings_read(self) -> frozenset[str]:
        """The meetings whose rows, if they exist, were read."""
        return self._asked - self._read.unread.keys()

    def instances(self) -> tuple[Instance, ...]:
        """Describe every instance of the project, in any state. Raises as Instances do."""
        if self._listed is None:
            self._listed_at = self._clock()
            self._listed = self._instances.of_project()
        return self._listed

    def rows_of(self, meeting_ids: Iterable[str]) -> RowsRead:
        """Read the rows of these meetings; none if the stage has no table.

        The reads are eventually consistent, which shows whether there is anything to do for a row
        at half the price. `confirm` it before it is done.
        """
        wanted = frozenset(meeting_ids)
        self._add(wanted - self._asked, is_consistent=False)
        return self._read.among(wanted)

    def confirm(self, meeting_ids: Iterable[str]) -> None:
        """Read these rows again, consistently."""
        self._add(frozenset(meeting_ids), is_consistent=True)

    def _add(self, meeting_ids: frozenset[str], *, is_consistent: bool) -> None:
        if not (self._meetings and meeting_ids):
            return
        later = self._meetings.rows_of(meeting_ids, is_consistent=is_consistent)
        self._read = self._read.updated(meeting_ids, later)
        self._asked |= meeting_ids

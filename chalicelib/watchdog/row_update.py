"""Updating a meeting's row for a desktop: read while the zone is written, decide, write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop, MeetingDecision, decide_meeting, rivals_of
from chalicelib.meeting_row.table import RowChangedError

if TYPE_CHECKING:
    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.step import Step, Steps

ATTEMPTS: Final = 3
"""Attempts to decide when the row is changed between reading and writing."""


@dataclass(frozen=True)
class RowReading:
    """A row that is being read, with the meeting's other instances where they matter."""

    desktop: Desktop
    row: Step[Meeting | None]
    others: Step[tuple[Instance, ...]] | None


class Rows:
    """Reads, decides and writes the rows of meetings."""

    def __init__(self, meetings: Meetings, instances: Instances) -> None:
        self._meetings = meetings
        self._instances = instances

    def begin(self, desktop: Desktop, steps: Steps) -> RowReading:
        """Start reading what the decision needs."""
        meeting_id = desktop.assignment.meeting_id
        row = steps.begin(f"read the row {meeting_id!r}", self._meetings.read_row, meeting_id)
        others = None
        if desktop.presence is Presence.ENDED:
            what = f"list the instances of meeting {meeting_id!r}"
            others = steps.begin(what, self._instances.ever_of_meeting, meeting_id)
        return RowReading(desktop, row, others)

    def finish(self, reading: RowReading, steps: Steps) -> MeetingDecision:
        """Update the row as decided, and return the decision.

        Raises RowChangedError if the row kept changing.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return self._tell(reading, steps)
            except RowChangedError:
                reading = self.begin(reading.desktop, steps)
        return self._tell(reading, steps)

    def _tell(self, reading: RowReading, steps: Steps) -> MeetingDecision:
        desktop, meeting = reading.desktop, reading.row.result()
        others = reading.others.result() if reading.others else ()
        meeting_id = desktop.assignment.meeting_id
        if meeting is None:
            return MeetingDecision(f"there is no row {meeting_id!r}; none is created")
        listed = {each.id: each for each in others}
        rivals: dict[str, Instance | None] = {}
        looks = {}
        for each in rivals_of(desktop, meeting):
            if each in listed:
                rivals[each] = listed[each]
            else:
                looks[each] = steps.begin(f"describe {each}", self._instances.find, each)
        rivals |= {each: look.result() for each, look in looks.items()}
        is_listed = desktop.instance_id in listed
        decision = decide_meeting(meeting, desktop, rivals, others, is_listed=is_listed)
        if decision.change:
            what = f"update the row {meeting_id!r}"
            steps.begin(what, self._meetings.apply, decision.change).result()
        return decision

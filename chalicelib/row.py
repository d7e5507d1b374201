"""Telling a meeting's row of a desktop: read while the zone is written, decided, written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.meeting import RowChangedError
from chalicelib.meeting_plan import Desktop, MeetingDecision, decide_meeting, rival_of
from chalicelib.plan import Presence

if TYPE_CHECKING:
    from chalicelib.instance import Instance, Instances
    from chalicelib.meeting import Meeting, Meetings
    from chalicelib.step import Step, Steps

ATTEMPTS: Final = 3
"""How often is decided anew when the row was changed between reading and writing."""


@dataclass(frozen=True)
class RowReading:
    """A row that is being read, with the meeting's other instances where they matter."""

    desktop: Desktop
    meeting_id: str
    row: Step[Meeting | None]
    others: Step[tuple[Instance, ...]] | None


class Rows:
    """Reads, decides and writes the rows of one run's meetings."""

    def __init__(self, meetings: Meetings, instances: Instances) -> None:
        self._meetings = meetings
        self._instances = instances

    def begin(self, desktop: Desktop, meeting_id: str, steps: Steps) -> RowReading:
        """Begin to read what the decision needs."""
        row = steps.begin(f"read the row {meeting_id!r}", self._meetings.find, meeting_id)
        others = None
        if desktop.presence is Presence.ENDED:
            what = f"list the instances of meeting {meeting_id!r}"
            others = steps.begin(what, self._instances.of_meeting, meeting_id)
        return RowReading(desktop, meeting_id, row, others)

    def finish(self, reading: RowReading, steps: Steps) -> MeetingDecision:
        """Tell the row what it should be told, and return what that was.

        Raises RowChangedError when others kept changing the row.
        """
        meeting = reading.row.result()
        others = reading.others.result() if reading.others else ()
        for _ in range(ATTEMPTS - 1):
            try:
                return self._tell(meeting, reading, others, steps)
            except RowChangedError:
                what = f"read the row {reading.meeting_id!r} again"
                meeting = steps.begin(what, self._meetings.find, reading.meeting_id).result()
        return self._tell(meeting, reading, others, steps)

    def _tell(
        self,
        meeting: Meeting | None,
        reading: RowReading,
        others: tuple[Instance, ...],
        steps: Steps,
    ) -> MeetingDecision:
        if meeting is None:
            return MeetingDecision(f"there is no row {reading.meeting_id!r}, and none is made")
        rival_id = rival_of(reading.desktop, meeting)
        if rival_id:
            what = f"describe {rival_id}, which has the role's link"
            rival = steps.begin(what, self._instances.find, rival_id).result()
            others = (rival,) if rival else ()
        decision = decide_meeting(meeting, reading.desktop, others)
        if decision.change:
            what = f"tell the row {reading.meeting_id!r}"
            steps.begin(what, self._meetings.apply, decision.change).result()
        return decision

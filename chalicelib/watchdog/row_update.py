"""Updating a meeting's row for a desktop: read while the zone is written, decide, write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop, MeetingDecision, decide_meeting, rivals_of
from chalicelib.meeting_row.table import decide_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.step import Step, Steps


class Rows:
    """Reads, decides and writes the rows of meetings."""

    def __init__(self, meetings: Meetings, instances: Instances) -> None:
        self._meetings = meetings
        self._instances = instances

    def begin(self, desktop: Desktop, steps: Steps) -> Callable[[], MeetingDecision]:
        """Start reading what the decision needs; return what completes the update.

        That updates the row as decided, and returns the decision. It raises RowChangedError if
        the row kept changing.
        """
        begun = [self._read(desktop, steps)]

        def decide() -> MeetingDecision:
            reading = begun.pop() if begun else self._read(desktop, steps)
            return self._update(desktop, *reading, steps)

        return lambda: decide_again(decide)

    def _read(
        self, desktop: Desktop, steps: Steps
    ) -> tuple[Step[Meeting | None], Step[tuple[Instance, ...]] | None]:
        """Start reading the row, and the meeting's other instances where they matter."""
        meeting_id = desktop.assignment.meeting_id
        row = steps.begin(f"read the row {meeting_id!r}", self._meetings.read_row, meeting_id)
        others = None
        if desktop.presence is Presence.ENDED:
            what = f"list the instances of meeting {meeting_id!r}"
            others = steps.begin(what, self._instances.ever_of_meeting, meeting_id)
        return row, others

    def _update(
        self,
        desktop: Desktop,
        row: Step[Meeting | None],
        others: Step[tuple[Instance, ...]] | None,
        steps: Steps,
    ) -> MeetingDecision:
        meeting_id, meeting = desktop.assignment.meeting_id, row.result()
        instances = others.result() if others else ()
        if meeting is None:
            return MeetingDecision(f"there is no row {meeting_id!r}; none is created")
        listed = {each.id: each for each in instances}
        rivals: dict[str, Instance | None] = {}
        looks = {}
        for each in rivals_of(desktop, meeting):
            if each in listed:
                rivals[each] = listed[each]
            else:
                looks[each] = steps.begin(f"describe {each}", self._instances.find, each)
        rivals |= {each: look.result() for each, look in looks.items()}
        is_listed = desktop.instance_id in listed
        decision = decide_meeting(meeting, desktop, rivals, instances, is_listed=is_listed)
        if decision.change:
            what = f"update the row {meeting_id!r}"
            steps.begin(what, self._meetings.apply, decision.change).result()
        return decision

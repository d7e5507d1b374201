"""A survey of everything: our records, the project's instances, the rows of their meetings.

Records are read before instances, so that a record made meanwhile never looks orphaned, and rows
last. A survey is whole, or it is none: what fails or is incomplete raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib.meeting import Assignment
from chalicelib.plan import Observation, Plan, decide
from chalicelib.record import ADDRESS_RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from chalicelib.instance import Instance, Instances
    from chalicelib.meeting import Meeting, Meetings
    from chalicelib.record import Record
    from chalicelib.settings import Settings
    from chalicelib.step import Steps
    from chalicelib.zone import Zone


@dataclass(frozen=True)
class Survey:
    """What was seen, and the plan that follows for the zone.

    `records` are ours. `instances` has None for one that is named by a record or a row, and that
    EC2 does not know. `meetings` has the rows that there are, by id.
    """

    at: datetime
    records: tuple[Record, ...]
    instances: Mapping[str, Instance | None]
    meetings: Mapping[str, Meeting]
    plan: Plan

    def oldest_drift(self, instance_ids: Iterable[str]) -> float:
        """Tell for how many seconds, at most, one of these may have been as it should not be.

        That is since its records or the instance itself were last changed, as far as is known.
        """
        records: dict[str, list[Record]] = {}
        for record in self.records:
            records.setdefault(record.instance_id or record.name, []).append(record)
        ages = [0.0]
        for instance_id in instance_ids:
            instance = self.instances.get(instance_id)
            moments = [each.modified_at for each in records.get(instance_id, ())]
            moments += [instance.launched_at, instance.stopped_at] if instance else []
            newest = max((moment for moment in moments if moment), default=self.at)
            ages.append((self.at - newest).total_seconds())
        return max(ages)


class Surveyor:
    """Takes surveys."""

    def __init__(
        self,
        settings: Settings,
        instances: Instances,
        zone: Zone,
        meetings: Meetings | None,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._instances = instances
        self._zone = zone
        self._meetings = meetings
        self._clock = clock

    def survey(self, steps: Steps) -> Survey:
        """Look at everything. Raises what a read raised, and OutOfTimeError."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        owner = self._settings.owner
        found = steps.begin(
            f"list the records of {owner}", self._zone.records_of, owner, steps.deadline
        ).result()
        listed = found.records
        ours = tuple(each for each in listed if each.owner == owner and each.type == ADDRESS_RECORD)
        instances: dict[str, Instance | None] = {
            each.id: each
            for each in steps.begin(
                "list the project's instances", self._instances.of_project
            ).result()
        }
        meetings = self._read_rows(ours, instances, steps)
        named = {record.instance_id for record in ours if record.instance_id}
        named.update(each for meeting in meetings.values() for each in meeting.instance_ids)
        missing = sorted(named - instances.keys())
        if missing:
            instances |= dict.fromkeys(missing)
            known = steps.begin("describe the others", self._instances.among, missing).result()
            instances |= {each.id: each for each in known}
        plan = decide(Observation(at, instances, listed), self._settings)
        return Survey(at, ours, instances, meetings, plan)

    def _read_rows(
        self, records: Iterable[Record], instances: Mapping[str, Instance | None], steps: Steps
    ) -> Mapping[str, Meeting]:
        assignments = {record.assignment for record in records}
        assignments |= {Assignment.of(each) for each in instances.values() if each}
        wanted = {each.meeting_id for each in assignments if each and each.is_valid}
        if not (self._meetings and wanted):
            return {}
        return steps.begin("read the rows", self._meetings.rows_of, wanted).result()

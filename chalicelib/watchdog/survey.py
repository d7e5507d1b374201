"""A survey: a snapshot of our records, the project's instances and the rows of their meetings.

Records are read before instances, so that a record created meanwhile never looks orphaned, and
rows last. Answers of the DNS provider and EC2 are complete, or there is no survey: anything that
fails or is incomplete raises. A row that could not be read, an instance that EC2 neither shows nor
reports as unknown and a malformed record are left out and named.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chalicelib.clock import time_at
from chalicelib.dns.plan import Observation, Plan, decide
from chalicelib.dns.record import ADDRESS_RECORD
from chalicelib.meeting_row.meeting import Assignment
from chalicelib.watchdog.row_plan import meetings_touched
from chalicelib.watchdog.snapshot import YOUNG, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from chalicelib.dns.provider import Listing, Zone
    from chalicelib.dns.record import Record
    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.settings.stage import Settings
    from chalicelib.step import Steps


@dataclass(frozen=True)
class Survey:
    """What was seen, and the resulting plan for the zone.

    `records` are ours. `instances` has None for one that a record or a row names and that EC2
    reports as unknown. `listed` are the ids of those in its listing of the project. `meetings`
    has the existing rows by id; `unread` those that could not be read, and why. `touched` are the
    meetings for which anything would be changed, whose rows were read consistently; None if that
    was not determined.
    """

    at: datetime
    records: tuple[Record, ...]
    instances: Mapping[str, Instance | None]
    meetings: Mapping[str, Meeting]
    plan: Plan
    listed: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Exception, ...] = ()
    """DynamoDB's errors."""
    touched: frozenset[str] | None = None
    taken_at: float = 0.0
    """When the last answer arrived, in seconds on the survey's clock."""

    def oldest_drift(self, instance_ids: Iterable[str]) -> float:
        """Return the longest time, in seconds, for which one of these may have drifted.

        That is since its records or the instance itself were last changed, as far as is known.
        """
        records: dict[str, list[Record]] = {}
        for record in self.records:
            records.setdefault(record.instance_id or record.name, []).append(record)
        ages = [0.0]
        for instance_id in instance_ids:
            instance = self.instances.get(instance_id)
            finding = self.plan.findings.get(instance_id)
            waits = finding is not None and finding.waits
            moments = [
                each.created_at if waits and each.created_at else each.modified_at
                for each in records.get(instance_id, ())
            ]
            moments += [instance.launched_at, instance.stopped_at] if instance else []
            newest = max((moment for moment in moments if moment), default=self.at)
            ages.append((self.at - newest).total_seconds())
        return max(ages)


class AgeLimit:
    """Objects to writes once the survey is too old; returns an empty string until then."""

    def __init__(self, taken_at: float, clock: Callable[[], float]) -> None:
        self._taken_at = taken_at
        self._clock = clock
        self.was_over = False

    def __call__(self) -> str:
        """Return the objection to writing; empty if there is none."""
        age = self._clock() - self._taken_at
        if age <= YOUNG:
            return ""
        self.was_over = True
        return f"its snapshot is {age:.0f} s old"


class Surveyor:
    """Takes surveys; `snapshot` holds what the latest one read."""

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
        self.snapshot = self.new_snapshot()

    def new_snapshot(self) -> Snapshot:
        """Return a snapshot that has read nothing yet."""
        return Snapshot(self._instances, self._meetings, self._clock)

    def survey(self, steps: Steps) -> Survey:
        """Read everything. Raises what a read raised, and OutOfTimeError.

        Rows for which anything would be changed are read again, consistently.
        """
        at = time_at(self._clock())
        snapshot = self.snapshot = self.new_snapshot()
        owner = self._settings.owner
        found = steps.begin(
            f"list the records of {owner}", self._zone.records_of, owner, steps.deadline
        ).result()
        survey = self._planned(at, found, snapshot, {}, steps)
        touched = meetings_touched(survey, self._settings) & snapshot.meetings_read
        if touched:
            steps.begin("read the rows again", snapshot.confirm, touched).result()
            survey = self._planned(at, found, snapshot, survey.instances, steps)
        return replace(survey, touched=touched)

    def _planned(
        self,
        at: datetime,
        found: Listing,
        snapshot: Snapshot,
        described: Mapping[str, Instance | None],
        steps: Steps,
    ) -> Survey:
        """Read what the snapshot lacks, and plan.

        Instances that only a record or a row names are looked up, except for those `described`.
        """
        owner = self._settings.owner
        ours = tuple(
            each for each in found.records if each.owner == owner and each.type == ADDRESS_RECORD
        )
        listed = steps.begin("list the project's instances", snapshot.instances).result()
        instances = {**described, **{each.id: each for each in listed}}
        read = steps.begin("read the rows", snapshot.rows_of, _meetings_of(ours, listed)).result()
        named = {record.instance_id for record in ours if record.instance_id}
        named.update(each for meeting in read.rows.values() for each in meeting.instance_ids)
        missing = named - instances.keys()
        if missing:
            asked = steps.begin("look up the other instances", self._instances.look_up, missing)
            instances |= asked.result()
        unclear = frozenset(named - instances.keys())
        seen = Observation(at, instances, found.records, unclear, found.unreadable)
        plan = decide(seen, self._settings)
        shown = frozenset(each.id for each in listed)
        return Survey(
            at,
            ours,
            instances,
            read.rows,
            plan,
            shown,
            read.unread,
            read.errors,
            taken_at=self._clock(),
        )


def _meetings_of(records: Iterable[Record], listed: Iterable[Instance]) -> frozenset[str]:
    assignments = {record.assignment for record in records}
    assignments |= {Assignment.of(each) for each in listed}
    return frozenset(each.meeting_id for each in assignments if each and each.is_valid)

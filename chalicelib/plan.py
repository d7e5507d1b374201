"""The decision about records: from what EC2 and Cloudflare said to what is to be written.

Pure: no input, no output, no clock. For one instance or for many.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from chalicelib.change import ORDER, Change, Create, Delete, Update
from chalicelib.instance import PENDING, RUNNING
from chalicelib.meeting import Assignment
from chalicelib.record import ADDRESS_RECORD, WantedRecord, ownership_comment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from chalicelib.instance import Instance
    from chalicelib.record import Record
    from chalicelib.settings import Settings


_EXCLUSIVE_TYPES = frozenset({"CNAME"})
"""Types of a record beside which its name can have no other:
https://developers.cloudflare.com/dns/manage-dns-records/troubleshooting/records-with-same-name/"""


class Presence(Enum):
    """What an instance is to DNS."""

    LIVE = "live"
    """It runs, is the project's and has an address: it has a record."""
    AWAY = "away"
    """It has no record now, and may have one again."""
    ENDED = "ended"
    """It has no record, for good."""
    UNCERTAIN = "uncertain"
    """Too little is known, so nothing is changed."""
    FOREIGN = "foreign"
    """It is none of ours."""


@dataclass(frozen=True)
class Observation:
    """What EC2 and Cloudflare said of some instances, each answer whole and without error.

    `instances` has None for an instance that EC2 says it does not know. `records` has every
    address record under the names of those instances; it may have what else stands there, and
    any record of ours.
    """

    at: datetime
    instances: Mapping[str, Instance | None]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Finding:
    """What was found of one instance, and the changes to its records that follow."""

    presence: Presence
    reason: str
    changes: tuple[Change, ...] = ()
    assignment: Assignment | None = None
    only_noted: Assignment | None = None
    """The meeting and role that our record's comment names and the instance's tags do not, or no
    longer: a deletion, or an update, is their last trace."""
    in_the_way: tuple[Record, ...] = ()
    """Under the instance's name, what is another owner's or no address; it is never touched."""
    waits: bool = False
    """Whether a record of ours stays only since it is too fresh to be judged."""

    @property
    def former(self) -> Assignment | None:
        """The meeting and role that the instance had before its tags were changed."""
        return self.only_noted if self.only_noted != self.assignment else None

    @property
    def row_comes_first(self) -> bool:
        """Whether the row must be told before our record, its last trace, is gone."""
        is_last_trace = self.only_noted is not None and self.only_noted == self.assignment
        return is_last_trace and self.presence is not Presence.LIVE

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at."""
        warnings = [
            f"the record {record.name} at {record.content} belongs to {record.owner}; "
            "it was not touched"
            if record.type == ADDRESS_RECORD
            else f"the {record.type} record {record.name} stands in the way; it was not touched"
            for record in self.in_the_way
        ]
        if self.assignment and not self.assignment.is_valid:
            warnings.append(
                f"the Role tag {self.assignment.role!r} can name no attribute of a row; "
                "no row was told"
            )
        return tuple(warnings)

    @property
    def may_be_linked(self) -> bool:
        """Whether people may be sent to the instance's name once the changes are made."""
        return self.presence is Presence.LIVE and not self.in_the_way


@dataclass(frozen=True)
class Plan:
    """The findings by instance, and by name for records of ours that are no instance's."""

    findings: Mapping[str, Finding]

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change, in the order in which they are to be made."""
        changes = [change for finding in self.findings.values() for change in finding.changes]
        return tuple(sorted(changes, key=lambda change: ORDER.index(type(change))))


def decide(observation: Observation, settings: Settings) -> Plan:
    """Decide for every instance of the observation what becomes of its records.

    A record of ours under any other name than theirs is one too many: the domain was changed, or
    the zone was the wrong one.
    """
    by_name: dict[str, list[Record]] = {}
    for record in observation.records:
        by_name.setdefault(record.name, []).append(record)
    findings = {}
    for instance_id, instance in observation.instances.items():
        name = settings.record_name(instance_id)
        records = _Records.of(by_name.pop(name, []), settings, observation.at)
        if instance is None:
            findings[instance_id] = _decide_unknown(records)
        else:
            findings[instance_id] = _decide_known(instance, records, settings)
    for name, rest in by_name.items():
        records = _Records.of(rest, settings, observation.at)
        if records.ours:
            findings[name] = _decide_astray(records)
    return Plan(findings)


@dataclass(frozen=True)
class _Records:
    """The address records of one name, by whose they are."""

    ours: tuple[Record, ...]
    unmarked: tuple[Record, ...]
    others: tuple[Record, ...]
    fresh: bool
    """Whether one of ours is so young that EC2 may not show its instance's state yet: right after
    a launch AWS advises to wait up to minutes.
    https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html"""

    @classmethod
    def of(cls, records: Sequence[Record], settings: Settings, now: datetime) -> _Records:
        owner = settings.owner
        addresses = [record for record in records if record.type == ADDRESS_RECORD]
        ours = tuple(record for record in addresses if record.owner == owner)
        return cls(
            ours=ours,
            unmarked=tuple(record for record in addresses if record.owner is None),
            others=tuple(
                record
                for record in records
                if record.type in _EXCLUSIVE_TYPES
                or (record.type == ADDRESS_RECORD and record.owner not in {None, owner})
            ),
            fresh=any(
                record.modified_at is None or now - record.modified_at < settings.grace
                for record in ours
            ),
        )

    @property
    def assignment(self) -> Assignment | None:
        """What our own comments say, for when tags no longer do."""
        return next(filter(None, (record.assignment for record in self.ours)), None)


def _decide_unknown(records: _Records) -> Finding:
    """Decide for an instance that EC2 does not know: not yet, or no longer."""
    if not records.ours:
        return Finding(Presence.UNCERTAIN, "EC2 does not know this instance, or not yet")
    if records.fresh:
        return Finding(
            Presence.UNCERTAIN,
            "EC2 does not know this instance, and its record is fresh",
            waits=True,
        )
    return Finding(
        Presence.ENDED,
        "EC2 no longer knows this instance",
        tuple(Delete(record) for record in records.ours),
        assignment=records.assignment,
        only_noted=records.assignment,
    )


def _decide_astray(records: _Records) -> Finding:
    """Decide for records of ours that bear no instance's name."""
    if records.fresh:
        reason = "no instance has this name, and the record is fresh"
        return Finding(Presence.UNCERTAIN, reason, waits=True)
    return Finding(
        Presence.ENDED,
        "no instance has this name",
        tuple(Delete(record) for record in records.ours),
    )


def _decide_known(instance: Instance, records: _Records, settings: Settings) -> Finding:
    is_tagged = instance.has_tag(settings.project_tag)
    if not is_tagged and not records.ours:
        return Finding(Presence.FOREIGN, f"not tagged {'='.join(settings.project_tag)}")
    presence, reason = _presence(instance, is_tagged=is_tagged)
    tagged, noted = Assignment.of(instance), records.assignment
    assignment = tagged or noted
    if presence is Presence.LIVE and instance.address:
        wanted = WantedRecord(
            name=settings.record_name(instance.id),
            content=instance.address,
            proxied=settings.proxied,
            ttl=settings.ttl,
            comment=ownership_comment(settings.owner, assignment),
        )
        changes = _bring_about(wanted, records)
    else:
        # A record without a marker may be removed only for an instance that is surely ours.
        gone = (*records.ours, *records.unmarked) if is_tagged else records.ours
        changes = tuple(Delete(record) for record in gone)
    if instance.state == PENDING and (not changes or records.fresh):
        return Finding(Presence.UNCERTAIN, reason, waits=bool(changes))
    only_noted = noted if noted != tagged else None
    return Finding(presence, reason, changes, assignment, only_noted, records.others)


def _presence(instance: Instance, *, is_tagged: bool) -> tuple[Presence, str]:
    """Look at the state first: a stopped instance keeps an Elastic IP."""
    if instance.has_ended:
        return Presence.ENDED, instance.state
    if not is_tagged:
        return Presence.AWAY, "no longer tagged"
    if instance.state != RUNNING:
        return Presence.AWAY, instance.state
    if not instance.address:
        return Presence.AWAY, "running, without a public address yet"
    return Presence.LIVE, f"running at {instance.address}"


def _bring_about(wanted: WantedRecord, records: _Records) -> tuple[Change, ...]:
    """Make exactly one of the records the wanted one; there is never a second one.

    What has no owner's marker is adopted; beside another owner's record only ours are touched,
    and none is made.
    """
    candidates = records.ours if records.others else (*records.ours, *records.unmarked)
    if not candidates:
        return () if records.others else (Create(wanted),)
    kept, *extra = sorted(
        candidates,
        key=lambda record: (not record.is_right(wanted), record.owner is None, record.id),
    )
    changes: list[Change] = [Delete(record) for record in extra]
    if not kept.is_right(wanted):
        changes.append(Update(kept, wanted))
    return tuple(changes)

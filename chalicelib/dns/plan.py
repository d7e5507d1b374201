"""The plan for records: from EC2's and the DNS provider's answers to the changes to apply.

Pure: no input, no output, no clock. For one instance or for many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from chalicelib.dns.change import ORDER, Change, Create, Delete, Update
from chalicelib.dns.finding import Finding
from chalicelib.dns.name_records import NameRecords
from chalicelib.dns.record import Record, ownership_comment
from chalicelib.ec2.instances import OWNER_TAG, PENDING, RUNNING, is_instance_id
from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.meeting import Assignment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from chalicelib.ec2.instances import Instance
    from chalicelib.settings.stage import Settings


UNTAGGED: Final = "no longer tagged"


class Observation(NamedTuple):
    """What EC2 and the DNS provider answered about some instances, completely and without error.

    `instances` has None for an instance that EC2 reports as unknown, asked for that very id;
    `unclear` names those that it neither showed nor reported as unknown. `records` has every
    address record under the names of all of them; it may have other records under these names,
    and any record of ours. `unreadable` are the names of malformed records.
    """

    at: datetime
    instances: Mapping[str, Instance | None]
    records: tuple[Record, ...]
    unclear: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """The findings by instance id, or by name for records of ours that name no instance."""

    findings: Mapping[str, Finding]

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change, in the order in which they are applied."""
        changes = [change for finding in self.findings.values() for change in finding.changes]
        return tuple(sorted(changes, key=lambda change: ORDER.index(type(change))))

    def without(self, keys: Collection[str]) -> Plan:
        """Return the plan with these findings held back: none of their changes is applied."""
        held = {
            key: Finding(Presence.UNCERTAIN, finding.reason, held=True)
            for key, finding in self.findings.items()
            if key in keys
        }
        return Plan({**self.findings, **held})


def decide(observation: Observation, settings: Settings) -> Plan:
    """Decide the changes to the records of every instance of the observation.

    A record of ours that names an instance under another domain is an orphan, as is one that
    names none: the domain was changed, or the zone was the wrong one.
    """
    held: dict[str, list[Record]] = {}
    for record in observation.records:
        instance_id = record.instance_id
        is_known = instance_id in observation.instances or instance_id in observation.unclear
        held.setdefault(instance_id if instance_id and is_known else record.name, []).append(record)
    findings = {}
    is_tag_known = any(
        instance and instance.belongs_to(settings.project_tag, settings.owner)
        for instance in observation.instances.values()
    )
    for instance_id, instance in observation.instances.items():
        name = settings.record_name(instance_id)
        records = held.pop(instance_id, [])
        finding = decide_instance(instance_id, instance, records, observation.at, settings)
        if name in observation.unreadable:
            finding = _unreadable(name)
        elif finding.is_untagged and not is_tag_known:
            # The setting is wrong, rather than the tags of every instance.
            finding = replace(finding, unproven=True)
        findings[instance_id] = finding
    for instance_id in observation.unclear:
        name = settings.record_name(instance_id)
        holding = NameRecords.of(held.pop(instance_id, ()), name, settings, observation.at)
        reason = "EC2 gives no clear answer about this instance"
        findings[instance_id] = Finding(Presence.UNCERTAIN, reason, waits=bool(holding.ours))
    for name, records in held.items():
        holding = NameRecords.of(records, name, settings, observation.at)
        if holding.ours and name not in observation.unreadable:
            findings[name] = _decide_astray(holding)
    return Plan(_unlisted(observation.unreadable, settings) | findings)


def decide_instance(
    instance_id: str,
    instance: Instance | None,
    records: Iterable[Record],
    at: datetime,
    settings: Settings,
) -> Finding:
    """Decide the changes to the records of one instance; None if EC2 reports it as unknown.

    `records` has every address record under its name, without error; others are ignored.
    """
    found = NameRecords.of(records, settings.record_name(instance_id), settings, at)
    return _decide_known(instance, found, settings) if instance else _decide_unknown(found)


def _unlisted(unreadable: Collection[str], settings: Settings) -> dict[str, Finding]:
    """Find unreadable records under an instance's name: each may be the last trace of one."""
    labels = {name: name.partition(".")[0] for name in unreadable}
    return {
        label: _unreadable(name)
        for name, label in labels.items()
        if is_instance_id(label) and name == settings.record_name(label)
    }


def _unreadable(name: str) -> Finding:
    return Finding(Presence.UNCERTAIN, f"a record {name} could not be read", waits=True)


def _decide_unknown(records: NameRecords) -> Finding:
    """Decide for an instance that EC2 does not know: not yet or no longer.

    That does not prove its termination, so it is AWAY and not ENDED. What follows can be undone:
    record and link come back when EC2 shows the instance again.
    """
    if not records.ours:
        return Finding(Presence.UNCERTAIN, "EC2 does not know this instance, or not yet")
    if records.fresh:
        return Finding(
            Presence.UNCERTAIN,
            "EC2 does not know this instance; its record is within the grace period",
            waits=True,
        )
    noted = next(iter(records.assignments), None)
    return Finding(
        Presence.AWAY,
        "EC2 no longer knows this instance",
        tuple(Delete(record) for record in records.ours),
        assignment=noted,
        formers=_formers(noted, records),
        row_comes_first=True,
        unproven=True,
    )


def _decide_astray(records: NameRecords) -> Finding:
    """Decide for records of ours that name no instance."""
    if records.fresh:
        reason = "no instance has this name; the record is within the grace period"
        return Finding(Presence.UNCERTAIN, reason, waits=True)
    return Finding(
        Presence.AWAY,
        "no instance has this name",
        tuple(Delete(record) for record in records.ours),
        unproven=True,
    )


def _decide_known(instance: Instance, records: NameRecords, settings: Settings) -> Finding:
    is_tagged = instance.belongs_to(settings.project_tag, settings.owner)
    if not is_tagged and not records.ours:
        launched_by = instance.tags.get(OWNER_TAG)
        reason = (
            f"launched by another stage, {launched_by}"
            if launched_by and instance.has_tag(settings.project_tag)
            else f"not tagged {'='.join(settings.project_tag)}"
        )
        return Finding(Presence.FOREIGN, reason, conflicting=records.others)
    presence, reason = _presence(instance, is_tagged=is_tagged)
    tagged = Assignment.of(instance)
    assignment = tagged or next(iter(records.assignments), None)
    if presence is Presence.LIVE and instance.address:
        wanted = Record.address(
            name=settings.record_name(instance.id),
            content=instance.address,
            proxied=settings.proxied,
            ttl=settings.ttl,
            comment=ownership_comment(settings.owner, assignment),
        )
        changes = _bring_about(wanted, records)
    else:
        # A record without an owner comment is deleted only for an instance that is surely ours.
        gone = (*records.ours, *records.unmarked) if is_tagged else records.ours
        changes = tuple(Delete(record) for record in gone)
    if instance.state == PENDING and (not changes or records.changed):
        return Finding(Presence.UNCERTAIN, reason, waits=bool(changes))
    return Finding(
        presence,
        reason,
        changes,
        assignment,
        formers=_formers(assignment, records),
        row_comes_first=presence is not Presence.LIVE and not (is_tagged and tagged),
        conflicting=records.others,
        is_untagged=reason == UNTAGGED,
    )


def _formers(assignment: Assignment | None, records: NameRecords) -> tuple[Assignment, ...]:
    """List the other assignments in the comments; each meeting's row is updated once."""
    current = assignment.meeting_id if assignment and assignment.is_valid else None
    return tuple(each for each in records.assignments if each.meeting_id != current)


def _presence(instance: Instance, *, is_tagged: bool) -> tuple[Presence, str]:
    """Check the state first: a stopped instance keeps an Elastic IP."""
    if instance.has_ended:
        return Presence.ENDED, instance.state
    if not is_tagged:
        return Presence.AWAY, UNTAGGED
    if instance.state != RUNNING:
        return Presence.AWAY, instance.state
    if not instance.address:
        return Presence.AWAY, "running, without a public address yet"
    return Presence.LIVE, f"running at {instance.address}"


def _bring_about(wanted: Record, records: NameRecords) -> tuple[Change, ...]:
    """Plan changes that leave exactly one record, the wanted one.

    A record without an owner comment is adopted; beside another owner's record only ours are
    touched, and none is created. If a record that stays already has the address, ours are
    deleted: a zone has no two identical records (RFC 2181, section 5).
    """
    misplaced = tuple(record for record in records.ours if record.name != wanted.name)
    ours = [record for record in records.ours if record.name == wanted.name]
    candidates = ours if records.others else [*ours, *records.unmarked]
    gone = tuple(Delete(record) for record in misplaced)
    stay = (*records.others, *records.unmarked) if records.others else ()
    if any(record.content == wanted.content for record in stay):
        return (*gone, *(Delete(record) for record in ours))
    if not candidates:
        return gone if records.others else (*gone, Create(wanted))
    kept, *extra = sorted(
        candidates,
        key=lambda record: (not record.matches(wanted), record.owner is None, record.id),
    )
    changes: list[Change] = [*gone, *(Delete(record) for record in extra)]
    if not kept.matches(wanted):
        changes.append(Update(kept, wanted))
    return tuple(changes)

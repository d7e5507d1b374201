"""Reconciling the records of one instance: observe, decide, apply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from chalicelib.clock import time_at
from chalicelib.dns.plan import decide_instance
from chalicelib.dns.provider import (
    DnsError,
    NoCallsError,
    QuotaSpentError,
    RecordExistsError,
    RecordNotFoundError,
    StoredOtherwiseError,
    UnconfirmedError,
)
from chalicelib.ec2.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.dns.change import Change
    from chalicelib.dns.finding import Finding
    from chalicelib.dns.provider import Zone
    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.settings.stage import Settings
    from chalicelib.step import Steps

ATTEMPTS: Final = 3
"""Attempts to decide when the zone has changed since it was read."""


@dataclass(frozen=True)
class Reconciliation:
    """An instance as last seen (None if EC2 did not know it), and what became of its records."""

    instance_id: str
    instance: Instance | None
    finding: Finding
    done: tuple[Change, ...] = ()
    """The changes that the provider has confirmed."""
    warnings: tuple[str, ...] = ()
    """What the provider stored differently than asked; name and address are correct."""


class Reconciler:
    """Reconciles one instance at a time, changing only records that are ours."""

    def __init__(
        self, settings: Settings, instances: Instances, zone: Zone, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._instances = instances
        self._zone = zone
        self._clock = clock

    def observe(self, instance_id: str, steps: Steps) -> Reconciliation:
        """Read EC2 and the zone in parallel, and decide; nothing is done yet.

        Raises what either raised, and QuotaSpentError if there is something to write and no
        quota left for it.
        """
        name = self._settings.record_name(instance_id)
        described = steps.begin(f"describe {instance_id}", self._instances.find, instance_id)
        listed = steps.begin(
            f"list the records of {name}", self._zone.records_named, name, steps.deadline
        )
        instance = described.result()
        now = time_at(self._clock())
        records = listed.result()
        finding = decide_instance(instance_id, instance, records, now, self._settings)
        if finding.changes:
            self._zone.require_quota()
        return Reconciliation(instance_id, instance, finding)

    def settle(self, seen: Reconciliation, steps: Steps) -> Reconciliation:
        """Apply the changes until the provider has confirmed that none is left.

        After an unclear answer, or one that says the zone has changed since it was read,
        everything is observed and decided again before anything is retried: the instance may
        have changed as well. Raises DnsError.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return self._apply(seen, steps)
            except (RecordExistsError, RecordNotFoundError) as error:
                seen = self._look_again(seen, error, steps)
            except UnconfirmedError as error:
                before, seen = seen, self._look_again(seen, error, steps)
                if seen.finding.presence is Presence.UNCERTAIN:
                    raise
                if not seen.finding.changes:
                    done = before.finding.changes if _is_as(before, seen) else ()
                    return replace(seen, done=done)
        return self._apply(seen, steps)

    def _apply(self, seen: Reconciliation, steps: Steps) -> Reconciliation:
        changes = seen.finding.changes
        if not changes:
            return seen
        what = "; ".join(map(str, changes))
        applying = steps.begin(what, self._zone.apply, changes, steps.deadline)
        try:
            applying.result()
        except StoredOtherwiseError as error:  # a retry would store the same
            return replace(seen, done=changes, warnings=tuple(error.changes.values()))
        return replace(seen, done=changes)

    def _look_again(self, seen: Reconciliation, error: DnsError, steps: Steps) -> Reconciliation:
        try:
            self._zone.require_quota()
            again = self.observe(seen.instance_id, steps)
        except NoCallsError as reason:
            raise QuotaSpentError(f"{reason}; {error}") from error
        name = self._settings.record_name(seen.instance_id)
        if isinstance(error, RecordExistsError) and again.finding.changes == seen.finding.changes:
            # It exists, but not under the requested name.
            what, owner = f"look for misplaced records of {name}", self._settings.owner
            steps.begin(what, self._zone.remove_misplaced, name, owner, steps.deadline).result()
        return again


def _is_as(before: Reconciliation, after: Reconciliation) -> bool:
    """Return True if what was wanted before is what is found afterwards."""
    return (before.finding.presence, before.finding.conflicting) == (
        after.finding.presence,
        after.finding.conflicting,
    )

"""Reconciling the records of one instance: observe, decide, apply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from chalicelib.cloudflare.client import (
    RateLimitedError,
    RecordExistsError,
    RecordNotFoundError,
    UnconfirmedError,
)
from chalicelib.cloudflare.rate_limit import QuotaSpentError
from chalicelib.cloudflare.zone import StoredOtherwiseError
from chalicelib.dns.plan import Finding, Observation, Plan, decide
from chalicelib.ec2.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.cloudflare.zone import Zone
    from chalicelib.dns.change import Change
    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.settings.stage import Settings
    from chalicelib.step import Steps

ATTEMPTS: Final = 3
"""Attempts to decide when the zone has changed since it was read."""


@dataclass(frozen=True)
class Sighting:
    """An instance as it was seen (None if EC2 did not know it), and the plan for the zone."""

    instance_id: str
    instance: Instance | None
    plan: Plan

    @property
    def finding(self) -> Finding:
        """The finding about this instance."""
        return self.plan.findings[self.instance_id]


@dataclass(frozen=True)
class Settlement:
    """The instance as last seen, and the changes that Cloudflare has confirmed.

    `warnings` say what Cloudflare stored differently than asked; name and address are correct.
    """

    seen: Sighting
    done: tuple[Change, ...]
    warnings: tuple[str, ...] = ()


class Reconciler:
    """Reconciles one instance at a time, changing only records that are ours."""

    def __init__(
        self, settings: Settings, instances: Instances, zone: Zone, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._instances = instances
        self._zone = zone
        self._clock = clock

    def observe(self, instance_id: str, steps: Steps) -> Sighting:
        """Read EC2 and Cloudflare in parallel, and decide.

        Raises what either raised, and QuotaSpentError if there is something to write and no
        quota left for it.
        """
        name = self._settings.record_name(instance_id)
        described = steps.begin(f"describe {instance_id}", self._instances.find, instance_id)
        listed = steps.begin(
            f"list the records of {name}", self._zone.records_named, name, steps.deadline
        )
        instance = described.result()
        now = datetime.fromtimestamp(self._clock(), UTC)
        plan = decide(Observation(now, {instance_id: instance}, listed.result()), self._settings)
        if plan.changes:
            self._zone.quota.require()
        return Sighting(instance_id, instance, plan)

    def settle(self, seen: Sighting, steps: Steps) -> Settlement:
        """Apply the changes until Cloudflare has confirmed that none is left.

        After an unclear answer, or one that says the zone has changed since it was read,
        everything is observed and decided again before anything is retried: the instance may
        have changed as well. Raises CloudflareError and QuotaSpentError.
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
                if not seen.plan.changes:
                    return Settlement(seen, before.plan.changes if _is_as(before, seen) else ())
        return self._apply(seen, steps)

    def _apply(self, seen: Sighting, steps: Steps) -> Settlement:
        changes = seen.plan.changes
        if not changes:
            return Settlement(seen, changes)
        what = "; ".join(map(str, changes))
        applying = steps.begin(what, self._zone.apply, changes, steps.deadline)
        try:
            applying.result()
        except StoredOtherwiseError as error:  # a retry would store the same
            return Settlement(seen, changes, tuple(error.changes.values()))
        return Settlement(seen, changes)

    def _look_again(self, seen: Sighting, error: Exception, steps: Steps) -> Sighting:
        try:
            self._zone.quota.require()
            again = self.observe(seen.instance_id, steps)
        except (QuotaSpentError, RateLimitedError) as reason:
            raise QuotaSpentError(f"{reason}; {error}") from error
        name = self._settings.record_name(seen.instance_id)
        if isinstance(error, RecordExistsError) and again.plan.changes == seen.plan.changes:
            # It exists, but not under the requested name.
            what, owner = f"look for misplaced records of {name}", self._settings.owner
            steps.begin(what, self._zone.remove_strays, name, owner, steps.deadline).result()
        return again


def _is_as(before: Sighting, after: Sighting) -> bool:
    """Return True if what was wanted before is what is found afterwards."""
    return (before.finding.presence, before.finding.in_the_way) == (
        after.finding.presence,
        after.finding.in_the_way,
    )

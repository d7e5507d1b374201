"""Observe, decide, apply: bringing the zone's records of an instance to what they should be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from chalicelib.cloudflare import RecordExistsError, RecordNotFoundError, UnconfirmedError
from chalicelib.plan import Finding, Observation, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.instance import Instance, Instances
    from chalicelib.record import Record
    from chalicelib.settings import Settings
    from chalicelib.step import Steps
    from chalicelib.zone import Zone

ATTEMPTS: Final = 3
"""How often is decided anew when the zone was not as it had been read."""


class QuotaSpentError(Exception):
    """No more of Cloudflare's quota is to be spent for now; the sweep does the rest."""


@dataclass(frozen=True)
class Sighting:
    """An instance as it was seen, and what follows for its records."""

    instance_id: str
    instance: Instance | None
    finding: Finding


class Reconciler:
    """Looks at one instance at a time and changes what is ours to change."""

    def __init__(
        self, settings: Settings, instances: Instances, zone: Zone, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._instances = instances
        self._zone = zone
        self._clock = clock

    def stop_if_quota_is_spent(self) -> None:
        """Raise QuotaSpentError when less than our half of the quota is left."""
        quota = self._zone.quota
        if quota.is_spent:
            raise QuotaSpentError(
                f"Cloudflare's quota is kept for others for another {quota.seconds_to_wait:.0f} s "
                f"({quota.remaining} calls left)"
            )

    def observe(self, instance_id: str, steps: Steps) -> Sighting:
        """Ask EC2 and Cloudflare at the same time, and decide. Raises what either raised."""
        name = self._settings.record_name(instance_id)
        described = steps.begin(f"describe {instance_id}", self._instances.find, instance_id)
        listed = steps.begin(
            f"list the records of {name}", self._zone.records_named, name, steps.deadline
        )
        instance = described.result()
        return self._decide(instance_id, instance, listed.result())

    def settle(self, sighting: Sighting, steps: Steps) -> Sighting:
        """Make the changes until Cloudflare has confirmed that none is left to make.

        An unclear answer, or one that says the zone is not as it was read, makes us read it and
        decide anew before anything is repeated. Raises CloudflareError and QuotaSpentError.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                self._apply(sighting, steps)
            except (UnconfirmedError, RecordExistsError, RecordNotFoundError) as error:
                sighting = self._look_again(sighting, error, steps)
            else:
                return sighting
        self._apply(sighting, steps)
        return sighting

    def _apply(self, sighting: Sighting, steps: Steps) -> None:
        changes = sighting.finding.changes
        if changes:
            self.stop_if_quota_is_spent()
            what = "; ".join(map(str, changes))
            steps.begin(what, self._zone.apply, changes, steps.deadline).result()

    def _look_again(self, sighting: Sighting, error: Exception, steps: Steps) -> Sighting:
        self.stop_if_quota_is_spent()
        name = self._settings.record_name(sighting.instance_id)
        what = f"list the records of {name} again"
        records = steps.begin(what, self._zone.records_named, name, steps.deadline).result()
        if isinstance(error, RecordExistsError) and not records:
            what = f"look for strays of {name}"
            owner = self._settings.owner
            steps.begin(what, self._zone.remove_strays, name, owner, steps.deadline).result()
        return self._decide(sighting.instance_id, sighting.instance, records)

    def _decide(
        self, instance_id: str, instance: Instance | None, records: tuple[Record, ...]
    ) -> Sighting:
        now = datetime.fromtimestamp(self._clock(), UTC)
        observation = Observation(now, {instance_id: instance}, records)
        finding = decide(observation, self._settings).findings[instance_id]
        return Sighting(instance_id, instance, finding)

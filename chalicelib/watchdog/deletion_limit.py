"""The limit on unproven deletions: those whose reason EC2 has not shown.

A deletion is proven if EC2 shows that the instance has ended, is stopped or is not the project's,
or if another, correct record stays. The others rest on EC2 reporting an id as unknown, which it
does an hour after every termination, and also in the wrong account or during an outage.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.dns.change import Delete

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.dns.batches import Applied
    from chalicelib.dns.plan import Plan
    from chalicelib.dns.record import Record
    from chalicelib.settings.stage import Settings
    from chalicelib.watchdog.survey import Survey

WINDOW: Final = timedelta(hours=24)
"""How long a deletion counts: a slow leak must not empty a zone either."""


def held_back(plan: Plan, owned: int, made: int, settings: Settings) -> frozenset[str]:
    """Return the keys of findings whose deletions are held back: all unproven ones, or none.

    They are held back once their number, with those `made` within the window, exceeds both limits:
    the absolute one and the percentage of the records that we own (`owned` now). Both, because the
    last desktop of a day is 100 %, and ten of a thousand are few.
    """
    unproven = {key: finding for key, finding in plan.findings.items() if finding.unproven}
    deletions = made + sum(len(finding.changes) for finding in unproven.values())
    is_within = (
        deletions <= settings.delete_limit
        or deletions * 100 <= (owned + made) * settings.delete_percent
    )
    return frozenset() if is_within else frozenset(unproven)


class DeletionLimit:
    """The limit, with unproven deletions remembered for the life of the environment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[Record, datetime] = {}
        self._unclear: dict[Record, datetime] = {}

    def held_back(self, survey: Survey) -> frozenset[str]:
        """Return the keys of the survey's findings whose deletions are held back.

        An unproven deletion whose answer was lost was made if its record is gone now.
        """
        left = {record.id for record in survey.records}
        gone = {record: at for record, at in self._unclear.items() if record.id not in left}
        self._made |= gone
        self._unclear.clear()
        self._made = {record: at for record, at in self._made.items() if survey.at - at < WINDOW}
        return held_back(survey.plan, len(survey.records), len(self._made), self._settings)

    def note(self, survey: Survey, applied: Applied) -> None:
        """Remember the unproven deletions that were made, and those that may have been."""
        unproven = {
            change
            for finding in survey.plan.findings.values()
            if finding.unproven
            for change in finding.changes
        }
        for change in applied.done:
            if isinstance(change, Delete) and change in unproven:
                self._made[change.record] = survey.at
        for change, _ in applied.left:
            if isinstance(change, Delete) and change in unproven:
                self._unclear[change.record] = survey.at

    def returned(self, survey: Survey) -> tuple[str, ...]:
        """Name the records that were deleted without proof and have been created again.

        If EC2 shows the instance again, we created the record; if EC2 still does not know it,
        another deployment uses our OWNER.
        """
        names = {record.name for record in self._made}
        return tuple(
            record.name
            for record in survey.records
            if record.name in names and survey.instances.get(record.instance_id or "") is None
        )

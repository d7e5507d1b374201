"""The sweep: survey everything, decide, and repair whatever the events missed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from chalicelib.batch import Batches
from chalicelib.cloudflare import RateLimitedError
from chalicelib.deadline import Deadline
from chalicelib.quota import QuotaSpentError
from chalicelib.register import Register, Told
from chalicelib.repair import Repair
from chalicelib.roster import Roster
from chalicelib.safety import UnsafePlanError, refuse_unsafe
from chalicelib.step import Steps
from chalicelib.survey import Surveyor

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from chalicelib.deadline import LambdaContext
    from chalicelib.instance import Instances
    from chalicelib.meeting import Meetings
    from chalicelib.settings import Settings
    from chalicelib.survey import Survey
    from chalicelib.telemetry import Reporter
    from chalicelib.zone import Zone


class Sweep:
    """Surveys and repairs; one for an execution environment."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: Settings,
        instances: Instances,
        zone: Zone,
        meetings: Meetings | None,
        reporter: Reporter,
        executor: Executor,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._quota = zone.quota
        self._meetings = meetings
        self._surveyor = Surveyor(settings, instances, zone, meetings, clock)
        self._batches = Batches(zone)
        self._reporter = reporter
        self._executor = executor
        self._clock = clock

    def handle(self, context: LambdaContext) -> dict[str, Any]:
        """Survey and repair, report once, and return a Repair as a dictionary.

        Without quota it is `deferred`. Whatever fails is reported and raised.
        """
        steps = Steps(self._executor, Deadline.of(context, self._clock))
        fields = {"request_id": context.aws_request_id}
        try:
            result, counts = self._run(steps)
        except Exception as error:
            counts = {"Failed": 1}
            if isinstance(error, UnsafePlanError):
                counts["RefusedUnsafe"] = 1
            self._reporter.failed(fields, self._with_quota(counts), error)
            raise
        self._reporter.succeeded(fields | result, self._with_quota(counts))
        return result

    def survey(self, steps: Steps) -> Survey:
        """Look at everything and plan, and change nothing. Raises what a read raised."""
        return self._surveyor.survey(steps)

    def repair(
        self,
        survey: Survey,
        steps: Steps,
        *,
        force: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Repair:
        """Do what the survey's plan says; `progress` is told of changes that are dealt with.

        Raises UnsafePlanError, before anything is changed, if the plan deletes too much and is not
        forced; RowsNotToldError after everything else is done; and what Batches.apply raises.
        """
        plan, settings = survey.plan, self._settings
        if not force:
            refuse_unsafe(plan, len(survey.records), settings)
        roster = Roster(survey, settings)
        register = Register(self._meetings, survey.meetings, roster) if self._meetings else None
        unsettled: set[str] = set()
        if register:
            register.tell(first=True, unsettled=(), steps=steps)
            unsettled |= register.told.untold
        whose = {
            change: key for key, finding in plan.findings.items() for change in finding.changes
        }
        changes = [change for change in plan.changes if whose[change] not in unsettled]
        applied = self._batches.apply(changes, steps.deadline, progress)
        if register:
            unsettled |= {whose[change] for change, _ in (*applied.left, *applied.refused)}
            register.tell(first=False, unsettled=unsettled, steps=steps)
            register.told.raise_if_failed()
        return Repair(survey, settings, applied, register.told if register else Told())

    def _run(self, steps: Steps) -> tuple[dict[str, Any], dict[str, int]]:
        try:
            self._quota.require()
            repair = self.repair(self.survey(steps), steps)
        except (QuotaSpentError, RateLimitedError) as reason:
            said = {"action": "deferred", "reason": f"left to the next run: {reason}"}
            return said, {"Deferred": 1}
        result, done = repair.to_dict(), repair.counts
        counts = {
            "Created": done["created"],
            "Updated": done["updated"],
            "Deleted": done["deleted"],
            "Repaired": sum(done.values()),
            "Rejected": len(repair.refused),
            "Warnings": len(repair.warnings),
            "DriftSeconds": round(repair.oldest_drift),
        }
        if result["action"] == "deferred":
            counts["Deferred"] = 1
        return result, counts

    def _with_quota(self, counts: dict[str, int]) -> dict[str, int]:
        left = self._quota.remaining
        return counts if left is None else counts | {"QuotaLeft": left}

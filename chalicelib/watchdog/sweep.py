"""The sweep: survey everything, plan, and repair the drift that events left."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalicelib.deadline import RESERVE, Deadline, OutOfTimeError
from chalicelib.dns.batches import Applied, Batches
from chalicelib.dns.provider import NoCallsError
from chalicelib.step import Steps
from chalicelib.telemetry import Outcome, reported
from chalicelib.watchdog.deletion_limit import DeletionLimit
from chalicelib.watchdog.row_plan import RowPlan
from chalicelib.watchdog.row_writer import RowResults, RowWriter
from chalicelib.watchdog.survey import AgeLimit, Surveyor
from chalicelib.watchdog.sweep_result import Repair

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from chalicelib.deadline import LambdaContext
    from chalicelib.dns.provider import Zone
    from chalicelib.ec2.instances import Instances
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.settings.stage import Settings
    from chalicelib.telemetry import Reporter
    from chalicelib.watchdog.snapshot import Snapshot
    from chalicelib.watchdog.survey import Survey


class Sweep:
    """Surveys and repairs; one for each execution environment.

    Its runs leave the last `reserve` seconds of their time to what runs after it.
    """

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
        reserve: float = RESERVE,
    ) -> None:
        self._settings = settings
        self._zone = zone
        self._meetings = meetings
        self._surveyor = Surveyor(settings, instances, zone, meetings, clock)
        self._batches = Batches(zone)
        self._limit = DeletionLimit(settings)
        self._skipped: dict[str, float] = {}
        self._reporter = reporter
        self._executor = executor
        self._clock = clock
        self._reserve = reserve

    def handle(self, context: LambdaContext) -> dict[str, Any]:
        """Survey and repair, report once, and return the result as Repair.to_dict has it.

        Without quota the action is `deferred`. Errors are reported and raised.
        """
        steps = Steps(self._executor, Deadline.of(context, self._clock, self._reserve))
        return reported(
            self._reporter, context, lambda about: self._run(steps, about), gauges=self._gauges
        )

    def snapshot(self) -> Snapshot:
        """Return what the last run has just read, or a snapshot that will read it."""
        latest = self._surveyor.snapshot
        return latest if latest.is_young else self._surveyor.new_snapshot()

    def survey(self, steps: Steps) -> Survey:
        """Read everything and plan; change nothing. Raises what a read raised."""
        return self._surveyor.survey(steps)

    def repair(
        self,
        survey: Survey,
        steps: Steps,
        *,
        force: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Repair:
        """Apply the survey's plan; `progress` is called with the number of changes handled.

        A survey that has become too old is repeated before anything more is written. Unproven
        deletions beyond their limit are held back unless forced. Raises RowsNotUpdatedError after
        everything else is done, and what Batches.apply and a survey raise.
        """
        repair = self._repair(survey, steps, force=force, progress=progress)
        repair.row_results.raise_if_failed()
        return repair

    def _repair(
        self,
        survey: Survey,
        steps: Steps,
        *,
        force: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Repair:
        repair = latest = self._repair_once(survey, steps, force=force, progress=progress)
        while latest.grew_old and latest.made_progress:
            try:
                survey = self.survey(steps)
            except (NoCallsError, OutOfTimeError):
                break  # what is left is named, and deferred to the next run
            latest = self._repair_once(survey, steps, force=force, progress=progress)
            repair = repair.then(latest)
        return repair

    def _repair_once(
        self, survey: Survey, steps: Steps, *, force: bool, progress: Callable[[int], None]
    ) -> Repair:
        returned = self._limit.returned(survey)
        held = frozenset() if force else self._limit.held_back(survey)
        withheld = {key: survey.plan.findings[key] for key in held}
        survey = replace(survey, plan=survey.plan.without(held))
        plan = survey.plan
        age_limit = AgeLimit(survey.taken_at, self._clock)
        row_plan = RowPlan(survey, self._settings)
        row_results = RowResults()
        unsettled = set(row_plan.unsettled)
        row_writer = (
            RowWriter(self._meetings, survey.meetings, row_plan) if self._meetings else None
        )
        if row_writer:
            row_results = row_writer.row_results
            row_results.leave_unread(survey.unread, survey.errors)
            row_writer.write(first=True, unsettled=(), steps=steps, may_write=age_limit)
            unsettled |= row_results.not_updated
        whose = {
            change: key for key, finding in plan.findings.items() for change in finding.changes
        }
        changes = [change for change in plan.changes if whose[change] not in unsettled]
        applied = Applied()
        try:
            self._batches.apply(changes, steps, progress, may_write=age_limit, applied=applied)
        finally:  # what was done before an error counts as well
            self._limit.note(survey, applied)
        if row_writer:
            unsettled |= {whose[change] for change, _ in (*applied.left, *applied.refused)}
            row_writer.write(first=False, unsettled=unsettled, steps=steps, may_write=age_limit)
        return Repair(
            survey,
            self._settings,
            applied,
            row_results,
            withheld=withheld,
            returned=returned,
            grew_old=age_limit.was_over,
        )

    def _run(self, steps: Steps, about: dict[str, Any]) -> Outcome:
        try:
            self._zone.require_quota()
            repair = self._repair(self.survey(steps), steps)
        except NoCallsError as reason:
            return Outcome("deferred", f"deferred to the next run: {reason}")
        done = repair.counts
        metrics = {
            "Created": done["created"],
            "Updated": done["updated"],
            "Deleted": done["deleted"],
            "Repaired": sum(done.values()),
            "Rejected": len(repair.refused),
            "Warnings": len(repair.warnings),
            "DriftSeconds": round(max(repair.oldest_drift, self._unchanged_for(repair))),
        }
        about.update(repair.to_dict())
        if about["action"] == "deferred":
            metrics["Deferred"] = 1
        if repair.held:
            metrics["RefusedUnsafe"] = len(repair.held)
        error = repair.row_results.error
        return Outcome(about["action"], about["reason"], metrics=metrics, error=error)

    def _unchanged_for(self, repair: Repair) -> float:
        """Return for how many seconds the same thing has been skipped by consecutive runs."""
        now = self._clock()
        since = self._skipped
        self._skipped = {each: since.get(each, now) for each in repair.skipped}
        return now - min(self._skipped.values(), default=now)

    def _gauges(self) -> dict[str, int]:
        left = self._zone.few_calls_left
        return {} if left is None else {"QuotaLeft": left}

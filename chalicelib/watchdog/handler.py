"""The event handler: reconcile DNS and the meeting's row for the instance that an event names.

Three round trips: EC2 and the zone are read in parallel; the record is written while the row
is read; the row is updated.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from chalicelib.deadline import Deadline
from chalicelib.dns.change import Create
from chalicelib.dns.provider import NoCallsError
from chalicelib.ec2.event import IgnoredEventError, InstanceEvent
from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop, MeetingDecision
from chalicelib.step import Steps
from chalicelib.telemetry import Outcome, reported
from chalicelib.watchdog.reconciler import Reconciler
from chalicelib.watchdog.row_update import Rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from chalicelib.deadline import LambdaContext
    from chalicelib.dns.provider import Zone
    from chalicelib.ec2.instances import Instances
    from chalicelib.meeting_row.meeting import Assignment
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.settings.stage import Settings
    from chalicelib.telemetry import Reporter
    from chalicelib.watchdog.reconciler import Reconciliation


class Watchdog:
    """Handles events, one at a time."""

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
        self._zone = zone
        self._reconciler = Reconciler(settings, instances, zone, clock)
        self._rows = Rows(meetings, instances) if meetings else None
        self._reporter = reporter
        self._executor = executor
        self._clock = clock

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Handle any event, report once, and return the result.

        Errors are reported and raised, so that Lambda retries and alarms see them.
        """
        steps = Steps(self._executor, Deadline.of(context, self._clock))
        logged: dict[str, str] = {}

        def run(about: dict[str, Any]) -> Outcome:
            try:
                found = InstanceEvent.parse(event, context.invoked_function_arn)
            except IgnoredEventError as ignored:
                about["instance_id"] = None
                return Outcome("ignored", f"ignored event: {ignored}")
            about["instance_id"] = found.instance_id
            logged.update(event_id=found.id, event_state=found.state)
            return self._handle(found.instance_id, steps)

        return reported(self._reporter, context, run, logged, self._gauges)

    def _handle(self, instance_id: str, steps: Steps) -> Outcome:
        try:
            self._zone.require_quota()
            outcome, successor = self._look_at(instance_id, steps)
            if successor:  # it may have waited for the ended instance's link
                self._look_at(successor, steps)
        except NoCallsError as reason:
            return _deferred(reason)
        return outcome

    def _look_at(self, instance_id: str, steps: Steps) -> tuple[Outcome, str | None]:
        """Reconcile an instance; return the outcome, and its successor in the role if it ended."""
        seen = self._reconciler.observe(instance_id, steps)
        finding = seen.finding
        if finding.presence is Presence.FOREIGN:
            return Outcome("ignored", finding.reason), None
        if finding.presence is Presence.UNCERTAIN:
            return _deferred(finding.reason), None
        for former in finding.formers:
            self._begin_row(seen, former, finding.in_former, steps)()
        finish_row = self._begin_row(seen, finding.assignment, finding.presence, steps)
        if finding.row_comes_first:
            decision = finish_row()
            settled = self._reconciler.settle(seen, steps)
        else:
            settled = self._reconciler.settle(seen, steps)
            now = settled.finding
            if now is not finding:
                finish_row = self._begin_row(settled, now.assignment, now.presence, steps)
            decision = finish_row()
        details = {
            "record": self._settings.record_name(instance_id),
            "meeting": decision.reason if decision else None,
        }
        warnings = (*settled.finding.warnings, *settled.warnings)
        reason = settled.finding.reason
        outcome = Outcome(_action(settled, decision), reason, details, warnings)
        return outcome, decision.successor if decision else None

    def _begin_row(
        self, seen: Reconciliation, assignment: Assignment | None, presence: Presence, steps: Steps
    ) -> Callable[[], MeetingDecision | None]:
        """Start reading the row, if there is one to update; return what updates it."""
        is_known = presence not in {Presence.UNCERTAIN, Presence.FOREIGN}
        if not (self._rows and is_known and assignment and assignment.is_valid):
            return _no_row
        if presence is Presence.LIVE and not seen.finding.may_be_linked:
            return _no_row
        link, settings = self._settings.link(seen.instance_id), self._settings
        tag, owner = settings.project_tag, settings.owner
        desktop = Desktop(seen.instance_id, assignment, presence, link, seen.instance, tag, owner)
        return self._rows.begin(desktop, steps)

    def _gauges(self) -> dict[str, int]:
        left = self._zone.calls_left
        return {} if left is None else {"QuotaLeft": left}


def _deferred(reason: object) -> Outcome:
    return Outcome("deferred", f"deferred to the next sweep: {reason}")


def _no_row() -> None:
    """Update no row."""


def _action(settled: Reconciliation, decision: MeetingDecision | None) -> str:
    """Name the action: on the records, or else on the row."""
    finding = settled.finding
    if settled.done:
        if finding.presence is not Presence.LIVE:
            return "deleted"
        is_new = any(isinstance(change, Create) for change in settled.done)
        return "created" if is_new else "updated"
    if decision and decision.change:
        return "updated"
    return "ignored" if finding.conflicting else "unchanged"

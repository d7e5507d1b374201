"""What must hold of meetings during the whole run, checked at each call and each write."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.deadline import OutOfTimeError
from chalicelib.ec2.desktops import TerminationError
from chalicelib.ec2.instances import IncompleteAnswerError
from chalicelib.meeting_row.table import RowChangedError, RowFullError
from chalicelib.meetings.ending import EndingError
from chalicelib.meetings.launch import LaunchDelayedError, LaunchFailedError
from chalicelib.meetings.schedules import ScheduleError
from tests.simulation.invocation import API, SWEEP, WATCHDOG
from tests.simulation.meetings import answers, row_changes
from tests.simulation.meetings.world import (
    AHEAD,
    CONFIRMED,
    LAUNCH,
    LONGEST,
    MINUTE,
    SAFETY_NET,
    SHORTEST,
    TERMINATOR,
    desktops_of,
    goes_back,
    is_claimed,
    is_live,
    is_over,
    launched_at,
    meet_time,
    status,
)
from tests.simulation.names import is_gone, is_project, text
from tests.simulation.promises import Promises
from tests.simulation.record_promises import LONGEST_LAG

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Item
    from tests.simulation.ec2 import Host
    from tests.simulation.invocation import Invocation
    from tests.simulation.meetings.stage import MeetingStage
    from tests.simulation.strands import Strands

FAILURES: Final = (
    BotoCoreError,
    ClientError,
    EndingError,
    IncompleteAnswerError,
    LaunchDelayedError,
    LaunchFailedError,
    OutOfTimeError,
    RowChangedError,
    RowFullError,
    ScheduleError,
    TerminationError,
)
"""What a run of the feature may raise; anything else is a fault of the code."""
_OLD: Final = frozenset({WATCHDOG, SWEEP})
"""The functions that every stage has: what is promised of them is looked at as always."""


class LifePromises(Promises):
    """Watches every call and every write as well for what is promised of meetings.

    `over_since` says since when a row's meeting is being ended, `removed` when a row was removed
    (`removed_over` those that were over by then),
    `owners` the teacher's name in each row that there ever was.
    `seen` counts what has happened at all, so that a test can tell whether anything did.
    """

    stage: MeetingStage

    def __init__(self, strands: Strands) -> None:
        super().__init__(strands)
        self.over_since: dict[str, float] = {}
        self.removed: dict[str, float] = {}
        self.removed_over: set[str] = set()
        self.owners: dict[str, str] = {}
        self.seen: Counter[str] = Counter()

    def meetings_of(self, run: Invocation) -> set[str]:
        """Tell which meetings a run is about."""
        if run.function == TERMINATOR:
            return {each["dynamodb"]["Keys"]["id"]["S"] for each in run.event["Records"]}
        return set(map(str, run.event.values()))

    # Desktops

    def started(self, run: Invocation | None, host: Host) -> None:
        """Look at a desktop that a run was given for its request, new or not."""
        assert host.view
        meeting, role = host.view.tag("MeetingID") or "", host.view.tag("Role") or ""
        if run is None:
            return
        is_new = host.past[-1][0] == self.stage.clock.now and len(host.past) == 1
        self.seen["started" if is_new else "found again"] += 1
        others = desktops_of(self.stage.ec2.hosts.values(), meeting, role)
        if [each for each in others if each is not host]:
            self.breaks(run, f"started {host.id} beside {others} as the {role} of {meeting}")
        if run.function != LAUNCH or self.meetings_of(run) != {meeting}:
            self.breaks(run, f"started {host.id} for {meeting}")
        item = self.stage.dynamodb.items.get(meeting)
        begun = run.started or 0.0
        if item is None:
            if self.removed.get(meeting, 0.0) < begun:
                self.breaks(run, f"started {host.id} for {meeting}, of which there is no row")
        elif meeting not in self.stage.meddlers.touched:
            if CONFIRMED not in item:
                self.breaks(run, f"started {host.id} for {meeting}, which nobody has confirmed")
            ahead = meet_time(item) - self.stage.clock.now
            if not -LONGEST - MINUTE <= ahead <= AHEAD + 2 * MINUTE:
                self.breaks(run, f"started {host.id} for {meeting}, {ahead} s before its start")
        if self.over_since.get(meeting, begun) < begun:
            self.breaks(run, f"started {host.id} for {meeting}, which is over")

    def ends(self, run: Invocation | None, host: Host) -> None:
        """Look at an instance that a run is about to end."""
        if run is None:
            return
        self.seen["ended"] += 1
        meeting = host.view.tag("MeetingID") if host.view else None
        if not is_project(host.view) or meeting not in self.meetings_of(run):
            self.breaks(run, f"ends {host.id}, which is {host.view}")
            return
        item, now = self.stage.dynamodb.items.get(meeting), self.stage.clock.now
        if item is None:
            is_own = meeting in self.removed and run.function == LAUNCH
            is_own |= meeting in self.removed_over
            if not is_own and now < self.oldest(run, meeting) + LONGEST:
                self.breaks(run, f"ends {host.id} of {meeting}, of which there is no row")
        elif not is_claimed(item) and not self._has_lost_its_role(run, host, item):
            is_full = run.function == SAFETY_NET and meeting in run.learnt.crowded
            if not is_full or not self.is_over_by_time(run, meeting, item):
                self.breaks(run, f"ends {host.id} of {meeting}, which nobody has claimed")

    def _has_lost_its_role(self, run: Invocation, host: Host, item: Item) -> bool:
        """Tell whether a launch ends what it started, since people gave its role to another."""
        view = host.view
        meeting, role = (view.tag("MeetingID"), view.tag("Role")) if view else (None, None)
        is_meddled = meeting in self.stage.meddlers.touched
        return is_meddled and run.function == LAUNCH and text(item, f"{role}_ec2_id") != host.id

    def is_over_by_time(self, run: Invocation, meeting: str, item: Item) -> bool:
        """Tell whether a meeting has lasted as long as any may, whatever else its row says."""
        is_late = self.stage.clock.now >= meet_time(item) + LONGEST
        return is_late or self.is_worn_out(run, meeting)

    def is_worn_out(self, run: Invocation, meeting: str) -> bool:
        """Tell whether it was put off again and again while its desktops ran."""
        return self.stage.clock.now >= self.oldest(run, meeting) + SHORTEST + LONGEST

    def oldest(self, run: Invocation, meeting: str) -> float:
        """Tell when the oldest desktop was launched that a meeting had when the run looked."""
        looked_at = (run.started or 0.0) - LONGEST_LAG
        launches = (
            int(launched_at(host))
            for host in self.stage.ec2.hosts.values()
            if any(
                is_project(view) and view and view.tag("MeetingID") == meeting and not is_gone(view)
                for view in host.since(looked_at)
            )
        )
        return min(launches, default=float("inf"))

    # Rows

    def row_became(self, item_id: str, before: Item | None, after: Item | None) -> None:
        """Look at a change of a row, whoever made it."""
        now = self.stage.clock.now
        if self.run and goes_back(before, after):
            self.breaks(self.run, f"moved {item_id} back from {status(before)} to {status(after)}")
        if after is None:
            self.removed[item_id] = now
            if item_id in self.over_since:
                self.over_since.pop(item_id)
                self.removed_over.add(item_id)
            return
        self.owners[item_id] = (after.get("teacher_name") or {}).get("S", "")
        if is_over(after):
            self.over_since.setdefault(item_id, now)
        if before is not None and is_claimed(after) and not is_claimed(before):
            self.seen[text(after, "termination_reason") or ""] += 1
            run = self.run
            is_claim = run is not None and run.function not in _OLD
            if run and is_claim and is_live(before, now) and not self.is_worn_out(run, item_id):
                self.breaks(run, f"ends {item_id}, which is live")

    def lacks_room(self, run: Invocation | None, item_id: str) -> None:
        """Note that a write to a row was refused, since the row is full."""
        super().lacks_room(run, item_id)
        self.seen["full"] += 1

    def tells_row(self, item_id: str) -> None:
        """Look at a write to a row that a run is about to make."""
        if self.run and self.run.function in _OLD:
            super().tells_row(item_id)

    def wrote_row(
        self, run: Invocation | None, item_id: str, before: Item | None, after: Item | None
    ) -> None:
        """Look at what a call of a run has changed in a row."""
        if run is None or run.function in _OLD:
            super().wrote_row(run, item_id, before, after)
            return
        for problem in row_changes.problems(self.stage, run, item_id, before, after):
            self.breaks(run, problem)

    # Runs

    def ended(self, run: Invocation) -> None:
        """Look at how a run ended."""
        if run.function in _OLD and not isinstance(run.error, ScheduleError):
            super().ended(run)
            return
        if run.error and not (isinstance(run.error, FAILURES) and run.function != API):
            self.breaks(run, f"raised {run.error!r}")
        what = type(run.error).__name__ if run.error else "went well"
        self.seen[f"{run.function} {what}"] += 1
        if run.function == API and run.error is None:
            for problem in answers.problems(self.stage, run):
                self.breaks(run, problem)
        if run.function == SAFETY_NET and run.result:
            self.seen[f"look: {run.result['action']}"] += 1

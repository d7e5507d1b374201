"""A stage with meetings in a simulated world: the watchdog's stage, and the functions beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chalicelib.ec2.desktops import Starts, Terminations
from chalicelib.ec2.images import Images
from chalicelib.ec2.instances import Instances
from chalicelib.ec2.subnets import Subnets
from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings.authorizer import Authorizer
from chalicelib.meetings.ending import Ending
from chalicelib.meetings.join import Join
from chalicelib.meetings.launch import Launch
from chalicelib.meetings.overseer import Overseer
from chalicelib.meetings.reservation import Reservations
from chalicelib.meetings.safety_net import SafetyNet
from chalicelib.meetings.schedules import Scheduler, Unscheduler
from chalicelib.meetings.scheduling import Scheduling
from chalicelib.meetings.stage_secrets import Seeds
from chalicelib.meetings.starter import Starter
from chalicelib.meetings.terminator import Terminator
from tests.simulation.invocation import API, SWEEP, WATCHDOG, Learnt
from tests.simulation.meetings.callers import Booking, Callers
from tests.simulation.meetings.desktops import Desktops
from tests.simulation.meetings.ec2 import DesktopEc2
from tests.simulation.meetings.meddlers import Meddlers
from tests.simulation.meetings.promises import LifePromises
from tests.simulation.meetings.scheduler import SchedulerService
from tests.simulation.meetings.stream import Stream
from tests.simulation.meetings.world import (
    CALLER_KEY,
    LAUNCH,
    MEETINGS,
    PREFIX,
    SAFETY_NET,
    SETTINGS,
)
from tests.simulation.stage import Silence, Stage
from tests.world import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.invocation import Invocation


class MeetingStage(Stage):
    """Everything that there is in a stage with the feature `meetings`."""

    settings = SETTINGS
    _retried = (WATCHDOG, LAUNCH, SAFETY_NET)

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = SchedulerService(self.clock, self.strands)
        self.stream = Stream()
        self.dynamodb.watchers += [self.stream.watch, self.promises.row_became]
        self.secrets.others[f"{PREFIX}-schedule-key"] = json.dumps({"front-end": CALLER_KEY})
        self.secrets.others[f"{PREFIX}-meeting-seed"] = "s33d" * 9
        self.callers = Callers(self)
        self.desktops = Desktops(self)
        self.meddlers = Meddlers(self)
        self.ec2.end = self.desktops.end
        self.strands.before_resuming = self.meddlers.race
        self._holders = 0

    ec2: DesktopEc2
    promises: LifePromises

    def _make_promises(self) -> LifePromises:
        return LifePromises(self.strands)

    def _make_ec2(self) -> DesktopEc2:
        return DesktopEc2(self.clock, self.strands, self.promises)

    def stop_faults(self) -> None:
        """Let every service work again."""
        super().stop_faults()
        self.scheduler.edge.faults.clear()
        self.ec2.full.clear()
        self.ec2.closed = None

    def start_due(self, warm: int | None = 0) -> Invocation | None:
        """Let the schedule fire that is due first, if there is one."""
        due = self.scheduler.due()
        if not due:
            return None
        self.scheduler.fire(due[0])
        return self.functions.invoke(due[0].payload, function=due[0].function, warm=warm)

    def _build(self, function: str) -> Callable[[Invocation], Any]:
        if function == WATCHDOG:
            return super()._build(function)
        if function == SWEEP:
            return self._build_sweep()
        if function == API:
            return self._build_api()
        table = Meetings(self.dynamodb, TABLE)
        instances = Instances(self.ec2, SETTINGS.project_tag, SETTINGS.owner)
        terminations = Terminations(self.ec2)
        ending = Ending(
            table=table,
            instances=instances,
            terminations=terminations,
            settings=SETTINGS,
        )
        ends: dict[str, Any] = {"reporter": Silence(), "clock": self.clock, "ending": ending}
        if function == LAUNCH:
            starter = Starter(
                settings=MEETINGS,
                project_tag=SETTINGS.project_tag,
                owner=SETTINGS.owner,
                table=table,
                instances=instances,
                images=Images(self.ec2),
                subnets=Subnets(self.ec2),
                starts=Starts(self.ec2),
            )
            launch = Launch(
                settings=MEETINGS,
                table=table,
                starter=starter,
                terminations=terminations,
                sleep=self.strands.sleep,
                holder=self._new_holder,
                **ends,
            )
            return lambda run: launch.handle(run.event, run)
        if function == SAFETY_NET:
            net = SafetyNet(
                settings=MEETINGS,
                table=table,
                instances=instances,
                scheduler=Scheduler(self.scheduler),
                **ends,
            )
            return lambda run: net.handle(run.event, run)
        terminator = Terminator(table=table, **ends)
        return lambda run: terminator.handle(run.event, run)

    def _build_sweep(self) -> Callable[[Invocation], Any]:
        sweep = super()._build(SWEEP)
        overseer = Overseer(
            settings=MEETINGS,
            instances=Instances(self.ec2, SETTINGS.project_tag, SETTINGS.owner),
            table=Meetings(self.dynamodb, TABLE, self.strands.sleep),
            scheduler=Scheduler(self.scheduler),
            reporter=Silence(),
            clock=self.clock,
        )

        def handle(run: Invocation) -> Any:  # noqa: ANN401
            try:
                overdue = overseer.oversee(run)
                self.promises.seen["overseen"] += len(overdue)
            finally:
                # The sweep shares no knowledge with the overseer, so its evidence must be its own:
                # what the overseer saw proves nothing for it, and what the overseer failed to read
                # (it asks for other rows, and for pages of an earlier list) is no failure of it.
                # This hides nothing: the sweep has read nothing yet, and each write of the overseer
                # was looked at when it was made.
                run.learnt = Learnt()
                result = sweep(run)
            return result

        return handle

    def _build_api(self) -> Callable[[Invocation], Any]:
        table = Meetings(self.dynamodb, TABLE)
        reservations = Reservations(
            table=table,
            scheduler=Scheduler(self.scheduler),
            unscheduler=Unscheduler(self.scheduler),
        )
        ends: dict[str, Any] = {"reporter": Silence(), "clock": self.clock}
        scheduling = Scheduling(
            settings=MEETINGS,
            authorizer=Authorizer(self.secrets, self.clock),
            seeds=Seeds(self.secrets),
            reservations=reservations,
            **ends,
        )
        join = Join(settings=SETTINGS, meetings=MEETINGS, table=table, **ends)

        def handle(run: Invocation) -> Any:  # noqa: ANN401
            call = run.event
            if isinstance(call, Booking):
                return scheduling.handle(call.request, run)
            return join.handle(call.request, call.meeting, call.role)

        return handle

    def _new_holder(self) -> str:
        self._holders += 1
        return f"holder-{self._holders}"

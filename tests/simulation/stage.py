"""A stage of Elephant in a simulated world: the real code, between simulated services."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from chalicelib.cloudflare.client import Cloudflare
from chalicelib.cloudflare.rate_limit import KEPT_BY_EVENTS, KEPT_BY_SWEEPS, Quota
from chalicelib.cloudflare.zone import CloudflareZone
from chalicelib.deadline import Deadline
from chalicelib.ec2.desktops import Desktops as Ec2Desktops
from chalicelib.ec2.instances import Instances
from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings.authorizer import Authorizer
from chalicelib.meetings.ending import Ending
from chalicelib.meetings.join import Join
from chalicelib.meetings.launch import Launch
from chalicelib.meetings.overseer import Overseer
from chalicelib.meetings.reservation import Reservations
from chalicelib.meetings.safety_net import SafetyNet
from chalicelib.meetings.schedules import Schedules
from chalicelib.meetings.scheduling import Scheduling
from chalicelib.meetings.stage_secrets import Seeds
from chalicelib.meetings.starter import Starter
from chalicelib.meetings.terminator import Terminator
from chalicelib.secrets import Token
from chalicelib.step import Steps
from chalicelib.watchdog.handler import Watchdog
from chalicelib.watchdog.sweep import Sweep
from localcloud.cloudflare import DEFAULT_TOKEN, Fault, FaultKind
from localcloud.cloudflare import Quota as CloudflareQuota
from tests.simulation.actors import Actors
from tests.simulation.aws_edge import AwsEdge
from tests.simulation.callers import Booking, Callers
from tests.simulation.clock import Clock
from tests.simulation.cloudflare_edge import CloudflareEdge
from tests.simulation.desktops import Desktops
from tests.simulation.dynamodb import DynamoDb, Stream
from tests.simulation.ec2 import Ec2
from tests.simulation.invariants import Invariants
from tests.simulation.lambda_service import Lambda, Learnt
from tests.simulation.names import (
    API,
    BY_HAND,
    CALLER_KEY,
    CORE,
    LAUNCH,
    MEETINGS,
    PREFIX,
    SAFETY_NET,
    SETTINGS,
    WATCHDOG,
    WITH_MEETINGS,
)
from tests.simulation.scheduler import SchedulerService
from tests.simulation.tasks import StepExecutor, Tasks
from tests.world import OTHER_TOKEN, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from localcloud.cloudflare import Zone as ZoneSpec
    from tests.simulation.lambda_service import Invocation


class Secrets:
    """Secrets Manager with Cloudflare's token, and the feature's secrets."""

    def __init__(self, tasks: Tasks) -> None:
        self.token = DEFAULT_TOKEN
        self.edge = AwsEdge(tasks)

    def get_secret_value(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        others = {
            f"{PREFIX}-schedule-key": json.dumps({"front-end": CALLER_KEY}),
            f"{PREFIX}-meeting-seed": "s33d" * 9,
        }

        def answer(_: str | None) -> dict[str, Any]:
            token = json.dumps({"CLOUDFLARE_TOKEN": self.token})
            return {"SecretString": others.get(request["SecretId"], token)}

        return dict(self.edge.call("GetSecretValue", answer))


class Silence:
    """A Reporter that reports nothing."""

    def succeeded(self, fields: Mapping[str, Any], counts: Mapping[str, int]) -> None: ...

    def failed(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], error: Exception
    ) -> None: ...


class Stage:
    """The services, the stage's functions, and `events` that EventBridge has not delivered yet."""

    def __init__(self, zone: ZoneSpec | None = None, *, has_meetings: bool = False) -> None:
        self.settings = WITH_MEETINGS if has_meetings else SETTINGS
        self.clock = Clock()
        self.tasks = Tasks(self.clock)
        self.invariants = Invariants(self)
        self.ec2 = Ec2(self.clock, self.tasks, self.invariants)
        self.dynamodb = DynamoDb(self.tasks, self.invariants, TABLE)
        self.secrets = Secrets(self.tasks)
        self.scheduler = SchedulerService(self.clock, self.tasks)
        self.stream = Stream()
        self.cloudflare = CloudflareEdge(self.clock, self.tasks, self.invariants, zone)
        self.functions = Lambda(self.clock, self.tasks, self.invariants, self._build)
        self.desktops = Desktops(self)
        self.actors = Actors(self)
        self.callers = Callers(self)
        self.events: list[Mapping[str, Any]] = []
        self.edges = {
            "ec2": self.ec2.edge,
            "dynamodb": self.dynamodb.edge,
            "secrets": self.secrets.edge,
            "scheduler": self.scheduler.edge,
        }
        self.ec2.end = self.desktops.end
        self.tasks.before_resuming = self.actors.race
        self.dynamodb.watchers += [self.stream.watch, self.invariants.row_became]
        self._holders = count(1)
        self._shared: dict[str, Any] = {"reporter": Silence(), "clock": self.clock}

    # Runs

    def go(self, number: int) -> bool:
        """Let the task of this number, counted round, go on; false if there is none."""
        ready = self.tasks.ready()
        if ready:
            self.functions.resume(ready[number % len(ready)])
            self.cloudflare.arrive()
        return bool(ready)

    def go_alone(self, run: Invocation, times: int) -> None:
        for _ in range(times):
            ready = [task for task in self.tasks.ready() if task.run is run]
            if not ready:
                return
            self.functions.resume(ready[-1])
            self.cloudflare.arrive()

    def settle(self) -> None:
        turn = 0
        while self.functions.running:
            turn += 1
            if not self.go(turn):
                self.clock.advance(1.0)
                self.functions.expire()

    def thaw(self) -> None:
        for environment in {id(s): s.run.environment for s in self.tasks.alive}.values():
            if environment in self.functions.environments:
                self.functions.kill(environment)

    def start_due(self, warm: int | None = 0) -> Invocation | None:
        due = self.scheduler.due()
        if not due:
            return None
        self.scheduler.fire(due[0])
        return self.functions.invoke(due[0].payload, function=due[0].function, warm=warm)

    # Faults

    def rotate_token(self) -> None:
        self.secrets.token = OTHER_TOKEN
        self.cloudflare.api.faults.add(Fault(FaultKind.REFUSED, status=403, code=9109))

    def stop_faults(self) -> None:
        for edge in self.edges.values():
            edge.faults.clear()
        ec2 = self.ec2
        for lacking in (ec2.hidden, ec2.mute, ec2.denied, ec2.full, self.dynamodb.left_out):
            lacking.clear()
        ec2.lag = ec2.list_lag = 0.0
        ec2.closed = None
        self.cloudflare.losses.clear()
        self.cloudflare.api.faults.clear()

    def calm(self, *, kill: bool = False) -> None:
        """Stop the faults; what is under way ends by itself, or is killed."""
        self.stop_faults()
        self.cloudflare.api.limiter.quota = CloudflareQuota()
        if not kill:
            self.settle()
        self.thaw()
        self.cloudflare.arrive(everything=True)
        self.invariants.check()

    # Functions, built as a new execution environment builds them

    def _build(self, function: str) -> Callable[[Invocation], Any]:
        if function == API:
            return self._build_api()
        if function in CORE:
            return self._build_core(function)
        return self._build_meeting_function(function)

    def _instances(self) -> Instances:
        return Instances(self.ec2, self.settings.project_tag, self.settings.owner)

    def _build_core(self, function: str) -> Callable[[Invocation], Any]:
        cloudflare = Cloudflare(
            self.settings.cloudflare_api_url,
            Token(self.secrets, self.settings.secret_id, self.clock),
            self.cloudflare,
            Quota(self.clock, KEPT_BY_EVENTS if function == WATCHDOG else KEPT_BY_SWEEPS),
            sleep=self.tasks.sleep,
            jitter=lambda: 1.0,
        )
        executor = StepExecutor(self.tasks)
        handler = (Watchdog if function == WATCHDOG else Sweep)(
            settings=self.settings,
            instances=self._instances(),
            zone=CloudflareZone(cloudflare, self.settings.zone_id, self.settings.batch_size),
            meetings=Meetings(self.dynamodb, TABLE, self.tasks.sleep),
            executor=executor,
            **self._shared,
        )
        if isinstance(handler, Watchdog):
            return lambda run: handler.handle(run.event, run)
        if function == BY_HAND:
            return lambda run: self._sweep_by_hand(handler, executor, run)
        return self._overseen(handler) if self.settings.meetings else handler.handle

    def _sweep_by_hand(self, sweep: Sweep, executor: Executor, run: Invocation) -> Any:  # noqa: ANN401
        """Do what `elephant sweep` does, with `--force` if that is the run's event."""
        steps = Steps(executor, Deadline.of(run, self.clock))
        return sweep.repair(sweep.survey(steps), steps, force=run.is_forced).to_dict()

    def _overseen(self, sweep: Sweep) -> Callable[[Invocation], Any]:
        overseer = Overseer(
            settings=MEETINGS,
            instances=self._instances(),
            table=Meetings(self.dynamodb, TABLE, self.tasks.sleep),
            schedules=Schedules(self.scheduler),
            **self._shared,
        )

        def handle(run: Invocation) -> Any:  # noqa: ANN401
            try:
                self.invariants.seen["overseen"] += len(overseer.oversee(run))
            finally:
                # The sweep shares no knowledge with the overseer, so its evidence must be its own:
                # what the overseer saw proves nothing for it, and what the overseer failed to read
                # (it asks for other rows, and for pages of an earlier list) is no failure of it.
                # This hides nothing: the sweep has read nothing yet, and each write of the overseer
                # was looked at when it was made.
                run.learnt = Learnt()
                result = sweep.handle(run)
            return result

        return handle

    def _build_meeting_function(self, function: str) -> Callable[[Invocation], Any]:
        table, instances = Meetings(self.dynamodb, TABLE), self._instances()
        desktops = Ec2Desktops(self.ec2)
        ending = Ending(table=table, instances=instances, desktops=desktops, settings=WITH_MEETINGS)
        shared: dict[str, Any] = {"table": table, "ending": ending, **self._shared}
        handler: Launch | SafetyNet | Terminator
        if function == LAUNCH:
            starter = Starter(
                settings=MEETINGS,
                project_tag=WITH_MEETINGS.project_tag,
                owner=WITH_MEETINGS.owner,
                table=table,
                instances=instances,
                desktops=desktops,
            )
            shared |= {"starter": starter, "desktops": desktops}
            shared |= {"sleep": self.tasks.sleep, "holder": lambda: f"holder-{next(self._holders)}"}
            handler = Launch(settings=MEETINGS, **shared)
        elif function == SAFETY_NET:
            shared |= {"instances": instances, "schedules": Schedules(self.scheduler)}
            handler = SafetyNet(settings=MEETINGS, **shared)
        else:
            handler = Terminator(**shared)
        return lambda run: handler.handle(run.event, run)

    def _build_api(self) -> Callable[[Invocation], Any]:
        table = Meetings(self.dynamodb, TABLE)
        scheduling = Scheduling(
            settings=MEETINGS,
            authorizer=Authorizer(self.secrets, self.clock),
            seeds=Seeds(self.secrets),
            reservations=Reservations(table=table, schedules=Schedules(self.scheduler)),
            **self._shared,
        )
        join = Join(settings=WITH_MEETINGS, meetings=MEETINGS, table=table, **self._shared)

        def handle(run: Invocation) -> Any:  # noqa: ANN401
            call = run.event
            if isinstance(call, Booking):
                return scheduling.handle(call.request, run)
            return join.handle(call.request, call.meeting, call.role)

        return handle

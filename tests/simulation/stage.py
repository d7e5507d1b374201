"""A stage of Elephant in a simulated world: the real code, between simulated services."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localcloud.cloudflare import DEFAULT_TOKEN, Fault, FaultKind
from localcloud.cloudflare import Quota as CloudflareQuota
from tests.simulation.actors import Actors
from tests.simulation.agents import Agents
from tests.simulation.aws_edge import AwsEdge
from tests.simulation.callers import Callers
from tests.simulation.clock import Clock
from tests.simulation.cloudflare_edge import CloudflareEdge
from tests.simulation.desktops import Desktops
from tests.simulation.dynamodb import DynamoDb
from tests.simulation.ec2 import Ec2
from tests.simulation.functions import Functions
from tests.simulation.invariants import Invariants
from tests.simulation.lambda_service import Lambda
from tests.simulation.mail import MailService, SentTable
from tests.simulation.names import CALLERS, INVITE, PREFIX, SETTINGS, WITH_MEETINGS
from tests.simulation.people import People
from tests.simulation.scheduler import SchedulerService
from tests.simulation.stream import Stream
from tests.simulation.tasks import Tasks
from tests.world import OTHER_TOKEN, TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.cloudflare import Zone as ZoneSpec
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.scheduler import Planned


class Secrets:
    """Secrets Manager with Cloudflare's token, and the feature's secrets."""

    def __init__(self, tasks: Tasks) -> None:
        self.token = DEFAULT_TOKEN
        self.edge = AwsEdge(tasks)

    def get_secret_value(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        others = {
            f"{PREFIX}-schedule-key": json.dumps(CALLERS),
            f"{PREFIX}-meeting-seed": "s33d" * 9,
        }

        def answer(_: str | None) -> dict[str, Any]:
            token = json.dumps({"CLOUDFLARE_TOKEN": self.token})
            return {"SecretString": others.get(request["SecretId"], token)}

        return dict(self.edge.call("GetSecretValue", answer))


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
        self.stream, self.invitations = Stream(), Stream(INVITE)
        self.mail = MailService(self)
        self.cloudflare = CloudflareEdge(self.clock, self.tasks, self.invariants, zone)
        self.functions = Lambda(
            self.clock, self.tasks, self.invariants, lambda name: Functions(self).named(name)
        )
        self.desktops = Desktops(self)
        self.agents = Agents(self)
        self.actors = Actors(self)
        self.callers = Callers(self)
        self.people = People(self)
        self.events: list[Mapping[str, Any]] = []
        self.clients: dict[str, Any] = {
            "ec2": self.ec2,
            "dynamodb": self.dynamodb,
            "secretsmanager": self.secrets,
            "scheduler": self.scheduler,
            "sesv2": self.mail,
        }
        self.ec2.end = self.desktops.end
        self.tasks.before_resuming = self.actors.race
        self.scheduler.watch = self.invariants.changed_schedule
        self.dynamodb.watchers += [
            self.stream.watch,
            self.invitations.watch,
            self.invariants.row_became,
            self.callers.row_became,
        ]

    @property
    def signs_in(self) -> bool:
        """Whether people enter by tickets."""
        return bool(self.settings.meetings and self.settings.meetings.signs_in)

    @property
    def sent(self) -> SentTable:
        return self.dynamodb.sent

    @property
    def streams(self) -> list[Stream]:
        """The readers of the table's stream that the stage has."""
        return [self.stream, self.invitations] if self.settings.invites else [self.stream]

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

    def start(self, planned: Planned, warm: int | None = 0, *, again: bool = False) -> Invocation:
        self.scheduler.fire(planned, again=again)
        return self.functions.invoke(planned.payload, function=planned.function, warm=warm)

    def start_due(self) -> None:
        for planned in self.scheduler.due()[:1]:
            self.start(planned)

    # Faults

    def rotate_token(self) -> None:
        self.secrets.token = OTHER_TOKEN
        self.cloudflare.api.faults.add(Fault(FaultKind.REFUSED, status=403, code=9109))

    def stop_faults(self) -> None:
        for client in self.clients.values():
            client.edge.faults.clear()
        ec2 = self.ec2
        for lacking in (ec2.hidden, ec2.mute, ec2.denied, ec2.full, self.dynamodb.left_out):
            lacking.clear()
        ec2.lag = ec2.list_lag = self.dynamodb.lag = self.dynamodb.index_lag = 0.0
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

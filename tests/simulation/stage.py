"""A stage of Elephant in a simulated world: the real code, between simulated ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chalicelib.cloudflare.client import Cloudflare
from chalicelib.cloudflare.rate_limit import KEPT_BY_EVENTS, KEPT_BY_SWEEPS, Quota
from chalicelib.cloudflare.zone import CloudflareZone
from chalicelib.deadline import Deadline
from chalicelib.ec2.instances import Instances
from chalicelib.meeting_row.table import Meetings
from chalicelib.secrets import Token
from chalicelib.step import Steps
from chalicelib.watchdog.handler import Watchdog
from chalicelib.watchdog.sweep import Sweep
from localcloud.cloudflare import DEFAULT_TOKEN, Fault, FaultKind
from tests.simulation.aws_edge import AwsEdge
from tests.simulation.clock import Clock
from tests.simulation.cloudflare_edge import CloudflareEdge
from tests.simulation.dynamodb import DynamoDb
from tests.simulation.ec2 import Ec2
from tests.simulation.invocation import BY_HAND, SWEEP, WATCHDOG
from tests.simulation.lambda_service import Lambda
from tests.simulation.names import SETTINGS
from tests.simulation.people import People
from tests.simulation.promises import Promises
from tests.simulation.strands import StepExecutor, Strands
from tests.world import OTHER_TOKEN, TABLE, make_event

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from concurrent.futures import Executor

    from chalicelib.settings.stage import Settings
    from localcloud.cloudflare import Zone as ZoneSpec
    from tests.simulation.ec2 import Host
    from tests.simulation.invocation import Invocation


class Secrets:
    """Secrets Manager with Cloudflare's token, and `others` by their names."""

    def __init__(self, strands: Strands) -> None:
        self.token = DEFAULT_TOKEN
        self.others: dict[str, str] = {}
        self.edge = AwsEdge(strands)

    def get_secret_value(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""

        def answer(_: str | None) -> dict[str, Any]:
            return {"SecretString": self._text(request["SecretId"])}

        return dict(self.edge.call("GetSecretValue", answer, frozenset()))

    def _text(self, secret_id: str) -> str:
        if secret_id in self.others:
            return self.others[secret_id]
        return json.dumps({"CLOUDFLARE_TOKEN": self.token})


class Silence:
    """A Reporter that says nothing."""

    def succeeded(self, fields: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """Take a report."""

    def failed(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], error: Exception
    ) -> None:
        """Take a report."""


class Stage:
    """Everything that there is, and the events that EventBridge has not delivered yet."""

    settings: Settings = SETTINGS
    _retried: Collection[str] = (WATCHDOG,)
    """The functions whose runs Lambda tries again."""

    def __init__(self, zone: ZoneSpec | None = None) -> None:
        self.clock = Clock()
        self.strands = Strands(self.clock)
        self.promises = self._make_promises()
        self.promises.stage = self
        self.ec2 = self._make_ec2()
        self.dynamodb = DynamoDb(self.strands, self.promises, TABLE)
        self.secrets = Secrets(self.strands)
        self.cloudflare = CloudflareEdge(self.clock, self.strands, self.promises, zone)
        self.functions = Lambda(self.clock, self.strands, self.promises, self._build, self._retried)
        self.people = People(self)
        self.events: list[Mapping[str, Any]] = []

    def _make_promises(self) -> Promises:
        return Promises(self.strands)

    def _make_ec2(self) -> Ec2:
        return Ec2(self.clock, self.strands, self.promises)

    def announce(self, host: Host) -> None:
        """Let EC2 tell EventBridge of an instance's state, if the rule's pattern lets it pass."""
        if host.view and host.view.state in {"running", "stopping", "shutting-down"}:
            self.events.append(make_event(host.id, host.view.state))

    def go(self, number: int) -> bool:
        """Let the strand of this number, counted round, go on; false if there is none."""
        ready = self.strands.ready()
        if ready:
            self.functions.resume(ready[number % len(ready)])
            self.cloudflare.arrive()
        return bool(ready)

    def go_alone(self, run: Invocation, times: int) -> None:
        """Let only this run go on, so many times."""
        for _ in range(times):
            ready = [strand for strand in self.strands.ready() if strand.run is run]
            if not ready:
                return
            self.functions.resume(ready[-1])
            self.cloudflare.arrive()

    def settle(self) -> None:
        """Let everything that goes on go on to its end, by turns."""
        turn = 0
        while self.functions.running:
            turn += 1
            if not self.go(turn):
                self.clock.advance(1.0)
                self.functions.expire()

    def thaw(self) -> None:
        """End every environment in which something is still going on."""
        for environment in {id(s): s.run.environment for s in self.strands.alive}.values():
            if environment in self.functions.environments:
                self.functions.kill(environment)

    def rotate_token(self) -> None:
        """Store another token, and let Cloudflare refuse the one that was there once."""
        self.secrets.token = OTHER_TOKEN
        self.cloudflare.api.faults.add(Fault(FaultKind.REFUSED, status=403, code=9109))

    def stop_faults(self) -> None:
        """Let every service work again, and answer what is so now."""
        self.ec2.edge.faults.clear()
        for lacking in (self.ec2.hidden, self.ec2.mute, self.ec2.denied, self.dynamodb.left_out):
            lacking.clear()
        self.ec2.lag = self.ec2.list_lag = 0.0
        self.dynamodb.edge.faults.clear()
        self.secrets.edge.faults.clear()
        self.cloudflare.losses.clear()
        self.cloudflare.api.faults.clear()

    def _sweep_by_hand(self, sweep: Sweep, executor: Executor, run: Invocation) -> Any:  # noqa: ANN401
        """Do what `elephant sweep` does, with `--force` if that is the run's event."""
        steps = Steps(executor, Deadline.of(run, self.clock))
        return sweep.repair(sweep.survey(steps), steps, force=run.is_forced).to_dict()

    def _build(self, function: str) -> Callable[[Invocation], Any]:
        """Build a function as a new execution environment does."""
        clock, is_sweep = self.clock, function in {SWEEP, BY_HAND}
        cloudflare = Cloudflare(
            self.settings.cloudflare_api_url,
            Token(self.secrets, self.settings.secret_id, clock),
            self.cloudflare,
            Quota(clock, KEPT_BY_SWEEPS if is_sweep else KEPT_BY_EVENTS),
            sleep=self.strands.sleep,
            jitter=lambda: 1.0,
        )
        ends: dict[str, Any] = {
            "settings": self.settings,
            "instances": Instances(self.ec2, self.settings.project_tag, self.settings.owner),
            "zone": CloudflareZone(cloudflare, self.settings.zone_id, self.settings.batch_size),
            "meetings": Meetings(self.dynamodb, TABLE, self.strands.sleep),
            "reporter": Silence(),
            "executor": StepExecutor(self.strands),
            "clock": clock,
        }
        if function == BY_HAND:
            sweep = Sweep(**ends)
            return lambda run: self._sweep_by_hand(sweep, ends["executor"], run)
        if is_sweep:
            return Sweep(**ends).handle
        watchdog = Watchdog(**ends)
        return lambda run: watchdog.handle(run.event, run)

"""The local cloud as a whole: AWS, Lambda, EC2's events, Cloudflare and DNS on this machine."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from localcloud.aws import (
    ACCOUNT_ID,
    DEFAULT_REGION,
    Bridge,
    Clock,
    Functions,
    MotoServer,
    OneOffs,
    Schedules,
    TimeTravel,
    aws_client,
    aws_environment,
    aws_settings,
)
from localcloud.aws.gateway import PREFIX
from localcloud.cloudflare import DEFAULT_TOKEN, CloudflareStandIn, Edge, Token, Zone
from localcloud.desktop import Kit
from localcloud.desktops import Desktops
from localcloud.provisions import provide, provide_kit
from ops.api import GATEWAY_VARIABLE
from ops.chalice import run_chalice, without_settings
from ops.command import run_command
from ops.features import STREAM_VARIABLE
from ops.selftest.resolution import DNS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from chalicelib.settings.stage import Settings

HOST: Final = "127.0.0.1"
STAGE: Final = "local"
ROOT: Final = Path(__file__).parent.parent


def deploy_with_chalice(
    directory: Path, endpoint: str, variables: Mapping[str, str] | None = None
) -> str:
    """Run `chalice deploy` for the local stage; return its output. CommandError if it fails.

    Chalice records what it deployed in `.chalice/deployed/local.json` and relies on that the
    next time: deploy a copy of the project whenever the local AWS starts empty.
    """
    environment = without_settings(aws_environment(endpoint))
    return run_chalice(
        ("deploy", "--stage", STAGE), directory, {**environment, **(variables or {})}
    )


@dataclass(frozen=True)
class Ports:
    """Ports to listen on; 0 for any free port."""

    aws: int = 0
    cloudflare: int = 0
    dns: int = 0
    edge: int = 0


class LocalCloud:
    """Everything that a stage needs, from entering the context until leaving it.

    The zone, the secret with its token and an empty meetings table are there, and the image and
    the security groups that the settings of meetings name; nothing is deployed. Everything in it
    has the time of its `clock`. What is scheduled comes due while `pass_until` lets time pass, by
    `schedules.fire()`, and with `schedules=True` on time as well. `time_scale` multiplies the
    minutes that Lambda waits before it tries again, and the periods of the rules that are fired on
    time; what Lambda's waits are shortened by is skipped on the clock.
    Instances of the settings' image are desktops: the agent of this `kit` runs for each, and `edge`
    leads to them as Cloudflare does.
    Raises PortTakenError, which names the port, and leaves nothing running.
    """

    def __init__(
        self,
        settings: Settings,
        ports: Ports,
        *,
        time_scale: float = 1.0,
        schedules: bool = False,
        kit: Kit | None = None,
    ) -> None:
        self.settings = settings
        self.region = DEFAULT_REGION
        self.clock = Clock()
        self.cloudflare = CloudflareStandIn(
            [Zone(settings.zone_id, settings.domain_root, ssl="strict")],
            [Token(DEFAULT_TOKEN)],
            host=HOST,
            http_port=ports.cloudflare,
            dns_port=ports.dns,
            clock=self.clock.time,
        )
        self.aws = MotoServer(HOST, ports.aws, self.region)
        self.edge = Edge(lambda: self.cloudflare.api, self._origin, HOST, ports.edge)
        self._time_scale = time_scale
        self._fires_on_time = schedules
        self._kit = kit or Kit()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.cloudflare)
            stack.enter_context(self.aws)
            self.functions = stack.enter_context(
                Functions(
                    self.aws.endpoint, self.region, time_scale=self._time_scale, clock=self.clock
                )
            )
            self.aws.run_functions(self.functions)
            self.bridge = stack.enter_context(Bridge(self.functions, clock=self.clock.now))
            self.schedules = Schedules(
                self.functions, time_scale=self._time_scale, clock=self.clock.now
            )
            self.one_offs = OneOffs(self.functions)
            rates = Schedules(self.functions, clock=self.clock.now, timer=self.clock.monotonic)
            self._time_travel = TimeTravel(self.clock, rates, self.one_offs, self.settle)
            self.aws.travel_with(self._time_travel)
            self.aws.offer("POST", "desktops", self._act_on_desktops)
            self.aws.offer("POST", "events", self.put_event)
            self.aws.offer("GET", "exports", lambda _: self.exports)
            if self._fires_on_time:
                stack.enter_context(self.schedules)
                stack.enter_context(self.one_offs)
            provide(self.settings, self.client, self.region)
            secrets = self.client("secretsmanager")
            self._kit = provide_kit(self._kit, self.settings, self.cloudflare.api, secrets)
            self.desktops = stack.enter_context(self._make_desktops())
            stack.enter_context(self.edge)
            self._running = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    @property
    def exports(self) -> dict[str, str]:
        """Environment variables that point the AWS CLI, Chalice and Cloudflare's clients here.

        `elephant` reads them as well, and where APIs are reached.
        """
        stream = {STREAM_VARIABLE: self.stream_arn} if self.stream_arn else {}
        return (
            aws_settings(self.aws.endpoint, self.region)
            | stream
            | {
                "CLOUDFLARE_BASE_URL": self.cloudflare.url,
                "CLOUDFLARE_API_TOKEN": DEFAULT_TOKEN,
                GATEWAY_VARIABLE: f"{self.aws.endpoint}{PREFIX}",
                DNS_VARIABLE: "{}:{}".format(*self.cloudflare.dns_address),
            }
        )

    def client(self, service: str) -> Any:  # noqa: ANN401 (botocore makes the class)
        """Make a client of the local AWS."""
        return aws_client(service, self.aws.endpoint, self.region)

    @property
    def stream_arn(self) -> str | None:
        """The ARN of the meetings table's stream, if any; `chalice deploy` needs it."""
        dynamodb, name = self.client("dynamodb"), self.settings.table_name
        if name not in dynamodb.list_tables()["TableNames"]:
            return None
        arn = dynamodb.describe_table(TableName=name)["Table"].get("LatestStreamArn")
        return str(arn) if arn else None

    @property
    def api_url(self) -> str:
        """The address of the deployed stage's API here. LookupError if it has none."""
        gateway = self.client("apigateway")
        for api in gateway.get_rest_apis()["items"]:
            for stage in gateway.get_stages(restApiId=api["id"])["item"]:
                host = f"{api['id']}.execute-api.{self.region}.amazonaws.com"
                return self.aws.local_url(f"https://{host}/{stage['stageName']}")
        raise LookupError("nothing with an API is deployed")

    def deploy_with_chalice(self, directory: Path) -> str:
        """Deploy a project's local stage by `chalice deploy` alone; return its output.

        Raises CommandError.
        """
        stream = {STREAM_VARIABLE: self.stream_arn} if self.stream_arn else {}
        return deploy_with_chalice(directory, self.aws.endpoint, stream)

    def deploy(self, directory: Path, on_line: Callable[[str], None] | None = None) -> None:
        """Deploy a project's local stage as an operator does. Raises CommandError."""
        command = (sys.executable, "-m", "ops", "deploy", STAGE, "--project", str(directory))
        environment = aws_environment(self.aws.endpoint, self.region) | self.exports
        run_command(command, f"elephant deploy {STAGE}", ROOT, environment, on_line)

    def change_stage(self, directory: Path, *options: str) -> None:
        """Change a project's local stage as an operator does. Raises CommandError."""
        command = (sys.executable, "-m", "ops", "stage", STAGE, f"--project={directory}", *options)
        environment = aws_environment(self.aws.endpoint, self.region)
        run_command(command, f"elephant stage {STAGE}", ROOT, environment)

    def settle(self, seconds: float = 600) -> None:
        """Wait until every change to an instance has been delivered and handled, retries included.

        That includes changes that functions made meanwhile. TimeoutError if it takes longer.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.bridge.flush()
            emitted = self.bridge.emitted
            self.functions.wait_idle(max(0.0, deadline - time.monotonic()))
            self.bridge.flush()
            if self.bridge.emitted == emitted:
                return

    def pass_until(self, moment: datetime) -> None:
        """Advance the clock to `moment`; everything scheduled until then runs at its time."""
        self._time_travel.until(moment)

    def pass_minutes(self, minutes: float) -> None:
        """Advance the clock by this many minutes."""
        self.pass_until(self.clock.now() + timedelta(minutes=minutes))

    def put_event(self, event: dict[str, Any]) -> list[str]:
        """Put an event on the bus as if AWS had sent it, and return the functions it invokes.

        AWS itself does not allow this for its own events. Raises ValueError if it is not an event.
        """
        missing = sorted({"source", "detail-type", "detail", "id", "time"} - event.keys())
        if missing:
            raise ValueError(f"not an EventBridge event: it has no {', '.join(missing)}")
        here = {"account": ACCOUNT_ID, "region": self.region}
        return list(self.bridge.emit({**event, **here}))

    def _make_desktops(self) -> Desktops:
        meetings = self.settings.meetings
        return Desktops(
            self.aws,
            self.bridge,
            self.client("ec2"),
            image_id=meetings.ami_id if meetings else "",
            kit=self._kit,
            settle=self.settle,
        )

    def _origin(self, address: str) -> tuple[str, int] | None:
        return self.desktops.origin(address)

    def _act_on_desktops(self, wanted: dict[str, Any]) -> list[dict[str, object]]:
        """Make every desktop, or those of a role or meeting, finish or shut down."""
        done: list[dict[str, object]] = []
        for desktop in self.desktops.running():
            if wanted.get("role") not in {None, desktop.role}:
                continue
            if wanted.get("meeting") not in {None, desktop.meeting_id}:
                continue
            self.desktops.do(desktop, str(wanted.get("do")))
            report = {"meeting": desktop.meeting_id, "role": desktop.role}
            done.append({"instance": desktop.instance_id, **report})
        return done

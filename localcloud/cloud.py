"""The local cloud as a whole: AWS, Lambda, EC2's events, Cloudflare and DNS on this machine."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from localcloud.aws import (
    DEFAULT_REGION,
    Bridge,
    Functions,
    MotoServer,
    Schedules,
    aws_client,
    aws_environment,
    aws_settings,
)
from localcloud.cloudflare import DEFAULT_TOKEN, CloudflareStandIn, Token, Zone
from ops.command import run_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.settings import Settings

HOST: Final = "127.0.0.1"
STAGE: Final = "local"
ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ports:
    """Where to listen; 0 takes any port that is free."""

    aws: int = 0
    cloudflare: int = 0
    dns: int = 0


class LocalCloud:
    """Everything that a stage needs, from entering the context until leaving it.

    The zone, the secret with its token and an empty meetings table are there; nothing is
    deployed. `time_scale` multiplies the minutes that Lambda waits before it tries again, and the
    periods of scheduled rules; these are fired by `schedules.fire()`, and with `schedules=True`
    on time as well.
    Raises PortTakenError, which names the port, and leaves nothing running.
    """

    def __init__(
        self,
        settings: Settings,
        ports: Ports,
        *,
        time_scale: float = 1.0,
        schedules: bool = False,
    ) -> None:
        self.settings = settings
        self.region = DEFAULT_REGION
        self.cloudflare = CloudflareStandIn(
            [Zone(settings.zone_id, settings.domain_root, ssl="strict")],
            [Token(DEFAULT_TOKEN)],
            host=HOST,
            http_port=ports.cloudflare,
            dns_port=ports.dns,
        )
        self.aws = MotoServer(HOST, ports.aws, self.region)
        self._time_scale = time_scale
        self._fires_on_time = schedules
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.cloudflare)
            stack.enter_context(self.aws)
            self.functions = stack.enter_context(
                Functions(self.aws.endpoint, self.region, time_scale=self._time_scale)
            )
            self.aws.run_functions(self.functions)
            self.bridge = stack.enter_context(Bridge(self.functions))
            self.schedules = Schedules(self.functions, time_scale=self._time_scale)
            if self._fires_on_time:
                stack.enter_context(self.schedules)
            self._provide()
            self._running = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    @property
    def exports(self) -> dict[str, str]:
        """The variables that lead the AWS CLI, Chalice and Cloudflare's clients here."""
        return aws_settings(self.aws.endpoint, self.region) | {
            "CLOUDFLARE_BASE_URL": self.cloudflare.url,
            "CLOUDFLARE_API_TOKEN": DEFAULT_TOKEN,
        }

    def client(self, service: str) -> Any:  # noqa: ANN401 (botocore makes the class)
        """Make a client of the local AWS."""
        return aws_client(service, self.aws.endpoint, self.region)

    def deploy(self, directory: Path, on_line: Callable[[str], None] | None = None) -> None:
        """Deploy a project's local stage as an operator does. Raises CommandError."""
        command = (sys.executable, "-m", "ops", "deploy", STAGE, "--project", str(directory))
        environment = aws_environment(self.aws.endpoint, self.region)
        run_command(command, f"python -m ops deploy {STAGE}", ROOT, environment, on_line)

    def settle(self, seconds: float = 30) -> None:
        """Wait until every change to an instance has been told and handled, retries included."""
        self.bridge.flush()
        self.functions.wait_idle(seconds)

    def _provide(self) -> None:
        self.client("secretsmanager").create_secret(
            Name=self.settings.secret_id,
            SecretString=json.dumps({"CLOUDFLARE_TOKEN": DEFAULT_TOKEN}),
        )
        if self.settings.table_name:
            dynamodb = self.client("dynamodb")
            dynamodb.create_table(
                TableName=self.settings.table_name,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
                StreamSpecification={
                    "StreamEnabled": True,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            )
            dynamodb.update_continuous_backups(
                TableName=self.settings.table_name,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )

"""A stage that is deployed to the local cloud and examined there, and hands to break it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from click.testing import CliRunner

from localcloud.aws import DEFAULT_REGION
from localcloud.cloud import STAGE, LocalCloud
from localcloud.cloudflare import DEFAULT_TOKEN
from localcloud.project import Project
from ops.account import Account
from ops.check import Context, Level
from ops.cli import main
from ops.configure import changes
from ops.deployment import Deployment
from ops.doctor import examine
from ops.stages import ConfigFile, Stage, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.cloudflare import ZoneStore
    from ops.check import Check
    from ops.reach import Code


PROJECT = Project(Path(__file__).parent.parent.parent)


class CloudAccount(Account):
    """An account whose clients are made once for all the tests."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(DEFAULT_REGION)
        self._cloud = cloud
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:  # noqa: ANN401
        if service not in self._clients:
            self._clients[service] = self._cloud.client(service)
        return self._clients[service]


@dataclass
class Deployed:
    """The stage that is examined, and hands to break it."""

    cloud: LocalCloud
    config_file: ConfigFile
    account: CloudAccount
    code: Code
    exports: Mapping[str, str]
    """What leads the operator's commands here, as it was when nothing was broken."""
    baseline: dict[str, Level] = field(default_factory=dict)

    def client(self, service: str) -> Any:  # noqa: ANN401
        return self.account.client(service)

    @property
    def zone(self) -> ZoneStore:
        return self.cloud.cloudflare.api.zone(self.cloud.settings.zone_id)

    @property
    def stage(self) -> Stage:
        return self.config_file.stage(STAGE)

    @property
    def stack(self) -> str:
        return "elephant-local-support"

    def examine(self, **options: Any) -> dict[str, Check]:  # noqa: ANN401
        context = Context(
            self.config_file,
            STAGE,
            account=lambda _: self.account,
            sleep=lambda _: None,
            **options,
        )
        context.code = self.code
        return {check.name: check for check in examine(context)}

    def changed(self, checks: Mapping[str, Check]) -> dict[str, Level]:
        """Return what is not as in the stage when all is well."""
        return {
            name: checks[name].level if name in checks else Level.SKIPPED
            for name in {*checks, *self.baseline}
            if name not in checks or checks[name].level is not self.baseline.get(name, Level.OK)
        }

    def deploy(self) -> None:
        Deployment(self.config_file, self.stage, self.account).deploy(ignore, ignore)

    def set_stage(self, **members: Any) -> None:  # noqa: ANN401
        """Write another stage, with its policies."""
        stage = replace(self.stage, **members)
        found = changes(self.config_file, self.code, stage)
        write_files({each.path: each.after for each in found})

    def set_variable(self, name: str, value: str) -> None:
        self.set_stage(variables={**self.stage.variables, name: value})

    def set_zone(self, **members: Any) -> None:  # noqa: ANN401
        self.zone.zone = replace(self.zone.zone, **members)

    def store_token(self, token: str) -> None:
        self.client("secretsmanager").put_secret_value(
            SecretId=self.cloud.settings.secret_id,
            SecretString=json.dumps({"CLOUDFLARE_TOKEN": token}),
        )

    def carry_out(self, remedy: str) -> None:
        """Do what a remedy says, command by command."""
        commands = re.findall(r"`([^`]+)`", remedy)
        assert commands, f"no command in {remedy!r}"
        for command in commands:
            words = shlex.split(command)
            if words[0] == "aws":
                self._aws(words[1:])
            elif words[:3] == ["elephant", "deploy", STAGE]:
                self.deploy()
            else:
                assert words[0] == "elephant"
                self._ops(words[1:])

    def _aws(self, words: list[str]) -> None:
        """Run a command of the AWS CLI: `aws SERVICE OPERATION --parameter value …`."""
        client = self.client(words[0])
        method = words[1].replace("-", "_")
        operation = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[method]
        )
        shapes = {xform_name(name, "-"): name for name in operation.input_shape.members}
        shapes["notification-endpoint"] = "Endpoint"  # the one that the CLI calls otherwise
        request: dict[str, Any] = {}
        for option in " ".join(map(shlex.quote, words[2:])).split("--")[1:]:
            name, *values = shlex.split(option)
            if name == "region":
                assert values == [DEFAULT_REGION]
                continue
            shape = operation.input_shape.members[shapes[name]]
            request[shapes[name]] = _read(shape.type_name, values)
        getattr(client, method)(**request)

    def _ops(self, words: list[str]) -> None:
        arguments = [*words, "--project", str(self.config_file.directory)]
        result = CliRunner().invoke(main, arguments, input=f"{DEFAULT_TOKEN}\n")
        assert result.exit_code == 0, result.output


def _read(kind: str, values: list[str]) -> object:
    """Read a value of the AWS CLI, in its shorthand syntax where it is a structure."""
    if kind == "list":
        return values
    if kind == "boolean" and not values:  # a flag
        return True
    if kind == "structure":
        pairs = dict(pair.split("=") for pair in values[0].split(","))
        return {
            key: value == "true" if value in {"true", "false"} else value
            for key, value in pairs.items()
        }
    return values[0]


def ignore(_: str) -> None:
    """Say nothing."""


def deployment_of(it: Deployed) -> Deployment:
    """Return the stage's deployment as it is now."""
    return Deployment(it.config_file, it.stage, it.account)

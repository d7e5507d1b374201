"""A stage with every feature, deployed to the local cloud and examined there."""

from __future__ import annotations

import re
import shlex
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from click.testing import CliRunner
from moto.core.responses import BaseResponse

from localcloud.aws import DEFAULT_REGION
from localcloud.cloud import STAGE, LocalCloud
from localcloud.cloudflare import DEFAULT_TOKEN
from localcloud.project import Project
from ops.account import Account
from ops.check import Check, Context, Level, run
from ops.cli import main
from ops.configure import changes
from ops.deployment import Deployment
from ops.doctor import QUESTIONS
from ops.teardown import Teardown
from ops.written_files import write_files
from tests.ops.projects import edit_stages, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from click.testing import Result

    from localcloud.cloudflare import ZoneStore
    from ops.reach import Code
    from ops.stages import ConfigFile, Stage


OURS = [{"Key": "Name", "Option": "BeginsWith", "Values": ["/elephant/"]}]
"""Of the parameters: AWS has thousands of its own."""

PROJECT = Project(Path(__file__).parent.parent.parent)


class CloudAccount(Account):
    """An account whose clients are made once for all the tests."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(DEFAULT_REGION)
        self._client = cache(cloud.client)

    def client(self, service: str) -> Any:  # noqa: ANN401
        return self._client(service)


@contextmanager
def recording(calls: set[str]) -> Iterator[None]:
    """Add what AWS is asked for meanwhile, as actions of IAM."""
    answer = BaseResponse.call_action

    def record(self: BaseResponse) -> Any:  # noqa: ANN401 (as moto's)
        named = str(self.service_name)
        service = _IN_IAM.get(named, named)
        action = self.method if service == "apigateway" else self._get_action()
        calls.add(f"{service}:{action}")
        return answer(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseResponse, "call_action", record)
        yield


_IN_IAM = {"awslambda": "lambda", "sesv2": "ses", "service-quotas": "servicequotas"}


@dataclass
class Deployed:
    """The stage that is examined, and the means to break it."""

    cloud: LocalCloud
    config_file: ConfigFile
    account: CloudAccount
    code: Code
    baseline: dict[str, Level] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    """What deployments and doctor have called of AWS, as actions of IAM."""
    _hooks: list[tuple[Any, str, Any]] = field(default_factory=list)

    def client(self, service: str) -> Any:  # noqa: ANN401
        return self.account.client(service)

    @property
    def zone(self) -> ZoneStore:
        return self.cloud.cloudflare.api.zone(self.cloud.settings.zone_id)

    @property
    def stage(self) -> Stage:
        return self.config_file.stage(STAGE)

    @property
    def deployment(self) -> Deployment:
        return Deployment(self.config_file, self.stage, self.account)

    @property
    def teardown(self) -> Teardown:
        return Teardown(self.config_file, self.stage, self.account)

    def examine(self, **options: Any) -> dict[str, Check]:  # noqa: ANN401
        """Ask everything; several results of one name become one."""
        return self._ask(QUESTIONS, **options)

    def ask(self, name: str, **options: Any) -> Check:  # noqa: ANN401
        """Ask only for the check of this name."""
        asked = [each for each in QUESTIONS if f"{name} ".startswith(f"{each.name} ")]
        return self._ask(asked, **options)[name]

    def _ask(self, questions: Iterable[Any], **options: Any) -> dict[str, Check]:  # noqa: ANN401
        usual = {"account": lambda _: self.account, "sleep": lambda _: None}
        context = Context(self.config_file, STAGE, **usual | options)
        context.code = self.code
        found: dict[str, Check] = {}
        for check in run(questions, context):
            other = found.setdefault(check.name, check)
            if other is not check:
                level = max(other.level, check.level, key=[*Level].index)
                said, remedy = f"{other.found}; {check.found}", f"{other.remedy}; {check.remedy}"
                found[check.name] = Check(check.name, level, said, remedy)
        return found

    def changed(self, checks: Mapping[str, Check]) -> dict[str, Level]:
        """Return what is not as in the stage when all is well."""
        found = {name: check.level for name, check in checks.items()}
        return dict(found.items() - self.baseline.items())

    def levels(self) -> dict[str, Level]:
        with recording(self.calls):
            return {name: check.level for name, check in self.examine().items()}

    def deploy(self) -> None:
        with recording(self.calls):
            self.deployment.deploy(silent, silent)

    def edit_config(self, function: str = "", **members: object) -> None:
        """Edit config.json by hand: members of the stage, or of one of its functions."""

        def change(stages: dict[str, Any]) -> None:
            part = stages[STAGE]
            (part["lambda_functions"][function] if function else part).update(members)

        edit_stages(self.config_file.path, change)

    def set_stage(self, **members: Any) -> None:  # noqa: ANN401
        """Write another stage, with its policies."""
        stage = replace(self.stage, **members)
        found = changes(self.config_file, self.code, stage)
        write_files({each.path: each.after for each in found})

    def set_variables(self, **variables: str) -> None:
        self.set_stage(variables={**self.stage.variables, **variables})

    def set_zone(self, **members: Any) -> None:  # noqa: ANN401
        self.zone.zone = replace(self.zone.zone, **members)

    def hook(self, service: str, event: str, handler: Callable[..., object]) -> None:
        """Have botocore call this at an event of a client's, until all is put back."""
        events = self.client(service).meta.events
        events.register(event, handler)
        self._hooks.append((events, event, handler))

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Put the stage's files, the zone and the e-mails back as they were."""
        zone, directory = self.zone.zone, self.config_file.path.parent
        files = {path: path.read_text() for path in directory.rglob("*.json")}
        yield
        while self._hooks:
            events, event, handler = self._hooks.pop()
            events.unregister(event, handler)
        self.zone.zone = zone
        for record in self.zone.records:
            self.zone.delete(record.id)
        for path in directory.rglob("*.json"):
            path.unlink()
        write_files(files)
        self.cloud.aws.outbox.is_production = True
        self.cloud.aws.outbox.clear()

    def store_secret(self, text: str, secret_id: str = "") -> None:
        self.client("secretsmanager").put_secret_value(
            SecretId=secret_id or self.cloud.settings.secret_id, SecretString=text
        )

    def carry_out(self, *remedies: str) -> None:
        """Do what remedies say, command by command; a deployment once, and last."""
        commands: list[str] = []
        for remedy in remedies:
            found = re.findall(r"`([^`]+)`", remedy)
            assert found, f"no command in {remedy!r}"
            commands += [each for each in found if each not in commands]
        deploy = f"elephant deploy {STAGE}"
        for command in sorted(commands, key=lambda each: each == deploy):
            program, *words = shlex.split(command)
            if program == "aws":
                self._aws(words)
            elif command == deploy:
                self.deploy()
            else:
                assert program == "elephant"
                done = self.run(*words)
                assert done.exit_code == 0, done.output

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

    def run(self, *words: str) -> Result:
        """Run a command of the operator's on this project."""
        arguments = [*words, "--project", str(self.config_file.directory)]
        return CliRunner().invoke(main, arguments, input=f"{DEFAULT_TOKEN}\n")


def names_in(cloud: LocalCloud) -> dict[str, set[str]]:
    """Name everything in the account that a stage may leave."""
    pages = {
        "FunctionName": cloud.client("lambda").list_functions()["Functions"],
        "UUID": cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "Rule": cloud.client("events").list_rules()["Rules"],
        "RoleName": cloud.client("iam").list_roles()["Roles"],
        "InstanceProfileName": cloud.client("iam").list_instance_profiles()["InstanceProfiles"],
        "Secret": cloud.client("secretsmanager").list_secrets()["SecretList"],
        "id": cloud.client("apigateway").get_rest_apis()["items"],
        "TopicArn": cloud.client("sns").list_topics()["Topics"],
        "AlarmName": cloud.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "DashboardName": cloud.client("cloudwatch").list_dashboards()["DashboardEntries"],
        "Parameter": cloud.client("ssm").describe_parameters(ParameterFilters=OURS)["Parameters"],
        "logGroupName": cloud.client("logs").describe_log_groups()["logGroups"],
    }
    found = {
        kind: {each.get(kind, each.get("Name")) for each in page} for kind, page in pages.items()
    }
    queues = cloud.client("sqs").list_queues().get("QueueUrls", [])
    tables = cloud.client("dynamodb").list_tables()["TableNames"]
    return found | {"queues": {*queues}, "tables": {*tables}}


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

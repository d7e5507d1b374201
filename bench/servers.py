"""The servers that everything is measured against, and the programs that are measured."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509

from bench.certificates import Certificates
from bench.child_process import Program
from bench.front import Front
from chalicelib.meeting_row.meeting import AGENDA, MEET_TIME
from chalicelib.trust import AMAZON, ROOTS
from localcloud.aws import (
    MotoServer,
    aws_client,
    aws_settings,
    make_image,
    make_security_group,
    state,
)
from localcloud.aws.artifacts import Artifacts
from localcloud.cloud import STAGE, deploy_with_chalice
from localcloud.cloudflare import DEFAULT_TOKEN, CloudflareStandIn, Quota, Token, Zone
from localcloud.project import Project
from ops.agenda import INDEX
from ops.bytecode import compile_project
from ops.roots import subject_hash
from tests.world import make_event

ROOT: Final = Path(__file__).parent.parent
PROJECT: Final = Project(ROOT)
AMPLE: Final = 10_000_000
"""A quota that nothing reaches: how a quota is kept is measured on simulated time."""

_FUNCTION: Final = "dns_watchdog"
_RUNTIME: Final = ("awslambdaric.bootstrap",)
_OUR_PARTS: Final = ("urllib3", "botocore.session", "chalice.app")
_GUIDES_PARTS: Final = ("urllib3", "boto3")


class Servers:
    """AWS with the deployed project, and Cloudflare, both behind fronts; while in the context.

    `certificates` are those of the fronts, which speak HTTPS. Nothing runs by itself: no event
    reaches the deployed functions.
    """

    def __init__(self) -> None:
        self.settings = PROJECT.settings
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            settings = self.settings
            zone = Zone(settings.zone_id, settings.domain_root, record_quota=AMPLE)
            self.standin = stack.enter_context(
                CloudflareStandIn([zone], [Token(DEFAULT_TOKEN)], dns_port=None, quota=Quota(AMPLE))
            )
            self._moto = stack.enter_context(MotoServer())
            self.home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            self.certificates = Certificates.make(self.home)
            context = self.certificates.server_context
            self.aws = stack.enter_context(Front(self._moto.endpoint, context))
            self.cloudflare = stack.enter_context(Front(self.standin.url, context))
            self._deploy(stack)
            self._provide()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a child, as Lambda gives it, with every address leading here."""
        return {
            **aws_settings(self.aws.url, self._moto.region),
            **dict(self.function.variables),
            "CLOUDFLARE_API_URL": self.cloudflare.url,
            "AWS_LAMBDA_FUNCTION_NAME": self.function.name,
            "HOME": str(self.home),
        }

    @property
    def all_roots(self) -> dict[str, str]:
        """Variables by which botocore and requests use a whole bundle, as they do by default."""
        names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        return dict.fromkeys(names, str(self.certificates.bundle))

    def ours(self, handler: str = _FUNCTION, **variables: str) -> Program:
        """Name a function of the deployed zip."""
        path = (self.task_root, self.runtime)
        arn = self.function.arn.removesuffix(_FUNCTION) + handler
        more = {"_HANDLER": f"app.{handler}", "FUNCTION_ARN": arn} | variables
        return Program("app", handler, path, _OUR_PARTS, _RUNTIME, variables=more)

    def with_meetings(self, handler: str) -> Program:
        """Name a function of the deployed zip as it is in a stage with the feature `meetings`."""
        settings = PROJECT.settings.meetings
        assert settings  # noqa: S101 (the local stage has the feature)
        make_image(settings.ami_id, self._moto.region)
        for group_id in settings.security_group_ids:
            make_security_group(group_id, self._moto.region)
        groups = ",".join(settings.security_group_ids)
        return self.ours(
            handler, FEATURES="meetings", AMI_ID=settings.ami_id, SECURITY_GROUP_IDS=groups
        )

    @property
    def sweep(self) -> Program:
        """The sweep of the deployed zip."""
        return self.ours("sweep")

    @property
    def guide(self) -> Program:
        """The guide's function."""
        path = (self.guide_root, self.runtime)
        return Program("guide", "handler", path, _GUIDES_PARTS, _RUNTIME, variables=self.all_roots)

    def client(self, service: str) -> Any:  # noqa: ANN401 (botocore makes the class)
        """Make a client of AWS that goes past the front."""
        return aws_client(service, self._moto.endpoint, self._moto.region)

    def event(self, instance_id: str, state: str = "running") -> dict[str, Any]:
        """Make the event of an instance."""
        return make_event(instance_id, state)

    def desktop(self, meeting: str, role: str = "teacher") -> str:
        """Launch a meeting's desktop, with a row that knows of it, and return its id."""
        tags = {"Project": "Elephant", "MeetingID": meeting, "Role": role}
        answer = self.client("ec2").run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": True}],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
        instance_id = str(answer["Instances"][0]["InstanceId"])
        self.put_row(meeting, status="LAUNCHED", **{f"{role}_ec2_id": instance_id})
        return instance_id

    def terminate(self, instance_id: str) -> None:
        """End an instance for good."""
        self.client("ec2").terminate_instances(InstanceIds=[instance_id])

    def put_row(self, meeting: str, **attributes: str) -> None:
        """Write a meeting's row."""
        item = {"id": meeting} | attributes
        self.client("dynamodb").put_item(
            TableName=self.settings.table_name,
            Item={key: {"S": value} for key, value in item.items()},
        )

    def row(self, meeting: str) -> dict[str, str]:
        """Return a meeting's row."""
        key = {"id": {"S": meeting}}
        answer = self.client("dynamodb").get_item(TableName=self.settings.table_name, Key=key)
        return {name: value["S"] for name, value in answer.get("Item", {}).items()}

    def names(self) -> list[str]:
        """Return the names of all records."""
        return [record.name for record in self.standin.api.zones[0].records]

    def clear_zone(self) -> None:
        """Remove every record."""
        store = self.standin.api.zones[0]
        for record in store.records:
            store.delete(record.id)

    def slow(self, delay: float, connecting: float = 0.0) -> None:
        """Make every call take longer from now on, and every new connection."""
        for front in (self.aws, self.cloudflare):
            front.delay, front.connecting = delay, connecting

    def disconnect(self) -> None:
        """Close all connections, as servers do with those that have been idle."""
        for front in (self.aws, self.cloudflare):
            front.disconnect()

    def take_calls(self) -> tuple[list[str], list[str]]:
        """Return the calls to AWS and to Cloudflare since the last time."""
        aws, cloudflare = self.take_timed_calls()
        return [name for _, name in aws], [name for _, name in cloudflare]

    def take_timed_calls(self) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
        """Return the same, each with the moment at which it came."""
        return self.aws.take_calls(), self.cloudflare.take_calls()

    def _deploy(self, stack: ExitStack) -> None:
        """Let Chalice make the zip as `elephant deploy` does, and unpack what it uploaded.

        Our root stands beside Amazon's own, which are those that it trusts.
        """
        project = PROJECT.copy(self.home / "project", self.cloudflare.url, features=False)
        with (project.directory / AMAZON.relative_to(ROOT)).open("a") as roots:
            roots.write(self.certificates.root)
        root = x509.load_pem_x509_certificate(self.certificates.root.encode())
        name = f"{subject_hash(root.subject)}.0"
        (project.directory / ROOTS.relative_to(ROOT) / name).write_text(self.certificates.root)
        compile_project(project.directory)
        deploy_with_chalice(project.directory, self._moto.endpoint)
        name = f"elephant-{STAGE}-{_FUNCTION}"
        self.function = state.find_function(name, self._moto.region)
        artifacts = Artifacts()
        stack.callback(artifacts.close)
        self.task_root = artifacts.task_root(self.function)
        self.runtime = artifacts.runtime_directory
        self.guide_root = self.home / "guide"
        self.guide_root.mkdir()
        shutil.copy(ROOT / "bench" / "guide.py", self.guide_root)

    def _provide(self) -> None:
        self.client("secretsmanager").create_secret(
            Name=self.settings.secret_id,
            SecretString=json.dumps({"CLOUDFLARE_TOKEN": DEFAULT_TOKEN}),
        )
        self.client("dynamodb").create_table(
            TableName=self.settings.table_name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": each, "AttributeType": "S"} for each in ("id", AGENDA, MEET_TIME)
            ],
            GlobalSecondaryIndexes=[dict(INDEX)],
            BillingMode="PAY_PER_REQUEST",
        )

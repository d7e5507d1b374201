"""A small world for tests: moto's AWS in this process, and the Cloudflare stand-in over HTTP."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.backends import get_backend

from chalicelib.cloudflare.client import Cloudflare
from chalicelib.cloudflare.rate_limit import Quota
from chalicelib.cloudflare.transport import Urllib3Transport
from chalicelib.cloudflare.zone import CloudflareZone
from chalicelib.deadline import Deadline
from chalicelib.ec2.instances import OWNER_TAG, Instances
from chalicelib.meeting_row.table import Meetings
from chalicelib.secrets import Token
from chalicelib.settings.stage import Settings
from chalicelib.step import Steps
from chalicelib.watchdog.handler import Watchdog
from chalicelib.watchdog.sweep import Sweep
from localcloud.cloudflare import DEFAULT_ZONE_ID, CloudflareStandIn, Fault, FaultKind
from localcloud.cloudflare import Quota as CloudflareQuota

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from chalicelib.cloudflare.transport import Transport
    from localcloud.cloudflare import Record

REGION = "us-west-2"
ACCOUNT = "123456789012"
DOMAIN = "desktops.example.com"
OWNER = "elephant:test/us-west-2"
TABLE = "elephant-meetings"
SECRET = "prod/elephant/cloudflare"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:elephant-test-dns_watchdog"
OTHER_TOKEN = "rotated_" + "0" * 32
UNKNOWN = "i-0123456789abcdef0"
"""An instance that EC2 does not know."""
REQUIRED = {"DOMAIN_ROOT": DOMAIN, "ZONE_ID": DEFAULT_ZONE_ID, "SECRET_ARN": SECRET, "OWNER": OWNER}
"""The variables that every stage must have."""
RECORDS = f"/zones/{DEFAULT_ZONE_ID}/dns_records"


def make_settings(**variables: str) -> Settings:
    """Parse settings with what is required filled in."""
    return Settings.parse(REQUIRED | variables)


def link(instance_id: str) -> str:
    """Return the link to an instance as the rows have it."""
    return f"https://{instance_id}.{DOMAIN}:8443"


def make_event(instance_id: str, state: str = "running", **members: object) -> dict[str, Any]:
    """Make the event that AWS makes when an instance changes its state."""
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "account": ACCOUNT,
        "time": "2026-11-11T21:29:54Z",
        "region": REGION,
        "resources": [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance_id}"],
        "detail": {"instance-id": instance_id, "state": state},
        **members,
    }


AGENDA_KEY = ("agenda", "meet_time")
PROJECTED = ("scheduled_by", "duration_minutes", "termination_reason", "launch_begun_at")


def make_table(dynamodb: Any, name: str = TABLE) -> None:  # noqa: ANN401
    """Make a table with the key of all the stage's tables, and the index of the meetings'."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": each, "AttributeType": "S"} for each in ("id", *AGENDA_KEY)
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "agenda",
                "KeySchema": [
                    {"AttributeName": each, "KeyType": kind}
                    for each, kind in zip(AGENDA_KEY, ("HASH", "RANGE"), strict=True)
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(PROJECTED)},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )


@dataclass
class Context:
    """Lambda's context, with as much time left as a test wants."""

    milliseconds: float = 60_000
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"
    invoked_function_arn: str = FUNCTION_ARN

    def get_remaining_time_in_millis(self) -> float:
        """Return the time left when the run begins."""
        return self.milliseconds


@dataclass
class Reports:
    """Keeps what runs report."""

    lines: list[tuple[str, dict[str, Any], dict[str, int]]] = field(default_factory=list)

    def succeeded(self, fields: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        self.lines.append(("succeeded", dict(fields), dict(counts)))

    def failed(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], error: Exception
    ) -> None:
        self.lines.append((f"failed: {error}", dict(fields), dict(counts)))


class World:
    """AWS and Cloudflare as the application meets them, and what it asked of them.

    `calls` holds every call to AWS by its operation, and to Cloudflare by method and path.
    """

    def __init__(
        self,
        cloudflare: CloudflareStandIn,
        client: Callable[[str], Any],
        executor: ThreadPoolExecutor,
    ) -> None:
        self.cloudflare = cloudflare
        self.executor = executor
        self.ec2 = client("ec2")
        self.dynamodb = client("dynamodb")
        self.secrets = client("secretsmanager")
        self.reports = Reports()
        self._begun = time.time()
        self.elapsed = 0.0
        self._errors: dict[str, str] = {}
        self._meanwhile: dict[str, Callable[[], object]] = {}
        self.pauses: list[float] = []
        self.aws_calls: list[str] = []
        self.quota = Quota(self.clock)
        self._watchdog: Watchdog | None = None
        self.app_ec2 = self._recorded(client("ec2"))
        self.app_dynamodb = self._recorded(client("dynamodb"))
        self.app_secrets = self._recorded(client("secretsmanager"))

    # What the application is given

    def pass_time(self, seconds: float = 3600) -> None:
        """Let time pass for the application; everything is older by that much."""
        self.elapsed += seconds

    def clock(self) -> float:
        """Return the application's time: it stands still but for what a test lets pass."""
        return self._begun + self.elapsed

    def token(self) -> Token:
        return Token(self.app_secrets, SECRET, self.clock)

    def api(self, transport: Transport | None = None) -> Cloudflare:
        """Make the application's end of Cloudflare's API; pauses are noted, not slept."""
        return Cloudflare(
            self.cloudflare.url,
            self.token(),
            transport or Urllib3Transport(),
            self.quota,
            sleep=self.pauses.append,
            jitter=lambda: 1.0,
        )

    def zone(
        self, zone_id: str = DEFAULT_ZONE_ID, transport: Transport | None = None
    ) -> CloudflareZone:
        return CloudflareZone(self.api(transport), zone_id)

    def meetings(self) -> Meetings:
        return Meetings(self.app_dynamodb, TABLE, self.pauses.append)

    def instances(
        self, tag: tuple[str, str] = ("Project", "Elephant"), owner: str = OWNER
    ) -> Instances:
        """Make the application's end of EC2."""
        return Instances(self.app_ec2, tag, owner)

    def watchdog(
        self, settings: Settings | None = None, transport: Transport | None = None
    ) -> Watchdog:
        """Make a watchdog, as a new execution environment would."""
        settings = settings or make_settings()
        return Watchdog(
            settings=settings,
            instances=self.instances(),
            zone=self.zone(settings.zone_id, transport),
            meetings=self.meetings() if settings.table_name else None,
            reporter=self.reports,
            executor=self.executor,
            clock=self.clock,
        )

    def sweep(self, settings: Settings | None = None, transport: Transport | None = None) -> Sweep:
        """Make a sweep, as a new execution environment would."""
        settings = settings or make_settings()
        return Sweep(
            settings=settings,
            instances=self.instances(settings.project_tag, settings.owner),
            zone=CloudflareZone(self.api(transport), settings.zone_id, settings.batch_size),
            meetings=self.meetings() if settings.table_name else None,
            reporter=self.reports,
            executor=self.executor,
            clock=self.clock,
        )

    def swept(self, transport: Transport | None = None, **variables: str) -> dict[str, Any]:
        """Sweep once, as a new execution environment would, and return the result."""
        return self.sweep(make_settings(**variables), transport).handle(Context())

    def handle(self, instance_id: str, state: str = "running") -> dict[str, Any]:
        """Handle an event; one execution environment handles all of a test's."""
        if self._watchdog is None:
            self._watchdog = self.watchdog()
        return self._watchdog.handle(make_event(instance_id, state), Context())

    def deadline(self, seconds: float = 60) -> Deadline:
        return Deadline(self.clock() + seconds, self.clock)

    def steps(self) -> Steps:
        return Steps(self.executor, self.deadline())

    # What people and AWS do

    def launch(self, *, public: bool = True, owner: str = "", **tags: str) -> str:
        """Launch an instance of the project (`Project=""` for none) and return its id."""
        every = {"Project": "Elephant", OWNER_TAG: owner} | tags
        given = {key: value for key, value in every.items() if value}
        (instance_id,) = self._run(1, given or {"none": "none"}, public=public)
        return instance_id

    def launch_many(self, count: int, **tags: str) -> list[str]:
        """Launch so many instances of the project at once."""
        return self._run(count, {"Project": "Elephant"} | tags)

    def _run(self, count: int, tags: Mapping[str, str], *, public: bool = True) -> list[str]:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        answer = self.ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=count,
            MaxCount=count,
            NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": public}],
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
        )
        return [str(each["InstanceId"]) for each in answer["Instances"]]

    def associate(self, instance_id: str, address: str) -> None:
        """Give an instance an Elastic IP address; EC2 sends no event about it."""
        allocated = self.ec2.allocate_address(Domain="vpc", Address=address)
        self.ec2.associate_address(InstanceId=instance_id, AllocationId=allocated["AllocationId"])

    def desktop(self, role: str = "teacher", meeting: str = "m1") -> str:
        return self.launch(MeetingID=meeting, Role=role, owner=OWNER)

    def launched(self, meeting: str = "m1") -> str:
        """Launch a meeting's desktop that has neither a record nor its link yet."""
        self.put_row(meeting, status="LAUNCHED")
        return self.desktop(meeting=meeting)

    def address(self, instance_id: str) -> str:
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        return str(answer["Reservations"][0]["Instances"][0]["PublicIpAddress"])

    def terminate(self, *instance_ids: str) -> None:
        self.ec2.terminate_instances(InstanceIds=list(instance_ids))

    def age(self, instance_id: str, minutes: float) -> None:
        """Have an instance been launched so much earlier."""
        instance = get_backend("ec2")[ACCOUNT][REGION].get_instance(instance_id)
        instance.launch_time -= timedelta(minutes=minutes)

    def two_in_a_role(self) -> tuple[str, str]:
        """Launch two desktops of the same role, the second a minute after the first."""
        older, younger = self.desktop(), self.desktop()
        self.age(older, minutes=1)
        return older, younger

    def stop(self, *instance_ids: str) -> None:
        self.ec2.stop_instances(InstanceIds=list(instance_ids))

    def untag(self, instance_id: str, *keys: str) -> None:
        """Remove an instance's tags, by default all that we use."""
        keys = keys or ("Project", "MeetingID", "Role")
        self.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": key} for key in keys])

    def serving(self, role: str = "teacher", meeting: str = "m1", **row: str) -> str:
        """Launch a meeting's desktop of which record and row are as they should be."""
        instance_id = self.desktop(role, meeting)
        self.put_own(instance_id, self.address(instance_id), meeting, role)
        linked = {"status": "HEALTHY", f"{role}_ec2_link": link(instance_id)}
        self.put_row(meeting, **linked | row)
        return instance_id

    def put_row(self, meeting: str = "m1", **attributes: str) -> None:
        item = {"id": meeting} | attributes
        self.dynamodb.put_item(
            TableName=TABLE, Item={key: {"S": value} for key, value in item.items()}
        )

    def row(self, meeting: str = "m1") -> dict[str, str]:
        """Return a meeting's row without its id; empty if there is none."""
        answer = self.dynamodb.get_item(TableName=TABLE, Key={"id": {"S": meeting}})
        item = answer.get("Item", {})
        return {key: value["S"] for key, value in item.items() if key != "id"}

    def rows(self) -> list[str]:
        return sorted(each["id"]["S"] for each in self.dynamodb.scan(TableName=TABLE)["Items"])

    def store_token(self, token: str, key: str = "CLOUDFLARE_TOKEN") -> None:
        """Rotate the secret."""
        self.secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps({key: token}))

    def rotate_token(self) -> None:
        """Store a new token; Cloudflare refuses the next call, which still has the old one."""
        self.store_token(OTHER_TOKEN)
        self.cloudflare.faults.add(Fault(FaultKind.REFUSED, status=403, code=9109))

    def limit_calls(self, calls: int) -> None:
        """Give Cloudflare's user another quota."""
        self.cloudflare.api.limiter.quota = CloudflareQuota(calls=calls)

    def fail(self, operation: str, code: str) -> None:
        """Let AWS refuse every call of an operation that the application makes from now on."""
        self._errors[operation] = code

    def meanwhile(self, operation: str, do: Callable[[], object]) -> None:
        """Let something happen just before the application's next call of an operation of AWS."""
        self._meanwhile[operation] = do

    def recover(self) -> None:
        """Let AWS answer again."""
        self._errors.clear()

    def put_record(
        self,
        name: str,
        content: str = "192.0.2.200",
        comment: str | None = None,
        kind: str = "A",
        **members: object,
    ) -> Record:
        body = {"type": kind, "name": name, "content": content, "comment": comment, **members}
        return self.cloudflare.api.zone(DEFAULT_ZONE_ID).create(body)  # type: ignore[arg-type]

    def put_own(
        self,
        instance_id: str,
        content: str = "192.0.2.200",
        meeting: str | None = "m1",
        role: str = "teacher",
        **members: object,
    ) -> Record:
        """Make an instance's record as the application makes it."""
        comment = f"{OWNER} m={meeting} r={role}" if meeting else f"{OWNER} managed by Elephant"
        made = {"comment": comment, "proxied": True, "ttl": 1} | members
        return self.put_record(f"{instance_id}.{DOMAIN}", content, **made)  # type: ignore[arg-type]

    def put_orphans(self, count: int) -> list[Record]:
        """Make records of ours whose instances EC2 does not know."""
        return [self.put_own(f"i-{number:017x}", meeting=None) for number in range(1, count + 1)]

    def records(self) -> tuple[Record, ...]:
        return self.cloudflare.api.zone(DEFAULT_ZONE_ID).records

    def standing(self) -> list[tuple[str, str, str]]:
        """Return name, content and comment of every record of the zone."""
        return sorted(
            (record.name, record.fields.content, record.fields.comment or "")
            for record in self.records()
        )

    @property
    def dns_calls(self) -> list[tuple[str, str]]:
        """Method and path of every call that Cloudflare saw."""
        return [(call.method, call.path) for call in self.cloudflare.calls]

    @property
    def calls(self) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
        """Everything that was asked of AWS (in any order) and of Cloudflare."""
        return sorted(self.aws_calls), self.dns_calls

    def forget_calls(self) -> None:
        self.aws_calls.clear()
        self.cloudflare.api.clear_calls()

    def _recorded(self, client: Any) -> Any:  # noqa: ANN401
        def record(model: Any, **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:  # noqa: ANN401
            self.aws_calls.append(model.name)
            self._meanwhile.pop(model.name, lambda: None)()
            if model.name not in self._errors:
                return None
            error = {"Code": self._errors[model.name], "Message": "as the test wants it"}
            answer = {"Error": error, "ResponseMetadata": {}}
            return AWSResponse("", 400, HTTPHeaders(), None), answer

        client.meta.events.register("before-call.*.*", record)
        return client

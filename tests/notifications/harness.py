"""A stage with notifications in moto's AWS, with faults at any call, and time that jumps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import StateReason
from moto.ses.models import ses_backends

from chalicelib.resource_names import StageNames
from chalicelib.watchdog.snapshot import Snapshot
from tests.meetings.faults import FaultyWorld
from tests.meetings.launches import MEETINGS
from tests.world import ACCOUNT, REGION, Context, World, make_settings, make_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.session import Session

    from tests.functions import Functions

EVENTS = Path(__file__).parent / "events"
PREFIX = "elephant-test"
PLACE = StageNames("aws", REGION, ACCOUNT, PREFIX)
SENT = f"{PREFIX}-sent"
VARIABLES = {
    "FEATURES": "notifications",
    "MAIL_FROM": "elephant@example.com",
    "MAIL_TO": "ops@example.com,lead@example.com",
    "AUTO_SCALING_GROUPS": "web,workers",
    "CODEDEPLOY_APPLICATIONS": "shop",
    "DEPLOYMENT_STATES": "SUCCESS,FAILURE",
}


def event(name: str, **detail: object) -> dict[str, Any]:
    """Return an event of a file, with some members of its detail changed."""
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    found["detail"] |= detail
    return found


def run_of(function: str, request: str = "1", seconds: float = 60) -> Context:
    """Return the context of a run of a function; `request` is the same in all its tries."""
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{PREFIX}-{function}"
    return Context(seconds * 1000, aws_request_id=request, invoked_function_arn=arn)


class Stage(FaultyWorld):
    """A stage with notifications, and what reaches its people."""

    def __init__(self, world: World, session: Session) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        client: Callable[[str], Any] = partial(session.create_client, region_name=REGION)
        self.codedeploy, self.ses = client("codedeploy"), client("sesv2")
        super().__init__(world, now, codedeploy=self.codedeploy, sesv2=self.ses)
        self.ses.create_email_identity(EmailIdentity="example.com")
        make_table(world.dynamodb, SENT)
        self.has_meetings = False

    # What the application is given

    def functions(self, **variables: str) -> Functions:
        """Make the functions of a new execution environment."""
        if self.has_meetings:
            variables |= MEETINGS | {"FEATURES": "meetings,notifications"}
        return self.functions_of(make_settings(**VARIABLES | variables))

    def snapshot(self) -> Snapshot:
        """Make what a sweep hands to the reports of addresses, before it was read."""
        return Snapshot(self.functions().instances, None, self.clock)

    def terminated(self, name: str, number: int = 1, **detail: object) -> dict[str, Any]:
        """Handle an event of a file, and return the result; each number is another event."""
        run = run_of("notify_instance_termination", request=str(number))
        found = event(name, **detail)
        found["id"] += f"-{number}" if number > 1 else ""
        return self.functions().notifications.termination_reports.handle(found, run)

    # What people and AWS do

    def ended(self, code: str, message: str = "", **tags: str) -> str:
        """Have a desktop that AWS ended for a reason, and return its id."""
        instance_id = self.world.launch(public=True, **tags)
        self.world.terminate(instance_id)
        found = ec2_backends[ACCOUNT][REGION].get_instance(instance_id)
        found.state_reason = StateReason(message or f"{code}: as AWS puts it", code)
        return instance_id

    def deploy(self, revision: Mapping[str, object], **described: object) -> str:
        """Have a deployment that CodeDeploy describes so, and return its id."""
        self.codedeploy.create_application(applicationName="shop", computePlatform="Server")
        self.codedeploy.create_deployment_group(
            applicationName="shop",
            deploymentGroupName="production",
            serviceRoleArn="arn:aws:iam::123456789012:role/deploys",
        )

        def describe(parsed: dict[str, Any], **_: object) -> None:
            if "deploymentInfo" in parsed:
                parsed["deploymentInfo"] |= described

        self.codedeploy.meta.events.register("after-call.codedeploy.GetDeployment", describe)
        return str(
            self.codedeploy.create_deployment(
                applicationName="shop", deploymentGroupName="production", revision=revision
            )["deploymentId"]
        )

    # What there is then

    @property
    def mails(self) -> list[Any]:
        return list(ses_backends[ACCOUNT][REGION].sent_messages)

    @property
    def subjects(self) -> list[str]:
        return [mail.subject for mail in self.mails]

    def sent(self) -> dict[str, dict[str, str]]:
        """Return the table of what was sent, by key."""
        items = self.world.dynamodb.scan(TableName=SENT)["Items"]
        return {
            item["id"]["S"]: {name: next(iter(value.values())) for name, value in item.items()}
            for item in items
        }

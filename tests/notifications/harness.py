"""A stage with notifications in moto's AWS, with faults at any call, and time that jumps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import StateReason
from moto.ses.models import ses_backends

from chalicelib.ec2.instances import Instances
from chalicelib.meeting_row.table import Meetings
from chalicelib.notifications.address_reports import AddressReports
from chalicelib.notifications.deployment_reports import DeploymentReports
from chalicelib.notifications.deployments import Deployments
from chalicelib.notifications.layout import lay_out
from chalicelib.notifications.mailer import Mailer
from chalicelib.notifications.notifier import Notifier
from chalicelib.notifications.sent import Sent
from chalicelib.notifications.termination_reports import TerminationReports
from chalicelib.resource_names import StageNames
from chalicelib.watchdog.snapshot import Snapshot
from tests.meetings.faults import Faults, FaultyClient
from tests.world import ACCOUNT, REGION, TABLE, Context, World, make_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.session import Session

    from chalicelib.settings.stage import Settings

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


class Stage:
    """A stage with notifications, and what reaches its people."""

    def __init__(self, world: World, session: Session) -> None:
        self.world = world
        self._now = datetime.now(UTC).replace(microsecond=0)  # it stands still
        self.faults = Faults(self.now)
        self._session = session
        self.ses.create_email_identity(EmailIdentity="example.com")
        world.make_table(SENT)
        self.has_meetings = False
        self._holders = 0

    @cached_property
    def ses(self) -> Any:  # noqa: ANN401
        return self._session.create_client("sesv2", region_name=REGION)

    @cached_property
    def codedeploy(self) -> Any:  # noqa: ANN401
        return self._session.create_client("codedeploy", region_name=REGION)

    def now(self) -> datetime:
        return self._now

    def pass_time(self, minutes: float) -> None:
        self._now += timedelta(minutes=minutes)

    # What the application is given

    def terminations(self, **variables: str) -> TerminationReports:
        """Make the reports of terminated instances of a new execution environment."""
        settings = make_settings(**VARIABLES | variables)
        meetings = Meetings(self.faulty(self.world.dynamodb), TABLE)
        return TerminationReports(
            project_tag=settings.project_tag,
            owner=settings.owner,
            instances=self._instances(settings),
            meetings=meetings if self.has_meetings else None,
            **self._common(settings),
        )

    def deployments(self, **variables: str) -> DeploymentReports:
        """Make the reports of deployments of a new execution environment."""
        settings = make_settings(**VARIABLES | variables)
        deployments = Deployments(self.faulty(self.codedeploy))
        return DeploymentReports(deployments=deployments, **self._common(settings))

    def addresses(self, **variables: str) -> AddressReports:
        """Make the reports of desktops without an address of a new execution environment."""
        settings = make_settings(**VARIABLES | variables)
        return AddressReports(**self._common(settings))

    def snapshot(self) -> Snapshot:
        """Make what a sweep hands to the reports of addresses, before it was read."""
        instances = self._instances(make_settings(**VARIABLES))
        return Snapshot(instances, None, lambda: self.now().timestamp())

    def _common(self, settings: Settings) -> dict[str, Any]:
        assert settings.notifications
        notifier = Notifier(
            sent=Sent(self.faulty(self.world.dynamodb)),
            mailer=Mailer(self.faulty(self.ses), settings.notifications),
            lay_out=lay_out,
            owner=settings.owner,
            clock=lambda: self.now().timestamp(),
            holder=self._holder,
        )
        reporter = self.world.reports
        return {"settings": settings.notifications, "notifier": notifier, "reporter": reporter}

    def terminated(self, name: str, number: int = 1, **detail: object) -> dict[str, Any]:
        """Handle an event of a file, and return the result; each number is another event."""
        run = run_of("notify_instance_termination", request=str(number))
        found = event(name, **detail)
        found["id"] += f"-{number}" if number > 1 else ""
        return self.terminations().handle(found, run)

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

    def _instances(self, settings: Settings) -> Instances:
        return Instances(self.faulty(self.world.ec2), settings.project_tag, settings.owner)

    def faulty(self, client: Any) -> Any:  # noqa: ANN401
        return FaultyClient(client, self.faults)

    def _holder(self) -> str:
        self._holders += 1
        return f"run {self._holders}"

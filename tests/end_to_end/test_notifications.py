"""E-mails of the deployed stage: from events as AWS makes them to what SES was asked to send."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from moto.codedeploy.models import codedeploy_backends
from moto.ses.models import ses_backends

from chalicelib.settings.stage import Settings
from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from localcloud.cloud import LocalCloud, Ports
from ops.cli import main
from tests.end_to_end.conftest import PROJECT, DeployedStage
from tests.notifications import harness
from tests.notifications.harness import event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localcloud.aws.mail import Mail

VARIABLES = harness.VARIABLES | {
    "FEATURES": "meetings,notifications",
    "MAIL_FROM": "elephant@elephant.example",
}
TERMINATION = "elephant-local-notify_instance_termination"


class Stage(DeployedStage):
    """The deployed stage, and what a test does with it."""

    def put_event(self, event: dict[str, Any]) -> list[str]:
        """Put an event on the bus; return the functions that got it, once they are done."""
        invoked = self.cloud.put_event(event)
        self.settle()
        return invoked

    @property
    def mails(self) -> tuple[Mail, ...]:
        return self.cloud.aws.outbox.mails


@pytest.fixture(scope="module")
def deployed(copied: Path) -> Iterator[Stage]:
    written = json.loads((PROJECT.directory / ".chalice" / "config.json").read_text())
    variables = written["stages"]["local"]["environment_variables"] | VARIABLES
    with LocalCloud(Settings.parse(variables), Ports(), time_scale=0.001) as cloud:
        project = PROJECT.copy(copied, cloud.cloudflare.url).directory
        options = [
            f"--{name.lower().replace('_', '-')}={value}"
            for name, value in VARIABLES.items()
            if name != "FEATURES"
        ]
        stage = ["stage", "local", "--with=notifications", f"--project={project}"]
        done = CliRunner().invoke(main, [*stage, *options])
        assert done.exit_code == 0, done.output
        cloud.deploy(project)
        yield Stage(cloud)


@pytest.fixture
def stage(deployed: Stage) -> Stage:
    deployed.forget()
    deployed.cloud.aws.outbox.clear()
    return deployed


def test_a_failed_health_check_is_notified_once_however_often_the_event_comes(stage: Stage) -> None:
    instance_id = stage.start("m1")
    ended = event("autoscaling-elb-health-check", EC2InstanceId=instance_id)

    assert stage.put_event(ended) == [TERMINATION]
    assert stage.put_event(ended) == [TERMINATION]

    (mail,) = stage.mails
    assert mail.sender == "elephant@elephant.example"
    assert mail.recipients == ("ops@example.com", "lead@example.com")
    assert "web" in mail.subject
    assert "health" in mail.subject
    for body in (mail.text, mail.html):
        assert instance_id in body
        assert "ELB system health check failure" in body
        assert "us-west-2.console.aws.amazon.com" in body
    assert [run.failed for run in stage.runs(TERMINATION)] == [False, False]


def test_a_deployment_is_notified_with_its_version_and_a_failed_one_with_its_reason(
    stage: Stage,
) -> None:
    client = stage.cloud.client("codedeploy")
    client.create_application(applicationName="shop")
    client.create_deployment_group(
        applicationName="shop",
        deploymentGroupName="production",
        serviceRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/any",
    )
    place = {"bucket": "releases", "key": "shop/shop-1.4.2.zip", "bundleType": "zip"}
    made = client.create_deployment(
        applicationName="shop",
        deploymentGroupName="production",
        revision={"revisionType": "S3", "s3Location": place},
    )["deploymentId"]
    assert made in codedeploy_backends[ACCOUNT_ID][DEFAULT_REGION].deployments

    stage.put_event(event("codedeploy-success", deploymentId=made))
    stage.put_event(event("codedeploy-failure", deploymentId=made))

    succeeded, failed = stage.mails
    assert "shop 1.4.2" in succeeded.subject
    assert "FAILED" in failed.subject
    assert "s3://releases/shop/shop-1.4.2.zip" in succeeded.text
    assert made in failed.html


def test_what_ses_refuses_is_tried_again_and_kept_and_can_be_notified_later(stage: Stage) -> None:
    identity = ses_backends[ACCOUNT_ID][DEFAULT_REGION].email_identities["elephant.example"]
    identity.verification_status = "PENDING"
    ended = event("autoscaling-status-check") | {"id": "5e1b6c0e-0000-4000-8000-000000000000"}

    stage.put_event(ended)

    assert [run.failed for run in stage.runs(TERMINATION)] == [True] * 3
    (message,) = stage.failed_events()
    kept = json.loads(message["Body"])
    assert "not verified" in json.dumps(kept["responsePayload"])
    identity.verification_status = "SUCCESS"
    assert not stage.mails

    stage.put_event(kept["requestPayload"])

    assert len(stage.mails) == 1

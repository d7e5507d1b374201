"""E-mails of the deployed stage: from events as AWS makes them to what SES was told to send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from moto.codedeploy.models import codedeploy_backends
from moto.ec2.models import ec2_backends
from moto.ses.models import ses_backends

from chalicelib.settings.stage import Settings
from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from localcloud.cloud import LocalCloud, Ports
from localcloud.project import Project
from ops.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.aws import Invocation
    from localcloud.aws.mail import Mail

PROJECT = Project(Path(__file__).parents[2])
EVENTS = PROJECT.directory / "tests" / "notifications" / "events"
VARIABLES = {
    "FEATURES": "meetings,notifications",
    "MAIL_FROM": "elephant@elephant.example",
    "MAIL_TO": "ops@example.com,ada@example.com",
    "AUTO_SCALING_GROUPS": "web,workers",
    "CODEDEPLOY_APPLICATIONS": "shop",
    "DEPLOYMENT_STATES": "SUCCESS,FAILURE",
}
TERMINATION = "elephant-local-notify_instance_termination"
DEPLOYMENT = "elephant-local-notify_deployment"
SWEEP = "elephant-local-sweep"


class Stage:
    """The deployed stage, and what a test does with it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.finished: list[Invocation] = []
        cloud.functions.on_finished(self.finished.append)

    def tell(self, event: dict[str, Any]) -> list[str]:
        """Put an event on the bus; return the functions that got it, once they are done."""
        invoked = self.cloud.put_event(event)
        self.cloud.settle()
        return invoked

    @property
    def mails(self) -> tuple[Mail, ...]:
        return self.cloud.aws.outbox.mails

    def runs(self, function: str) -> list[Invocation]:
        return [each for each in self.finished if each.function == function]

    def desktop(self, *, address: bool = True) -> str:
        """Start a desktop of the project, as a person would."""
        tags = {"Project": "Elephant", "MeetingID": "m1", "Role": "teacher"}
        started = self.cloud.client("ec2").run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": address}],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
        self.cloud.settle()
        return str(started["Instances"][0]["InstanceId"])


def event(name: str, **detail: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    read["detail"] |= detail
    return read


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    written = json.loads((PROJECT.directory / ".chalice" / "config.json").read_text())
    variables = written["stages"]["local"]["environment_variables"] | VARIABLES
    with LocalCloud(Settings.parse(variables), Ports(), time_scale=0.001) as cloud:
        copied = PROJECT.copy(
            tmp_path_factory.mktemp("notifications") / "project", cloud.cloudflare.url
        )
        options = [
            f"--{name.lower().replace('_', '-')}={value}"
            for name, value in VARIABLES.items()
            if name != "FEATURES"
        ]
        stage = ["stage", "local", "--with=notifications", f"--project={copied.directory}"]
        done = CliRunner().invoke(main, [*stage, *options])
        assert done.exit_code == 0, done.output
        cloud.deploy(copied.directory)
        yield Stage(cloud)


@pytest.fixture
def stage(deployed: Stage) -> Stage:
    deployed.finished.clear()
    deployed.cloud.aws.outbox.clear()
    return deployed


def test_a_failed_health_check_is_told_once_however_often_the_event_comes(stage: Stage) -> None:
    instance_id = stage.desktop()
    ended = event("autoscaling-elb-health-check", EC2InstanceId=instance_id)

    assert stage.tell(ended) == [TERMINATION]
    assert stage.tell(ended) == [TERMINATION]

    (mail,) = stage.mails
    assert mail.sender == "elephant@elephant.example"
    assert mail.recipients == ("ops@example.com", "ada@example.com")
    assert "web" in mail.subject
    assert "health" in mail.subject
    for body in (mail.text, mail.html):
        assert instance_id in body
        assert "ELB system health check failure" in body
        assert "us-west-2.console.aws.amazon.com" in body
    assert [run.failed for run in stage.runs(TERMINATION)] == [False, False]


def test_an_instance_that_nobody_knows_any_more_is_told_of_all_the_same(stage: Stage) -> None:
    stage.tell(event("autoscaling-status-check"))

    (mail,) = stage.mails
    assert "i-0fedcba9876543210" in mail.text


@pytest.mark.parametrize(
    ("name", "detail", "invoked"),
    [
        ("autoscaling-scale-in", {}, [TERMINATION]),
        ("autoscaling-elb-health-check", {"AutoScalingGroupName": "others"}, []),
        ("codedeploy-success", {"application": "till"}, []),
        ("codedeploy-success", {"state": "START"}, []),
        ("ec2-terminated", {"state": "running"}, ["elephant-local-dns_watchdog"]),
    ],
)
def test_what_is_nobodys_business_is_not_told(
    stage: Stage, name: str, detail: dict[str, str], invoked: list[str]
) -> None:
    assert stage.tell(event(name, **detail)) == invoked
    assert not stage.mails


def test_a_desktop_that_failed_is_told_and_one_that_was_ended_is_not(stage: Stage) -> None:
    failed, ended = stage.desktop(), stage.desktop()
    client = stage.cloud.client("ec2")

    client.terminate_instances(InstanceIds=[ended])
    stage.cloud.settle()
    assert not stage.mails

    backend = ec2_backends[ACCOUNT_ID][DEFAULT_REGION]
    with stage.cloud.bridge.losing():
        client.terminate_instances(InstanceIds=[failed])
        reason = backend.get_instance(failed).state_reason
        reason.code = "Server.InternalError"
        reason.message = "Server.InternalError: Internal error on launch"
    stage.tell(event("ec2-terminated", **{"instance-id": failed}))

    (mail,) = stage.mails
    assert failed in mail.text
    assert "Internal error on launch" in mail.text


def test_a_deployment_is_told_with_its_version_and_a_failed_one_with_its_reason(
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

    stage.tell(event("codedeploy-success", deploymentId=made))
    stage.tell(event("codedeploy-failure", deploymentId=made))

    succeeded, failed = stage.mails
    assert "shop 1.4.2" in succeeded.subject
    assert "FAILED" in failed.subject
    assert "s3://releases/shop/shop-1.4.2.zip" in succeeded.text
    assert made in failed.html


def test_a_desktop_without_an_address_is_told_once_by_the_sweep(stage: Stage) -> None:
    instance_id = stage.desktop(address=False)

    stage.cloud.schedules.fire()
    stage.cloud.settle()
    assert not stage.mails

    stage.cloud.pass_minutes(11)
    stage.cloud.schedules.fire()
    stage.cloud.settle()

    (mail,) = stage.mails
    assert instance_id in mail.text
    assert not [run for run in stage.runs(SWEEP) if run.failed]
    stage.cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    stage.cloud.settle()


def test_what_ses_refuses_is_tried_again_and_kept_and_can_be_told_later(stage: Stage) -> None:
    identity = ses_backends[ACCOUNT_ID][DEFAULT_REGION].email_identities["elephant.example"]
    identity.verification_status = "PENDING"
    ended = event("autoscaling-status-check") | {"id": "5e1b6c0e-0000-4000-8000-000000000000"}

    stage.tell(ended)

    assert [run.failed for run in stage.runs(TERMINATION)] == [True] * 3
    sqs = stage.cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="elephant-local-failed-events")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    kept = json.loads(message["Body"])
    assert "not verified" in json.dumps(kept["responsePayload"])
    identity.verification_status = "SUCCESS"
    assert not stage.mails

    stage.tell(kept["requestPayload"])

    assert len(stage.mails) == 1

"""The deployed stage: its zip, its log, its limits, a meeting that goes wrong, and e-mails."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from icalendar import Calendar
from moto.codedeploy.models import codedeploy_backends
from moto.ses.models import ses_backends

from chalicelib.settings.stage import Settings
from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION, Refusal
from localcloud.aws.mail import BOUNCING
from localcloud.caller import Caller
from localcloud.cloud import LocalCloud, Ports
from ops import cli_meetings
from ops.cli import main
from ops.stage_meetings import StageMeetings
from tests.end_to_end.conftest import PROJECT, WATCHDOG, DeployedStage
from tests.notifications import harness
from tests.notifications.harness import event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_ZIP = 1_500_000
VARIABLES = harness.VARIABLES | {
    "FEATURES": "meetings,notifications",
    "MAIL_FROM": "elephant@elephant.example",
}
TERMINATION = "elephant-local-notify_instance_termination"


class Stage(DeployedStage):
    """The deployed stage, and what a caller does with it."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(cloud)
        self.caller = Caller(cloud.api_url)
        secret = cloud.client("secretsmanager")
        key = secret.get_secret_value(SecretId="elephant-local-schedule-key")
        self._key = str(key["SecretString"])

    def book(self, start: datetime, **more: str) -> tuple[str, str]:
        """Schedule a meeting; return its id and the student's link."""
        wanted = {"teacher_name": "Ada", "student_name": "Ben", "meet_time": start.isoformat()}
        answer = self.caller.schedule(wanted | more, self._key)
        assert answer.status == 201, answer.text
        return answer.document["meeting_id"], answer.document["student_link"]

    def change(self, method: str, meeting: str, **wanted: object) -> Any:  # noqa: ANN401
        """Change a meeting, let people hear of it, and return its view."""
        answer = self.caller.request(method, f"/meetings/{meeting}", self._key, wanted or None)
        assert answer.status == 200, answer.text
        self.cloud.settle()
        return self.caller.request("GET", f"/meetings/{meeting}", self._key).document

    def put_event(self, event: dict[str, Any]) -> list[str]:
        """Put an event on the bus; return the functions that got it, once they are done."""
        invoked = self.cloud.put_event(event)
        self.settle()
        return invoked


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
def stage(deployed: Stage) -> Iterator[Stage]:
    deployed.forget()
    deployed.cloud.aws.outbox.clear()
    yield deployed
    deployed.cloud.aws.refusals.clear()
    deployed.end_all()


def test_a_new_environment_finds_what_an_earlier_one_did_and_logs_one_line(stage: Stage) -> None:
    stage.put_row("again")
    desktop = stage.start("again")
    before = (stage.records(desktop), stage.row("again"))
    event = stage.cloud.bridge.state_change(desktop, "running")
    client = stage.cloud.client("lambda")
    client.update_function_configuration(FunctionName=WATCHDOG, MemorySize=320)

    done = stage.cloud.functions.invoke(WATCHDOG, event)

    assert done.init_duration is not None
    assert (stage.records(desktop), stage.row("again")) == before
    said, measured = [json.loads(line) for line in done.log if line.startswith("{")]
    assert (said["level"], said["action"]) == ("INFO", "unchanged")
    assert said["instance_id"] == desktop
    assert measured["Unchanged"] == [1.0]
    assert measured["service"] == stage.cloud.settings.owner
    assert measured["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Elephant"


def test_the_zip_is_small_and_holds_what_lambda_lacks(stage: Stage, copied: Path) -> None:
    (archive,) = (copied / ".chalice/deployments").glob("*.zip")
    client = stage.cloud.client("lambda")
    deployed = client.get_function(FunctionName=WATCHDOG)["Configuration"]

    names = {
        name.split("/")[0] for name in zipfile.ZipFile(BytesIO(archive.read_bytes())).namelist()
    }

    assert deployed["CodeSize"] == archive.stat().st_size <= LARGEST_ZIP
    assert {"app.py", "chalice", "chalicelib", "tzdata"} <= names
    assert not {"boto3", "botocore", "urllib3", "localcloud", "tests"} & names


def test_what_can_never_be_launched_is_ended_and_nothing_is_left_running(stage: Stage) -> None:
    """Each of Lambda's attempts fails but the last one, which ends the meeting."""
    start = stage.cloud.clock.now().replace(microsecond=0) + timedelta(minutes=12)
    meeting, link = stage.book(start)
    stage.cloud.aws.refusals.add(Refusal("VcpuLimitExceeded"))

    stage.cloud.pass_until(start - timedelta(minutes=9))

    row = stage.row(meeting)
    assert (row["status"], row["termination_reason"]) == ("TERMINATED", "LAUNCH_FAILED")
    assert all(run.failed for run in stage.runs("elephant-local-launch_ec2")[:2])
    assert stage.cloud.desktops.running() == []
    page = stage.caller.look(link)
    assert (page.headline, page.entrance) == ("This meeting is over", None)
    assert "could not be started" in page.message


def test_an_operator_makes_a_key_and_cancels_what_it_has_booked(
    stage: Stage, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stage.cloud.exports.items():
        monkeypatch.setenv(name, value)
    waiting = partial(StageMeetings, pause=lambda _: stage.settle())
    monkeypatch.setattr(cli_meetings, "StageMeetings", waiting)

    def elephant(*words: str) -> str:
        done = CliRunner().invoke(main, [*words, "--project", str(copied)])
        assert done.exit_code == 0, done.output
        return done.stdout

    key = elephant("keys", "local", "add", "anna").strip()
    stage.cloud.pass_minutes(1)  # after which functions read the keys again
    start = stage.cloud.clock.now().replace(microsecond=0) + timedelta(minutes=12)
    monkeypatch.setattr(stage, "_key", key)
    meeting, _ = stage.book(start)
    stage.cloud.pass_until(start - timedelta(minutes=9))
    assert len(stage.cloud.desktops.running()) == 2

    (shown,) = [
        each
        for each in json.loads(elephant("meetings", "local", "--json"))["meetings"]
        if each["meeting_id"] == meeting
    ]
    assert (shown["scheduled_by"], shown["state"]) == ("anna", "running")
    assert "(CANCELLED)" in elephant("meetings", "local", "cancel", meeting, "--yes")

    assert stage.row(meeting)["status"] == "TERMINATED"
    stage.settle()
    assert stage.cloud.desktops.running() == []


def test_a_function_that_is_gone_leaves_its_schedule_in_the_queue_of_failed_events(
    stage: Stage,
) -> None:
    start = stage.cloud.clock.now().replace(microsecond=0) + timedelta(minutes=12)
    meeting, _ = stage.book(start)
    scheduler = stage.cloud.client("scheduler")
    made = scheduler.get_schedule(Name=f"safety-{meeting}", GroupName="elephant-local")
    wanted = ("Name", "GroupName", "FlexibleTimeWindow", "Target", "ScheduleExpression")
    made["Target"]["Arn"] += "-gone"
    scheduler.update_schedule(**{key: made[key] for key in wanted})
    assert stage.failed_events(meeting) == []

    stage.cloud.pass_until(start + timedelta(minutes=16))

    assert stage.failed_events(meeting)


def test_who_schedules_too_fast_is_put_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = stage.cloud.clock.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(stage.cloud.clock, "monotonic", lambda: moment)
        statuses = [stage.caller.schedule({}, None).status for _ in range(25)]
    assert set(statuses) == {401, 429}
    stage.cloud.pass_minutes(1)
    assert stage.caller.schedule({}, None).status == 401


# E-mails


def test_a_failed_health_check_is_notified_once_however_often_the_event_comes(stage: Stage) -> None:
    instance_id = stage.start("m1")
    ended = event("autoscaling-elb-health-check", EC2InstanceId=instance_id)

    assert stage.put_event(ended) == [TERMINATION]
    assert stage.put_event(ended) == [TERMINATION]

    (mail,) = stage.cloud.aws.outbox.mails
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

    succeeded, failed = stage.cloud.aws.outbox.mails
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
    (kept,) = stage.failed_events(TERMINATION)
    assert "not verified" in json.dumps(kept["responsePayload"])
    identity.verification_status = "SUCCESS"
    assert not stage.cloud.aws.outbox.mails

    stage.put_event(kept["requestPayload"])

    assert len(stage.cloud.aws.outbox.mails) == 1


def test_people_are_invited_hear_of_a_new_time_and_of_the_end(stage: Stage) -> None:
    """Whose address does not exist is shown as such, and keeps nobody from the rest."""
    start = stage.cloud.clock.now().replace(microsecond=0) + timedelta(days=2)
    people = {"teacher_email": "ada@example.com", "student_email": BOUNCING}
    meeting, link = stage.book(start, time_zone="Asia/Tokyo", **people)
    stage.cloud.settle()

    invited = stage.cloud.aws.outbox.mails
    assert {each.recipients for each in invited} == {("ada@example.com",), (BOUNCING,)}
    (students,) = [each for each in invited if each.recipients == (BOUNCING,)]
    assert link in students.text
    assert "(Asia/Tokyo)" in students.subject
    row = stage.row(meeting)
    marks = [row[f"{role}_mail"] for role in ("teacher", "student")]
    assert marks == ["invitation 0 sent", "invitation 0 bounced"]

    moved = (start + timedelta(hours=1)).isoformat()
    view = stage.change("PATCH", meeting, meet_time=moved)
    assert (view["teacher_mail"], view["student_mail"]) == ("sent", "bounced")
    view = stage.change("DELETE", meeting)

    assert view["teacher_mail"] == "sent"
    heard = [each for each in stage.cloud.aws.outbox.mails if each.recipients != (BOUNCING,)]
    assert [each.subject.partition(":")[0] for each in heard] == [
        "Invitation",
        "New time",
        "Cancelled",
    ]
    events = [Calendar.from_ical(each.calendar) for each in heard]
    assert [str(each["METHOD"]) for each in events] == ["REQUEST", "REQUEST", "CANCEL"]
    assert [each.walk("VEVENT")[0]["SEQUENCE"] for each in events] == [0, 1, 2]
    assert len(stage.runs("elephant-local-invite")) >= 3

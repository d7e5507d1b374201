"""The deployed stage: its zip, its log, its limits, and a meeting that goes wrong."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from localcloud.aws import Refusal
from localcloud.caller import Caller
from localcloud.cloud import LocalCloud, Ports
from tests.end_to_end.conftest import PROJECT, WATCHDOG, DeployedStage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_ZIP = 1_500_000


class Stage(DeployedStage):
    """The deployed stage, and what a caller does with it."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(cloud)
        self.caller = Caller(cloud.api_url)
        secret = cloud.client("secretsmanager")
        key = secret.get_secret_value(SecretId="elephant-local-schedule-key")
        self._key = str(key["SecretString"])

    def book(self, start: datetime) -> tuple[str, str]:
        """Schedule a meeting; return its id and the student's link."""
        wanted = {"teacher_name": "Ada", "student_name": "Ben", "meet_time": start.isoformat()}
        answer = self.caller.schedule(wanted, self._key)
        assert answer.status == 201, answer.text
        return answer.document["meeting_id"], answer.document["student_link"]


@pytest.fixture(scope="module")
def deployed(copied: Path) -> Iterator[Stage]:
    with LocalCloud(PROJECT.settings, Ports(), time_scale=0.001) as cloud:
        cloud.deploy(PROJECT.copy(copied, cloud.cloudflare.url).directory)
        yield Stage(cloud)


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    deployed.forget()
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
    assert {"app.py", "chalice", "chalicelib"} <= names
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
    assert stage.cloud.desktops() == []
    page = stage.caller.look(link)
    assert (page.headline, page.entrance) == ("This meeting is over", None)
    assert "could not be started" in page.message


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
    assert not any(meeting in message["Body"] for message in stage.failed_events())

    stage.cloud.pass_until(start + timedelta(minutes=16))

    assert any(meeting in message["Body"] for message in stage.failed_events())


def test_who_schedules_too_fast_is_put_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = stage.cloud.clock.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(stage.cloud.clock, "monotonic", lambda: moment)
        statuses = [stage.caller.schedule({}, None).status for _ in range(25)]
    assert set(statuses) == {401, 429}
    stage.cloud.pass_minutes(1)
    assert stage.caller.schedule({}, None).status == 401

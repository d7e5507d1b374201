"""The deployed stage: the zip, rule and roles that Chalice made, and meetings that go wrong."""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from chalicelib.ec2.event import event_pattern
from localcloud.aws import Refusal
from localcloud.caller import Caller
from localcloud.cloud import LocalCloud, Ports
from localcloud.cloudflare import Fault, FaultKind
from tests.end_to_end.conftest import PROJECT, SWEEP, WATCHDOG, DeployedStage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localcloud.desktop import Desktop

LARGEST_ZIP = 1_500_000
MINUTE = timedelta(minutes=1)
LAUNCH = "elephant-local-launch_ec2"
LIMIT = "VcpuLimitExceeded"


@dataclass(frozen=True)
class Booked:
    """A meeting that was scheduled."""

    id: str
    start: datetime
    links: dict[str, str]


class Stage(DeployedStage):
    """The deployed stage, and what a caller does with it."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(cloud)
        self.caller = Caller(cloud.api_url)
        secret = cloud.client("secretsmanager")
        key = secret.get_secret_value(SecretId="elephant-local-schedule-key")
        self._key = str(key["SecretString"])

    def book(self, minutes: int = 12) -> Booked:
        start = self.cloud.clock.now().replace(microsecond=0) + minutes * MINUTE
        wanted = {"teacher_name": "Ada", "student_name": "Ben", "meet_time": start.isoformat()}
        answer = self.caller.schedule(wanted, self._key)
        assert answer.status == 201, answer.text
        links = {role: answer.document[f"{role}_link"] for role in ("teacher", "student")}
        return Booked(answer.document["meeting_id"], start.astimezone(UTC), links)

    def launch(self, meeting: Booked) -> None:
        """Let time pass until the launch, and until all that it caused is done."""
        self.cloud.pass_until(meeting.start - 10 * MINUTE + timedelta(seconds=1))

    def enter(self, meeting: Booked) -> None:
        """Let the desktops report that they are healthy, and somebody join."""
        for desktop in self.desktops(meeting).values():
            desktop.report_healthy()
        assert self.caller.ask(meeting.links["teacher"]).status == 200

    def desktops(self, meeting: Booked) -> dict[str, Desktop]:
        found = [each for each in self.cloud.desktops() if each.meeting_id == meeting.id]
        assert len(found) == len({each.role for each in found}), "two desktops for a role"
        return {each.role: each for each in found}

    @contextmanager
    def without_sweeps(self) -> Iterator[None]:
        """Let hours pass in seconds: a run for each minute takes as long as all other runs."""
        events = self.cloud.client("events")
        rules = [
            each["Name"] for each in events.list_rules()["Rules"] if "ScheduleExpression" in each
        ]
        for name in rules:
            events.disable_rule(Name=name)
        try:
            yield
        finally:
            for name in rules:
                events.enable_rule(Name=name)

    def waiting(self) -> list[str]:
        """Return the names of the schedules that have not fired."""
        found = self.cloud.client("scheduler").list_schedules(GroupName="elephant-local")
        return [each["Name"] for each in found["Schedules"]]


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
    deployed.cloud.cloudflare.faults.clear()
    deployed.end_all()


# Instances, records and rows


def test_a_cloudflare_that_is_down_is_tried_again_until_it_is_up(stage: Stage) -> None:
    """Three attempts at the list in each of two runs fail; Lambda's third run succeeds."""
    stage.put_row("down")
    stage.cloud.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, times=6))

    desktop = stage.start("down")

    first, second, third = stage.runs(WATCHDOG)
    assert [first.failed, second.failed, third.failed] == [True, True, False]
    assert first.error is not None
    assert first.error.type == "UnavailableError"
    assert len(stage.records(desktop)) == 1
    assert stage.row("down")["status"] == "DNS_WRITTEN"


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


# What was deployed


@pytest.mark.parametrize(
    ("function", "schedule", "pattern"),
    [(WATCHDOG, None, event_pattern(PROJECT.settings)), (SWEEP, "rate(1 minute)", None)],
)
def test_a_function_has_its_rule_and_a_role_with_the_rights_of_the_file(
    stage: Stage, copied: Path, function: str, schedule: str | None, pattern: object
) -> None:
    events = stage.cloud.client("events")
    rule = events.describe_rule(Name=f"{function}-event")
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    policy = json.loads(stage.cloud.client("lambda").get_policy(FunctionName=function)["Policy"])
    (statement,) = policy["Statement"]

    assert (rule["State"], rule.get("ScheduleExpression") or None) == ("ENABLED", schedule)
    assert json.loads(rule.get("EventPattern") or "null") == pattern
    assert target["Arn"].endswith(f":function:{function}")
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": rule["Arn"]}}
    name = function.removeprefix("elephant-local-")
    file = copied / f".chalice/policy-local-{name}.json"
    assert stage.policy(function) == json.loads(file.read_text())


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


# Meetings, from POST /schedule on, where something goes wrong


def test_a_limit_that_is_raised_in_time_only_delays_the_desktops(stage: Stage) -> None:
    meeting = stage.book()
    stage.cloud.aws.refusals.add(Refusal(LIMIT, times=1))

    stage.launch(meeting)

    assert [run.failed for run in stage.runs(LAUNCH)] == [True, False]
    assert set(stage.desktops(meeting)) == {"teacher", "student"}
    assert stage.row(meeting.id)["status"] == "DNS_WRITTEN"


def test_what_can_never_be_launched_is_ended_and_nothing_is_left_running(stage: Stage) -> None:
    meeting = stage.book()
    stage.cloud.aws.refusals.add(Refusal(LIMIT))

    stage.launch(meeting)

    row = stage.row(meeting.id)
    assert (row["status"], row["termination_reason"]) == ("TERMINATED", "LAUNCH_FAILED")
    assert all(run.failed for run in stage.runs(LAUNCH)[:2])
    assert stage.desktops(meeting) == {}
    page = stage.caller.look(meeting.links["student"])
    assert (page.headline, page.entrance) == ("This meeting is over", None)
    assert "could not be started" in page.message


def test_a_meeting_goes_on_while_somebody_is_in_it_but_not_for_ever(stage: Stage) -> None:
    meeting = stage.book()
    stage.launch(meeting)
    stage.enter(meeting)
    meetings = stage.cloud.settings.meetings
    assert meetings is not None
    end = meeting.start + meetings.longest

    with stage.without_sweeps():
        stage.cloud.pass_until(end - MINUTE)
    assert set(stage.desktops(meeting)) == {"teacher", "student"}
    assert stage.row(meeting.id)["status"] == "IN_PROGRESS"

    stage.cloud.pass_until(end + MINUTE)
    row = stage.row(meeting.id)
    assert (row["status"], row["termination_reason"]) == ("TERMINATED", "MAX_LENGTH_TIMEOUT")
    assert stage.desktops(meeting) == {}
    stage.cloud.pass_minutes(20)
    assert stage.waiting() == []


def test_a_function_that_is_gone_leaves_its_schedule_in_the_queue_of_failed_events(
    stage: Stage,
) -> None:
    meeting = stage.book()
    scheduler = stage.cloud.client("scheduler")
    name = f"safety-{meeting.id}"
    made = scheduler.get_schedule(Name=name, GroupName="elephant-local")
    wanted = {key: made[key] for key in ("Name", "GroupName", "FlexibleTimeWindow", "Target")}
    wanted["Target"]["Arn"] += "-gone"
    scheduler.update_schedule(ScheduleExpression=made["ScheduleExpression"], **wanted)
    for message in stage.failed_events():
        assert meeting.id not in message["Body"]

    stage.cloud.pass_until(meeting.start + 16 * MINUTE)

    assert any(meeting.id in message["Body"] for message in stage.failed_events())
    with stage.without_sweeps():
        stage.cloud.pass_minutes(170)
    stage.cloud.pass_minutes(30)  # the sweep books a check all the same, which ends the meeting
    assert stage.desktops(meeting) == {}


def test_who_schedules_too_fast_is_put_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = stage.cloud.clock.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(stage.cloud.clock, "monotonic", lambda: moment)
        statuses = [stage.caller.schedule({}, None).status for _ in range(25)]
    assert set(statuses) == {401, 429}
    stage.cloud.pass_minutes(1)
    assert stage.caller.schedule({}, None).status == 401

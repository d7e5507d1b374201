"""The deployed stage: the zip, rule and roles that Chalice made, and meetings that go wrong."""

from __future__ import annotations

import json
import urllib.request
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import dns.message
import dns.query
import dns.rcode
import pytest

from localcloud.aws import Refusal
from localcloud.caller import Caller
from localcloud.cloud import LocalCloud, Ports
from localcloud.cloudflare import Fault, FaultKind, When
from tests.end_to_end.conftest import PATIENCE, PROJECT, WATCHDOG, DeployedStage, start_instance

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

    def waiting(self) -> list[str]:
        """Return the names of the schedules that have not fired."""
        found = self.cloud.client("scheduler").list_schedules(GroupName="elephant-local")
        return [each["Name"] for each in found["Schedules"]]

    def dig(self, instance_id: str) -> Any:  # noqa: ANN401 (dnspython's enumeration)
        host, port = self.cloud.cloudflare.dns_address
        question = dns.message.make_query(self.cloud.settings.record_name(instance_id), "A")
        return dns.query.udp(question, host, port=port, timeout=30).rcode()


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


def test_a_desktops_life_ends_as_it_began(stage: Stage) -> None:
    stage.put_row("life")
    desktop = stage.start("life")

    assert stage.dig(desktop) == dns.rcode.NOERROR
    link = f"https://{stage.cloud.settings.record_name(desktop)}:8443"
    assert stage.row("life") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link}

    stage.end(desktop)
    stage.settle()

    assert stage.dig(desktop) == dns.rcode.NXDOMAIN
    assert stage.row("life") == {"status": "TERMINATED"}
    assert [each.result["action"] for each in stage.runs(WATCHDOG)] == ["created", "deleted"]
    assert [(call.method, call.status) for call in stage.cloud.cloudflare.calls] == [
        ("GET", 200),
        ("POST", 200),
        ("GET", 200),
        ("DELETE", 200),
    ]


def test_an_instance_of_another_project_leaves_no_trace(stage: Stage) -> None:
    instance_id = start_instance(stage.ec2, Project="")
    stage.settle()

    assert stage.records(instance_id) == []


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


def test_a_lost_answer_makes_no_second_record(stage: Stage) -> None:
    stage.cloud.cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))

    assert len(stage.records(stage.start("lost"))) == 1


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


def test_a_malformed_event_is_answered_without_a_stack_trace(stage: Stage) -> None:
    done = stage.cloud.functions.invoke(WATCHDOG, {"detail": {"instance-id": "i-1"}})

    assert done.result["action"] == "ignored"
    assert not any("Traceback" in line for line in done.log)


def test_an_event_can_be_posted_to_the_local_stage(stage: Stage, copied: Path) -> None:
    desktop = stage.start("posted")
    deployed = json.loads((copied / ".chalice/deployed/local.json").read_text())
    (url,) = [each["rest_api_url"] for each in deployed["resources"] if "rest_api_url" in each]
    request = urllib.request.Request(  # noqa: S310 (this machine's own port)
        stage.cloud.aws.local_url(url) + "events",
        json.dumps({"instance-id": desktop}).encode(),
        {"Content-Type": "application/json"},
    )

    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        assert json.load(answer)["action"] == "unchanged"


# What was deployed


def test_the_rule_is_the_contracts(stage: Stage) -> None:
    events = stage.cloud.client("events")
    rule = events.describe_rule(Name=f"{WATCHDOG}-event")

    assert rule["State"] == "ENABLED"
    assert json.loads(rule["EventPattern"]) == {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {
            "state": ["running", "stopping", "shutting-down"],
            "tags": {"Project": ["Elephant", {"exists": False}]},
        },
    }
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith(f":function:{WATCHDOG}")


def test_the_role_is_the_file(stage: Stage, copied: Path) -> None:
    file = copied / ".chalice/policy-local-dns_watchdog.json"
    assert stage.policy(WATCHDOG) == json.loads(file.read_text())


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


def test_a_desktop_whose_other_half_never_starts_is_ended_again(stage: Stage) -> None:
    meeting = stage.book()
    stage.cloud.aws.refusals.add(Refusal("UnauthorizedOperation", skip=1))

    stage.launch(meeting)

    row = stage.row(meeting.id)
    assert (row["status"], row["termination_reason"]) == ("TERMINATED", "LAUNCH_FAILED")
    assert stage.desktops(meeting) == {}
    where = [{"Name": "tag:MeetingID", "Values": [meeting.id]}]
    (held,) = stage.cloud.client("ec2").describe_instances(Filters=where)["Reservations"]
    assert [each["State"]["Name"] for each in held["Instances"]] == ["terminated"]


def test_a_meeting_goes_on_while_somebody_is_in_it_but_not_for_ever(stage: Stage) -> None:
    meeting = stage.book()
    stage.launch(meeting)
    stage.enter(meeting)
    meetings = stage.cloud.settings.meetings
    assert meetings is not None
    end = meeting.start + meetings.longest

    stage.cloud.pass_until(end - MINUTE)
    assert set(stage.desktops(meeting)) == {"teacher", "student"}
    assert stage.row(meeting.id)["status"] == "IN_PROGRESS"

    stage.cloud.pass_until(end + MINUTE)
    row = stage.row(meeting.id)
    assert (row["status"], row["termination_reason"]) == ("TERMINATED", "MAX_LENGTH_TIMEOUT")
    assert stage.desktops(meeting) == {}
    stage.cloud.pass_minutes(20)
    assert stage.waiting() == []


def test_one_side_that_is_done_ends_a_meeting_that_nobody_is_in(stage: Stage) -> None:
    meeting = stage.book()
    stage.launch(meeting)
    stage.desktops(meeting)["teacher"].upload("s3://recordings/teacher")

    stage.cloud.pass_until(meeting.start + 16 * MINUTE)

    assert stage.row(meeting.id)["termination_reason"] == "PARTIAL_NO_SHOW_TIMEOUT"
    assert stage.desktops(meeting) == {}


def test_data_of_both_sides_before_the_time_is_left_to_the_safety_net(stage: Stage) -> None:
    meeting = stage.book()
    stage.launch(meeting)
    stage.enter(meeting)
    for role, desktop in stage.desktops(meeting).items():
        desktop.upload(f"s3://recordings/{role}")
    stage.settle()
    assert set(stage.desktops(meeting)) == {"teacher", "student"}

    stage.cloud.pass_until(meeting.start + 16 * MINUTE)

    assert stage.row(meeting.id)["termination_reason"] == "15_MIN_SUCCESS"
    assert stage.desktops(meeting) == {}


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
    stage.cloud.pass_minutes(200)  # the sweep sees to it that nothing is left running all the same
    assert stage.desktops(meeting) == {}


def test_who_schedules_too_fast_is_put_off(stage: Stage) -> None:
    statuses = [stage.caller.schedule({}, None).status for _ in range(25)]
    assert set(statuses) == {401, 429}
    stage.cloud.pass_minutes(1)
    assert stage.caller.schedule({}, None).status == 401

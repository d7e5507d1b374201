"""Meetings on the deployed stage, from POST /schedule on, where something goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws import Refusal
from localcloud.caller import Caller
from localcloud.cloud import LocalCloud, Ports
from localcloud.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.aws import Invocation
    from localcloud.desktop import Desktop

PROJECT = Project(Path(__file__).parents[2])
MINUTE = timedelta(minutes=1)
LAUNCH, NET = "elephant-local-launch_ec2", "elephant-local-safety_net"
LIMIT = "VcpuLimitExceeded"


@dataclass(frozen=True)
class Booked:
    """A meeting that was scheduled."""

    id: str
    start: datetime
    links: dict[str, str]


class Stage:
    """The deployed stage, and what a test does with it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.caller = Caller(cloud.api_url)
        self.finished: list[Invocation] = []
        self._dynamodb = cloud.client("dynamodb")
        secret = cloud.client("secretsmanager")
        key = secret.get_secret_value(SecretId="elephant-local-schedule-key")
        self.key = str(key["SecretString"])
        cloud.functions.on_finished(self.finished.append)

    def book(self, minutes: int = 12) -> Booked:
        start = self.cloud.clock.now().replace(microsecond=0) + minutes * MINUTE
        wanted = {"teacher_name": "Ada", "student_name": "Ben", "meet_time": start.isoformat()}
        answer = self.caller.schedule(wanted, self.key)
        assert answer.status == 201, answer.text
        told = answer.document
        links = {role: told[f"{role}_link"] for role in ("teacher", "student")}
        return Booked(told["meeting_id"], start.astimezone(UTC), links)

    def launch(self, meeting: Booked) -> None:
        """Let time pass until the launch, and until all that it set off is done."""
        self.cloud.pass_until(meeting.start - 10 * MINUTE + timedelta(seconds=1))

    def enter(self, meeting: Booked) -> None:
        """Let the desktops report that they are well, and somebody join."""
        for desktop in self.desktops(meeting).values():
            desktop.report_healthy()
        assert self.caller.ask(meeting.links["teacher"]).status == 200

    def desktops(self, meeting: Booked) -> dict[str, Desktop]:
        found = [each for each in self.cloud.desktops() if each.meeting_id == meeting.id]
        assert len(found) == len({each.role for each in found}), "two desktops for a role"
        return {each.role: each for each in found}

    def row(self, meeting: Booked) -> dict[str, str]:
        key = {"id": {"S": meeting.id}}
        answer = self._dynamodb.get_item(TableName="elephant-meetings", Key=key)
        return {name: value["S"] for name, value in answer["Item"].items()}

    def runs(self, function: str) -> list[Invocation]:
        return [each for each in self.finished if each.function == function]

    def failed_events(self) -> list[Any]:
        sqs = self.cloud.client("sqs")
        url = sqs.get_queue_url(QueueName="elephant-local-failed-events")["QueueUrl"]
        return list(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))

    def waiting(self) -> list[str]:
        found = self.cloud.client("scheduler").list_schedules(GroupName="elephant-local")
        return [each["Name"] for each in found["Schedules"]]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    copied = tmp_path_factory.mktemp("meetings") / "project"
    with LocalCloud(PROJECT.settings, Ports(), time_scale=0.001) as cloud:
        cloud.deploy(PROJECT.copy(copied, cloud.cloudflare.url).directory)
        yield Stage(cloud)


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    deployed.finished.clear()
    yield deployed
    deployed.cloud.aws.refusals.clear()
    for desktop in deployed.cloud.desktops():
        desktop.shut_down()
    deployed.cloud.settle()


def test_a_limit_that_is_raised_in_time_only_delays_the_desktops(stage: Stage) -> None:
    meeting = stage.book()
    stage.cloud.aws.refusals.add(Refusal(LIMIT, times=1))

    stage.launch(meeting)

    assert [run.failed for run in stage.runs(LAUNCH)] == [True, False]
    assert set(stage.desktops(meeting)) == {"teacher", "student"}
    assert stage.row(meeting)["status"] == "DNS_WRITTEN"


def test_what_can_never_be_launched_is_ended_and_nothing_is_left_running(stage: Stage) -> None:
    meeting = stage.book()
    stage.cloud.aws.refusals.add(Refusal(LIMIT))

    stage.launch(meeting)

    row = stage.row(meeting)
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

    row = stage.row(meeting)
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
    assert stage.row(meeting)["status"] == "IN_PROGRESS"

    stage.cloud.pass_until(end + MINUTE)
    row = stage.row(meeting)
    assert (row["status"], row["termination_reason"]) == ("TERMINATED", "MAX_LENGTH_TIMEOUT")
    assert stage.desktops(meeting) == {}
    stage.cloud.pass_minutes(20)
    assert stage.waiting() == []


def test_one_side_that_is_done_ends_a_meeting_that_nobody_is_in(stage: Stage) -> None:
    meeting = stage.book()
    stage.launch(meeting)
    stage.desktops(meeting)["teacher"].upload("s3://recordings/teacher")

    stage.cloud.pass_until(meeting.start + 16 * MINUTE)

    assert stage.row(meeting)["termination_reason"] == "PARTIAL_NO_SHOW_TIMEOUT"
    assert stage.desktops(meeting) == {}


def test_data_of_both_sides_before_the_time_is_left_to_the_safety_net(stage: Stage) -> None:
    meeting = stage.book()
    stage.launch(meeting)
    stage.enter(meeting)
    for role, desktop in stage.desktops(meeting).items():
        desktop.upload(f"s3://recordings/{role}")
    stage.cloud.settle()
    assert set(stage.desktops(meeting)) == {"teacher", "student"}

    stage.cloud.pass_until(meeting.start + 16 * MINUTE)

    assert stage.row(meeting)["termination_reason"] == "15_MIN_SUCCESS"
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

"""The local cloud as a whole."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.settings.stage import Settings
from localcloud.cloud import LocalCloud, Ports
from localcloud.desktop import Desktop, NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLES = {
    "CLOUDFLARE_API_URL": "http://127.0.0.1:1/client/v4",
    "DOMAIN_ROOT": "elephant.example",
    "OWNER": "elephant:local",
    "SECRET_ARN": "prod/elephant/cloudflare",
    "ZONE_ID": "0123456789abcdef0123456789abcdef",
}
AMI, GROUP = "ami-0123456789abcdef0", "sg-0123456789abcdef0"
SETTINGS = Settings.parse(VARIABLES)
WITH_MEETINGS = Settings.parse(
    VARIABLES | {"FEATURES": "meetings", "AMI_ID": AMI, "SECURITY_GROUP_IDS": GROUP}
)
_numbers = count(1)


def timers() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"schedules", "one-offs"}


def test_schedules_are_fired_by_hand_unless_they_are_switched_on() -> None:
    with LocalCloud(SETTINGS, Ports()) as cloud:
        assert cloud.schedules.fire() == ()
        assert timers() == set()
        with pytest.raises(LookupError, match="nothing with an API is deployed"):
            _ = cloud.api_url
    with LocalCloud(SETTINGS, Ports(), schedules=True):
        assert timers() == {"schedules", "one-offs"}
    assert timers() == set()


@dataclass
class Stage:
    """A cloud with a desktop's role, as the supporting stack makes it."""

    cloud: LocalCloud

    def allow(self, *attributes: str) -> None:
        """Let desktops read and write these attributes, and no others."""
        table = "arn:aws:dynamodb:us-west-2:123456789012:table/elephant-meetings"
        statement = {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
            "Resource": table,
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:Attributes": list(attributes)}},
        }
        self.cloud.client("iam").put_role_policy(
            RoleName="desktop",
            PolicyName="may",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )

    def desktop(self, role: str = "teacher", **row: str) -> Desktop:
        """Start a desktop of a meeting that has this row."""
        meeting = f"m{next(_numbers)}"
        tags = {"Project": "Elephant", "MeetingID": meeting, "Role": role}
        answer = self.cloud.client("ec2").run_instances(
            ImageId=AMI,
            MinCount=1,
            MaxCount=1,
            IamInstanceProfile={"Name": "desktop"},
            NetworkInterfaces=[{"DeviceIndex": 0, "Groups": [GROUP]}],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": tags[key]} for key in tags],
                }
            ],
        )
        if row:
            item = {"id": meeting} | row
            self.cloud.client("dynamodb").put_item(
                TableName="elephant-meetings",
                Item={name: {"S": text} for name, text in item.items()},
            )
        return Desktop(self.cloud, answer["Instances"][0]["InstanceId"])

    def row(self, desktop: Desktop) -> dict[str, str]:
        found = self.cloud.client("dynamodb").get_item(
            TableName="elephant-meetings", Key={"id": {"S": desktop.meeting_id}}
        )
        return {name: value["S"] for name, value in found.get("Item", {}).items() if name != "id"}


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with LocalCloud(WITH_MEETINGS, Ports()) as cloud:
        iam = cloud.client("iam")
        iam.create_role(RoleName="desktop", AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName="desktop")
        iam.add_role_to_instance_profile(InstanceProfileName="desktop", RoleName="desktop")
        yield Stage(cloud)


@pytest.fixture
def stage(running: Stage) -> Iterator[Stage]:
    running.allow("id", "status", "teacher_ec2_link", "teacher_session_data")
    yield running
    for desktop in running.cloud.desktops():
        running.cloud.client("ec2").terminate_instances(InstanceIds=[desktop.instance_id])


LINK = {"teacher_ec2_link": "https://i-1.elephant.example:8443"}


def test_everything_has_the_clouds_time(stage: Stage) -> None:
    cloud = stage.cloud
    before = cloud.clock.now()
    cloud.pass_minutes(60)
    now = cloud.clock.now()
    assert now - before >= timedelta(hours=1)
    desktop = stage.desktop()
    answer = cloud.client("ec2").describe_instances(InstanceIds=[desktop.instance_id])
    launched = answer["Reservations"][0]["Instances"][0]["LaunchTime"]
    assert now.replace(microsecond=0) <= launched <= cloud.clock.now()
    event = cloud.bridge.state_change(desktop.instance_id, "running")
    assert event["time"] >= now.strftime("%Y-%m-%dT%H:%M:%SZ")
    zone = cloud.cloudflare.api.zone(cloud.settings.zone_id)
    zone.create({"type": "A", "name": "a.elephant.example", "content": "192.0.2.1"})
    (record,) = zone.named("a.elephant.example")
    assert now.timestamp() <= record.created_on <= cloud.clock.time()


@pytest.mark.parametrize(
    "row",
    [{"status": "LAUNCHED"}, {"status": "IN_PROGRESS", **LINK}, {"status": "TERMINATED", **LINK}],
)
def test_a_desktop_reports_neither_too_early_nor_too_late(
    stage: Stage, row: dict[str, str]
) -> None:
    desktop = stage.desktop(**row)
    assert not desktop.report_healthy()
    assert stage.row(desktop) == row


def test_a_desktop_does_what_its_role_allows_and_nothing_else(stage: Stage) -> None:
    student = stage.desktop("student", status="IN_PROGRESS")
    with pytest.raises(NotAllowedError, match="may not dynamodb:UpdateItem with student_session"):
        student.upload("s3://recordings/1")
    stage.allow("id")
    with pytest.raises(NotAllowedError, match="may not dynamodb:GetItem with status"):
        student.report_healthy()


def test_desktops_do_what_another_process_wants(stage: Stage) -> None:
    teacher = stage.desktop(status="DNS_WRITTEN", **LINK)
    student = stage.desktop("student", status="DNS_WRITTEN")
    stage.allow("id", "status", "teacher_ec2_link", "student_ec2_link", "teacher_session_data")
    assert {each.instance_id for each in stage.cloud.desktops()} == {
        teacher.instance_id,
        student.instance_id,
    }

    def let(**wanted: str) -> list[tuple[Any, Any]]:
        done = stage.cloud._act_on_desktops(wanted)
        return [(report["role"], report["done"]) for report in done]

    assert let(do="healthy", role="teacher") == [("teacher", True)]
    assert let(do="upload", meeting=teacher.meeting_id) == [("teacher", True)]
    assert let(do="healthy", role="observer") == []
    with pytest.raises(ValueError, match="not 'dance'"):
        let(do="dance")

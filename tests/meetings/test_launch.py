"""A schedule names a meeting; its desktops are started once, or it is ended and an alarm sounds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ec2.desktops import Starts, Terminations
from chalicelib.ec2.images import Images
from chalicelib.ec2.instances import Instances
from chalicelib.ec2.subnets import Subnets
from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings.ending import Ending
from chalicelib.meetings.launch import Launch, LaunchDelayedError, LaunchFailedError
from chalicelib.meetings.starter import Starter
from tests.meetings.launches import BEFORE, ID, LAUNCH_ARN, LOST, ZONES, Cloud, Invocation
from tests.world import TABLE, Context, make_settings

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.world import World


class Stage:
    """A stage with meetings in moto's AWS."""

    def __init__(self, world: World, session: Session, **variables: str) -> None:
        self.world = world
        profile = "elephant-test-desktop"
        iam: Any = session.create_client("iam")
        iam.create_instance_profile(InstanceProfileName=profile)
        (group, *_) = world.ec2.describe_security_groups()["SecurityGroups"]
        device = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 30}}
        image = world.ec2.register_image(
            Name="desktop", RootDeviceName="/dev/sda1", BlockDeviceMappings=[device]
        )
        self.image = str(image["ImageId"])
        required = {
            "FEATURES": "meetings",
            "AMI_ID": self.image,
            "SECURITY_GROUP_IDS": str(group["GroupId"]),
        }
        self.settings = make_settings(**required | variables)

    def launch(self) -> Launch:
        """Make the function's inside, as a new execution environment would."""
        ec2, rows, meetings = self.world.app_ec2, self.world.app_dynamodb, self.settings.meetings
        assert meetings
        table = Meetings(rows, TABLE)
        settings, terminations = self.settings, Terminations(ec2)
        instances = Instances(ec2, settings.project_tag, settings.owner)
        return Launch(
            settings=meetings,
            table=table,
            starter=Starter(
                settings=meetings,
                project_tag=settings.project_tag,
                owner=settings.owner,
                table=table,
                instances=instances,
                images=Images(ec2),
                subnets=Subnets(ec2),
                starts=Starts(ec2),
            ),
            terminations=terminations,
            ending=Ending(
                table=table,
                instances=instances,
                terminations=terminations,
                settings=self.settings,
            ),
            reporter=self.world.reports,
            clock=self.world.clock,
            sleep=self.world.pass_time,
        )

    def run(self, event: object = None) -> dict[str, Any]:
        """Run the function once."""
        context = Context(60_000, invoked_function_arn=LAUNCH_ARN)
        return self.launch().handle({"meeting_id": ID} if event is None else event, context)

    def put_row(self, *, minutes: float = 10, **attributes: str) -> None:
        """Write a meeting that starts so many minutes from now."""
        start = datetime.fromtimestamp(self.world.clock(), UTC) + timedelta(minutes=minutes)
        texts = {"status": "SCHEDULED", "meet_time": f"{start:%Y-%m-%dT%H:%M:%SZ}"}
        self.world.put_row(ID, **texts | attributes)

    def desktops(self) -> dict[str, dict[str, Any]]:
        """Return the desktops that live, by role."""
        answer = self.world.ec2.describe_instances()
        every = [each for found in answer["Reservations"] for each in found["Instances"]]
        living = [each for each in every if each["State"]["Name"] == "running"]
        return {
            next(tag["Value"] for tag in each["Tags"] if tag["Key"] == "Role"): each
            for each in living
        }


@pytest.fixture
def stage(world: World, session: Session) -> Stage:
    return Stage(world, session)


# The whole of it


def test_a_meeting_that_is_due_gets_two_desktops_and_its_row_says_so(stage: Stage) -> None:
    stage.put_row(student_name="Zoë")

    result = stage.run()

    desktops = {role: each["InstanceId"] for role, each in stage.desktops().items()}
    assert desktops.keys() == {"teacher", "student"}
    assert result == {
        "action": "launched",
        "reason": "its desktops were started",
        "meeting_id": ID,
        "desktops": desktops,
    }
    row = stage.world.row(ID)
    assert row["status"] == "LAUNCHED"
    assert row["teacher_ec2_id"] == desktops["teacher"]
    assert row["student_ec2_id"] == desktops["student"]
    assert row["student_name"] == "Zoë"
    assert json.loads(json.dumps(result)) == result


def test_it_is_reported_once(stage: Stage) -> None:
    stage.put_row()

    result = stage.run()

    request_id = Context().aws_request_id
    (report,) = stage.world.reports.lines
    assert report == (
        "succeeded",
        {"request_id": request_id, **result},
        {"Launched": 2, "Warnings": 0},
    )


def test_the_desktops_are_what_the_settings_ask_for(world: World, session: Session) -> None:
    world.ec2.create_key_pair(KeyName="mine")
    stage = Stage(world, session, INSTANCE_TYPE="g4dn.xlarge", KEY_NAME="mine", VOLUME_GB="80")
    stage.put_row()

    stage.run()

    for role, desktop in stage.desktops().items():
        assert desktop["ImageId"] == stage.image
        assert desktop["InstanceType"] == "g4dn.xlarge"
        assert desktop["KeyName"] == "mine"
        assert desktop["ClientToken"] == f"{ID}-{role}"
        assert desktop["PublicIpAddress"]
        assert desktop["MetadataOptions"]["HttpTokens"] == "required"
        assert {tag["Key"]: tag["Value"] for tag in desktop["Tags"]} == {
            "Name": f"{ID}_{role}",
            "MeetingID": ID,
            "Role": role,
            "elephant:owner": "elephant:test/us-west-2",
            "Project": "Elephant",
        }
    volumes = stage.world.ec2.describe_volumes()["Volumes"]
    assert [each["Size"] for each in volumes] == [80, 80]
    assert all(each["Attachments"][0]["Device"] == "/dev/sda1" for each in volumes)


def test_the_desktops_are_started_in_the_vpc_of_the_settings(
    world: World, session: Session
) -> None:
    vpc = world.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = world.ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    stage = Stage(world, session, VPC_ID=vpc)
    stage.put_row()

    stage.run()

    assert [each["SubnetId"] for each in stage.desktops().values()] == [subnet, subnet]


def test_a_repeated_launch_changes_nothing(stage: Stage) -> None:
    stage.put_row()
    stage.run()
    row = stage.world.row(ID)
    stage.world.forget_calls()

    result = stage.run()

    assert result["action"] == "unchanged"
    assert stage.world.aws_calls == ["GetItem"]
    assert stage.world.row(ID) == row
    assert len(stage.desktops()) == 2


def test_a_row_that_has_its_desktops_and_does_not_say_so_is_told(stage: Stage) -> None:
    stage.put_row(teacher_ec2_id="i-0123456789abcdef0", student_ec2_id="i-01234567")

    assert stage.run()["action"] == "unchanged"
    assert stage.world.row(ID)["status"] == "LAUNCHED"


def test_what_the_watchdog_writes_meanwhile_stands(stage: Stage) -> None:
    """Both read the row, and it is the watchdog that writes first."""

    def put(status: str) -> None:
        noted = "i-0123456789abcdef0"
        stage.put_row(status=status, teacher_ec2_id=noted, student_ec2_id="i-01234567")

    put("SCHEDULED")
    stage.world.meanwhile("UpdateItem", lambda: put("DNS_WRITTEN"))

    assert stage.run()["action"] == "unchanged"
    assert stage.world.row(ID)["status"] == "DNS_WRITTEN"


# What is not launched


@pytest.mark.parametrize("event", [{}, {"meeting_id": ""}, {"meeting_id": "x" * 57}, [], "m1"])
def test_an_event_that_names_no_meeting_is_ignored(stage: Stage, event: object) -> None:
    assert stage.run(event)["action"] == "ignored"
    assert stage.world.aws_calls == []


def test_an_unknown_meeting_gets_no_desktops_and_no_row(stage: Stage) -> None:
    result = stage.run()

    assert result == {
        "action": "ignored",
        "reason": "no such meeting",
        "meeting_id": ID,
    }
    assert stage.world.aws_calls == ["GetItem"]
    assert stage.world.rows() == []
    (report,) = stage.world.reports.lines
    assert report[2] == {"Ignored": 1, "Warnings": 0}


@pytest.mark.parametrize(
    ("minutes", "reason"), [(12, "it is not due before"), (-180, "its longest time is over")]
)
def test_a_meeting_that_is_not_due_is_ignored_with_a_warning(
    stage: Stage, minutes: float, reason: str
) -> None:
    stage.put_row(minutes=minutes)

    result = stage.run()

    assert result["action"] == "ignored"
    assert result["reason"].startswith(reason)
    assert result["warnings"] == [result["reason"]]
    assert stage.desktops() == {}


def test_what_was_never_confirmed_as_a_meeting_gets_no_desktops(stage: Stage) -> None:
    """Its request died half-way: nobody has the links, unless the request comes again."""
    stage.put_row(request_hash="0" * 64)

    with pytest.raises(LaunchDelayedError, match="was never confirmed"):
        stage.run()
    assert "RunInstances" not in stage.world.aws_calls
    assert "launch_lease" not in stage.world.row(ID)

    stage.put_row(request_hash="0" * 64, scheduled_at="2026-11-21T15:00:00Z")
    assert stage.run()["action"] == "launched"


def test_a_launch_that_has_begun_goes_on_whatever_was_confirmed(stage: Stage) -> None:
    stage.put_row(request_hash="0" * 64, status="LAUNCHED")

    assert stage.run()["action"] == "launched"


def test_a_meeting_that_is_over_is_ignored(stage: Stage) -> None:
    stage.put_row(status="TERMINATED", termination_reason="SUCCESS")

    result = stage.run()

    assert (result["action"], result["reason"]) == ("ignored", "the meeting is over: SUCCESS")
    assert "RunInstances" not in stage.world.aws_calls


def test_a_status_that_nobody_has_claimed_starts_nothing_and_ends_nothing(stage: Stage) -> None:
    """The watchdog wrote it, or a person while people are in."""
    stage.world.desktop("teacher", ID)
    stage.put_row(status="TERMINATED")

    result = stage.run()

    assert result["action"] == "ignored"
    assert "left to the safety net" in result["reason"]
    assert len(stage.desktops()) == 1
    assert "RunInstances" not in stage.world.aws_calls


def test_an_end_that_was_cut_short_is_completed(stage: Stage) -> None:
    stage.put_row(status="LAUNCHED", termination_reason="NO_SHOW_TIMEOUT")
    desktop = stage.world.desktop("teacher", ID)

    result = stage.run()

    assert result["action"] == "ended"
    assert result["ended"] == [desktop]
    assert stage.desktops() == {}
    assert stage.world.row(ID)["status"] == "TERMINATED"
    (report,) = stage.world.reports.lines
    assert report[2] == {"Ended": 1, "Warnings": 0}


# What fails


def test_what_may_pass_is_left_to_lambdas_next_try(stage: Stage) -> None:
    stage.put_row()
    stage.world.fail("RunInstances", "VcpuLimitExceeded")

    with pytest.raises(LaunchDelayedError, match=r"not launched yet: .*VcpuLimitExceeded"):
        stage.run()

    (report,) = stage.world.reports.lines
    assert report[0].startswith("failed: not launched yet")
    assert report[1]["meeting_id"] == ID
    assert report[2] == {"Failed": 1}
    assert stage.world.row(ID)["status"] == "SCHEDULED"

    stage.world.recover()
    stage.world.pass_time(60)
    assert stage.run()["action"] == "launched"


def test_what_does_not_pass_ends_the_meeting_with_the_third_try(stage: Stage) -> None:
    stage.put_row()
    stage.world.fail("RunInstances", "InstanceLimitExceeded")
    for pause in (60, 120):
        with pytest.raises(LaunchDelayedError):
            stage.run()
        stage.world.pass_time(pause)

    with pytest.raises(LaunchFailedError, match=r"the meeting was ended: .*InstanceLimitExceeded"):
        stage.run()

    assert stage.world.row(ID)["status"] == "TERMINATED"
    assert stage.world.row(ID)["termination_reason"] == "LAUNCH_FAILED"
    assert stage.run()["action"] == "ignored"


@pytest.mark.parametrize("late", [20, 60])
def test_a_schedule_that_fires_late_is_tried_as_often(stage: Stage, late: float) -> None:
    stage.put_row(minutes=10 - late)
    stage.world.fail("RunInstances", "InstanceLimitExceeded")

    with pytest.raises(LaunchDelayedError):
        stage.run()


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("RunInstances", "UnauthorizedOperation"),
        ("RunInstances", "InvalidParameterValue"),
        ("DescribeImages", "InvalidAMIID.NotFound"),
        ("DescribeImages", "UnauthorizedOperation"),
        ("DescribeSubnets", "UnauthorizedOperation"),
    ],
)
def test_what_trying_again_cannot_mend_ends_the_meeting_at_once(
    stage: Stage, operation: str, code: str
) -> None:
    stage.put_row()
    stage.world.fail(operation, code)

    with pytest.raises(LaunchFailedError, match=code):
        stage.run()

    assert stage.world.row(ID)["termination_reason"] == "LAUNCH_FAILED"
    assert stage.desktops() == {}


def test_of_a_meeting_that_fails_half_way_no_desktop_is_left(stage: Stage) -> None:
    stage.put_row()
    world = stage.world

    def refuse() -> None:
        world.meanwhile("RunInstances", lambda: world.fail("RunInstances", "AuthFailure"))

    world.meanwhile("RunInstances", refuse)

    with pytest.raises(LaunchFailedError, match="AuthFailure"):
        stage.run()

    assert world.aws_calls.count("RunInstances") == 2
    assert stage.desktops() == {}
    assert world.row(ID)["status"] == "TERMINATED"


def test_a_meeting_that_somebody_is_in_is_not_ended(stage: Stage) -> None:
    stage.put_row(status="IN_PROGRESS", teacher_ec2_id=stage.world.desktop("teacher", ID))
    stage.world.fail("RunInstances", "AuthFailure")

    with pytest.raises(LaunchFailedError, match=r"somebody is in the meeting: .*AuthFailure"):
        stage.run()

    assert stage.world.row(ID)["status"] == "IN_PROGRESS"
    assert stage.desktops().keys() == {"teacher"}


def test_errors_of_the_table_are_raised_as_they_are(stage: Stage) -> None:
    stage.put_row()
    stage.world.fail("UpdateItem", "ProvisionedThroughputExceededException")

    with pytest.raises(Exception, match="ProvisionedThroughputExceededException"):
        stage.run()

    assert stage.desktops() == {}


def test_a_function_that_does_not_know_its_place_starts_nothing(stage: Stage) -> None:
    stage.put_row()

    with pytest.raises(ValueError, match="not the ARN of a Lambda function"):
        stage.launch().handle({"meeting_id": ID}, Context(60_000, invoked_function_arn=""))

    assert stage.desktops() == {}


# Rows that change under it, in the cloud in memory


@pytest.fixture
def cloud() -> Cloud:
    made = Cloud()
    made.put_row()
    return made


def test_a_row_that_changes_at_every_look_is_left_to_the_next_try(cloud: Cloud) -> None:
    def write(position: int) -> None:
        cloud.items[ID]["launch_lease"] = {"S": f"{position}"}

    run = Invocation(cloud, meanwhile=write)
    run.run()

    assert "kept changing; nothing was done" in str(run.error)
    assert cloud.machines == []


def test_a_row_that_is_removed_meanwhile_leaves_nothing_running(cloud: Cloud) -> None:
    def remove(position: int) -> None:
        if position == 7:
            cloud.items.clear()

    run = Invocation(cloud, meanwhile=remove)
    run.run()

    assert run.result
    assert run.result["action"] == "ended"
    assert run.result["reason"] == "its row was removed concurrently"
    assert run.result["ended"] == [cloud.machines[0].id]
    assert cloud.living() == []
    assert cloud.items == {}


def refuse_from(cloud: Cloud, started: int, code: str = "AuthFailure") -> None:
    """Let every zone refuse once so many desktops were started."""
    if len(cloud.machines) >= started:
        cloud.refusals = {zone: [code] for zone in ZONES}


def test_a_row_that_is_removed_before_giving_up_leaves_nothing_running(cloud: Cloud) -> None:
    def remove(position: int) -> None:
        refuse_from(cloud, 1)
        if position == 10:
            cloud.items.clear()

    run = Invocation(cloud, meanwhile=remove)
    run.run()

    assert type(run.error).__name__ == "LaunchFailedError"
    assert cloud.living() == []
    assert cloud.items == {}


def test_a_row_that_changes_while_giving_up_is_decided_upon_anew(cloud: Cloud) -> None:
    def write(position: int) -> None:
        refuse_from(cloud, 1)
        if position == 10:
            cloud.items[ID]["status"] = {"S": "DNS_WRITTEN"}

    run = Invocation(cloud, meanwhile=write)
    run.run()

    assert "the meeting was ended" in str(run.error)
    assert cloud.row()["status"] == "TERMINATED"


def test_somebody_who_comes_in_while_giving_up_stays_in(cloud: Cloud) -> None:
    def join(position: int) -> None:
        refuse_from(cloud, 1)
        if position == 10:
            cloud.items[ID]["status"] = {"S": "IN_PROGRESS"}

    run = Invocation(cloud, meanwhile=join)
    run.run()

    assert "somebody is in the meeting" in str(run.error)
    assert len(cloud.living()) == 1


def test_a_row_that_never_keeps_still_cannot_be_ended_now(cloud: Cloud) -> None:
    def write(position: int) -> None:
        refuse_from(cloud, 0)
        if position > 6:
            cloud.items[ID]["status"] = {"S": f"X{position}"}

    run = Invocation(cloud, meanwhile=write)
    run.run()

    assert "the row kept changing" in str(run.error)
    assert "termination_reason" not in cloud.row()


def test_one_desktop_that_ec2_does_not_end_keeps_no_other_one_running(cloud: Cloud) -> None:
    """The meeting was claimed while both were started; EC2 refuses to end the first."""

    def claim(position: int) -> None:
        if position == 10:
            cloud.items[ID]["termination_reason"] = {"S": "NO_SHOW_TIMEOUT"}

    run = Invocation(cloud, meanwhile=claim, fault_at=12, fault=BEFORE)
    run.run()

    assert run.calls[12:14] == ["terminate_instances", "terminate_instances"]
    assert type(run.error).__name__ == "TerminationError"
    assert cloud.living() == [cloud.machines[0].id]

    cloud.pass_time(60)
    Invocation(cloud, number=1).run()
    assert cloud.living() == []


def test_a_desktop_that_ec2_does_not_know_for_long_is_ended_by_the_next_try(cloud: Cloud) -> None:
    cloud.lag = 30

    def claim(position: int) -> None:
        if position == 7:
            cloud.items[ID]["termination_reason"] = {"S": "NO_SHOW_TIMEOUT"}

    run = Invocation(cloud, meanwhile=claim)
    run.run()

    assert type(run.error).__name__ == "LaunchDelayedError"
    assert f"cannot terminate {cloud.machines[0].id} yet" in str(run.error)

    cloud.pass_time(60)
    again = Invocation(cloud, number=1)
    again.run()
    assert again.result
    assert again.result["ended"] == [cloud.machines[0].id]
    assert cloud.living() == []


def test_a_lease_that_cannot_be_given_up_ends_by_itself(cloud: Cloud) -> None:
    """EC2 does not answer, and neither does DynamoDB when the run says that it failed."""
    first = Invocation(cloud, fault_at=6, fault=LOST)

    def go_on_failing(position: int) -> None:
        if position > 6:
            first.fault_at = position

    first.meanwhile = go_on_failing
    first.run()
    assert first.calls[7:] == ["update_item"]
    assert type(first.error).__name__ == "LaunchDelayedError"

    cloud.pass_time(60)
    second = Invocation(cloud, number=1)
    second.run()
    assert second.error is None
    assert len(cloud.machines) == 2


def test_who_holds_a_lease_is_random(stage: Stage) -> None:
    stage.put_row()
    stage.run()
    one = stage.world.row(ID)["launch_lease"]
    stage.put_row()
    stage.run()

    assert stage.world.row(ID)["launch_lease"].split()[1] != one.split()[1]

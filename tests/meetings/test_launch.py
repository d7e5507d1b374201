"""A schedule names a meeting; its desktops are started once, or it is ended with an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.clock import format_time, time_at
from chalicelib.meetings.launch import LaunchDelayedError, LaunchFailedError
from tests.meetings.ends import minutes
from tests.meetings.launches import (
    BEFORE,
    ID,
    LAUNCH_ARN,
    LOST,
    ZONES,
    Cloud,
    Invocation,
    at,
    make_launch,
    run_with,
)
from tests.world import Context, make_settings

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.world import World


class Stage:
    """A stage with meetings in moto's AWS."""

    def __init__(self, world: World, session: Session, **variables: str) -> None:
        self.world = world
        iam: Any = session.create_client("iam")
        iam.create_instance_profile(InstanceProfileName="elephant-test-desktop")
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

    def run(self, event: object = None, arn: str = LAUNCH_ARN) -> dict[str, Any]:
        """Run the function once, as a new execution environment would."""
        world = self.world
        launch = make_launch(
            self.settings,
            world.app_ec2,
            world.app_dynamodb,
            reporter=world.reports,
            clock=world.clock,
            sleep=world.pass_time,
        )
        context = Context(60_000, invoked_function_arn=arn)
        return launch.handle({"meeting_id": ID} if event is None else event, context)

    def put_row(self, starts: float = 10, /, **attributes: str) -> None:
        """Write a meeting that starts so many minutes from now."""
        start = format_time(time_at(self.world.clock()) + minutes(starts))
        self.world.put_row(ID, **{"status": "SCHEDULED", "meet_time": start} | attributes)

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


def test_a_meeting_that_is_due_gets_two_desktops_which_its_row_names(stage: Stage) -> None:
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
    assert (
        stage.world.row(ID).items()
        >= {
            "status": "LAUNCHED",
            "student_name": "Zoë",
            **{f"{role}_ec2_id": each for role, each in desktops.items()},
        }.items()
    )
    fields = {"request_id": Context().aws_request_id, **result}
    assert stage.world.reports.lines == [("succeeded", fields, {"Launched": 2, "Warnings": 0})]


def test_the_desktops_are_what_the_settings_ask_for(world: World, session: Session) -> None:
    world.ec2.create_key_pair(KeyName="mine")
    vpc = world.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = world.ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    more = {"INSTANCE_TYPE": "g4dn.xlarge", "KEY_NAME": "mine", "VOLUME_GB": "80", "VPC_ID": vpc}
    stage = Stage(world, session, **more)
    stage.put_row()

    stage.run()

    for role, desktop in stage.desktops().items():
        assert desktop["ImageId"] == stage.image
        assert desktop["InstanceType"] == "g4dn.xlarge"
        assert desktop["KeyName"] == "mine"
        assert desktop["SubnetId"] == subnet
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


def test_a_repeated_launch_changes_nothing(stage: Stage) -> None:
    stage.put_row()
    stage.run()
    row = stage.world.row(ID)
    stage.world.forget_calls()

    assert stage.run()["action"] == "unchanged"

    assert stage.world.aws_calls == ["GetItem"]
    assert stage.world.row(ID) == row
    assert len(stage.desktops()) == 2


def test_each_run_has_a_lease_of_its_own(stage: Stage) -> None:
    holders = set()
    for _ in range(2):
        stage.put_row()
        stage.run()
        holders.add(stage.world.row(ID)["launch_lease"].split()[1])

    assert len(holders) == 2


@pytest.mark.parametrize("meanwhile", [None, "DNS_WRITTEN"])
def test_a_row_that_has_its_desktops_becomes_launched_unless_it_is_further(
    stage: Stage, meanwhile: str | None
) -> None:
    """The watchdog may write between read and write."""
    desktops = {"teacher_ec2_id": "i-0123456789abcdef0", "student_ec2_id": "i-01234567"}
    stage.put_row(**desktops)
    if meanwhile:
        stage.world.meanwhile(
            "UpdateItem", lambda: stage.put_row(status=str(meanwhile), **desktops)
        )

    assert stage.run()["action"] == "unchanged"
    assert stage.world.row(ID)["status"] == (meanwhile or "LAUNCHED")


# What is not launched


@pytest.mark.parametrize("event", [{}, {"meeting_id": ""}, {"meeting_id": "x" * 57}, [], "m1"])
def test_an_event_that_names_no_meeting_is_ignored(stage: Stage, event: object) -> None:
    assert stage.run(event)["action"] == "ignored"
    assert stage.world.aws_calls == []


def test_an_unknown_meeting_gets_no_desktops_and_no_row(stage: Stage) -> None:
    assert stage.run() == {"action": "ignored", "reason": "no such meeting", "meeting_id": ID}
    assert stage.world.aws_calls == ["GetItem"]
    assert stage.world.rows() == []
    assert stage.world.reports.lines[0][2] == {"Ignored": 1, "Warnings": 0}


@pytest.mark.parametrize(
    ("starts", "reason"), [(12, "it is not due before"), (-180, "its longest time is over")]
)
def test_a_meeting_that_is_not_due_is_ignored_with_a_warning(
    stage: Stage, starts: float, reason: str
) -> None:
    stage.put_row(starts)

    result = stage.run()

    assert result["action"] == "ignored"
    assert result["reason"].startswith(reason)
    assert result["warnings"] == [result["reason"]]
    assert stage.desktops() == {}


def test_what_was_never_confirmed_as_a_meeting_gets_no_desktops(stage: Stage) -> None:
    """Its request died half-way: nobody has the links, unless the request is repeated."""
    stage.put_row(request_hash="0" * 64)

    with pytest.raises(LaunchDelayedError, match="was never confirmed"):
        stage.run()

    assert "RunInstances" not in stage.world.aws_calls
    assert "launch_lease" not in stage.world.row(ID)


@pytest.mark.parametrize(
    "more", [{"scheduled_at": "2026-11-21T15:00:00Z"}, {"status": "LAUNCHED"}], ids=str
)
def test_what_was_confirmed_or_has_begun_is_launched(stage: Stage, more: dict[str, str]) -> None:
    stage.put_row(request_hash="0" * 64, **more)

    assert stage.run()["action"] == "launched"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"status": "TERMINATED", "termination_reason": "SUCCESS"}, "the meeting is over: SUCCESS"),
        (
            {"status": "TERMINATED"},
            "its status is TERMINATED without a termination_reason: it is left to the safety net",
        ),
    ],
)
def test_a_meeting_that_is_over_gets_no_desktops(
    stage: Stage, row: dict[str, str], reason: str
) -> None:
    """Without a claim people may be in it, so nothing is ended either."""
    if "termination_reason" not in row:
        stage.world.desktop("teacher", ID)
    before = stage.desktops().keys()
    stage.put_row(**row)

    result = stage.run()

    assert (result["action"], result["reason"]) == ("ignored", reason)
    assert stage.desktops().keys() == before


def test_an_end_that_was_cut_short_is_completed(stage: Stage) -> None:
    stage.put_row(status="LAUNCHED", termination_reason="NO_SHOW_TIMEOUT")
    desktop = stage.world.desktop("teacher", ID)

    result = stage.run()

    assert (result["action"], result["ended"]) == ("ended", [desktop])
    assert stage.desktops() == {}
    assert stage.world.row(ID)["status"] == "TERMINATED"
    assert stage.world.reports.lines[0][2] == {"Ended": 1, "Warnings": 0}


# What fails


def test_what_may_pass_is_left_to_lambdas_next_try(stage: Stage) -> None:
    stage.put_row()
    stage.world.fail("RunInstances", "VcpuLimitExceeded")

    with pytest.raises(LaunchDelayedError, match=r"not launched yet: .*VcpuLimitExceeded"):
        stage.run()

    ((said, fields, counts),) = stage.world.reports.lines
    assert said.startswith("failed: not launched yet")
    assert (fields["meeting_id"], counts) == (ID, {"Failed": 1})
    assert stage.world.row(ID)["status"] == "SCHEDULED"
    stage.world.recover()
    stage.world.pass_time(60)
    assert stage.run()["action"] == "launched"


@pytest.mark.parametrize("starts", [10, -10, -50], ids="{} minutes".format)
def test_what_does_not_pass_ends_the_meeting_with_the_third_try_however_late_the_first(
    stage: Stage, starts: float
) -> None:
    stage.put_row(starts)
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
def test_what_a_retry_cannot_fix_ends_the_meeting_at_once(
    stage: Stage, operation: str, code: str
) -> None:
    stage.put_row()
    stage.world.fail(operation, code)

    with pytest.raises(LaunchFailedError, match=code):
        stage.run()

    assert stage.world.row(ID)["termination_reason"] == "LAUNCH_FAILED"
    assert stage.desktops() == {}


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
        stage.run(arn="")

    assert stage.desktops() == {}


# Rows that change under it, in the cloud in memory


def test_a_row_that_changes_at_every_look_is_left_to_the_next_try(cloud: Cloud) -> None:
    def write(position: int) -> None:
        cloud.items[ID]["launch_lease"] = {"S": f"{position}"}

    assert "kept changing; nothing was done" in run_with(cloud, write).failure
    assert cloud.machines == []


def test_a_row_that_is_removed_meanwhile_leaves_nothing_running(cloud: Cloud) -> None:
    run = run_with(cloud, at(7, cloud.items.clear))

    assert run.outcome == {
        "action": "ended",
        "reason": "its row was removed concurrently",
        "meeting_id": ID,
        "ended": [cloud.machines[0].id],
    }
    assert cloud.living() == []
    assert cloud.items == {}


def give_up(cloud: Cloud, meanwhile: dict[int, dict[str, str] | None]) -> Invocation:
    """Refuse the second desktop; the row is then changed before calls, or removed."""

    def change(position: int) -> None:
        if cloud.machines:
            cloud.refusals = {zone: ["AuthFailure"] for zone in ZONES}
        texts = meanwhile.get(position, {})
        if texts is None:
            cloud.items.clear()
        else:
            cloud.items.get(ID, {}).update({name: {"S": text} for name, text in texts.items()})

    return run_with(cloud, change)


@pytest.mark.parametrize("position", [10, 11])
@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({}, ("the meeting was ended", "TERMINATED", 0)),
        ({"status": "DNS_WRITTEN"}, ("the meeting was ended", "TERMINATED", 0)),
        ({"status": "IN_PROGRESS"}, ("somebody is in the meeting", "IN_PROGRESS", 1)),
        (None, ("the meeting was ended", None, 0)),
    ],
    ids=["nothing", "another status", "somebody joins", "the row is removed"],
)
def test_giving_up_depends_on_the_row_as_it_is_by_then(
    cloud: Cloud, position: int, change: dict[str, str] | None, end: tuple[str, str | None, int]
) -> None:
    """Before the row is read, and between the read and the claim."""
    run = give_up(cloud, {position: change})

    failure, status, living = end
    assert run.failure.startswith("LaunchFailedError: ")
    assert failure in run.failure
    assert cloud.row().get("status") == status
    assert len(cloud.living()) == living


def test_a_row_that_never_keeps_still_cannot_be_ended_now(cloud: Cloud) -> None:
    changes: dict[int, dict[str, str] | None] = {
        position: {"status": f"X{position}"} for position in range(10, 30)
    }

    assert "the row kept changing" in give_up(cloud, changes).failure
    assert "termination_reason" not in cloud.row()


def claim(cloud: Cloud) -> None:
    cloud.items[ID]["termination_reason"] = {"S": "NO_SHOW_TIMEOUT"}


def test_one_desktop_that_ec2_does_not_end_keeps_no_other_one_running(cloud: Cloud) -> None:
    """The meeting was claimed while both were started; EC2 refuses to end the first."""
    run = run_with(cloud, at(10, lambda: claim(cloud)), fault_at=12, fault=BEFORE)

    assert run.calls[12:14] == ["terminate_instances", "terminate_instances"]
    assert run.failure.startswith("TerminationError")
    assert cloud.living() == [cloud.machines[0].id]
    cloud.pass_time(60)
    Invocation(cloud, number=1).run()
    assert cloud.living() == []


def test_a_desktop_that_ec2_does_not_know_for_long_is_ended_by_the_next_try(cloud: Cloud) -> None:
    cloud.lag = 30
    run = run_with(cloud, at(7, lambda: claim(cloud)))
    (desktop,) = cloud.living()
    assert run.failure.startswith(f"LaunchDelayedError: cannot terminate {desktop} yet")

    cloud.pass_time(60)
    again = Invocation(cloud, number=1)
    again.run()

    assert again.outcome["ended"] == [desktop]
    assert cloud.living() == []


def test_a_lease_that_cannot_be_given_up_ends_by_itself(cloud: Cloud) -> None:
    """EC2 does not answer, and neither does DynamoDB when the run ends its lease."""
    first = Invocation(cloud, fault_at=6, fault=LOST)

    def go_on_failing(position: int) -> None:
        if position > 6:
            first.fault_at = position

    first.meanwhile = go_on_failing
    first.run()
    assert first.calls[7:] == ["update_item"]
    assert first.failure.startswith("LaunchDelayedError")

    cloud.pass_time(60)
    second = Invocation(cloud, number=1)
    second.run()

    assert second.error is None
    assert len(cloud.machines) == 2

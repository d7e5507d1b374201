"""What is there already is found again, zones are tried in turn, and the row is told of each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.meetings.launches import (
    AMI,
    ID,
    LAUNCH_ARN,
    NO_ROOM,
    ZONES,
    Cloud,
    Invocation,
    Machine,
)
from tests.world import Context

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def cloud() -> Cloud:
    made = Cloud()
    made.put_row()
    return made


def put_desktop(cloud: Cloud, number: int, role: str = "teacher", **tags: str) -> str:
    """Let there be a desktop that a launch did not note, or a person started."""
    every = {"MeetingID": ID, "Role": role, "Project": "Elephant"} | tags
    listed = [{"Key": key, "Value": value} for key, value in every.items()]
    request = {"TagSpecifications": [{"ResourceType": "instance", "Tags": listed}]}
    launched_at = datetime.fromtimestamp(cloud.now - 100 + number, UTC)
    machine = Machine(f"i-{number + 100:017x}", "z", request, launched_at)
    cloud.machines.append(machine)
    return machine.id


def ran(cloud: Cloud, meanwhile: Callable[[int], object] = lambda _: None) -> Invocation:
    """Run once, without an error."""
    run = Invocation(cloud, meanwhile=meanwhile)
    run.run()
    assert run.error is None, run.error
    return run


def failed(cloud: Cloud, meanwhile: Callable[[int], object] = lambda _: None) -> str:
    """Run once, and return how it failed."""
    run = Invocation(cloud, meanwhile=meanwhile)
    run.run()
    assert run.error is not None
    return f"{type(run.error).__name__}: {run.error}"


def asked_in(cloud: Cloud, role: str = "teacher") -> str:
    return cloud.row()[f"{role}_subnet_id"].removeprefix("subnet-")


def test_a_desktop_that_the_row_was_not_told_of_is_found_by_its_tags(cloud: Cloud) -> None:
    desktop = put_desktop(cloud, 1, "student")

    run = ran(cloud)

    assert run.calls.count("run_instances") == 1
    assert cloud.row()["student_ec2_id"] == desktop
    assert cloud.row()["status"] == "LAUNCHED"
    assert cloud.started() == {"teacher": 1, "student": 1}


def test_with_both_found_nothing_is_asked_of_images_and_subnets(cloud: Cloud) -> None:
    put_desktop(cloud, 1, "student")
    put_desktop(cloud, 2, "teacher")

    run = ran(cloud)

    assert not {"describe_images", "describe_subnets", "run_instances"} & set(run.calls)
    assert cloud.row()["status"] == "LAUNCHED"


@pytest.mark.parametrize("other", [{"MeetingID": "m2"}, {"Project": "Other"}, {"Role": "Teacher"}])
def test_what_is_no_desktop_of_the_role_is_not_taken_for_one(
    cloud: Cloud, other: dict[str, str]
) -> None:
    put_desktop(cloud, 1, **other)

    run = ran(cloud)

    assert run.calls.count("run_instances") == 2


def test_of_several_desktops_of_a_role_the_oldest_is_noted_and_a_person_told(cloud: Cloud) -> None:
    newer, oldest = put_desktop(cloud, 2), put_desktop(cloud, 1)

    run = ran(cloud)

    assert cloud.row()["teacher_ec2_id"] == oldest
    assert run.result
    assert run.result["warnings"] == [f"teacher has other desktops, left alone: {newer}"]
    assert newer in cloud.living("teacher")


def test_a_role_that_is_noted_is_left_alone(cloud: Cloud) -> None:
    """Its desktop may have been shut down by the one who used it."""
    cloud.put_row(teacher_ec2_id="i-0123456789abcdef0", status="IN_PROGRESS")

    ran(cloud)

    assert cloud.started() == {"student": 1}
    assert cloud.row()["teacher_ec2_id"] == "i-0123456789abcdef0"
    assert cloud.row()["status"] == "IN_PROGRESS"


# Zones


@pytest.mark.parametrize("code", [NO_ROOM, "Unsupported", "InsufficientFreeAddressesInSubnet"])
def test_the_next_zone_is_tried_when_one_takes_no_desktop(cloud: Cloud, code: str) -> None:
    full = {zone: [code] for zone in ZONES}
    for zone in ZONES:
        cloud.refusals = {each: codes for each, codes in full.items() if each != zone}
        cloud.put_row(zone)
        cloud.machines.clear()
        run = Invocation(cloud)
        run.run({"meeting_id": zone})

        assert [each.zone for each in cloud.machines] == [zone, zone]


def test_each_role_is_tried_in_the_same_order(cloud: Cloud) -> None:
    cloud.refusals = {zone: [NO_ROOM, NO_ROOM, ""] for zone in ZONES}

    error = failed(cloud)

    assert error.startswith("LaunchDelayedError: not launched yet: no Availability Zone has")
    assert error.count(NO_ROOM) == 3


@pytest.mark.parametrize("code", ["VcpuLimitExceeded", "RequestLimitExceeded"])
def test_a_limit_of_the_region_is_not_tried_in_the_next_zone(cloud: Cloud, code: str) -> None:
    cloud.refusals = {zone: [code] for zone in ZONES}
    run = Invocation(cloud)
    run.run()

    assert type(run.error).__name__ == "LaunchDelayedError"
    assert run.calls.count("run_instances") == 1
    assert cloud.row()["status"] == "SCHEDULED"


def test_a_type_that_no_zone_has_is_never_started(cloud: Cloud) -> None:
    cloud.refusals = {zone: ["Unsupported"] for zone in ZONES}

    assert failed(cloud).startswith("LaunchFailedError")
    assert cloud.row()["termination_reason"] == "LAUNCH_FAILED"


@pytest.mark.parametrize("zone", ZONES)
def test_a_type_that_one_zone_has_is_tried_again_while_that_is_full(
    cloud: Cloud, zone: str
) -> None:
    cloud.refusals = {each: ["Unsupported"] for each in ZONES} | {zone: [NO_ROOM]}

    assert failed(cloud).startswith("LaunchDelayedError")
    assert cloud.row()["status"] == "SCHEDULED"


def test_without_an_address_anywhere_it_is_tried_again(cloud: Cloud) -> None:
    full = {"SubnetId": "subnet-a", "AvailabilityZone": "a", "AvailableIpAddressCount": 0}
    cloud.describe_subnets = lambda _: {"Subnets": [full]}  # type: ignore[method-assign]

    assert "no subnet has a free address" in failed(cloud)


def test_where_a_desktop_may_have_been_started_it_is_asked_for_again(cloud: Cloud) -> None:
    """Also when EC2 does not list it yet, and a zone that is tried before has room by now."""
    cloud.lag = 1000
    run = Invocation(cloud)
    run.run()
    (first, *others) = [zone for zone in ZONES if zone != asked_in(cloud)]
    for role in ("teacher", "student"):
        del cloud.items[ID][f"{role}_ec2_id"]
    cloud.pass_time(100)

    ran(cloud)

    assert cloud.started() == {"teacher": 1, "student": 1}
    assert asked_in(cloud) not in {first, *others}


def test_a_desktop_that_ended_before_it_was_noted_is_replaced_in_another_zone(
    cloud: Cloud,
) -> None:
    Invocation(cloud).run()
    for machine in cloud.machines:
        machine.state = "terminated"
    before = asked_in(cloud)
    for role in ("teacher", "student"):
        del cloud.items[ID][f"{role}_ec2_id"]
    cloud.pass_time(100)

    ran(cloud)

    assert asked_in(cloud) != before
    assert len(cloud.living("teacher")) == len(cloud.living("student")) == 1


# A token that was used with other settings


def change_settings(cloud: Cloud) -> None:
    """Have the same tokens used otherwise, as before a change of settings."""
    Invocation(cloud).run()
    for role in ("teacher", "student"):
        del cloud.items[ID][f"{role}_ec2_id"]
    image = cloud.describe_images({"ImageIds": [AMI]})["Images"][0]
    image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] = 1000
    cloud.describe_images = lambda request: {"Images": [image]}  # type: ignore[method-assign]  # noqa: ARG005
    cloud.pass_time(30)


def test_what_the_token_started_with_other_settings_is_found(cloud: Cloud) -> None:
    change_settings(cloud)
    cloud.lag = 60

    def show(_: int) -> None:
        if "run_instances" in run.calls:
            cloud.lag = 0

    run = Invocation(cloud, meanwhile=show)
    run.run()

    assert run.error is None
    assert cloud.started() == {"teacher": 1, "student": 1}
    assert cloud.row()["teacher_ec2_id"] in cloud.living("teacher")


def test_what_the_token_started_and_ec2_does_not_show_is_waited_for(cloud: Cloud) -> None:
    change_settings(cloud)
    cloud.lag = 60

    error = failed(cloud)

    assert error.startswith("LaunchDelayedError")
    assert "IdempotentParameterMismatch" in error
    assert "EC2 does not show it yet" in error


# The row


def test_others_may_write_the_row_meanwhile(cloud: Cloud) -> None:
    """The watchdog tells it of an address while the second desktop is started."""

    def write(position: int) -> None:
        if position == 10:
            cloud.items[ID] |= {"teacher_ec2_link": {"S": "x"}, "status": {"S": "DNS_WRITTEN"}}

    ran(cloud, write)

    assert cloud.row()["status"] == "DNS_WRITTEN"
    assert cloud.row()["teacher_ec2_link"] == "x"
    assert cloud.row()["student_ec2_id"] in cloud.living("student")


def test_a_row_that_never_keeps_still_is_tried_again_later(cloud: Cloud) -> None:
    def write(position: int) -> None:
        cloud.items[ID]["status"] = {"S": f"X{position}"}

    assert "LaunchDelayedError" in failed(cloud, write)

    def write_later(position: int) -> None:
        if position > 5:
            write(position)

    cloud.pass_time(100)
    assert "kept changing; nothing was written" in failed(cloud, write_later)


def test_a_run_whose_lease_was_taken_starts_nothing_more(cloud: Cloud) -> None:
    def take(position: int) -> None:
        if position == 5:
            cloud.items[ID]["launch_lease"] = {"S": "2026-11-21T15:30:00+00:00 other"}

    assert "another run took over" in failed(cloud, take)
    assert cloud.machines == []


def test_a_desktop_is_ended_if_the_row_notes_another_one_meanwhile(cloud: Cloud) -> None:
    noted = "i-0123456789abcdef0"

    def note(position: int) -> None:
        if position == 7:
            cloud.items[ID]["teacher_ec2_id"] = {"S": noted}

    run = ran(cloud, note)

    assert cloud.row()["teacher_ec2_id"] == noted
    assert cloud.living("teacher") == []
    assert len(cloud.living("student")) == 1
    assert run.result
    assert run.result["warnings"] == [
        f"the row names {noted} as the teacher's desktop, not {cloud.machines[0].id}"
    ]


def test_a_desktop_that_was_found_runs_on_if_the_row_notes_another_one_meanwhile(
    cloud: Cloud,
) -> None:
    """A person may have started both."""
    found = put_desktop(cloud, 1)

    def note(position: int) -> None:
        if position == 3:
            cloud.items[ID]["teacher_ec2_id"] = {"S": "i-0123456789abcdef0"}

    run = ran(cloud, note)

    assert found in cloud.living("teacher")
    assert run.result
    assert len(run.result["warnings"]) == 1


def test_no_desktop_is_asked_for_with_too_little_time_left(cloud: Cloud) -> None:
    run = Invocation(cloud)
    context: Any = Context(8_000, invoked_function_arn=LAUNCH_ARN)
    run.run(context=context)

    assert type(run.error).__name__ == "OutOfTimeError"
    assert cloud.machines == []

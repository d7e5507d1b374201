"""Desktops that exist are found again, zones are tried in turn, and the row names each desktop."""

from __future__ import annotations

import pytest

from chalicelib.meeting_row.meeting import ROLES
from tests.meetings.launches import ID, LAUNCH_ARN, Cloud, launch
from tests.simulation.ec2 import NO_ROOM, ZONES
from tests.world import Context

NOTED = "i-0123456789abcdef0"


def forget_desktops(cloud: Cloud) -> None:
    """Remove both desktops from the row, as if they had not been recorded."""
    for role in ROLES:
        del cloud.items[ID][f"{role}_ec2_id"]
    cloud.pass_time(100)


# What exists already


@pytest.mark.parametrize("roles", [("student",), ROLES])
def test_desktops_that_were_not_recorded_are_found_by_their_tags(
    cloud: Cloud, roles: tuple[str, ...]
) -> None:
    found = {role: cloud.put_desktop(role, number) for number, role in enumerate(roles)}

    calls = launch(cloud).calls

    missing = len(ROLES) - len(roles)
    asked = [calls.count(each) for each in ("describe_images", "describe_subnets", "run_instances")]
    assert asked == [missing] * 3
    assert cloud.row().items() >= {f"{role}_ec2_id": each for role, each in found.items()}.items()
    assert cloud.row()["status"] == "LAUNCHED"
    assert cloud.started_by_role() == {"teacher": 1, "student": 1}


def test_of_several_desktops_of_a_role_the_oldest_is_recorded_with_a_warning(cloud: Cloud) -> None:
    newer, oldest = cloud.put_desktop(number=2), cloud.put_desktop(number=1)

    outcome = launch(cloud).outcome

    assert cloud.row()["teacher_ec2_id"] == oldest
    assert outcome["warnings"] == [f"teacher has other desktops, left alone: {newer}"]
    assert newer in cloud.living("teacher")


# Zones


@pytest.mark.parametrize(
    ("codes", "failure", "tries"),
    [
        ([NO_ROOM, NO_ROOM, NO_ROOM], "Delayed", 3),
        (["Unsupported", "Unsupported", "Unsupported"], "Failed", 3),
        ([NO_ROOM, "Unsupported", "Unsupported"], "Delayed", 3),
        (["Unsupported", NO_ROOM, "Unsupported"], "Delayed", 3),
        (["Unsupported", "Unsupported", NO_ROOM], "Delayed", 3),
        (["VcpuLimitExceeded"] * 3, "Delayed", 1),
        (["RequestLimitExceeded"] * 3, "Delayed", 1),
    ],
)
def test_a_type_that_no_zone_has_ends_the_meeting_and_anything_else_is_tried_again(
    cloud: Cloud, codes: list[str], failure: str, tries: int
) -> None:
    """A limit of the region is not tried in the next zone."""
    cloud.refusals = {subnet: [code] for subnet, code in zip(ZONES, codes, strict=True)}

    failed = launch(cloud)

    assert failed.failure.startswith(f"Launch{failure}Error: not launched")
    assert sum(failed.failure.count(code) for code in set(codes)) == tries
    assert failed.calls.count("run_instances") == tries
    assert cloud.row()["status"] == ("SCHEDULED" if failure == "Delayed" else "TERMINATED")
    ((said, fields, counts),) = cloud.reports.lines
    assert said.startswith("failed: not launched")
    assert (fields["meeting_id"], counts) == (ID, {"Failed": 1})


def test_without_an_address_anywhere_it_is_tried_again(cloud: Cloud) -> None:
    cloud.subnets = [cloud.subnets[0] | {"AvailableIpAddressCount": 0}]

    assert "no subnet has a free address" in launch(cloud).failure


@pytest.mark.parametrize("state", ["running", "terminated"])
def test_where_a_desktop_may_have_been_started_it_is_asked_for_again(
    cloud: Cloud, state: str
) -> None:
    """Also if EC2 does not list it yet; one that has ended is replaced in another zone."""
    cloud.lag = 1000 if state == "running" else 0
    launch(cloud)
    before = cloud.row()["teacher_subnet_id"]
    for host in cloud.hosts.values():
        cloud.change(host, state=state)
    forget_desktops(cloud)

    launch(cloud)

    assert (cloud.row()["teacher_subnet_id"] == before) is (state == "running")
    assert [len(cloud.living(role)) for role in ROLES] == [1, 1]
    assert len(cloud.hosts) == (2 if state == "running" else 4)


@pytest.mark.parametrize("is_shown", [True, False])
def test_what_a_token_started_with_other_settings_is_found_or_waited_for(
    cloud: Cloud, *, is_shown: bool
) -> None:
    launch(cloud)
    cloud.volume_gb = 1000
    forget_desktops(cloud)
    cloud.lag = 1000
    show = {6: lambda: setattr(cloud, "lag", 0)}  # after the request

    again = launch(cloud, meanwhile=show if is_shown else {})

    assert cloud.started_by_role() == {"teacher": 1, "student": 1}
    if is_shown:
        assert cloud.row()["teacher_ec2_id"] in cloud.living("teacher")
    else:
        assert again.failure.startswith("LaunchDelayedError")
        assert "IdempotentParameterMismatch" in again.failure
        assert "EC2 does not show it yet" in again.failure


# The row


def test_a_run_whose_lease_was_taken_starts_nothing_more(cloud: Cloud) -> None:
    lease = "2026-11-21T15:30:00+00:00 other"

    run = launch(cloud, meanwhile={7: lambda: cloud.change_row(launch_lease=lease)})

    assert "another run took over" in run.failure
    assert cloud.hosts == {}


@pytest.mark.parametrize("is_found", [False, True])
def test_a_desktop_is_ended_if_the_row_names_another_one_by_then_unless_it_was_found(
    cloud: Cloud, *, is_found: bool
) -> None:
    """A person may have started both."""
    found = [cloud.put_desktop()] if is_found else []
    note = {5 if is_found else 9: lambda: cloud.change_row(teacher_ec2_id=NOTED)}

    run = launch(cloud, meanwhile=note)

    assert cloud.row()["teacher_ec2_id"] == NOTED
    assert cloud.living("teacher") == found
    assert len(cloud.living("student")) == 1
    assert run.outcome["warnings"] == [
        f"the row names {NOTED} as the teacher's desktop, not {next(iter(cloud.hosts))}"
    ]


def test_no_desktop_is_asked_for_with_too_little_time_left(cloud: Cloud) -> None:
    context = Context(8_000, invoked_function_arn=LAUNCH_ARN)

    assert launch(cloud, context=context).failure.startswith("OutOfTimeError")
    assert cloud.hosts == {}


def test_a_row_without_the_apis_address_starts_its_desktops_with_a_warning(cloud: Cloud) -> None:
    """A meeting that a former release booked."""
    cloud.put_row(api_url="")
    (warning,) = launch(cloud).outcome["warnings"]
    assert warning.startswith("the row has no api_url")
    assert len(cloud.living()) == 2

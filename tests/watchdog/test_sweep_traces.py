"""What a sweep must not forget: a record may be all that still leads to a meeting's row.

Its row is told before it goes, and a run that dies in between is finished by the next.
"""

from __future__ import annotations

import pytest

from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from localcloud.cloudflare import Fault, FaultKind, When
from tests.transports import Noting
from tests.world import DOMAIN, OWNER, Context, World, link

CONTEXT = Context()
UNKNOWN = "i-0123456789abcdef0"
FORGOTTEN = "i-0fedcba9876543210"
KEYS = ("Project", "MeetingID", "Role")


def last_trace(world: World, kind: str) -> None:
    """Make a record whose comment alone names the meeting."""
    if kind == "unknown":
        instance_id = UNKNOWN
    else:
        instance_id = world.desktop()
        if kind == "ended":
            world.terminate(instance_id)
        world.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": key} for key in KEYS])
    world.put_own(instance_id)
    world.put_row(status="HEALTHY", teacher_ec2_link=link(instance_id))
    world.pass_time()


@pytest.mark.parametrize("kind", ["unknown", "ended", "untagged"])
def test_a_last_trace_goes_after_the_row_was_told(world: World, kind: str) -> None:
    last_trace(world, kind)

    world.sweep(transport=Noting(world.aws_calls)).handle(CONTEXT)

    assert world.aws_calls[-2] == "UpdateItem"
    assert world.aws_calls[-1].startswith("DELETE ")
    assert world.row() == {"status": "TERMINATED" if kind == "ended" else "HEALTHY"}
    assert world.standing() == []


@pytest.mark.parametrize("kind", ["unknown", "ended", "untagged"])
def test_a_last_trace_stays_while_the_row_cannot_be_told(world: World, kind: str) -> None:
    last_trace(world, kind)
    other = world.launch()
    before = world.records()
    world.fail("UpdateItem", "InternalServerError")

    with pytest.raises(RowsNotUpdatedError):
        world.swept()

    assert [each for each in world.records() if each in before] == list(before)
    assert f"{other}.{DOMAIN}" in [name for name, _, _ in world.standing()]
    world.recover()
    world.swept()
    assert "teacher_ec2_link" not in world.row()
    assert len(world.records()) == 1


def test_a_last_trace_stays_while_others_change_the_row(world: World) -> None:
    last_trace(world, "ended")
    row = {"status": "IN_PROGRESS", "teacher_ec2_link": world.row()["teacher_ec2_link"]}
    world.meanwhile("UpdateItem", lambda: world.put_row(**row))

    result = world.swept()

    assert result["skipped"] == 1
    assert (len(world.records()), world.row()) == (1, row)
    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 1, "rows": 1}
    assert (world.records(), world.row()) == ((), {"status": "TERMINATED"})


def test_a_last_trace_without_a_row_or_of_a_row_that_knows_already_just_goes(world: World) -> None:
    world.put_own("i-00000001", meeting="none")
    world.put_own("i-00000002", meeting="told")
    world.put_row("told", status="TERMINATED")
    world.pass_time()

    result = world.swept()

    assert result["done"] == {"created": 0, "updated": 0, "deleted": 2, "rows": 0}
    assert world.rows() == ["told"]


def test_a_run_that_dies_between_row_and_record_is_finished_by_the_next(world: World) -> None:
    last_trace(world, "unknown")
    world.cloudflare.faults.add(Fault(FaultKind.DROP, method="DELETE"))

    first = world.swept()
    assert (first["done"]["rows"], first["done"]["deleted"]) == (1, 0)
    assert len(world.records()) == 1

    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 1, "rows": 0}


def test_a_run_that_dies_between_record_and_row_is_finished_by_the_next(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.desktop()
    world.cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))

    assert world.swept()["done"]["rows"] == 0
    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 1}


# More than one trace, and traces of more than one


def test_each_meeting_that_a_record_of_a_gone_instance_names_is_told(world: World) -> None:
    for last, meeting in enumerate(["m1", "m2"], start=1):
        world.put_own(UNKNOWN, f"192.0.2.{last}", meeting)
        world.put_row(meeting, status="HEALTHY", teacher_ec2_link=link(UNKNOWN))
    world.pass_time()

    for _ in range(3):
        world.swept()

    assert world.records() == ()
    assert "teacher_ec2_link" not in world.row("m1")
    assert "teacher_ec2_link" not in world.row("m2")


def test_the_meeting_that_a_record_under_an_older_domain_names_is_told(world: World) -> None:
    world.put_record(f"{UNKNOWN}.old.example.com", comment=f"{OWNER} m=m1 r=teacher")
    old_link = f"https://{UNKNOWN}.old.example.com:8443"
    world.put_row(status="HEALTHY", teacher_ec2_link=old_link)
    world.pass_time()

    for _ in range(3):
        world.swept()

    assert world.records() == ()
    assert "teacher_ec2_link" not in world.row()


def both_forgotten(world: World) -> None:
    """Make a meeting whose desktops EC2 has forgotten: one has its record, one only its link."""
    world.put_own(UNKNOWN)
    world.put_row(
        status="HEALTHY", teacher_ec2_link=link(UNKNOWN), student_ec2_link=link(FORGOTTEN)
    )
    world.pass_time()


def test_links_to_forgotten_desktops_go_and_the_status_stays(world: World) -> None:
    """EC2 never showed their end, and TERMINATED is final."""
    both_forgotten(world)

    for _ in range(3):
        world.swept()

    assert world.records() == ()
    assert world.row() == {"status": "HEALTHY"}


def test_the_record_that_leads_to_a_link_left_behind_stays_until_the_link_is_gone(
    world: World,
) -> None:
    world.put_own(UNKNOWN)
    world.put_row(status="HEALTHY", student_ec2_link=link(FORGOTTEN))
    world.pass_time()
    world.fail("UpdateItem", "InternalServerError")
    with pytest.raises(RowsNotUpdatedError):
        world.swept()

    world.recover()
    for _ in range(3):
        world.swept()

    assert world.records() == ()
    assert "student_ec2_link" not in world.row()


def test_a_wrong_role_in_a_comment_does_not_cost_a_running_desktop_its_link(world: World) -> None:
    instance_id = world.desktop("student")
    world.put_own(instance_id, world.address(instance_id), role="teacher")
    row = {"status": "HEALTHY", "student_ec2_link": link(instance_id)}
    world.put_row(**row)
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, method="PATCH"))

    world.swept()

    assert world.row() == row
    assert world.aws_calls.count("UpdateItem") == 0


def test_a_desktop_that_lost_only_the_projects_tag_leaves_no_link(world: World) -> None:
    instance_id = world.desktop()
    world.put_own(instance_id, world.address(instance_id))
    world.put_row(status="HEALTHY", teacher_ec2_link=link(instance_id))
    world.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": "Project"}])
    world.fail("UpdateItem", "InternalServerError")
    with pytest.raises(RowsNotUpdatedError):
        world.swept()

    world.recover()
    for _ in range(3):
        world.swept()

    assert world.records() == ()
    assert world.row() == {"status": "HEALTHY"}


def test_a_running_desktop_that_was_given_to_another_meeting_leaves_no_link(world: World) -> None:
    instance_id = world.desktop(meeting="m2")
    world.put_own(instance_id, world.address(instance_id), meeting="m1")
    world.put_row("m1", status="HEALTHY", teacher_ec2_link=link(instance_id))
    world.put_row("m2", status="LAUNCHED")
    world.fail("UpdateItem", "InternalServerError")
    with pytest.raises(RowsNotUpdatedError):
        world.swept()
    assert world.standing()[0][2] == f"{OWNER} m=m1 r=teacher"

    world.recover()
    world.swept()

    assert world.standing()[0][2] == f"{OWNER} m=m2 r=teacher"
    assert world.row("m1") == {"status": "HEALTHY"}
    assert world.row("m2") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(instance_id)}


def test_a_link_goes_with_the_record_though_the_record_names_no_meeting(world: World) -> None:
    """The comment of a long meeting names none."""
    world.put_own(FORGOTTEN, meeting=None)
    both_forgotten(world)

    for _ in range(3):
        world.swept()

    assert world.records() == ()
    assert world.row() == {"status": "HEALTHY"}


def test_a_link_to_a_stopped_desktop_that_lost_its_meetings_tags_goes(world: World) -> None:
    student = world.desktop("student")
    world.put_own(student, world.address(student), role="student")
    stopped = world.launch()
    world.ec2.stop_instances(InstanceIds=[stopped])
    row = {"status": "HEALTHY", "student_ec2_link": link(student)}
    world.put_row(**row, teacher_ec2_link=link(stopped))

    world.swept()

    assert world.row() == row

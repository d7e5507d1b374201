"""Updating a row: rivals are looked at, and a row that others change is decided upon again."""

from __future__ import annotations

import pytest

from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop
from chalicelib.meeting_row.meeting import Assignment
from chalicelib.step import Steps
from chalicelib.watchdog.row_update import Rows
from tests.changes import Inline
from tests.world import OWNER, World, link, make_settings

TAG = make_settings().project_tag


def test_a_row_that_was_changed_is_decided_upon_again(world: World) -> None:
    """What the other desktop's health check wrote must not be undone."""
    instance_id = world.launched()
    world.meanwhile("UpdateItem", lambda: world.put_row(status="HEALTHY"))

    assert world.handle(instance_id)["meeting"] == "teacher_ec2_link set"

    assert world.row() == {"status": "HEALTHY", "teacher_ec2_link": link(instance_id)}
    assert world.aws_calls.count("GetItem") == 2


def test_a_replaced_desktop_does_not_take_the_link_back(world: World) -> None:
    older, younger = world.two_in_a_role()
    world.put_row(status="DNS_WRITTEN", teacher_ec2_link=link(younger))

    result = world.handle(older)

    assert result["meeting"] == f"{younger} has the role of teacher"
    assert world.row()["teacher_ec2_link"] == link(younger)
    assert sorted(world.aws_calls) == [*["DescribeInstances"] * 2, "GetItem", "GetSecretValue"]


@pytest.mark.parametrize("ends", ["older", "younger"])
@pytest.mark.parametrize("is_noted", [False, True])
def test_when_one_of_two_desktops_ends_the_other_has_the_link_at_once(
    world: World, ends: str, *, is_noted: bool
) -> None:
    """No other event follows. It does not matter which one the row notes, or which one ends."""
    older, younger = world.two_in_a_role()
    ending, staying = (older, younger) if ends == "older" else (younger, older)
    world.put_row(status="LAUNCHED", **({"teacher_ec2_id": ending} if is_noted else {}))
    world.handle(staying)
    world.handle(ending)
    if is_noted:
        assert world.row()["teacher_ec2_link"] == link(ending)
    world.terminate(ending)

    assert world.handle(ending, "shutting-down")["action"] == "deleted"

    assert (world.row()["status"], world.row()["teacher_ec2_link"]) == (
        "DNS_WRITTEN",
        link(staying),
    )


def test_of_two_desktops_that_end_at_once_the_second_ends_the_meeting(world: World) -> None:
    """Each sees the other's link; whoever writes second must see that it is gone by now."""
    teacher, student = world.serving("teacher"), world.desktop("student")
    world.put_row(status="HEALTHY", teacher_ec2_link=link(teacher), student_ec2_link=link(student))
    rows = Rows(world.meetings(), world.instances())
    steps = Steps(Inline(), world.deadline())  # each read is over when it has begun

    def ended(instance_id: str, role: str) -> Desktop:
        assignment, to = Assignment("m1", role), link(instance_id)
        return Desktop(instance_id, assignment, Presence.ENDED, to, None, TAG, OWNER)

    finish_first = rows.begin(ended(teacher, "teacher"), steps)
    finish_second = rows.begin(ended(student, "student"), steps)  # both still run
    world.terminate(teacher, student)

    finish_first()
    finish_second()

    assert world.row() == {"status": "TERMINATED"}

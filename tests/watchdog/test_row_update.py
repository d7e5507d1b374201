"""Updating a row: rivals are looked at, and a row that others change is decided upon again."""

from __future__ import annotations

import pytest

from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop
from chalicelib.meeting_row.meeting import Assignment, Meeting, MeetingChange
from chalicelib.meeting_row.table import Meetings, RowChangedError
from chalicelib.step import Steps
from chalicelib.watchdog.row_update import Rows
from tests.changes import Inline
from tests.world import OWNER, TABLE, World, link, make_settings

TAG = make_settings().project_tag


class Contested(Meetings):
    """A table whose row is changed by others just before each of our first writes."""

    def __init__(self, world: World, *changes: dict[str, str]) -> None:
        super().__init__(world.dynamodb, TABLE)
        self._world = world
        self._changes = list(changes)
        self.reads = 0

    def read_row(self, meeting_id: str) -> Meeting | None:
        self.reads += 1
        return super().read_row(meeting_id)

    def apply(self, change: MeetingChange) -> None:
        if self._changes:
            self._world.put_row(change.meeting.id, **self._changes.pop(0))
        super().apply(change)


def update(world: World, meetings: Meetings, instance_id: str) -> str:
    """Update the row for a running teacher, and return what was done."""
    instance = world.instances().find(instance_id)
    assignment = Assignment("m1", "teacher")
    desktop = Desktop(
        instance_id, assignment, Presence.LIVE, link(instance_id), instance, TAG, OWNER
    )
    return Rows(meetings, world.instances()).begin(desktop, world.steps())().reason


def test_a_row_that_was_changed_is_decided_upon_again(world: World) -> None:
    """What the other desktop's health check wrote must not be undone."""
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    meetings = Contested(world, {"status": "HEALTHY"})

    assert update(world, meetings, instance_id) == "teacher_ec2_link set"

    assert world.row() == {"status": "HEALTHY", "teacher_ec2_link": link(instance_id)}
    assert meetings.reads == 2


def test_a_row_that_changes_again_and_again_is_given_up_unharmed(world: World) -> None:
    world.put_row(status="LAUNCHED")
    states = [{"status": "HEALTHY"}, {"teacher_ec2_link": "x"}, {"teacher_ec2_link": "y"}]
    meetings = Contested(world, *states)

    with pytest.raises(RowChangedError):
        update(world, meetings, world.desktop())

    assert (world.row(), meetings.reads) == (states[-1], 3)


def test_a_replaced_desktop_does_not_take_the_link_back(world: World) -> None:
    older, younger = world.two_in_a_role()
    world.put_row(status="DNS_WRITTEN", teacher_ec2_link=link(younger))

    result = world.handle(older)

    assert result["meeting"] == f"{younger} has the role of teacher"
    assert world.row()["teacher_ec2_link"] == link(younger)
    assert sorted(world.aws_calls) == [
        *["DescribeInstances"] * 2,
        "GetItem",
        "GetSecretValue",
    ]


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
        return Desktop(
            instance_id,
            Assignment("m1", role),
            Presence.ENDED,
            link(instance_id),
            None,
            TAG,
            OWNER,
        )

    finish_first = rows.begin(ended(teacher, "teacher"), steps)
    finish_second = rows.begin(ended(student, "student"), steps)  # both still run
    world.terminate(teacher, student)

    finish_first()
    finish_second()

    assert world.row() == {"status": "TERMINATED"}

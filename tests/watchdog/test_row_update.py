"""Telling a row: rivals are looked at, and a row that others change is decided upon anew."""

from __future__ import annotations

import pytest

from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop
from chalicelib.meeting_row.meeting import Assignment, Meeting, MeetingChange
from chalicelib.meeting_row.table import Meetings, RowChangedError
from chalicelib.step import Steps
from chalicelib.watchdog.row_update import Rows
from tests.changes import Inline
from tests.world import OWNER, Context, World, make_event, make_settings

SETTINGS = make_settings()
CONTEXT = Context()


class Contested(Meetings):
    """A table whose row is changed by others just before each of our first writes."""

    def __init__(self, world: World, *changes: dict[str, str]) -> None:
        super().__init__(world.dynamodb, "elephant-meetings")
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


def two_desktops(world: World) -> list[str]:
    """Launch two desktops of one role, most likely within one second; the later one is the last."""
    instances = [world.instances().find(world.desktop()) for _ in range(2)]
    found = [each for each in instances if each]
    return [each.id for each in sorted(found, key=lambda each: (each.launched_at, each.id))]


def tell(world: World, meetings: Meetings, instance_id: str) -> str:
    instance = world.instances().find(instance_id)
    link = SETTINGS.link(instance_id)
    assignment, tag = Assignment("m1", "teacher"), SETTINGS.project_tag
    desktop = Desktop(instance_id, assignment, Presence.LIVE, link, instance, tag, OWNER)
    rows = Rows(meetings, world.instances())
    steps = world.steps()
    return rows.begin(desktop, steps)().reason


def test_a_row_that_was_changed_is_decided_upon_anew(world: World) -> None:
    """The other desktop's health check must not be undone."""
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    meetings = Contested(world, {"status": "HEALTHY"})

    assert tell(world, meetings, instance_id) == "teacher_ec2_link set"

    assert world.row() == {"status": "HEALTHY", "teacher_ec2_link": SETTINGS.link(instance_id)}
    assert meetings.reads == 2


def test_a_row_that_changes_and_changes_is_given_up_unharmed(world: World) -> None:
    world.put_row(status="LAUNCHED")
    states = [{"status": "HEALTHY"}, {"teacher_ec2_link": "x"}, {"teacher_ec2_link": "y"}]
    meetings = Contested(world, *states)

    with pytest.raises(RowChangedError):
        tell(world, meetings, world.desktop())

    assert world.row() == states[-1]
    assert meetings.reads == 3


def test_a_replaced_desktop_does_not_take_the_link_back(world: World) -> None:
    world.put_row(status="LAUNCHED")
    older, newer = two_desktops(world)
    watchdog = world.watchdog()
    watchdog.handle(make_event(older), CONTEXT)
    world.put_row(status="DNS_WRITTEN", teacher_ec2_link="https://i-00000001.x.example.com:8443")
    watchdog.handle(make_event(older), CONTEXT)
    assert world.row()["teacher_ec2_link"] == SETTINGS.link(older)

    world.put_row(status="DNS_WRITTEN", teacher_ec2_link=SETTINGS.link(newer))
    world.forget_calls()
    result = watchdog.handle(make_event(older), CONTEXT)

    assert result["meeting"] == f"{newer} has the role of teacher"
    assert world.row()["teacher_ec2_link"] == SETTINGS.link(newer)
    assert sorted(world.aws_calls) == ["DescribeInstances", "DescribeInstances", "GetItem"]


@pytest.mark.parametrize("turn", [1, -1])
def test_when_one_of_two_desktops_ends_the_other_has_the_link_at_once(
    world: World, turn: int
) -> None:
    """Also of two that were launched within the same second, whichever ends."""
    ending, staying = two_desktops(world)[::turn]
    world.put_row(status="LAUNCHED")
    watchdog = world.watchdog()
    watchdog.handle(make_event(staying), CONTEXT)
    watchdog.handle(make_event(ending), CONTEXT)
    world.terminate(ending)

    result = watchdog.handle(make_event(ending, "shutting-down"), CONTEXT)

    assert (result["instance_id"], result["action"]) == (ending, "deleted")
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": SETTINGS.link(staying)}


def test_the_end_of_a_replaced_desktop_does_not_end_the_meeting(world: World) -> None:
    older, newer = world.desktop(), world.desktop()
    world.put_row(status="LAUNCHED", teacher_ec2_id=newer)
    watchdog = world.watchdog()
    watchdog.handle(make_event(older), CONTEXT)
    world.terminate(older)

    watchdog.handle(make_event(older, "shutting-down"), CONTEXT)

    assert world.row() == {
        "status": "DNS_WRITTEN",
        "teacher_ec2_id": newer,
        "teacher_ec2_link": SETTINGS.link(newer),
    }


def test_a_desktop_that_replaces_an_ended_one_gets_the_link(world: World) -> None:
    """The row still names the one that was launched for the role at first."""
    older = world.desktop()
    world.put_row(status="HEALTHY", teacher_ec2_id=older, teacher_ec2_link=SETTINGS.link(older))
    world.terminate(older)
    newer = world.desktop()

    world.watchdog().handle(make_event(newer), CONTEXT)

    assert world.row()["teacher_ec2_link"] == SETTINGS.link(newer)


def test_a_link_that_leads_to_no_instance_is_replaced(world: World) -> None:
    world.put_row(status="LAUNCHED", teacher_ec2_link="https://dcv.example.com:8443/")
    instance_id = world.desktop()

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "created"
    assert world.row()["teacher_ec2_link"] == SETTINGS.link(instance_id)


def test_of_two_desktops_that_end_at_once_the_second_ends_the_meeting(world: World) -> None:
    """Each sees the other's link; whoever writes second must see that it is gone by now."""
    world.put_row(status="HEALTHY")
    teacher, student = world.desktop("teacher"), world.desktop("student")
    for each in (teacher, student):
        world.watchdog().handle(make_event(each), CONTEXT)
    rows = Rows(world.meetings(), world.instances())
    steps = Steps(Inline(), world.deadline())  # each read is over when it has begun

    def ended(instance_id: str, role: str) -> Desktop:
        assignment, tag = Assignment("m1", role), SETTINGS.project_tag
        link = SETTINGS.link(instance_id)
        return Desktop(instance_id, assignment, Presence.ENDED, link, None, tag, OWNER)

    finish_first = rows.begin(ended(teacher, "teacher"), steps)
    finish_second = rows.begin(ended(student, "student"), steps)  # both still run
    world.terminate(teacher, student)

    finish_first()
    finish_second()

    assert world.row() == {"status": "TERMINATED"}

"""Telling a row: rivals are looked at, and a row that others change is decided upon anew."""

from __future__ import annotations

import pytest

from chalicelib.meeting import Meeting, MeetingChange, Meetings, RowChangedError
from chalicelib.meeting_plan import Desktop
from chalicelib.plan import Presence
from chalicelib.row import Rows
from tests.world import Context, World, make_event, make_settings

SETTINGS = make_settings()
CONTEXT = Context()


class Contested(Meetings):
    """A table whose row is changed by others just before each of our first writes."""

    def __init__(self, world: World, *changes: dict[str, str]) -> None:
        super().__init__(world.dynamodb, "elephant-meetings")
        self._world = world
        self._changes = list(changes)
        self.reads = 0

    def find(self, meeting_id: str) -> Meeting | None:
        self.reads += 1
        return super().find(meeting_id)

    def apply(self, change: MeetingChange) -> None:
        if self._changes:
            self._world.put_row(change.meeting.id, **self._changes.pop(0))
        super().apply(change)


def tell(world: World, meetings: Meetings, instance_id: str) -> str:
    instance = world.instances().find(instance_id)
    link = SETTINGS.link(instance_id)
    desktop = Desktop(instance_id, "teacher", Presence.LIVE, link, instance)
    rows = Rows(meetings, world.instances())
    steps = world.steps()
    return rows.finish(rows.begin(desktop, "m1", steps), steps).reason


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
    older = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(older), CONTEXT)
    world.put_row(status="DNS_WRITTEN", teacher_ec2_link="https://i-00000001.x.example.com:8443")
    watchdog.handle(make_event(older), CONTEXT)
    assert world.row()["teacher_ec2_link"] == SETTINGS.link(older)

    newer = world.desktop()
    world.put_row(status="DNS_WRITTEN", teacher_ec2_link=SETTINGS.link(newer))
    world.forget_calls()
    result = watchdog.handle(make_event(older), CONTEXT)

    assert result["meeting"] == f"{newer} has taken the role of teacher"
    assert world.row()["teacher_ec2_link"] == SETTINGS.link(newer)
    assert sorted(world.aws_calls) == ["DescribeInstances", "DescribeInstances", "GetItem"]


def test_the_end_of_a_replaced_desktop_does_not_end_the_meeting(world: World) -> None:
    older, newer = world.desktop(), world.desktop()
    world.put_row(status="LAUNCHED", teacher_ec2_id=newer)
    watchdog = world.watchdog()
    watchdog.handle(make_event(older), CONTEXT)
    world.terminate(older)

    watchdog.handle(make_event(older, "shutting-down"), CONTEXT)

    assert world.row() == {"status": "LAUNCHED", "teacher_ec2_id": newer}

"""The safety net: a live meeting is never ended, and nothing runs for good."""

from __future__ import annotations

from datetime import datetime

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.table import RowChangedError
from chalicelib.meetings.ending import EndingError
from chalicelib.meetings.schedules import ScheduleError
from tests.meetings.ends import GONE, LIVE, NET_ARN, Ends, minutes
from tests.meetings.launches import ID
from tests.world import Context

NO_SHOW = ("TERMINATED", "NO_SHOW_TIMEOUT")


# What a look does


def test_after_15_minutes_a_meeting_that_nobody_is_in_is_ended_and_looked_at_again(
    ends: Ends,
) -> None:
    desktops = ends.meeting()

    look = ends.look()

    assert sorted(look.pop("instances")) == sorted(desktops)
    assert look == {
        "meeting_id": ID,
        "action": "ended",
        "reason": "NO_SHOW_TIMEOUT: 15 minutes after its start nobody is in it",
        "next_look": ends.starts(10),
    }
    assert list(ends.booked().values()) == [ends.now() + minutes(10)]
    assert ends.states(*desktops) == GONE
    assert ends.outcome() == NO_SHOW
    ((said, fields, counts),) = ends.world.reports.lines
    assert (said, counts) == ("succeeded", {"Ended": 1, "Warnings": 0})
    assert fields.items() >= (look | {"request_id": Context().aws_request_id}).items()


def test_a_meeting_in_progress_is_looked_at_until_its_longest_time_and_then_ended(
    ends: Ends,
) -> None:
    desktops = ends.meeting(ID, 0, status="IN_PROGRESS")
    longest = ends.now() + minutes(180)
    ended = list[datetime]()
    ends.faults.meanwhile["terminate_instances"] = lambda: ended.append(ends.now())
    ends.book(minutes=15)

    looks = ends.play()

    assert ended == [longest]
    assert looks == 1 + 16 + 1 + 1  # at 15, from 20 to 170, at 180, and to see that it is gone
    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "MAX_LENGTH_TIMEOUT")


def test_a_meeting_without_desktops_that_was_never_healthy_is_counted(ends: Ends) -> None:
    """A foreign instance that the row names is a warning."""
    other = ends.world.launch(MeetingID="another", Role="teacher")
    row = {"status": "SCHEDULED", "meet_time": ends.starts(-15)}
    ends.world.put_row(ID, student_ec2_id=other, **row)

    look = ends.look()

    assert (look["action"], "instances" in look) == ("ended", False)
    assert look["warnings"] == [
        f"the row names {other}, which is not a desktop of this stage's meeting; left alone"
    ]
    assert ends.outcome() == ("TERMINATED", "NEVER_HEALTHY")
    assert ends.counts() == {"Ended": 1, "NeverHealthy": 1, "Warnings": 1}


# Its events and schedules


NO_ID = (None, "", 7, [ID], "x" * 257, "half of a pair: \ud83d")


@pytest.mark.parametrize(
    "event", [None, [], "x", {}, {"meeting_id": ID}, *({"meetingId": each} for each in NO_ID)]
)
def test_an_event_that_names_no_meeting_is_ignored(ends: Ends, event: object) -> None:
    """A retry would not change it."""
    look = ends.net.handle(event, Context(invoked_function_arn=NET_ARN))

    assert look == {"action": "ignored", "reason": look["reason"]}
    assert ends.faults.calls == []
    assert ends.counts() == {"Ignored": 1}


@pytest.mark.parametrize(
    "meeting", ["*", "a b", "Zoë/1", "x" * 255, "a:b", "../..", "x" * 256, "İ" * 256]
)
def test_a_meeting_with_an_odd_id_is_looked_at_like_any_other(ends: Ends, meeting: str) -> None:
    ends.world.put_row(meeting, status="IN_PROGRESS", meet_time=ends.starts(5))
    check = ends.now() + minutes(20)

    assert ends.look(meeting)["action"] == "waiting"

    assert (ends.fire(), ends.now()) == (meeting, check)


def test_looks_that_are_repeated_book_one_next_look_like_the_first_one(ends: Ends) -> None:
    ends.meeting(status="IN_PROGRESS")
    due = ends.now() + minutes(10)
    look = {"meeting_id": ID, "action": "waiting", "reason": "it is in progress"}
    look["next_look"] = ends.starts(10)

    for _ in range(3):
        assert ends.look() == look
        ends.pass_time(1)

    (name,) = ends.booked()
    assert name == f"safety-{ID}-{int(due.timestamp()) // 60}"


def test_a_row_that_keeps_changing_fails_the_run_and_is_looked_at_again(ends: Ends) -> None:
    desktops = ends.meeting()
    changes = ends.keep_changing()

    with pytest.raises(RowChangedError):
        ends.look()

    assert next(changes) == 3
    assert ends.states(*desktops) == LIVE
    assert list(ends.booked().values()) == [ends.now() + minutes(10)]


# What fails


@pytest.mark.parametrize(
    "operation", ["get_item", "describe_instances", "update_item", "terminate_instances"]
)
def test_an_outage_raises_alarms_and_is_outlasted_by_the_net(ends: Ends, operation: str) -> None:
    desktops = ends.meeting()
    ends.book()
    ends.faults.refused = {(operation, "")}
    for _ in range(4):
        assert ends.fire() == ID
        with pytest.raises((ClientError, EndingError)):
            ends.look()
        assert len(ends.booked()) == 1
        said, fields, counts = ends.world.reports.lines[-1]
        assert said.startswith("failed: ")
        assert (fields["meeting_id"], counts) == (ID, {"Failed": 1})
    assert ends.states(*desktops) == LIVE

    ends.faults.refused.clear()
    ends.play()

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == NO_SHOW


@pytest.mark.parametrize(("status", "states"), [("HEALTHY", GONE), ("IN_PROGRESS", LIVE)])
def test_while_no_look_can_be_booked_meetings_are_ended_or_left_all_the_same(
    ends: Ends, status: str, states: list[str]
) -> None:
    """The event ends in the queue of failed events, from where a person sends it again."""
    desktops = ends.meeting(status=status)
    ends.faults.refused = {("create_schedule", "")}

    with pytest.raises(ScheduleError):
        ends.look()

    assert ends.states(*desktops) == states
    assert ends.counts() == {"Failed": 1}

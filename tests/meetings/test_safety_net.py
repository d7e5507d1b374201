"""The safety net: a live meeting is never ended, and yet nothing ever runs for good."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import RowUpdate
from chalicelib.meeting_row.table import Meetings, RowChangedError
from chalicelib.meetings.ending import EndingError
from chalicelib.meetings.lifetime import is_over
from chalicelib.meetings.schedules import ScheduleError
from tests.meetings.ends import DATA, GROUP, ID, NET_ARN, Ends
from tests.world import TABLE, Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.session import Session

    from tests.world import World

GONE = ["terminated", "terminated"]
LIVE = ["running", "running"]
FAULTS = ["refused", "lost", "died before", "died after"]


@pytest.fixture
def scheduler(session: Session) -> Any:  # noqa: ANN401
    return session.create_client("scheduler")


@pytest.fixture
def ends(world: World, scheduler: Any) -> Ends:  # noqa: ANN401
    return Ends(world, scheduler)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


# The guide's rules


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "NO_SHOW_TIMEOUT"),
        ({"status": "SCHEDULED"}, "NEVER_HEALTHY"),
        ({"student_session_data": DATA}, "PARTIAL_NO_SHOW_TIMEOUT"),
        ({"teacher_session_data": DATA, "student_session_data": DATA}, "15_MIN_SUCCESS"),
    ],
)
def test_after_15_minutes_a_meeting_that_nobody_is_in_is_ended(
    ends: Ends, row: dict[str, str], reason: str
) -> None:
    desktops = ends.meeting(ID, **row)

    look = ends.look()

    assert (look["meeting_id"], look["action"]) == (ID, "ended")
    assert look["reason"].startswith(f"{reason}: ")
    assert sorted(look["instances"]) == sorted(desktops)
    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", reason)


@pytest.mark.parametrize("data", [{}, {"teacher_session_data": DATA}])
def test_a_meeting_in_progress_is_left_alone_and_looked_at_again(
    ends: Ends, data: dict[str, str]
) -> None:
    """The guide ended it with one side's data, and with none it never looked again."""
    desktops = ends.meeting(status="IN_PROGRESS", **data)

    look = ends.look()

    assert (look["action"], look["reason"]) == ("waiting", "it is in progress")
    assert look["next_look"] == ends.starts(10)
    assert list(ends.booked().values()) == [ends.now() + minutes(10)]
    assert ends.states(*desktops) == LIVE
    assert ends.outcome() == ("IN_PROGRESS", None)


def test_a_meeting_in_progress_is_looked_at_until_its_longest_time_and_then_ended(
    ends: Ends,
) -> None:
    desktops = ends.meeting(ID, 0, status="IN_PROGRESS")
    start = ends.now()
    ends.book(minutes=15)

    looks = ends.play()

    assert ends.faults.ended_at == [start + minutes(180)] * 2
    assert looks == 1 + 16 + 1 + 1  # at 15, from 20 to 170, at 180, and to see that it is gone
    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "MAX_LENGTH_TIMEOUT")


def test_a_meeting_in_progress_ends_with_the_look_after_both_have_finished(ends: Ends) -> None:
    """Should the stream have lost it."""
    desktops = ends.meeting(status="IN_PROGRESS")
    ends.look()
    ends.set(teacher_session_data=DATA, student_session_data=DATA)

    ends.play()

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "15_MIN_SUCCESS")


def test_whoever_joins_between_the_read_and_the_claim_keeps_the_meeting(ends: Ends) -> None:
    desktops = ends.meeting()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(status="IN_PROGRESS")

    look = ends.look()

    assert (look["action"], look["reason"]) == ("waiting", "it is in progress")
    assert ends.states(*desktops) == LIVE
    assert ends.outcome() == ("IN_PROGRESS", None)
    assert list(ends.booked().values()) == [ends.now() + minutes(10)]


def test_a_meeting_that_somebody_waits_for_is_left_alone_until_nobody_does(ends: Ends) -> None:
    desktops = ends.meeting(ID, 15, teacher_waiting_at=ends.starts(-1))

    due = ends.now() + minutes(5)
    look = ends.look()

    assert (look["action"], look["reason"]) == ("waiting", "waiting for it: teacher")
    assert look["next_look"] == ends.starts(5)
    ends.play()
    assert ends.faults.ended_at == [due, due]
    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "NO_SHOW_TIMEOUT")


def test_who_waits_from_between_the_read_and_the_claim_on_keeps_the_meeting(ends: Ends) -> None:
    desktops = ends.meeting()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(student_waiting_at=ends.starts(0))

    assert ends.look()["action"] == "waiting"
    assert ends.states(*desktops) == LIVE


def test_a_desktop_that_finds_itself_well_does_not_make_a_live_meeting_a_no_show(
    ends: Ends,
) -> None:
    """The status may be moved back by what knows no better; that somebody has joined stays."""
    desktops = ends.meeting(status="HEALTHY", joined_at="2026-11-21T15:30:00Z")

    assert ends.look()["action"] == "waiting"
    assert set(ends.states(*desktops)) == {"running"}


def test_whoever_joins_keeps_the_meeting_though_a_desktop_moves_the_status_back(
    ends: Ends,
) -> None:
    desktops = ends.meeting(status="HEALTHY")

    def join() -> None:
        ends.set(status="IN_PROGRESS", joined_at="2026-11-21T15:44:59Z")
        ends.set(status="HEALTHY")

    ends.faults.meanwhile["update_item"] = join

    assert ends.look()["action"] == "waiting"
    assert set(ends.states(*desktops)) == {"running"}


def test_a_row_that_keeps_changing_fails_the_run_and_is_looked_at_again(ends: Ends) -> None:
    desktops = ends.meeting()
    changes = iter(range(10))

    def change() -> None:
        ends.set(meet_time=ends.starts(-16 - next(changes)))
        ends.faults.meanwhile["update_item"] = change

    ends.faults.meanwhile["update_item"] = change

    with pytest.raises(RowChangedError):
        ends.look()

    assert next(changes) == 3
    assert ends.states(*desktops) == LIVE
    assert list(ends.booked().values()) == [ends.now() + minutes(10)]


def test_a_look_that_comes_too_early_is_put_off_until_the_15_minutes_are_over(ends: Ends) -> None:
    desktops = ends.meeting(ID, -30)

    look = ends.look()

    assert look["action"] == "waiting"
    assert look["next_look"] == ends.starts(45)
    assert ends.states(*desktops) == LIVE


# Nothing runs for good


def test_the_net_is_taken_away_by_a_look_that_finds_nothing_left(ends: Ends) -> None:
    ends.meeting()
    ends.look()
    assert list(ends.booked().values()) == [ends.now() + minutes(10)]

    assert ends.fire() == ID
    look = ends.look()

    assert look == {
        "meeting_id": ID,
        "action": "left",
        "reason": "it is TERMINATED, and no desktop is left",
    }
    assert ends.booked() == {}


def test_a_desktop_that_turns_up_after_the_end_is_ended_by_the_next_look(ends: Ends) -> None:
    """Its launch had begun before the claim, and died before it could take it back."""
    ends.meeting()
    ends.look()
    late = ends.desktop("student", ID)

    ends.play()

    assert ends.state(late) == "terminated"
    assert ends.outcome() == ("TERMINATED", "NO_SHOW_TIMEOUT")


def test_desktops_that_were_left_of_a_terminated_meeting_are_ended(ends: Ends) -> None:
    """The guide wrote TERMINATED whether or not EC2 agreed, and never looked again."""
    desktops = ends.meeting(status="TERMINATED", termination_reason="SUCCESS")

    assert ends.look()["action"] == "ended"

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


def test_a_status_alone_ends_no_desktop(ends: Ends) -> None:
    """Only a claim does, or the time: people may be sitting at them."""
    desktops = ends.meeting(status="TERMINATED")

    assert ends.look()["action"] == "waiting"

    assert ends.states(*desktops) == ["running", "running"]
    assert ends.outcome() == ("TERMINATED", None)


def test_an_end_that_died_half_way_is_finished_for_its_own_reason(ends: Ends) -> None:
    teacher, student = ends.meeting(status="IN_PROGRESS", termination_reason="SUCCESS")
    ends.world.terminate(teacher)

    look = ends.look()

    assert look["instances"] == [student]
    assert look["reason"] == "SUCCESS: it is being ended"
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


def test_an_end_that_was_lost_to_the_launch_of_nothing_is_written_as_well(ends: Ends) -> None:
    ends.world.put_row(ID, status="SCHEDULED", meet_time=ends.starts(-15))

    look = ends.look()

    assert look["action"] == "ended"
    assert "instances" not in look
    assert ends.outcome() == ("TERMINATED", "NEVER_HEALTHY")
    assert ends.world.reports.lines[-1][2]["NeverHealthy"] == 1


def test_a_desktop_that_ec2_refuses_to_end_is_tried_until_it_agrees(ends: Ends) -> None:
    """And alarms until then: each run that fails is reported and raised."""
    teacher, student = ends.meeting()
    ends.faults.refused = {("terminate_instances", teacher)}
    with pytest.raises(EndingError, match=teacher):
        ends.look()
    assert ends.states(teacher, student) == ["running", "terminated"]
    for _ in range(4):
        ends.fire()
        ends.invoke(ends.look)
    assert ends.outcome() == ("HEALTHY", "NO_SHOW_TIMEOUT")
    said, fields, counts = ends.world.reports.lines[-1]
    assert said.startswith("failed: could not terminate ")
    assert fields["meeting_id"] == ID
    assert counts == {"Failed": 1}

    ends.faults.refused.clear()
    ends.play()

    assert ends.states(teacher, student) == GONE
    assert ends.outcome() == ("TERMINATED", "NO_SHOW_TIMEOUT")


def test_an_instance_of_somebody_else_in_the_row_is_left_alone_with_a_warning(ends: Ends) -> None:
    other = ends.world.launch(MeetingID="another", Role="teacher")
    desktops = ends.meeting(student_ec2_link=f"https://{other}.desktops.example.com:8443")

    look = ends.look()

    assert sorted(look["instances"]) == sorted(desktops)
    assert look["warnings"] == [
        f"the row names {other}, which is not a desktop of this stage's meeting; left alone"
    ]
    assert ends.world.reports.lines[-1][2] == {"Ended": 1, "Warnings": 1}
    assert ends.state(other) == "running"


# What happens at the same time

LOOK = 8
"""Calls of a look that ends a meeting: two reads, the claim, a read, two ends, the row, a look."""


def join(ends: Ends, meeting_id: str) -> bool:
    """Do what `join` does for the first one in; tell whether that one is let in."""
    meeting = ends.meeting_read(meeting_id)
    if is_over(meeting):
        return False
    update = RowUpdate(meeting, {"status": "IN_PROGRESS"}, ("status", "termination_reason"))
    Meetings(ends.world.dynamodb, TABLE).update_row(update)
    return True


def looks(ends: Ends, **row: str) -> Iterator[tuple[int, str, tuple[str, str]]]:
    """Make a meeting for each call of a look: where something happens, and to which desktops."""
    for position in range(LOOK):
        meeting = f"m{position}"
        desktops = ends.meeting(meeting, **row)
        ends.faults.arm(None)
        yield position, meeting, desktops
        assert ends.faults.before == {}


def test_whoever_is_let_in_during_a_look_keeps_the_meeting(ends: Ends) -> None:
    """And whoever comes after the claim is not let in."""
    for position, meeting, desktops in looks(ends):
        was_let_in: list[bool] = []
        ends.faults.before[position] = partial(_note, was_let_in, partial(join, ends, meeting))

        look = ends.look(meeting)

        assert was_let_in == [position <= 2]
        if was_let_in[0]:
            assert ends.states(*desktops) == LIVE, position
            assert ends.outcome(meeting) == ("IN_PROGRESS", None), position
            assert look["action"] == "waiting"
        else:
            assert ends.states(*desktops) == GONE, position
            assert ends.outcome(meeting) == ("TERMINATED", "NO_SHOW_TIMEOUT"), position


def test_a_row_that_is_rewritten_before_each_write_keeps_no_desktop_past_the_longest_time(
    ends: Ends,
) -> None:
    desktops = ends.meeting(ID, 180, status="IN_PROGRESS")

    def rewrite() -> None:
        ends.set(status="HEALTHY" if ends.outcome()[0] == "IN_PROGRESS" else "IN_PROGRESS")
        ends.faults.meanwhile["update_item"] = rewrite

    ends.faults.meanwhile["update_item"] = rewrite
    ends.look()

    assert ends.states(*desktops) == GONE


def test_a_desktop_that_is_launched_during_a_look_does_not_outlive_the_next(ends: Ends) -> None:
    for position, meeting, desktops in looks(ends):
        late: list[str] = []
        launch = partial(ends.desktop, "student", meeting)
        ends.faults.before[position] = partial(_note, late, launch)

        ends.look(meeting)
        ends.play()

        assert ends.states(*desktops, *late) == ["terminated"] * 3, position


@pytest.mark.parametrize("rival", ["a look", "the terminator"])
def test_two_that_end_a_meeting_at_once_agree(ends: Ends, rival: str) -> None:
    data = {"teacher_session_data": DATA, "student_session_data": DATA}
    for position, meeting, desktops in looks(ends, **data):
        comes: Callable[[], object] = partial(ends.look, meeting)
        if rival == "the terminator":
            comes = partial(ends.tell, ends.record(meeting))
        ends.faults.before[position] = comes

        ends.look(meeting)
        ends.play()

        reason = "SUCCESS" if rival == "the terminator" and position <= 2 else "15_MIN_SUCCESS"
        assert ends.states(*desktops) == GONE, position
        assert ends.outcome(meeting) == ("TERMINATED", reason), position


def _note(notes: list[Any], do: Callable[[], Any]) -> None:
    notes.append(do())


# Without a row, or without a start


@pytest.mark.parametrize("row", [None, {"status": "IN_PROGRESS"}, {"meet_time": "soon"}])
def test_desktops_of_a_meeting_with_no_known_start_live_no_longer_than_a_meeting(
    ends: Ends, row: dict[str, str] | None
) -> None:
    desktops = (ends.desktop("teacher", ID), ends.desktop("student", ID))
    others = ends.meeting("another", 0, status="IN_PROGRESS")
    launched = min(each.launched_at for each in ends.instances.of_meeting(ID))
    if row is not None:
        ends.world.put_row(ID, **row)
    ends.book()

    ends.play()

    assert ends.states(*desktops) == GONE
    for moment in ends.faults.ended_at:
        assert moment - launched == minutes(180)
    assert ends.states(*others) == LIVE
    status, reason = ends.outcome()
    assert (status, reason) == (
        (None, None) if row is None else ("TERMINATED", "MAX_LENGTH_TIMEOUT")
    )


def test_of_a_meeting_that_there_is_nothing_of_nothing_is_done(ends: Ends) -> None:
    assert ends.look() == {
        "meeting_id": ID,
        "action": "left",
        "reason": "it has no row, and no desktop is left",
    }
    assert ends.booked() == {}
    assert ends.world.rows() == []


# What it is asked


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        {},
        {"meetingId": None},
        {"meetingId": ""},
        {"meetingId": 7},
        {"meetingId": [ID]},
        {"meeting_id": ID},
        {"meetingId": "x" * 257},
        {"meetingId": "half of a pair: \ud83d"},
    ],
)
def test_an_event_that_names_no_meeting_is_ignored(ends: Ends, event: object) -> None:
    """Trying it again would not make one of it."""
    desktops = ends.meeting()

    look = ends.net.handle(event, Context(invoked_function_arn=NET_ARN))

    assert look == {"action": "ignored", "reason": look["reason"]}
    assert ends.faults.calls == []
    assert ends.states(*desktops) == LIVE
    (line,) = ends.world.reports.lines
    assert line == ("succeeded", line[1], {"Ignored": 1, "Warnings": 0})


@pytest.mark.parametrize(
    "meeting", ["*", "a b", "Zoë/1", "x" * 255, "a:b", "../..", "x" * 256, "İ" * 256]
)
def test_a_meeting_with_an_odd_id_is_looked_at_like_any_other(ends: Ends, meeting: str) -> None:
    ends.world.put_row(meeting, status="IN_PROGRESS", meet_time=ends.starts(-15))

    assert ends.look(meeting)["action"] == "waiting"

    assert ends.fire() == meeting


def test_the_next_look_is_booked_as_the_first_one_was(ends: Ends) -> None:
    ends.meeting(status="IN_PROGRESS")

    ends.look()

    (name,) = ends.booked()
    made = ends.schedules.get_schedule(GroupName=GROUP, Name=name)
    assert name == f"safety-{ID}-{int((ends.now() + minutes(10)).timestamp()) // 60}"
    assert made["ActionAfterCompletion"] == "DELETE"
    assert made["Target"]["Arn"] == NET_ARN


def test_a_look_that_is_made_twice_books_one_next_look(ends: Ends) -> None:
    ends.meeting(status="IN_PROGRESS")

    for _ in range(3):
        ends.look()
        ends.pass_time(1)

    assert len(ends.booked()) == 1


def test_a_run_reports_once(ends: Ends) -> None:
    ends.meeting()

    look = ends.look()

    (line,) = ends.world.reports.lines
    assert line == (
        "succeeded",
        {"request_id": Context().aws_request_id} | look,
        {"Ended": 1, "Warnings": 0},
    )


# What fails


def no_show(ends: Ends, meeting: str) -> tuple[str, ...]:
    return ends.meeting(meeting, 15)


def half_ended(ends: Ends, meeting: str) -> tuple[str, ...]:
    return ends.meeting(meeting, 15, termination_reason="LAUNCH_FAILED")


def lost_row(ends: Ends, meeting: str) -> tuple[str, ...]:
    return (ends.desktop("teacher", meeting),)


def live(ends: Ends, meeting: str) -> tuple[str, ...]:
    return ends.meeting(meeting, 15, status="IN_PROGRESS")


@pytest.mark.parametrize("does", FAULTS)
@pytest.mark.parametrize("story", [no_show, half_ended, lost_row, live])
def test_whatever_call_fails_everything_is_ended_in_time_and_nothing_is_booked_for_good(
    world: World,
    scheduler: Any,  # noqa: ANN401
    story: Callable[[Ends, str], tuple[str, ...]],
    does: str,
) -> None:
    """One fault at each call that there is, one after the other."""
    position, was_hit = 0, True
    while was_hit:
        ends = Ends(world, scheduler, MAX_MEETING_MINUTES="22")
        meeting = f"m{position}"
        begun = ends.now()
        desktops = story(ends, meeting)
        ends.book(meeting)
        ends.faults.arm(position, does)

        ends.play()

        was_hit = len(ends.faults.calls) > position
        assert ends.states(*desktops) == ["terminated"] * len(desktops), position
        assert not {"SCHEDULED", "HEALTHY", "IN_PROGRESS"} & {ends.outcome(meeting)[0]}, position
        if story is live:
            assert min(ends.faults.ended_at) >= begun + minutes(22 - 15)
            assert ends.outcome(meeting) == ("TERMINATED", "MAX_LENGTH_TIMEOUT")
        if does == "refused":
            assert ends.faults.calls.count("terminate_instances") <= len(desktops) + 1
        position += 1
    assert position >= 8


@pytest.mark.parametrize(
    "operation", ["get_item", "describe_instances", "update_item", "terminate_instances"]
)
def test_an_outage_that_outlasts_lambdas_retries_is_outlasted_by_the_net(
    ends: Ends, operation: str
) -> None:
    desktops = ends.meeting()
    ends.book()
    ends.faults.refused = {(operation, "")}
    for _ in range(4):
        assert ends.fire() == ID
        ends.invoke(ends.look)
        assert len(ends.booked()) == 1
    assert ends.states(*desktops) == LIVE

    ends.faults.refused.clear()
    ends.play()

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "NO_SHOW_TIMEOUT")


def test_while_nothing_can_be_booked_meetings_are_ended_all_the_same(ends: Ends) -> None:
    desktops = ends.meeting()
    ends.faults.refused = {("create_schedule", "")}

    with pytest.raises(ScheduleError):
        ends.look()

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "NO_SHOW_TIMEOUT")
    assert ends.look()["action"] == "left"


def test_a_live_meeting_that_no_look_can_be_booked_for_fails_and_lives(ends: Ends) -> None:
    """Then the event ends in the queue of failed events, from where a person sends it again."""
    desktops = ends.meeting(status="IN_PROGRESS")
    ends.faults.refused = {("create_schedule", "")}

    with pytest.raises(ScheduleError):
        ends.look()

    assert ends.states(*desktops) == LIVE
    assert ends.world.reports.lines[-1][2] == {"Failed": 1}


def test_a_read_that_fails_ends_nothing(ends: Ends) -> None:
    desktops = ends.meeting()
    ends.faults.refused = {("get_item", TABLE)}

    with pytest.raises(ClientError):
        ends.look()

    assert ends.states(*desktops) == LIVE
    assert ends.outcome() == ("HEALTHY", None)
    assert list(ends.booked().values()) == [ends.now() + minutes(10)]

"""The terminator: both sides' data end a meeting, and a bad record neither blocks nor is lost."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.meeting_row.meeting import Status
from tests.meetings.ends import DATA, ID, Died, Ends, make_record
from tests.world import Context

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.world import World

BOTH = {"teacher_session_data": DATA, "student_session_data": DATA}
GONE = ["terminated", "terminated"]
LIVE = ["running", "running"]
CALLS = [
    "get_item",
    "update_item",
    "describe_instances",
    *["terminate_instances"] * 2,
    "update_item",
]
STRANGE = "a record that is malformed or not of this table's stream with new images"


@pytest.fixture
def ends(world: World, session: Session) -> Ends:
    return Ends(world, session.create_client("scheduler"))


def finished(ends: Ends, meeting: str = ID, ago: float = 40, **row: str) -> tuple[str, str]:
    """Make a meeting in progress that both sides have finished."""
    return ends.meeting(meeting, ago, **{"status": "IN_PROGRESS", **BOTH, **row})


def counts(ends: Ends) -> dict[str, int]:
    """Return what the last run counted, less what is naught."""
    return {name: count for name, count in ends.world.reports.lines[-1][2].items() if count}


def test_a_meeting_ends_once_both_sides_have_left_their_data(ends: Ends) -> None:
    desktops = finished(ends)

    assert ends.tell(ends.record()) == []

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "SUCCESS")
    assert ends.faults.calls == CALLS


@pytest.mark.parametrize("status", Status.TERMINATED.earlier)
def test_whatever_its_status_a_finished_meeting_ends(ends: Ends, status: str) -> None:
    """Two may have met without the status ever having said so."""
    desktops = finished(ends, status=status)

    ends.tell(ends.record())

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


# What is not ended


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"teacher_session_data": DATA},
        {"student_session_data": DATA},
        BOTH | dict.fromkeys(BOTH, ""),
    ],
)
def test_while_a_side_has_left_no_data_nothing_is_even_asked(
    ends: Ends, data: dict[str, str]
) -> None:
    desktops = ends.meeting(ID, 40, status="IN_PROGRESS", **data)

    assert ends.tell(ends.record()) == []

    assert ends.faults.calls == []
    assert ends.states(*desktops) == LIVE
    assert counts(ends) == {"Ignored": 1}


def test_its_own_writes_come_back_to_it_and_are_ignored(ends: Ends) -> None:
    """The guide's terminated once more for each of them."""
    finished(ends)
    claimed = make_record(ID, ends.meeting_read().item | {"termination_reason": {"S": "SUCCESS"}})
    ends.tell(ends.record())
    ends.faults.calls.clear()

    assert ends.tell(claimed, ends.record()) == []

    assert ends.faults.calls == []
    assert counts(ends) == {"Ignored": 2}


@pytest.mark.parametrize("name", ["INSERT", "REMOVE"])
def test_a_row_that_is_made_or_removed_ends_nothing(ends: Ends, name: str) -> None:
    desktops = finished(ends)

    assert ends.tell(ends.record(name=name)) == []

    assert ends.states(*desktops) == LIVE
    assert counts(ends) == {"Ignored": 1}


def test_a_record_is_believed_only_as_far_as_the_row_still_says_so(ends: Ends) -> None:
    desktops = ends.meeting(ID, 40, status="IN_PROGRESS")
    image = ends.meeting_read().item | {name: {"S": DATA} for name in BOTH}

    assert ends.tell(make_record(ID, image)) == []

    assert ends.states(*desktops) == LIVE
    assert ends.outcome() == ("IN_PROGRESS", None)


def test_a_record_of_a_row_that_is_gone_is_ignored(ends: Ends) -> None:
    image = {"id": {"S": ID}, **{name: {"S": DATA} for name in BOTH}}

    assert ends.tell(make_record(ID, image)) == []

    assert counts(ends) == {"Ignored": 1}
    assert ends.world.rows() == []


def test_a_record_that_comes_twice_ends_nothing_twice(ends: Ends) -> None:
    finished(ends)
    record = ends.record()

    ends.tell(record, record)
    ends.tell(record)

    assert ends.faults.calls.count("terminate_instances") == 2
    assert counts(ends) == {"Ignored": 1}


@pytest.mark.parametrize("ago", [14.9, 5, -60])
def test_within_15_minutes_of_its_start_a_meeting_is_left_to_the_safety_net(
    ends: Ends, ago: float
) -> None:
    desktops = finished(ends, ago=0)
    ends.set(meet_time=f"{ends.now() - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%SZ}")

    assert ends.tell(ends.record()) == []

    assert ends.states(*desktops) == LIVE
    ((_, fields, _),) = ends.world.reports.lines
    assert fields["left"] == [f"{ID}: it started less than 15 minutes ago; left to the safety net"]


def test_what_is_left_to_the_safety_net_is_ended_by_it(ends: Ends) -> None:
    desktops = finished(ends, ago=5)
    ends.book(minutes=10)
    ends.tell(ends.record())

    ends.play()

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "15_MIN_SUCCESS")


def test_15_minutes_after_its_start_to_the_second_a_meeting_may_end(ends: Ends) -> None:
    desktops = finished(ends, ago=15)

    ends.tell(ends.record())

    assert ends.states(*desktops) == GONE


@pytest.mark.parametrize("start", ["", "soon", "2026-11-21"])
def test_a_meeting_without_a_readable_start_is_left_to_the_safety_net(
    ends: Ends, start: str
) -> None:
    desktops = finished(ends, meet_time=start)

    assert ends.tell(ends.record()) == []

    assert ends.states(*desktops) == LIVE
    assert counts(ends) == {"Ignored": 1}
    assert "no valid start" in ends.world.reports.lines[-1][1]["left"][0]


# Bad records


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "x",
        {},
        {"eventName": "MODIFY"},
        {"eventName": "MODIFY", "dynamodb": None},
        {"eventName": ["MODIFY"]},
        make_record(ID, {}) | {"eventName": "RENAME"},
    ],
)
def test_what_is_no_record_is_passed_over_with_a_warning(ends: Ends, bad: object) -> None:
    """It has no number that it could be handed back by, and would be no record the next time."""
    desktops = finished(ends)

    assert ends.tell(bad, ends.record()) == []

    assert ends.states(*desktops) == GONE
    assert ends.world.reports.lines[-1][1]["warnings"] == [STRANGE]
    assert counts(ends) == {"Ended": 1, "Ignored": 1, "Warnings": 1}


@pytest.mark.parametrize("missing", ["NewImage", "Keys", "SequenceNumber"])
def test_a_stream_without_what_is_needed_shows_in_the_warnings(ends: Ends, missing: str) -> None:
    """Such as one that was made with keys only."""
    finished(ends)
    record = ends.record()
    del record["dynamodb"][missing]

    assert ends.tell(record) == []

    assert counts(ends) == {"Ignored": 1, "Warnings": 1}


@pytest.mark.parametrize("event", [None, [], {}, {"Records": None}, {"Records": []}])
def test_an_event_without_records_is_ignored(ends: Ends, event: object) -> None:
    assert ends.terminator.handle(event, Context()) == {"batchItemFailures": []}

    ((said, fields, _),) = ends.world.reports.lines
    assert (said, fields["action"]) == ("succeeded", "ignored")


@pytest.mark.parametrize(
    "image",
    [
        {"status": "IN_PROGRESS"},
        {"teacher_session_data": "no typed value", "student_session_data": ["x"]},
    ],
)
def test_a_record_that_cannot_be_handled_blocks_no_other_and_is_handed_back(
    ends: Ends, image: dict[str, Any]
) -> None:
    """Lambda tries it again, and in the end keeps it in the queue of failed events."""
    first, last = finished(ends, "first"), finished(ends, "last")

    failed = ends.tell(
        ends.record("first", "1"), make_record("bad", image, "2"), ends.record("last", "3")
    )

    assert failed == ["2"]
    assert ends.states(*first, *last) == GONE * 2
    ((said, fields, _),) = ends.world.reports.lines
    assert said.startswith("failed: ")
    assert list(fields["failed"]) == ["2"]
    assert fields["meetings"] == ["first", "last"]
    assert counts(ends) == {"Ended": 2, "Failed": 1}
    json.dumps(fields)


# What fails


def test_a_desktop_that_ec2_refuses_to_end_has_its_record_tried_again(ends: Ends) -> None:
    desktops, others = finished(ends), finished(ends, "other")
    ends.faults.refused = {("terminate_instances", desktops[0])}
    records = ends.record(number="1"), ends.record("other", "2")

    assert ends.tell(*records) == ["1"]

    assert ends.states(*desktops, *others) == ["running", *["terminated"] * 3]
    assert ends.outcome() == ("IN_PROGRESS", "SUCCESS")
    assert ends.outcome("other") == ("TERMINATED", "SUCCESS")

    ends.faults.refused.clear()
    assert ends.tell(*records) == []
    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


@pytest.mark.parametrize("does", ["refused", "lost", "died before", "died after"])
def test_after_a_fault_at_any_call_the_next_try_finishes(ends: Ends, does: str) -> None:
    for position in range(len(CALLS)):
        meeting = f"m{position}"
        desktops = finished(ends, meeting)
        record = ends.record(meeting)
        ends.faults.arm(position, does)
        try:
            assert ends.tell(record) == ["100"], position
        except Died:
            assert does.startswith("died"), position
        live = ends.states(*desktops).count("running")
        if ends.outcome(meeting)[0] == "TERMINATED":
            assert live == 0, position

        ends.faults.arm(None)
        assert ends.tell(record) == [], position

        assert ends.states(*desktops) == GONE, position
        assert ends.outcome(meeting) == ("TERMINATED", "SUCCESS"), position
        assert ends.faults.calls.count("terminate_instances") == live, position


def test_an_end_that_was_begun_is_finished_whatever_start_the_row_has_since(ends: Ends) -> None:
    desktops = finished(ends)
    record = ends.record()
    ends.set(termination_reason="SUCCESS", meet_time=ends.starts(60))

    assert ends.tell(record) == []

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


def test_a_row_that_changes_before_the_claim_is_read_again(ends: Ends) -> None:
    desktops = finished(ends)
    ends.faults.meanwhile["update_item"] = lambda: ends.set(status="HEALTHY")

    assert ends.tell(ends.record()) == []

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


def test_a_meeting_that_is_put_off_before_the_claim_lives(ends: Ends) -> None:
    desktops = finished(ends)
    later = ends.starts(60)
    ends.faults.meanwhile["update_item"] = lambda: ends.set(meet_time=later)

    assert ends.tell(ends.record()) == []

    assert ends.states(*desktops) == LIVE
    assert ends.outcome() == ("IN_PROGRESS", None)


def test_a_row_that_keeps_changing_is_tried_again_later(ends: Ends) -> None:
    desktops = finished(ends)
    changes = iter(range(10))

    def change() -> None:
        ends.set(meet_time=ends.starts(-60 - next(changes)))
        ends.faults.meanwhile["update_item"] = change

    ends.faults.meanwhile["update_item"] = change

    assert ends.tell(ends.record()) == ["100"]

    assert next(changes) == 3
    assert ends.states(*desktops) == LIVE


def test_a_record_that_there_is_no_time_left_for_is_tried_again(ends: Ends) -> None:
    """Rather than cut off in the middle; what costs no call is still passed over."""
    desktops = finished(ends)
    ends.meeting("other")
    records = [ends.record(number="1"), ends.record("other", "2")]

    answer = ends.terminator.handle({"Records": records}, Context(milliseconds=5000))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert ends.faults.calls == []
    assert ends.states(*desktops) == LIVE
    assert counts(ends) == {"Ignored": 1, "Failed": 1}


def test_an_instance_of_somebody_else_in_the_row_is_left_alone_with_a_warning(ends: Ends) -> None:
    other = ends.world.launch(Project="Giraffe")
    desktops = finished(ends, student_ec2_link=f"https://{other}.desktops.example.com:8443")

    ends.tell(ends.record())

    assert ends.states(*desktops, other) == [*GONE, "running"]
    ((_, fields, _),) = ends.world.reports.lines
    left_alone = "which is not a desktop of this stage's meeting; left alone"
    assert fields["warnings"] == [f"{ID}: the row names {other}, {left_alone}"]


def test_a_run_reports_once(ends: Ends) -> None:
    finished(ends)

    ends.tell(ends.record())

    assert ends.world.reports.lines == [
        (
            "succeeded",
            {
                "request_id": Context().aws_request_id,
                "action": "ended",
                "reason": "records: 1 ended, 0 left, 0 ignored, 0 failed",
                "meetings": [ID],
            },
            {"Ended": 1, "Ignored": 0, "Failed": 0, "Warnings": 0},
        )
    ]

"""The terminator: both sides' data end a meeting, and a bad record neither blocks nor is lost."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from chalicelib.meeting_row.meeting import Status
from tests.meetings.ends import BOTH, CALLS_OF_AN_END, DATA, GONE, LIVE, Ends, make_record
from tests.meetings.launches import ID
from tests.world import Context

CALLS = ["get_item", *CALLS_OF_AN_END]
FINISHED = {name: {"S": DATA} for name in BOTH}
STRANGE = "a record that is malformed or not of this table's stream with new images"


def finished(ends: Ends, meeting: str = ID, ago: float = 40, **row: str) -> tuple[str, str]:
    """Make a meeting in progress that both sides have finished."""
    return ends.meeting(meeting, ago, **{"status": "IN_PROGRESS", **BOTH, **row})


# What is ended


@pytest.mark.parametrize("status", Status.TERMINATED.earlier)
def test_a_meeting_ends_once_both_sides_have_left_their_data_in_any_status(
    ends: Ends, status: str
) -> None:
    """Two may have met without the status ever showing it."""
    desktops = finished(ends, ago=15, status=status)  # to the second

    assert ends.tell(ends.record()) == []

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "SUCCESS")
    assert ends.faults.calls == CALLS
    fields = {
        "request_id": Context().aws_request_id,
        "action": "ended",
        "reason": "records: 1 ended, 0 left, 0 ignored, 0 failed",
        "meetings": [ID],
    }
    counts = {"Ended": 1, "Ignored": 0, "Failed": 0, "Warnings": 0}
    assert ends.world.reports.lines == [("succeeded", fields, counts)]


def test_an_end_that_was_begun_is_finished_even_if_the_start_has_changed(ends: Ends) -> None:
    other = ends.world.launch(Project="Giraffe")
    desktops = finished(ends, student_ec2_link=f"https://{other}.desktops.example.com:8443")
    record = ends.record()
    ends.set(termination_reason="SUCCESS", meet_time=ends.starts(60))

    assert ends.tell(record) == []

    assert ends.states(*desktops, other) == [*GONE, "running"]
    assert ends.outcome() == ("TERMINATED", "SUCCESS")
    left_alone = "which is not a desktop of this stage's meeting; left alone"
    warnings = ends.world.reports.lines[0][1]["warnings"]
    assert warnings == [f"{ID}: the row names {other}, {left_alone}"]


def test_a_meeting_whose_desktops_have_shut_down_by_themselves_is_a_success_as_well(
    ends: Ends,
) -> None:
    """They do once they have finished, and the watchdog may see that first."""
    finished(ends)
    record = ends.record()
    ends.set(status="TERMINATED")

    assert ends.tell(record) == []

    assert ends.outcome() == ("TERMINATED", "SUCCESS")


@pytest.mark.parametrize("status", Status.TERMINATED.earlier)
def test_a_cancelled_meeting_is_ended_whenever_it_is(ends: Ends, status: str) -> None:
    """Also one that has not begun, or whose desktops have just been started."""
    desktops = ends.meeting(ID, -60, status=status, termination_reason="CANCELLED")

    assert ends.tell(ends.record()) == []

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "CANCELLED")
    assert ends.tell(ends.record()) == []
    assert ends.counts()["Ignored"] == 1


# What is not ended


NOT_FINISHED = {"status": "IN_PROGRESS"}
IN_USE = {**NOT_FINISHED, **BOTH}
OVER = {**BOTH, "status": "TERMINATED", "termination_reason": "SUCCESS"}
IGNORED: list[tuple[dict[str, str] | None, dict[str, Any]]] = [
    (IN_USE, make_record(ID, {})),
    *((IN_USE, make_record(ID, {name: {"S": DATA}})) for name in BOTH),
    (IN_USE, make_record(ID, {name: {"S": ""} for name in BOTH})),
    (IN_USE, make_record(ID, FINISHED | {"termination_reason": {"S": "SUCCESS"}})),
    (IN_USE, make_record(ID, FINISHED | {"status": {"S": "TERMINATED"}})),
    *((IN_USE, make_record(ID, FINISHED, name=name)) for name in ("INSERT", "REMOVE")),
    # The row counts and not the record, which may come twice.
    *((row, make_record(ID, FINISHED)) for row in (None, NOT_FINISHED, OVER)),
]


@pytest.mark.parametrize(("row", "record"), IGNORED)
def test_a_record_that_ends_no_meeting_is_ignored(
    ends: Ends, row: dict[str, str] | None, record: dict[str, Any]
) -> None:
    """Such as those of its own writes: the guide's terminated once more for each of them."""
    if row:
        ends.meeting(ID, 40, **row)

    assert ends.tell(record) == []

    assert ends.faults.calls == ([] if row is IN_USE else ["get_item"])
    assert ends.counts() == {"Ignored": 1}


@pytest.mark.parametrize(
    ("starts", "why"),
    [
        (-14.9, "it started less than 15 minutes ago"),
        (-5, "it started less than 15 minutes ago"),
        (60, "it started less than 15 minutes ago"),
        *((text, "its row has no valid start") for text in ("soon", "2026-11-21")),
    ],
)
def test_a_meeting_without_a_start_15_minutes_ago_is_left_to_the_safety_net(
    ends: Ends, starts: float | str, why: str
) -> None:
    meet_time = starts if isinstance(starts, str) else ends.starts(starts)
    desktops = finished(ends, meet_time=meet_time)

    assert ends.tell(ends.record()) == []

    assert ends.states(*desktops) == LIVE
    ((_, fields, _),) = ends.world.reports.lines
    assert fields["left"] == [f"{ID}: {why}; left to the safety net"]
    assert ends.counts() == {"Ignored": 1}


# Bad records


@pytest.mark.parametrize(
    "bad",
    [
        *(None, "x", {}, {"eventName": "MODIFY"}, {"eventName": ["MODIFY"]}),
        {"eventName": "MODIFY", "dynamodb": None},
        make_record(ID, {}) | {"eventName": "RENAME"},
        *(
            make_record(ID, {}) | {"dynamodb": {**make_record(ID, {})["dynamodb"], missing: None}}
            for missing in ("NewImage", "Keys", "SequenceNumber")
        ),
    ],
)
def test_an_invalid_record_is_skipped_with_a_warning(ends: Ends, bad: object) -> None:
    """It has no number by which it could be retried, and would not be valid the next time."""
    desktops = finished(ends)

    assert ends.tell(bad, ends.record()) == []

    assert ends.states(*desktops) == GONE
    assert ends.world.reports.lines[-1][1]["warnings"] == [STRANGE]
    assert ends.counts() == {"Ended": 1, "Ignored": 1, "Warnings": 1}


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
    assert ends.counts() == {"Ended": 2, "Failed": 1}
    json.dumps(fields)


# What fails


@pytest.mark.parametrize("operation", sorted(set(CALLS)))
def test_a_record_whose_meeting_could_not_be_ended_is_tried_again(
    ends: Ends, operation: str
) -> None:
    desktops, record = finished(ends), ends.record()
    ends.faults.refused = {(operation, "")}
    assert ends.tell(record) == ["100"]
    assert ends.outcome()[0] == "IN_PROGRESS"

    ends.faults.refused.clear()
    assert ends.tell(record) == []

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"status": "HEALTHY"}, ("TERMINATED", "SUCCESS")),
        ({"meet_time": "2099-01-01T00:00:00Z"}, ("IN_PROGRESS", None)),
        (None, ("IN_PROGRESS", None)),
    ],
)
def test_a_row_that_changes_before_the_claim_is_decided_again_or_tried_again_later(
    ends: Ends, change: dict[str, str] | None, outcome: tuple[str, str | None]
) -> None:
    """Somebody may have put the meeting off, or change it all the time."""
    finished(ends)
    if change:
        ends.faults.meanwhile["update_item"] = lambda: ends.set(**change)
    changes = count() if change else ends.keep_changing()

    assert ends.tell(ends.record()) == ([] if change else ["100"])

    assert next(changes) == (0 if change else 3)
    assert ends.outcome() == outcome


def test_a_record_that_there_is_no_time_left_for_is_tried_again(ends: Ends) -> None:
    """Rather than cut off in the middle; what costs no call is still skipped."""
    finished(ends)
    ends.meeting("other")
    records = [ends.record(number="1"), ends.record("other", "2")]

    answer = ends.terminator.handle({"Records": records}, Context(milliseconds=5000))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert ends.faults.calls == []
    assert ends.counts() == {"Ignored": 1, "Failed": 1}

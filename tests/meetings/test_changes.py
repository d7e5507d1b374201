"""A meeting can be moved and extended while that makes sense, and cancelled until it is over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from chalicelib.meeting_row.meeting import Meeting
from chalicelib.meetings.booking import BookingError
from chalicelib.meetings.changes import (
    Change,
    Changed,
    UnchangeableError,
    decide_cancellation,
    decide_change,
)
from tests.meetings.ends import minutes
from tests.meetings.launches import MEETINGS
from tests.world import make_settings

if TYPE_CHECKING:
    from chalicelib.settings.meetings import MeetingsSettings

START = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
SETTINGS = cast("MeetingsSettings", make_settings(**MEETINGS).meetings)
BEGUN = {"status": "HEALTHY", "launch_begun_at": "2026-11-21T15:20:00.000+00:00"}
JOINED = BEGUN | {"status": "IN_PROGRESS", "joined_at": "2026-11-21T15:31:00Z"}
OVER = {"status": "TERMINATED", "termination_reason": "SUCCESS"}


def row(**texts: str) -> Meeting:
    every = {
        "status": "SCHEDULED",
        "meet_time": "2026-11-21T15:30:00Z",
        "duration_minutes": "60",
        "scheduled_at": "2026-11-20T12:00:00Z",
    }
    return Meeting.made("m1", {name: text for name, text in (every | texts).items() if text})


def decide(
    meeting: Meeting, *, to: float | None = None, length: int | None = None, at: float = -1000
) -> Changed | None:
    """Decide at so many minutes from the start, to move it by some and to last so many."""
    change = Change(
        None if to is None else START + minutes(to), None if length is None else minutes(length)
    )
    return decide_change(meeting, change, START + minutes(at), SETTINGS, "m1a2")


def texts(meeting: Meeting, **wish: Any) -> dict[str, str]:  # noqa: ANN401 (as `decide` has them)
    changed = decide(meeting, **wish)
    assert changed
    return dict(changed.update.texts)


def test_where_rows_are_kept_a_moved_one_loses_the_expiry_that_it_had() -> None:
    keeping = cast("MeetingsSettings", make_settings(**MEETINGS, ROW_DAYS="0").meetings)
    meeting, later = row(expires_at="1803056400"), Change(START + minutes(30), None)

    changed = decide_change(meeting, later, START - minutes(1000), keeping, "m1a2")

    assert changed
    assert "expires_at" not in changed.update.result.item


def test_a_meeting_is_moved_with_schedules_of_its_own() -> None:
    changed = decide(row(), to=30)

    assert changed
    assert changed.moves_launch
    assert (changed.start, changed.length) == (START + minutes(30), minutes(60))
    assert changed.update.texts == {
        "meet_time": "2026-11-21T16:00:00Z",
        "sequence": "1",
        "schedules": "m1a2",
        "expires_at": str(int(datetime(2027, 2, 19, 17, 0, tzinfo=UTC).timestamp())),
    }
    assert changed.meeting.text("meet_time") == "2026-11-21T16:00:00Z"
    # If any of it changes meanwhile, it is decided again.
    assert set(changed.update.relies_on) >= {
        *("status", "termination_reason", "meet_time", "duration_minutes", "schedules"),
        *("sequence", "launch_lease", "launch_begun_at", "joined_at"),
    }


def test_each_change_has_the_next_number_and_a_length_alone_moves_no_launch() -> None:
    meeting = row(sequence="3", duration_minutes="")

    assert (
        texts(meeting, length=90).items()
        >= {
            "duration_minutes": "90",
            "sequence": "4",
            "meet_time": "2026-11-21T15:30:00Z",
        }.items()
    )
    assert "schedules" not in texts(meeting, length=90)
    assert texts(row(sequence="?"), length=90)["sequence"] == "1"


@pytest.mark.parametrize(
    ("meeting", "wish"),
    [
        (row(), {}),
        (row(), {"to": 0, "length": 60}),
        (row(duration_minutes=""), {"length": 180}),
        (row(**JOINED), {"to": 0, "at": 5}),
    ],
)
def test_the_same_change_again_changes_nothing(meeting: Meeting, wish: dict[str, Any]) -> None:
    assert decide(meeting, **wish) is None


def test_a_meeting_whose_desktops_run_is_moved_as_far_as_they_may_run() -> None:
    """They are ended 15 minutes and the longest time after their launch in any case."""
    begun = row(**BEGUN)

    changed = decide(begun, to=125, at=3)

    assert changed
    assert not changed.moves_launch
    assert "schedules" not in changed.update.texts
    with pytest.raises(UnchangeableError) as caught:
        decide(begun, to=126, at=3)
    assert caught.value.errors == {
        "meet_time": "its desktops run already, and until 2026-11-21T18:35:00Z at the latest"
    }
    assert decide(row(**BEGUN, duration_minutes="180"), to=5, length=175, at=3)  # ends as before
    assert decide(row(**BEGUN | {"launch_begun_at": "?"}), to=126, at=3)


REFUSED: list[tuple[Meeting, dict[str, Any], dict[str, str]]] = [
    (row(**OVER), {"to": 30}, {"meet_time": "the meeting is over"}),
    (row(status="TERMINATED"), {"length": 30}, {"meet_time": "the meeting is over"}),
    (row(meet_time="soon"), {"to": 30}, {"meet_time": "the meeting is over"}),
    (
        row(**JOINED),
        {"to": 5, "at": 2},
        {"meet_time": "the meeting is in progress and cannot be moved"},
    ),
    (row(), {"to": -1001}, {"meet_time": "has passed; it is 2026-11-20T22:50:00Z now"}),
    (
        row(**BEGUN | {"launch_begun_at": "2026-11-21T14:00:00.000+00:00"}),
        {"length": 120, "at": 3},
        {
            "duration_minutes": (
                "its desktops run already, and until 2026-11-21T17:15:00Z at the latest"
            )
        },
    ),
    (
        row(sequence="50"),
        {"length": 120},
        {"duration_minutes": "was changed 50 times; cancel the meeting, and book another one"},
    ),
    (
        row(**JOINED),
        {"length": 45, "at": 45},
        {"duration_minutes": "would be over by now; to end the meeting, cancel it"},
    ),
]


@pytest.mark.parametrize(("meeting", "wish", "errors"), REFUSED)
def test_what_makes_no_sense_is_refused(
    meeting: Meeting, wish: dict[str, Any], errors: dict[str, str]
) -> None:
    with pytest.raises((UnchangeableError, BookingError)) as caught:
        decide(meeting, **wish)
    assert caught.value.errors == errors  # type: ignore[attr-defined]


def test_a_meeting_in_progress_is_extended_and_shortened() -> None:
    assert texts(row(**JOINED), length=120, at=50)["duration_minutes"] == "120"
    assert texts(row(**JOINED), length=45, at=43)["duration_minutes"] == "45"


def test_only_time_and_length_can_be_changed() -> None:
    now = START - minutes(60)

    change = Change.parse(b'{"meet_time": "2026-11-21T17:30:00+01:00"}', now, SETTINGS)
    assert change == Change(START + minutes(60), None)
    with pytest.raises(BookingError) as caught:
        Change.parse(b'{"student_name": "Bob", "id": 1, "duration_minutes": 5}', now, SETTINGS)
    fixed = "cannot be changed; only meet_time and duration_minutes can"
    assert caught.value.errors == {
        "student_name": fixed,
        "id": fixed,
        "duration_minutes": "must be a whole number from 15 to 180",
    }


def test_a_meeting_is_cancelled_by_a_claim_unless_it_is_over() -> None:
    update = decide_cancellation(row(**JOINED), START)

    assert update
    assert update.texts == {
        "termination_reason": "CANCELLED",
        "ended_at": "2026-11-21T15:30:00Z",
    }
    assert {"termination_reason", "status"} <= set(update.relies_on)
    assert decide_cancellation(row(**OVER), START) is None
    assert decide_cancellation(row(status="TERMINATED"), START) is None

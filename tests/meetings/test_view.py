"""A meeting is shown with what its scheduler wants to know, in plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.meeting_row.meeting import Meeting
from chalicelib.meetings.view import view
from tests.meetings.ends import minutes

START = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
LINKS = {"teacher": "https://api.example.com/t", "student": None}
BEGUN = {"launch_begun_at": "2026-11-21T15:20:00.000+00:00"}
JOINED = BEGUN | {"status": "IN_PROGRESS", "joined_at": "2026-11-21T15:31:00Z"}


def shown(at: float = -60, **texts: str) -> dict[str, Any]:
    every = {"status": "SCHEDULED", "meet_time": "2026-11-21T15:30:00Z", "teacher_name": "Ada"}
    meeting = Meeting.made("m1", {name: text for name, text in (every | texts).items() if text})
    return view(meeting, LINKS, START + minutes(at), minutes(180))


def test_everything_is_there_and_what_is_unknown_is_null() -> None:
    assert shown() == {
        "message": "Booked. Its desktops start 10 minutes before the meeting.",
        "meeting_id": "m1",
        "state": "upcoming",
        "status": "SCHEDULED",
        "reason": None,
        "meet_time": "2026-11-21T15:30:00Z",
        "duration_minutes": 180,
        "ends_at": "2026-11-21T18:30:00Z",
        "time_zone": None,
        "jitsi_url": None,
        "actions": ["move", "extend", "cancel"],
        "teacher_name": "Ada",
        "teacher_email": None,
        "teacher_link": "https://api.example.com/t",
        "teacher_mail": None,
        "student_name": "",
        "student_email": None,
        "student_link": None,
        "student_mail": None,
    }


STATES: list[tuple[float, dict[str, str], str, str, list[str]]] = [
    (-9, BEGUN, "running", "being started", ["move", "extend", "cancel"]),
    (-8, BEGUN | {"status": "LAUNCHED"}, "running", "starting", ["move", "extend", "cancel"]),
    (-7, BEGUN | {"status": "DNS_WRITTEN"}, "running", "checked", ["move", "extend", "cancel"]),
    (-5, BEGUN | {"status": "HEALTHY"}, "running", "is ready", ["move", "extend", "cancel"]),
    (5, JOINED, "running", "in progress", ["extend", "end"]),
    (-5, {"status": "odd"}, "running", "under way", ["move", "extend", "cancel"]),
    (50, {"status": "TERMINATED"}, "over", "It is over", []),
    (180, JOINED, "over", "It is over", []),
    (-60, {"meet_time": ""}, "over", "It is over", []),
    *(
        (20, {"termination_reason": reason}, "over", words, [])
        for reason, words in (
            ("SUCCESS", "took place"),
            ("15_MIN_SUCCESS", "took place"),
            ("MAX_LENGTH_TIMEOUT", "Its time was over"),
            ("NO_SHOW_TIMEOUT", "Nobody came"),
            ("PARTIAL_NO_SHOW_TIMEOUT", "Not everybody came"),
            ("NEVER_HEALTHY", "did not become ready"),
            ("LAUNCH_FAILED", "could not be started"),
            ("DESKTOP_LIMIT", "Too many desktops"),
            ("CANCELLED", "cancelled"),
        )
    ),
    (20, JOINED | {"termination_reason": "CANCELLED"}, "over", "ended before its time", []),
]


@pytest.mark.parametrize(("at", "texts", "state", "words", "actions"), STATES)
def test_its_state_is_said_and_what_can_be_done(
    at: float, texts: dict[str, str], state: str, words: str, actions: list[str]
) -> None:
    found = shown(at, **texts)

    assert (found["state"], found["actions"]) == (state, actions)
    assert words in found["message"]
    assert (found["teacher_link"] is None) == (state == "over")


@pytest.mark.parametrize("outcome", ["sent", "failed", "bounced"])
def test_of_the_letters_the_outcome_of_the_last_one_is_shown(outcome: str) -> None:
    found = shown(student_mail=f"invitation 0 {outcome}", student_email="zoe@example.com")

    assert (found["student_mail"], found["student_email"]) == (outcome, "zoe@example.com")
    assert shown(student_mail="invitation 0 sending")["student_mail"] is None

"""When a meeting is over: not while it goes on, and yet always in the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.clock import in_minutes
from chalicelib.ec2.instances import Instance
from chalicelib.meeting_row.meeting import Meeting, Status
from chalicelib.meetings.lifetime import (
    BETWEEN_LOOKS,
    LEAD,
    LONGEST_AHEAD,
    PRESENCE_FROM,
    End,
    Leave,
    LookAgain,
    next_look,
    verdict,
    wants_presence,
)
from chalicelib.meetings.state import (
    SLACK,
    has_all_data,
    has_data,
    is_over,
    meet_time_of,
    says_why_it_ended,
)
from chalicelib.settings.meetings import SHORTEST_MEETING
from tests.meetings.ends import minutes

START = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
LONGEST = timedelta(minutes=180)
ID = "abcdefgh12345678"
BOTH = {"teacher_session_data": "x", "student_session_data": "y"}


def row(**texts: str | None) -> Meeting:
    """Make a row of a meeting that starts at START; None leaves an attribute out."""
    every: dict[str, str | None] = {"status": "HEALTHY", "meet_time": "2026-11-21T15:30:00Z"}
    texts = every | texts
    return Meeting(ID, {name: {"S": text} for name, text in texts.items() if text is not None})


def desktop(launched_at: datetime, number: int = 1) -> Instance:
    tags = {"Project": "Elephant", "MeetingID": ID, "elephant:owner": "elephant:prod"}
    return Instance(f"i-{number:017x}", "running", "203.0.113.7", tags, launched_at)


DESKTOPS = (desktop(START - minutes(10)), desktop(START - minutes(9), 2))


# Reading the row


READABLE = (
    *("2026-11-21T15:30:00Z", " 2026-11-21T17:30:00+02:00 ", "2026-11-21T15:30:00.000000+00:00"),
    *("2026-11-21 15:30", "20261121T153000Z"),
)
UNREADABLE = (
    *("", "tomorrow at noon", "2026-11-21", "2026-W47-6", "2026-11-31T15:30:00Z"),
    *("0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [*((each, START) for each in READABLE), *((each, None) for each in UNREADABLE)],
)
def test_the_start_is_read_as_utc_or_not_at_all(text: str, moment: datetime | None) -> None:
    assert meet_time_of(row(meet_time=text)) == moment


@pytest.mark.parametrize("item", [{}, {"meet_time": {"N": "1795275000"}}])
def test_a_row_may_have_no_start(item: dict[str, Any]) -> None:
    assert meet_time_of(Meeting(ID, item)) is None


@pytest.mark.parametrize("status", Status)
def test_a_meeting_is_over_once_it_is_claimed_or_terminated(status: str) -> None:
    assert is_over(row(status=status)) is (status == "TERMINATED")
    assert is_over(row(status=status, termination_reason="SUCCESS"))
    assert is_over(Meeting(ID, {"termination_reason": {"NULL": True}}))


@pytest.mark.parametrize(
    ("value", "is_there"),
    [
        ({"S": "s3://bucket/x"}, True),
        ({"S": ""}, False),
        ({"M": {"x": {"S": ""}}}, True),
        ({"M": {}}, False),
        ({"L": [{"S": ""}]}, True),
        ({"L": []}, False),
        ({"BOOL": True}, True),
        ({"BOOL": False}, False),
        ({"N": "0"}, True),
        ({"NULL": True}, False),
    ],
)
def test_a_side_has_finished_once_its_data_is_there_and_not_empty(
    value: dict[str, Any], *, is_there: bool
) -> None:
    meeting = Meeting(ID, {"teacher_session_data": value})

    assert has_data(meeting, "teacher") is is_there
    assert not has_data(meeting, "student")
    assert not has_all_data(meeting)
    assert has_all_data(Meeting(ID, {**meeting.item, "student_session_data": value})) is is_there


# 15 minutes after the start


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"status": "SCHEDULED"}, "NEVER_HEALTHY"),
        ({"status": "LAUNCHED"}, "NEVER_HEALTHY"),
        ({"status": "DNS_WRITTEN"}, "NEVER_HEALTHY"),
        ({"status": "HEALTHY"}, "NO_SHOW_TIMEOUT"),
        ({"status": None}, "NO_SHOW_TIMEOUT"),
        ({"status": "PAUSED"}, "NO_SHOW_TIMEOUT"),
        ({"teacher_session_data": "x"}, "PARTIAL_NO_SHOW_TIMEOUT"),
        ({"student_session_data": "x"}, "PARTIAL_NO_SHOW_TIMEOUT"),
        (BOTH, "15_MIN_SUCCESS"),
        (BOTH | {"status": "IN_PROGRESS"}, "15_MIN_SUCCESS"),
    ],
)
def test_a_meeting_that_nobody_is_in_ends_for_the_guides_reasons(
    texts: dict[str, str | None], reason: str
) -> None:
    found = verdict(row(**texts), DESKTOPS, START + SHORTEST_MEETING, LONGEST)

    assert isinstance(found, End)
    assert found.reason == reason


@pytest.mark.parametrize("data", [{}, {"teacher_session_data": "x"}])
@pytest.mark.parametrize(
    ("ago", "is_present"), [(0, True), (5, True), (-1, True), (5.1, False), (-1.1, False)]
)
def test_nobody_is_absent_who_waits(ago: float, data: dict[str, str], *, is_present: bool) -> None:
    now = START + minutes(21)
    meeting = row(student_waiting_at=(now - minutes(ago)).isoformat(), **data)

    found = verdict(meeting, DESKTOPS, now, LONGEST)

    assert isinstance(found, LookAgain) is is_present
    if is_present:
        assert found == LookAgain(START + minutes(25), "waiting for it: student")


@pytest.mark.parametrize(
    ("texts", "after"),
    [
        ({"status": "DNS_WRITTEN"}, SHORTEST_MEETING),
        ({}, LONGEST),
        (BOTH, SHORTEST_MEETING),
        ({"teacher_waiting_at": "just now"}, SHORTEST_MEETING),
    ],
)
def test_who_waits_keeps_no_meeting_that_is_over_for_another_reason(
    texts: dict[str, str], after: timedelta
) -> None:
    waiting = {"teacher_waiting_at": (START + after).isoformat()}

    assert isinstance(verdict(row(**waiting | texts), DESKTOPS, START + after, LONGEST), End)


@pytest.mark.parametrize(
    ("after", "texts", "is_wanted"),
    [
        (9.9, {}, False),
        (10, {}, True),
        (10, {"status": "SCHEDULED"}, True),
        (10, {"meet_time": "soon"}, False),
        (10, {"status": "IN_PROGRESS"}, False),
        (10, {"joined_at": "2026-11-21T15:31:00Z"}, False),
        (10, {"termination_reason": "SUCCESS"}, False),
        (10, {"teacher_waiting_at": "2026-11-21T15:40:00Z"}, True),
        (10, {"student_waiting_at": "2026-11-21T15:39:01Z"}, False),
        (10, {"student_waiting_at": "2026-11-21T15:39:00Z"}, True),
        (10, {"student_waiting_at": "2099-01-01T00:00:00Z"}, True),
        (10, {"student_waiting_at": "soon"}, True),
        (179.9, {}, True),
        (180, {}, False),
    ],
)
def test_presence_is_written_when_it_can_matter_and_once_a_minute(
    after: float, texts: dict[str, str], *, is_wanted: bool
) -> None:
    assert wants_presence(row(**texts), "student", START + minutes(after), LONGEST) is is_wanted


# Before and after that

IN_PROGRESS = row(status="IN_PROGRESS")
JOINED = {"joined_at": "2026-11-21T15:30:00Z"}
"""A desktop that finds itself healthy may set the status back."""
CLAIMED = {"status": "IN_PROGRESS", "termination_reason": "SUCCESS"}
UNCLAIMED = row(status="TERMINATED")
FAR = row(meet_time="2099-01-01T00:00:00Z")
OLD = 180 + LONGEST_AHEAD / minutes(1) - 10
"""Minutes after START at which the desktops are as old as those of a meeting ahead may be."""
GOES_ON = LookAgain(START + minutes(20), "it is in progress")
EARLY = LookAgain(START + SHORTEST_MEETING, "it starts at 2026-11-21T15:30:00Z")
BEGUN = End("SUCCESS", "it is being ended")
BY_TIME = ("termination_reason", "meet_time", "duration_minutes", "joined_at")
"""Which no desktop writes."""
LASTED = End("MAX_LENGTH_TIMEOUT", "it has lasted 180 minutes, its longest time", BY_TIME)
HALF_AN_HOUR = row(status="IN_PROGRESS", duration_minutes="30")
NOBODY = End("NO_SHOW_TIMEOUT", "15 minutes after its start nobody is in it")
NOT_CLAIMED = "its status is TERMINATED without a termination_reason, and desktops are left"
MUCH_TOO_OLD = "it starts at 2099-01-01T00:00:00Z, and a desktop is older than 195 minutes"
FAR_AHEAD = "it starts at 2099-01-01T00:00:00Z"
LEFT = Leave("it is TERMINATED, and no desktop is left")
Found = End | LookAgain | Leave
VERDICTS: dict[str, tuple[Meeting, tuple[Instance, ...], float, Found]] = {
    "in progress": (IN_PROGRESS, DESKTOPS, 15, GOES_ON),
    "in progress, and one has left": (
        row(status="IN_PROGRESS", teacher_session_data="x"), DESKTOPS, 15, GOES_ON
    ),
    "somebody has joined": (row(**JOINED), DESKTOPS, 15, GOES_ON),
    "both were there, and one has left": (
        row(**JOINED, teacher_session_data="x"), DESKTOPS, 15, GOES_ON
    ),
    "before its longest time": (
        IN_PROGRESS, DESKTOPS, 175, LookAgain(START + LONGEST, GOES_ON.why)
    ),
    "just before it, when a schedule in this very minute might never fire": (
        IN_PROGRESS, DESKTOPS, 180 - 1.5 / 60,
        LookAgain(START + minutes(181) - timedelta(seconds=1), GOES_ON.why),
    ),
    "at its longest time": (IN_PROGRESS, DESKTOPS, 180, LASTED),
    "before the end that was booked": (
        HALF_AN_HOUR, DESKTOPS, 25, LookAgain(START + minutes(30), GOES_ON.why)
    ),
    "at the end that was booked": (
        HALF_AN_HOUR, DESKTOPS, 30,
        End("MAX_LENGTH_TIMEOUT", "it has lasted 30 minutes, its longest time", BY_TIME),
    ),
    "at a length that the stage does not allow any more": (
        row(status="IN_PROGRESS", duration_minutes="1000"), DESKTOPS, 180, LASTED
    ),
    "no length": (row(status="IN_PROGRESS", duration_minutes="long"), DESKTOPS, 180, LASTED),
    "a length that is too short": (
        row(status="IN_PROGRESS", duration_minutes="1"), DESKTOPS, 15,
        End("MAX_LENGTH_TIMEOUT", "it has lasted 15 minutes, its longest time", BY_TIME),
    ),
    "a status that nobody claimed": (
        UNCLAIMED, DESKTOPS, 20, LookAgain(START + minutes(30), NOT_CLAIMED)
    ),
    "that status, at its longest time": (UNCLAIMED, DESKTOPS, 180, LASTED),
    "that status, and nothing left": (UNCLAIMED, (), 180, LEFT),
    "that status, and the desktops shut down because both had finished": (
        row(status="TERMINATED", **BOTH), (), 15, End("15_MIN_SUCCESS", "both sides have finished")
    ),
    "too early": (row(), (desktop(START),), 13.5, EARLY),
    "too early for what both have left": (row(**BOTH), (desktop(START),), 1, EARLY),
    "much too early": (IN_PROGRESS, (desktop(START - minutes(95)),), -85, EARLY),
    "early by a clock's difference": (row(), DESKTOPS, 14, NOBODY),
    "far ahead": (FAR, (), 0, LookAgain(datetime(2099, 1, 1, 0, 15, tzinfo=UTC), FAR_AHEAD)),
    "far ahead, with desktops": (
        FAR, DESKTOPS, OLD - 30, LookAgain(START + minutes(OLD), FAR_AHEAD)
    ),
    "far ahead, with desktops that are too old": (
        FAR, DESKTOPS, OLD, End("MAX_LENGTH_TIMEOUT", MUCH_TOO_OLD, ("termination_reason",))
    ),
    "claimed before its start": (row(**CLAIMED), (), -5, BEGUN),
    "claimed": (row(**CLAIMED), (), 15, BEGUN),
    "claimed long ago": (row(**CLAIMED), (), 360, BEGUN),
    "a claim that is no text": (
        Meeting(ID, {**row().item, "termination_reason": {"NULL": True}}), DESKTOPS, 0,
        End("unknown", "it is being ended"),
    ),
    "terminated": (row(**CLAIMED | {"status": "TERMINATED"}), DESKTOPS, 0, BEGUN),
    "terminated, and nothing left": (row(**CLAIMED | {"status": "TERMINATED"}), (), 0, LEFT),
}  # fmt: skip


@pytest.mark.parametrize(("meeting", "desktops", "after", "found"), VERDICTS.values(), ids=VERDICTS)
def test_the_row_the_desktops_and_the_time_decide(
    meeting: Meeting, desktops: tuple[Instance, ...], after: float, found: Found
) -> None:
    """The guide ended a meeting once one side had uploaded, and never looked again if none had.

    Whoever may write the row could move the start on and on: so a start far ahead does not keep
    desktops for ever.
    """
    assert verdict(meeting, desktops, START + minutes(after), LONGEST) == found


# A meeting whose start nobody knows


@pytest.mark.parametrize(
    ("meeting", "what"),
    [
        (None, "it has no row"),
        (row(meet_time=None), "the row has no valid meet_time"),
        (row(meet_time="soon", status="IN_PROGRESS"), "the row has no valid meet_time"),
    ],
)
def test_without_a_start_it_is_over_by_its_oldest_desktops_age(
    meeting: Meeting | None, what: str
) -> None:
    latest = DESKTOPS[0].launched_at + LONGEST

    found = verdict(meeting, DESKTOPS, latest - minutes(3), LONGEST)
    assert found == LookAgain(latest, f"{what}, and its desktops may be in use")
    found = verdict(meeting, DESKTOPS, latest, LONGEST)
    why = f"{what}, and a desktop is older than 180 minutes"
    assert found == End("MAX_LENGTH_TIMEOUT", why, ("termination_reason",))
    found = verdict(meeting, (), latest, LONGEST)
    assert found == Leave(f"{what}, and no desktop is left")


def test_without_a_row_what_may_be_anothers_is_left_until_any_stage_would_end_it() -> None:
    launched = DESKTOPS[0].launched_at
    unmarked = replace(DESKTOPS[0], tags={"Project": "Elephant", "MeetingID": ID})
    desktops, of_any = (unmarked, DESKTOPS[1]), minutes(24 * 60 + 15)

    found = verdict(None, desktops, launched + of_any - minutes(1), LONGEST)
    assert isinstance(found, LookAgain)
    assert isinstance(verdict(None, desktops, launched + of_any, LONGEST), End)
    assert isinstance(verdict(row(meet_time=None), (unmarked,), launched + LONGEST, LONGEST), End)


# With any row

TEXTS = st.fixed_dictionaries(
    {
        "status": st.sampled_from([*Status, None, "", "PAUSED"]),
        "meet_time": st.sampled_from(
            ["2026-11-21T15:30:00Z", "2026-11-21T16:30:00+01:00", "soon", None]
        ),
        "teacher_session_data": st.sampled_from([None, "", "x"]),
        "student_session_data": st.sampled_from([None, "", "x"]),
        "student_waiting_at": st.sampled_from([None, "2026-11-21T15:44:00Z", "2026-11-21T18:00Z"]),
        "termination_reason": st.sampled_from([None, None, None, "SUCCESS"]),
    }
)
ROWS = TEXTS.map(lambda texts: row(**texts))
TIMES = st.floats(-400, 400).map(lambda after: START + minutes(after))
LONGESTS = st.integers(15, 1440).map(minutes)
DUE = st.floats(-11, 60).map(minutes)
"""After the start: desktops are not launched earlier than ten minutes before it, give or take."""


def launched(after: list[timedelta]) -> tuple[Instance, ...]:
    return tuple(desktop(START + each, number) for number, each in enumerate(after))


AGES = st.lists(DUE, max_size=3).map(launched)
Case = tuple[Meeting | None, tuple[Instance, ...], timedelta]
CASES: st.SearchStrategy[Case] = st.tuples(st.none() | ROWS, AGES, LONGESTS)
"""A row or none, the desktops, and the longest time."""


@pytest.mark.parametrize("is_live", [True, False])
@given(texts=TEXTS, desktops=AGES, share=st.floats(-60, 0.999), longest=LONGESTS)
def test_no_live_meeting_is_ended_and_none_before_its_start(
    texts: dict[str, str | None],
    desktops: tuple[Instance, ...],
    share: float,
    longest: timedelta,
    *,
    is_live: bool,
) -> None:
    """Unless both sides have left their data, or its longest time is over."""
    as_it_is = {"meet_time": row().item["meet_time"]["S"], "termination_reason": None}
    if is_live:
        as_it_is |= {"status": "IN_PROGRESS", "student_session_data": None}
    else:
        as_it_is |= {"status": "HEALTHY"}
    until = longest if is_live else minutes(13.9)
    now = START + (share * until if share > 0 else minutes(share))

    found = verdict(row(**texts | as_it_is), desktops, now, longest)

    assert isinstance(found, LookAgain)


@given(CASES, st.floats(0, 10_000))
def test_nothing_outlives_the_longest_time(case: Case, more: float) -> None:
    meeting, desktops, longest = case
    has_start = meeting is not None and meet_time_of(meeting) is not None
    since = START if has_start else max([each.launched_at for each in desktops], default=START)

    found = verdict(meeting, desktops, since + longest + minutes(more), longest)

    assert isinstance(found, End | Leave)
    assert isinstance(found, Leave) <= (not desktops)


@given(CASES, TIMES, st.floats(0, 2000))
def test_what_is_over_stays_over(case: Case, now: datetime, later: float) -> None:
    meeting, desktops, longest = case

    first = verdict(meeting, desktops, now, longest)
    second = verdict(meeting, desktops, now + minutes(later), longest)

    waiting = (meeting.item if meeting else {}).get("student_waiting_at", {"S": str(now)})
    if isinstance(first, End) and datetime.fromisoformat(waiting["S"]) <= now + SLACK:
        assert isinstance(second, End)
    if isinstance(first, Leave):
        assert second == first


@given(CASES, TIMES, st.integers(0, 999_999))
def test_the_next_look_can_be_booked_and_comes_in_time(
    case: Case, now: datetime, microsecond: int
) -> None:
    meeting, desktops, longest = case
    now = now.replace(microsecond=microsecond)
    found = verdict(meeting, desktops, now, longest)

    if isinstance(found, LookAgain):
        assert found.at >= now + SLACK
        assert found.at.microsecond == 0
        start = meet_time_of(meeting) if meeting else None
        in_the_rhythm = now + BETWEEN_LOOKS + SLACK
        assert found.at <= (
            max(in_the_rhythm, start + SHORTEST_MEETING) if start else in_the_rhythm
        )


@given(TIMES, st.floats(0, 8))
def test_looks_that_are_booked_twice_become_one(now: datetime, later: float) -> None:
    """However long retries take, at most two moments are booked, and their looks book the same."""
    first, second = next_look(now), next_look(now + minutes(later))

    assert now + SLACK < first <= now + SLACK + BETWEEN_LOOKS
    assert second in {first, first + BETWEEN_LOOKS}
    assert next_look(first) == first + BETWEEN_LOOKS


# The guide

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "figure"),
    [
        ("meetings", f"| {in_minutes(LEAD)} before | `launch_ec2` |"),
        ("meetings", f"| {in_minutes(SHORTEST_MEETING)} after the start | `safety_net` |"),
        ("meetings", f"| `NEVER_HEALTHY` | {in_minutes(SHORTEST_MEETING)} after the start"),
        ("meetings", f"from {in_minutes(PRESENCE_FROM)} after the start"),
        ("operations", f"`NEVER_HEALTHY`: {in_minutes(SHORTEST_MEETING)} after its start"),
    ],
)
def test_the_guide_gives_the_times_that_the_code_keeps_to(page: str, figure: str) -> None:
    assert figure in (DOCS / f"{page}.md").read_text()


@pytest.mark.parametrize(
    ("texts", "is_said"),
    [
        ({"status": "TERMINATED", "termination_reason": "SUCCESS"}, True),
        ({"status": "TERMINATED"}, False),
        ({"status": "IN_PROGRESS", "termination_reason": "SUCCESS"}, False),
    ],
)
def test_a_success_is_claimed_even_after_its_desktops_have_shut_down(
    texts: dict[str, str], *, is_said: bool
) -> None:
    every = texts | dict.fromkeys(("teacher_session_data", "student_session_data"), "{}")
    assert says_why_it_ended(
        Meeting("m1", {name: {"S": text} for name, text in every.items()})
    ) is (is_said)

"""No more meetings than the limits allow; a refusal says from when there is room again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import Meeting
from chalicelib.meetings.limits import LimitError, Slot, require_room
from tests.meetings.ends import minutes
from tests.meetings.launches import MEETINGS
from tests.world import make_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.settings.meetings import MeetingsSettings

EMPTY: Mapping[str, str] = MappingProxyType({})
START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
HOUR = minutes(60)
LIMITS = {
    "MAX_DESKTOPS": "5",
    "MAX_MEETINGS_A_DAY": "6",
    "KEY_MEETINGS_A_DAY": "4",
    "KEY_MEETINGS_AT_ONCE": "1",
}


def settings(**limits: str) -> MeetingsSettings:
    return cast("MeetingsSettings", make_settings(**MEETINGS, **(LIMITS | limits)).meetings)


def other(
    after: float, caller: str = "office", length: int = 60, more: Mapping[str, str] = EMPTY
) -> Meeting:
    """Another meeting that starts so many minutes after the one that is wanted."""
    every = {
        "scheduled_by": caller,
        "meet_time": format_time(START + minutes(after)),
        "duration_minutes": str(length),
    }
    return Meeting.made(f"{caller}{after}{length}", every | dict(more))


def refusal(
    *others: Meeting, length: timedelta = HOUR, **limits: str
) -> tuple[str, datetime | None] | None:
    """Return the limit that leaves no room, and from when there is some."""
    try:
        require_room(Slot("wanted", "office", START, length), others, settings(**limits))
    except LimitError as error:
        return error.limit, error.free_at
    return None


CANCELLED = {"termination_reason": "CANCELLED"}
BEGUN = {"launch_begun_at": "2026-11-21T09:50:00.000+00:00"}
TOMORROW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("others", "refused"),
    [
        ((), None),
        # One key, one meeting at a time; its desktops start ten minutes before it.
        ((other(0),), ("KEY_MEETINGS_AT_ONCE", START + minutes(70))),
        ((other(-30), other(35)), ("KEY_MEETINGS_AT_ONCE", START + minutes(105))),
        ((other(69),), ("KEY_MEETINGS_AT_ONCE", START + minutes(139))),
        ((other(70), other(-70)), None),
        # One that was moved after its launch keeps its desktops meanwhile.
        ((other(90, more=BEGUN),), ("KEY_MEETINGS_AT_ONCE", START + minutes(160))),
        ((other(0, more=CANCELLED), other(5, more=CANCELLED | BEGUN)), None),
        ((other(0, length=0),), ("KEY_MEETINGS_AT_ONCE", START + minutes(25))),  # 15 at least
        ((other(0, more={"meet_time": "soon"}),), None),
        # Five desktops are two meetings.
        ((other(0, "a"),), None),
        ((other(0, "a"), other(60, "b")), ("MAX_DESKTOPS", START + minutes(70))),
        ((other(-50, "a"), other(20, "b")), None),  # never at the same time
        ((other(-50, "a"), other(-50, "b")), ("MAX_DESKTOPS", START + minutes(20))),
        # In a day, at any time; what was cancelled before it cost anything does not count.
        (tuple(other(each) for each in (100, 200, 300, 400)), ("KEY_MEETINGS_A_DAY", TOMORROW)),
        ((*(other(each) for each in (100, 200, 300)), other(400, more=CANCELLED)), None),
        (
            (*(other(each) for each in (100, 200, 300)), other(400, more=CANCELLED | BEGUN)),
            ("KEY_MEETINGS_A_DAY", TOMORROW),
        ),
        (
            tuple(other(each, "a") for each in range(100, 700, 100)),
            ("MAX_MEETINGS_A_DAY", TOMORROW),
        ),
        (tuple(other(each) for each in range(-1100, -600, 100)), None),  # yesterday
    ],
)
def test_a_meeting_needs_room_in_its_day_and_at_its_time(
    others: tuple[Meeting, ...], refused: tuple[str, datetime] | None
) -> None:
    assert refusal(*others) == refused


def test_when_there_is_room_is_not_guessed() -> None:
    """Of meetings that start later than the next day nothing is known."""
    every_hour = [other(hours * 60) for hours in range(-1, 37)]

    assert refusal(*every_hour, KEY_MEETINGS_A_DAY="100", MAX_MEETINGS_A_DAY="100") == (
        "KEY_MEETINGS_AT_ONCE",
        None,
    )


@given(
    st.lists(st.tuples(st.integers(-200, 400), st.integers(15, 180)), max_size=8),
    st.integers(15, 180),
    st.integers(1, 4),
)
def test_what_is_admitted_keeps_the_limit_at_every_minute_and_free_at_is_the_first_time(
    booked: list[tuple[int, int]], length: int, most: int
) -> None:
    others = [other(after, length=each) for after, each in booked]

    def busiest(start: int) -> int:
        return max(
            sum(after - 10 <= minute < after + each for after, each in booked)
            for minute in range(start - 10, start + length)
        )

    refused = refusal(
        *others,
        length=minutes(length),
        KEY_MEETINGS_AT_ONCE=str(most),
        **dict.fromkeys(("MAX_DESKTOPS", "MAX_MEETINGS_A_DAY", "KEY_MEETINGS_A_DAY"), "100"),
    )

    assert (refused is None) == (busiest(0) < most)
    if refused:
        assert refused[1]
        free = int((refused[1] - START) / minutes(1))
        assert [start for start in range(free + 1) if busiest(start) < most] == [free]


def test_the_message_says_which_limit_it_is_and_when_there_is_room() -> None:
    assert str(LimitError("MAX_DESKTOPS", "all are taken", START)) == (
        "all are taken; there is room from 2026-11-21T10:00:00Z on (MAX_DESKTOPS)"
    )
    assert str(LimitError("MAX_DESKTOPS", "all are taken", None)) == "all are taken (MAX_DESKTOPS)"

"""Hundreds of schedules of everything that may happen; `python -m tests.simulation` runs more."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import CoreSchedule, MeetingsSchedule
from tests.simulation.soak import fresh_seed, settings_for, soak

CORE_SCHEDULES, MEETINGS_SCHEDULES = 180, 400
"""Enough for all that is EXPECTED: which schedules these are changes with the code, as Hypothesis
tries the constants that it finds in it."""
FRESH = 30
SHRINKING = 900
"""Seconds: Hypothesis looks for the shortest schedule that fails for five minutes."""

EXPECTED = {
    *("NEVER_HEALTHY", "NO_SHOW_TIMEOUT", "15_MIN_SUCCESS", "MAX_LENGTH_TIMEOUT", "LAUNCH_FAILED"),
    *("booking 200", "booking 201", "booking 409", "booking 503", "refused by a limit"),
    *("PATCH 200", "PATCH 400", "PATCH 404", "PATCH 409", "DELETE 200", "DELETE 404"),
    *("moved before its launch", "moved when launched", "extended before its launch"),
    *("shortened before its launch", "cancelled before its launch", "cancelled when launched"),
    *("letter: invitation", "letter: cancellation", "CANCELLED"),
    *("visit 200", "visit 202", "visit 404"),
    *("look: ended", "look: left", "look: waiting", "started", "launch_ec2 LaunchDelayedError"),
    *("declared over", "full", "overseen", "raced"),
    *("describe 200", "healthy 200", "healthy 403", "healthy 409", "healthy 410", "finished 200"),
    *("let in", "turned away"),
}
"""What has happened somewhere in them, or they would prove little."""

TestCore = CoreSchedule.TestCase
TestCore.settings = settings(settings_for(CORE_SCHEDULES), derandomize=True)


class SameMeetings(MeetingsSchedule):
    """The same schedules every time."""


@pytest.mark.timeout(SHRINKING)
def test_nothing_is_started_twice_ended_alive_or_left_running() -> None:
    schedules = settings(settings_for(MEETINGS_SCHEDULES), derandomize=True)

    run_state_machine_as_test(SameMeetings, settings=schedules)

    assert EXPECTED - SameMeetings.seen.keys() == set()


@pytest.mark.timeout(SHRINKING)
@pytest.mark.parametrize("simulation", [CoreSchedule, MeetingsSchedule])
def test_new_schedules_hold_as_well(simulation: type[CoreSchedule | MeetingsSchedule]) -> None:
    """Others each time; what fails prints the schedule, and the seed that repeats it."""
    seed = fresh_seed()
    try:
        soak(FRESH, seed, simulation)
    except BaseException as error:
        error.add_note(f"These were {FRESH} schedules from SEED={seed}")
        raise

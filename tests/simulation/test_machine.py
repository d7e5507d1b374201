"""Hundreds of schedules of everything that may happen; `python -m tests.simulation` runs more."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.simulation.machine import Simulation
from tests.simulation.meetings.machine import MeetingLife
from tests.simulation.soak import fresh_seed, settings_for, soak

SCHEDULES = 180
FRESH = 60
SHRINKING = 900
"""Seconds: Hypothesis looks for the shortest schedule that fails for five minutes."""

TestSimulation = Simulation.TestCase
# The same ones every time.
TestSimulation.settings = settings(settings_for(SCHEDULES), derandomize=True)


@pytest.mark.timeout(SHRINKING)
@pytest.mark.parametrize("simulation", [Simulation, MeetingLife])
def test_new_schedules_hold_as_well(simulation: type[Simulation | MeetingLife]) -> None:
    """Others each time; what fails prints the schedule, and the seed that repeats it."""
    seed = fresh_seed()
    try:
        soak(FRESH, seed, simulation)
    except BaseException as error:
        error.add_note(f"These were {FRESH} schedules from SEED={seed}")
        raise

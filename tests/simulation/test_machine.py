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
def test_new_schedules_hold_as_well(
    simulation: type[Simulation] | type[MeetingLife], capsys: pytest.CaptureFixture[str]
) -> None:
    """Others each time; what fails prints its seed, and `SEED=… make test` repeats it."""
    seed = fresh_seed()
    with capsys.disabled():
        print(f"\n{FRESH} schedules of {simulation.__name__} from seed {seed}")  # noqa: T201 (CI keeps it)

    soak(FRESH, seed, simulation)

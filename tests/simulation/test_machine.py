"""Hundreds of schedules of everything that may happen; `python -m tests.simulation` runs more."""

from __future__ import annotations

from tests.simulation.machine import Simulation
from tests.simulation.soak import settings_for

SCHEDULES = 300

TestSimulation = Simulation.TestCase
TestSimulation.settings = settings_for(SCHEDULES)

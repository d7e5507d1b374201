"""Hundreds of schedules of everything that may happen; `python -m tests.simulation` runs more."""

from __future__ import annotations

from hypothesis import settings

from tests.simulation.machine import Simulation
from tests.simulation.soak import settings_for

SCHEDULES = 180

TestSimulation = Simulation.TestCase
# The same ones every time: new ones are for `make soak`, whose failures hold up nobody's change.
TestSimulation.settings = settings(settings_for(SCHEDULES), derandomize=True)

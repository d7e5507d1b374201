"""Hundreds of schedules of meetings; `python -m tests.simulation --meetings` runs more."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.meetings.machine import MeetingLife
from tests.simulation.soak import settings_for

SCHEDULES = 200

EXPECTED = {
    "NEVER_HEALTHY",
    "NO_SHOW_TIMEOUT",
    "15_MIN_SUCCESS",
    "MAX_LENGTH_TIMEOUT",
    "LAUNCH_FAILED",
    "booking 200",
    "booking 201",
    "booking 409",
    "booking 503",
    "declared over",
    "full",
    "launch_ec2 LaunchDelayedError",
    "look: ended",
    "look: left",
    "look: waiting",
    "overseen",
    "raced",
    "started",
    "visit 200",
    "visit 202",
    "visit 404",
}
"""What has happened somewhere in them, or they would prove little."""


class Sample(MeetingLife):
    """The same schedules every time: new ones are for `make soak`."""


def test_nothing_is_started_twice_ended_alive_or_left_running() -> None:
    schedules = settings(settings_for(SCHEDULES), derandomize=True)

    run_state_machine_as_test(Sample, settings=schedules)

    assert EXPECTED - Sample.seen.keys() == set()

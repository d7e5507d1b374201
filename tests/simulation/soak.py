"""Running schedules by the thousand, each batch of them from a seed of its own."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.simulation.burst import Burst
from tests.simulation.machine import Simulation
from tests.simulation.meetings.machine import MeetingLife

STEPS = 40
"""The most that happens in one schedule."""
BATCH = 2000


def settings_for(schedules: int) -> settings:
    """Make Hypothesis's settings for so many schedules; what fails prints how to repeat it."""
    return settings(
        max_examples=schedules,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


def fresh_seed() -> int:
    """Return the seed that SEED names, or another one each time."""
    return int(os.environ.get("SEED") or random.SystemRandom().randrange(2**31))


def soak(
    schedules: int, first_seed: int, simulation: type[RuleBasedStateMachine] = Simulation
) -> None:
    """Run so many schedules. Raises what the first one that fails raises, shrunk and printed."""
    for batch, start in enumerate(range(0, schedules, BATCH)):
        number, count = first_seed + batch, min(BATCH, schedules - start)
        begun = time.monotonic()
        machine = type(simulation.__name__, (simulation,), {})
        run_state_machine_as_test(seed(number)(machine), settings=settings_for(count))
        pace = count / (time.monotonic() - begun) * 60
        say(f"{start + count} schedules (seed {number}: {pace:.0f} a minute)")


def say(line: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, help="how many (10,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first batch (0)")
    parser.add_argument("--meetings", action="store_true", help="of the meetings' whole life")
    parser.add_argument("--burst", type=int, help="start so many desktops at once instead")
    parser.add_argument("--ends", type=int, help="end so many desktops within a minute instead")
    parser.add_argument("--concurrency", type=int, default=20, help="of the burst's runs (20)")
    arguments = parser.parse_args()
    if arguments.burst:
        say(str(Burst(arguments.burst, arguments.concurrency).run()))
    elif arguments.ends:
        say(str(Burst(arguments.ends, arguments.concurrency).end()))
    else:
        simulation = MeetingLife if arguments.meetings else Simulation
        soak(arguments.schedules, arguments.seed, simulation)

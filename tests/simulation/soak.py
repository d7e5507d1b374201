"""Running schedules by the thousand, each batch of them from a seed of its own."""

from __future__ import annotations

import os
import random
import sys
import time

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

STEPS = 40
"""The most that happens in one schedule."""
BATCH = 2000


def settings_for(schedules: int) -> settings:
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


def soak(schedules: int, first_seed: int, simulation: type[RuleBasedStateMachine]) -> None:
    """Run so many schedules. Raises what the first one that fails raises, shrunk and printed."""
    for batch, start in enumerate(range(0, schedules, BATCH)):
        number, count = first_seed + batch, min(BATCH, schedules - start)
        begun = time.monotonic()
        machine = type(simulation.__name__, (simulation,), {})
        run_state_machine_as_test(seed(number)(machine), settings=settings_for(count))
        pace = count / (time.monotonic() - begun) * 60
        say(f"{start + count} schedules (seed {number}: {pace:.0f} a minute)")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

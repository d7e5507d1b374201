"""Run as many schedules as one asks for: `python -m tests.simulation --schedules 10000`."""

from __future__ import annotations

import argparse

from tests.simulation.burst import Burst
from tests.simulation.machine import CoreSchedule, MeetingsSchedule
from tests.simulation.soak import say, soak


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, help="how many (10,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first batch (0)")
    parser.add_argument("--meetings", action="store_true", help="of a stage with meetings")
    parser.add_argument("--burst", type=int, help="start so many desktops at once instead")
    parser.add_argument("--ends", type=int, help="end so many desktops within a minute instead")
    parser.add_argument("--concurrency", type=int, default=20, help="of the burst's runs (20)")
    arguments = parser.parse_args()
    if arguments.burst:
        say(str(Burst(arguments.burst, arguments.concurrency).run()))
    elif arguments.ends:
        say(str(Burst(arguments.ends, arguments.concurrency).end()))
    else:
        simulation = MeetingsSchedule if arguments.meetings else CoreSchedule
        soak(arguments.schedules, arguments.seed, simulation)


if __name__ == "__main__":
    main()

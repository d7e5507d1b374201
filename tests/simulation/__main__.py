"""Run as many schedules as one asks for: `python -m tests.simulation --schedules 10000`."""

from __future__ import annotations

from tests.simulation.soak import main

if __name__ == "__main__":
    main()

"""`python -m bench`: measure everything, print one table, and keep it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import click

from bench import (
    burst,
    cold_start,
    cost,
    instructions,
    machine,
    octodns_zone,
    picture,
    report,
    round_trips,
    sweeping,
)
from bench.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.figure import Figure

AGAINST_SERVERS: Final = {
    "instructions": instructions.measure,
    "round_trips": round_trips.measure,
    "cold_start": cold_start.measure,
    "sweeping": sweeping.measure,
    "octodns_zone": octodns_zone.measure,
}
NAMES: Final = (*AGAINST_SERVERS, "burst")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[NAME]…")
@click.option("--quick", is_flag=True, help="Little of everything, to see that it works.")
def main(names: tuple[str, ...], quick: bool) -> None:  # noqa: FBT001 (click hands it over so)
    """Measure Elephant beside the guide's own sequence and octodns, and print one table.

    The names are instructions, round_trips, cold_start, sweeping, octodns_zone and burst; without
    any, all are measured, and the table is written into docs/performance.md, unless it was a quick
    one. Exit status 1 if a limit is broken.
    """
    about = machine.describe()
    begun = time.monotonic()
    figures = collect(names or NAMES, quick=quick, say=_say(begun))
    about["took"] = f"{time.monotonic() - begun:.0f} s"
    table = report.to_markdown(figures, about)
    click.echo(table)
    if not names and not quick:
        report.embed(picture.PAGE, table)
        picture.main()
    broken = [figure.key for figure in figures if figure.is_kept is False]
    for key in broken:
        click.echo(f"limit broken: {key}", err=True)
    sys.exit(bool(broken))


def collect(names: Sequence[str], *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Measure what is named, and work out the cost if everything for it was."""
    figures: list[Figure] = []
    chosen = {name: measure for name, measure in AGAINST_SERVERS.items() if name in names}
    if chosen:
        with Servers() as servers:
            for name, measure in chosen.items():
                figures += measure(servers, quick=quick, say=_within(name, say))
    if "burst" in names:
        figures += burst.measure(quick=quick, say=_within("burst", say))
    return figures + cost.measure(figures)


def _say(begun: float) -> Callable[[str], None]:
    def say(what: str) -> None:
        click.echo(f"{time.monotonic() - begun:6.1f} s  {what}", err=True)

    return say


def _within(name: str, say: Callable[[str], None]) -> Callable[[str], None]:
    return lambda what: say(f"{name}: {what}")


if __name__ == "__main__":
    main()

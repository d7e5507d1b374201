"""`python -m tests.mutation`: break each rule of behaviour, and see whether the suite notices."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tests.mutation.breaks import BREAKS
from tests.mutation.broken import Break, StaleBreakError
from tests.mutation.check import BaselineError, check, report
from tests.mutation.workshop import Fate

PROJECT = Path(__file__).parents[2]


@click.command()
@click.argument("names", nargs=-1)
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--list", "as_list", is_flag=True, help="Name the breaks, and do nothing.")
def main(names: tuple[str, ...], *, jobs: int, as_list: bool) -> None:
    """Make each break of the code, or each of these NAMES, and run the tests on it.

    A name may also be a module's of chalicelib, or a rule's number. Ends with 1 if a break
    survived or could not be judged.
    """
    chosen = [each for each in BREAKS if not names or {*names} & _names_of(each)]
    unknown = {*names} - {name for each in BREAKS for name in _names_of(each)}
    if unknown:
        raise click.UsageError(f"there is no break {', '.join(sorted(unknown))}")
    if as_list:
        for each in chosen:
            click.echo(f"{each.module}: {each.name}")
        return
    begun = time.monotonic()
    try:
        with TemporaryDirectory(prefix="elephant-mutation-") as directory:
            judged = check(PROJECT, Path(directory), chosen, jobs, click.echo)
    except (BaselineError, StaleBreakError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(report(judged, time.monotonic() - begun))
    if any(each.verdict.fate is not Fate.CAUGHT for each in judged):
        raise SystemExit(1)


def _names_of(mistake: Break) -> set[str]:
    number, _, _ = mistake.rule.value.partition(" ")
    return {mistake.name, mistake.module, number}


main(prog_name="python -m tests.mutation")

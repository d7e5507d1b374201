"""The command `doctor`: check a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console

from ops.check import Context
from ops.console import json_option, project_option, said_clearly, stage_argument
from ops.doctor import as_json as doctor_json
from ops.doctor import examine, render, worst
from ops.stages import ConfigFile

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Check everything, and say what to do.")
@stage_argument
@click.option("--prove", is_flag=True, help="Test the token by creating and removing a DNS record.")
@click.option("--all", "every", is_flag=True, help="Show what is right as well.")
@json_option
@project_option
def doctor(name: str, directory: Path, *, prove: bool, every: bool, as_json: bool) -> None:
    """Check stage NAME: what is wrong, and what to do about it.

    Shows failures and warnings, and counts the rest. Changes nothing, except that --prove creates
    and removes a record. Exit status 0 if the stage works (there may be warnings), 1 if something
    fails.

    \b
    Examples:
      elephant doctor prod
      elephant doctor prod --all
      elephant doctor prod --json
    """  # noqa: D301
    with said_clearly():
        status = show_checks(directory, name, prove=prove, every=every, as_json=as_json)
    raise SystemExit(status)


def show_checks(
    directory: Path, name: str, *, prove: bool, every: bool = False, as_json: bool = False
) -> int:
    """Run the checks and print them; return the exit status."""
    context = Context(ConfigFile(directory.resolve()), name, prove=prove)
    console = Console(highlight=False)
    if as_json:
        checks = examine(context)
        click.echo(doctor_json(checks, name))
    else:
        with console.status("Checking …") as status:
            checks = examine(context, lambda check: status.update(f"{check.name} …"))
        console.print(render(checks, name, every=every))
    return worst(checks)

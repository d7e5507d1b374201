"""The command `destroy`: remove what `deploy` created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ops.account import Account
from ops.configure import forget_stage
from ops.console import project_option, said_clearly, stage_argument
from ops.reach import Code
from ops.removal import Removable
from ops.stages import ConfigFile
from ops.steps import Steps
from ops.teardown import Teardown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@click.command(short_help="Remove a stage, its own DNS records first.")
@stage_argument
@click.option("--table", help="The meetings table's name, to delete it with all its rows.")
@click.option("--secret", help="The secret's name or ARN, to delete it with the token.")
@click.option("--keep-records", is_flag=True, help="Leave the DNS records, if the token is lost.")
@click.option("--forget", is_flag=True, help="Then remove the stage's files from .chalice as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("-v", "--verbose", is_flag=True, help="Show each step's details.")
@project_option
def destroy(  # noqa: PLR0913 (the options)
    name: str,
    directory: Path,
    table: str | None,
    secret: str | None,
    *,
    keep_records: bool,
    forget: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Remove what `deploy` created for stage NAME, the application's own DNS records first.

    Shows what goes and what stays, and asks. The table and the secret stay unless you name them;
    then the stage's name has to be typed. Running desktops are named, and left running. Safe to
    repeat, and to interrupt.

    \b
    Examples:
      elephant destroy qa
      elephant destroy qa --table elephant-qa-meetings --forget
    """  # noqa: D301
    removable = Removable(table, secret, records=not keep_records)
    again = " ".join(("elephant destroy", name, *_options(removable, forget=forget)))
    steps = Steps(f"run `{again}` again; it is safe to repeat", verbose=verbose)
    with steps.running(), said_clearly():
        config_file = ConfigFile(directory.resolve())
        wanted = config_file.stage(name)
        teardown = Teardown(config_file, wanted, Account(wanted.region))
        teardown.check(removable)
        for line in teardown.inventory().lines(removable, forget=forget):
            click.echo(line)
        if not yes:
            click.echo()
            _ask(name, removable)
        teardown.destroy(removable, steps.step, steps.say)
        steps.done()
        left = [*teardown.inventory().remains(removable)]
        if forget:
            forget_stage(config_file, Code(config_file.directory), name)
        else:
            left.append(("its files in .chalice", f"elephant destroy {name} --forget"))
    click.echo(f"Stage {name} is removed.{' What remains, and removes it:' if left else ''}")
    for what, removal in left:
        click.echo(f"  {what}\n    {removal}")


def _options(removable: Removable, *, forget: bool) -> Iterator[str]:
    if removable.table:
        yield f"--table {removable.table}"
    if removable.secret:
        yield f"--secret {removable.secret}"
    if not removable.records:
        yield "--keep-records"
    if forget:
        yield "--forget"


def _ask(name: str, removable: Removable) -> None:
    """Ask whether to go on, the more firmly where data would be lost. Raises click's Abort."""
    if not removable.table and not removable.secret:
        click.confirm(f"Remove stage {name}?", abort=True)
        return
    data = " and ".join(
        what for what, named in (("table", removable.table), ("secret", removable.secret)) if named
    )
    typed = click.prompt(f"To remove stage {name} with its {data}, type the stage's name")
    if typed.strip() != name:
        raise click.ClickException(f"{typed!r} is not {name!r}: nothing was removed")

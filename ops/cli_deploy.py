"""The command `deploy`: deploy a stage, and check it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from ops.account import Account
from ops.check import Context
from ops.cli_stage import stage
from ops.cli_token import take_token
from ops.console import project_option, said_clearly, stage_argument
from ops.deployment import Deployment
from ops.doctor import examine, render, worst
from ops.next_steps import after_deployment
from ops.prompts import is_terminal
from ops.stages import ConfigFile
from ops.steps import Step, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ops.check import Check

_DOCTOR: Final = Step("Doctor", "The stage is deployed; only its checks did not end.")


@click.command(short_help="Deploy a stage, and check it.")
@stage_argument
@click.option("-v", "--verbose", is_flag=True, help="Show each step's details.")
@project_option
@click.pass_context
def deploy(context: click.Context, name: str, directory: Path, *, verbose: bool) -> None:
    """Deploy stage NAME: stack, functions, configuration, checks.

    Deploys the supporting stack (table, queue of failed events, alarms, dashboard), runs
    `chalice deploy`, sets what Chalice cannot, and runs `doctor`. Safe to repeat, and to interrupt.
    On a terminal, it first asks for a stage or token that does not exist yet. Nobody else can
    deploy the stage meanwhile.

    \b
    Example:
      elephant deploy prod
    """  # noqa: D301
    steps = Steps(f"run `elephant deploy {name}` again; it is safe to repeat", verbose=verbose)
    with steps.running(), said_clearly():
        config_file = ConfigFile(directory.resolve())
        if not config_file.values(name) and is_terminal():
            click.secho(f"Stage {name} does not exist yet", bold=True)
            context.invoke(stage, name=name, directory=directory)
        wanted = config_file.stage(name)

        def ask_for_token() -> None:
            if not is_terminal():
                raise click.UsageError(f"store one with `elephant token {name}`")
            take_token(wanted)

        deployment = Deployment(config_file, wanted, Account(wanted.region))
        url = deployment.deploy(steps.step, steps.say, ask_for_token)
        checks = _examine(config_file, name, steps)
    Console(highlight=False).print(render(checks, name))
    status = worst(checks)
    for line in after_deployment(wanted, url, works=status == 0):
        click.echo(line)
    raise SystemExit(status)


def _examine(config_file: ConfigFile, name: str, steps: Steps) -> Sequence[Check]:
    steps.step(_DOCTOR)
    context = Context(config_file, name, prove=True)
    checks = examine(context, lambda check: steps.say(f"{check.name}: {check.level}"))
    steps.done()
    return checks

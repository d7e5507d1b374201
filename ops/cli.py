"""The operator's command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console

from ops.account import Account, readable_errors
from ops.check import Context
from ops.cli_certificate import certificate
from ops.cli_deployer import deployer
from ops.cli_image import image
from ops.cli_keys import keys
from ops.cli_meetings import meetings
from ops.cli_network import network
from ops.cli_notify import notify_test
from ops.cli_selftest import selftest
from ops.cli_stage import stage
from ops.cli_sweep import plan, status, sweep
from ops.command_group import CommandGroup
from ops.completion import completion
from ops.console import (
    json_option,
    place_options,
    project_option,
    said_clearly,
    say,
    stage_argument,
    step,
)
from ops.deployment import Deployment
from ops.doctor import as_json as doctor_json
from ops.doctor import examine, render, worst
from ops.iam_page import iam_page
from ops.reach import Code
from ops.removal import Removable
from ops.stages import ConfigFile, Stage
from ops.token import set_token

if TYPE_CHECKING:
    from pathlib import Path


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="elephant")
@place_options
@click.pass_context
def main(context: click.Context, /, **_: object) -> None:
    """Configure, deploy, check, repair and remove stages of Elephant.

    \b
    From a clone to a running stage:
      elephant stage prod --domain-root example.com
      elephant token prod
      elephant deploy prod

    \b
    Then, at any time:
      elephant status prod
      elephant doctor prod

    --project, --profile and --region may also follow the command. With --json, a command prints one
    object on standard output, with the name of the "stage". Exit status 0 if a command did what it
    was asked, 1 if not, 2 if it was called wrongly; `plan` has its own.
    """  # noqa: D301 (click's mark for text that keeps its lines)
    if os.environ.get("NO_COLOR"):  # https://no-color.org; rich obeys it by itself
        context.color = False


for command in (
    certificate,
    completion,
    deployer,
    image,
    keys,
    meetings,
    network,
    selftest,
    stage,
    status,
    plan,
    sweep,
    notify_test,
):
    main.add_command(command)


@main.command(short_help="Test and store the Cloudflare token; also rotates it.")
@stage_argument
@click.option("--overwrite", is_flag=True, help="Replace a secret that holds something else.")
@project_option
def token(name: str, directory: Path, *, overwrite: bool) -> None:
    """Test stage NAME's Cloudflare token in its zone and store it; also rotates it.

    The token is asked for, or read from standard input; it is never an argument. It needs DNS
    Write (Zone > DNS > Edit) on the zone, which is tested by creating and removing a record.

    \b
    Examples:
      elephant token prod
      pass show cloudflare/prod | elephant token prod
    """  # noqa: D301
    with said_clearly():
        _take_token(ConfigFile(directory.resolve()).stage(name), overwrite=overwrite)


@main.command(short_help="Deploy a stage, and check it.")
@stage_argument
@project_option
@click.pass_context
def deploy(context: click.Context, name: str, directory: Path) -> None:
    """Deploy stage NAME: stack, functions, configuration, checks.

    Deploys the supporting stack (table, queue of failed events, alarms, dashboard), runs
    `chalice deploy`, sets what Chalice cannot, and runs `doctor`. Safe to repeat, and to interrupt.
    On a terminal, it first asks for a stage or token that does not exist yet.

    \b
    Example:
      elephant deploy prod
    """  # noqa: D301
    with said_clearly():
        config_file = ConfigFile(directory.resolve())
        if not config_file.values(name) and sys.stdin.isatty():
            step(f"Stage {name} does not exist yet")
            context.invoke(stage, name=name, directory=directory, check=False, as_json=False)
        wanted = config_file.stage(name)

        def take_token() -> None:
            if not sys.stdin.isatty():
                raise click.UsageError(f"store one with `elephant token {name}`")
            _take_token(wanted)

        deployment = Deployment(config_file, wanted, Account(wanted.region))
        deployment.deploy(step, say, take_token)
        step("Doctor")
        status = _examine(directory, name, prove=True)
    raise SystemExit(status)


@main.command(short_help="Check everything, and say what to do.")
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
        status = _examine(directory, name, prove=prove, every=every, as_json=as_json)
    raise SystemExit(status)


@main.command(short_help="Remove a stage, its own DNS records first.")
@stage_argument
@click.option("--table", help="The meetings table's name, to delete it with all its rows.")
@click.option("--secret", help="The secret's name or ARN, to delete it with the token.")
@click.option("--keep-records", is_flag=True, help="Leave the DNS records, if the token is lost.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@project_option
def destroy(  # noqa: PLR0913 (the options)
    name: str,
    directory: Path,
    table: str | None,
    secret: str | None,
    *,
    keep_records: bool,
    yes: bool,
) -> None:
    """Remove what `deploy` created for stage NAME, the application's own DNS records first.

    The table and the secret stay unless you name them. The stage's files stay as well.

    \b
    Examples:
      elephant destroy qa
      elephant destroy qa --table elephant-qa-meetings
    """  # noqa: D301
    with said_clearly():
        deployment = _deployment(directory, name)
        if not yes:
            click.confirm(f"Remove stage {name} and its DNS records?", abort=True)
        deployment.destroy(Removable(table, secret, records=not keep_records), step, say)
    click.echo(f"Stage {name} is removed; its files in .chalice are unchanged.")


@main.command(short_help="Print docs/iam.md: what each function may do, and why.")
@project_option
def iam(directory: Path) -> None:
    """Print docs/iam.md: each function's permissions, and the line of code that needs each.

    \b
    Example:
      elephant iam > docs/iam.md
    """  # noqa: D301
    with said_clearly():
        click.echo(iam_page(Code(directory.resolve())), nl=False)


def _take_token(wanted: Stage, *, overwrite: bool = False) -> None:
    client = Account(wanted.region).client("secretsmanager")
    with readable_errors("store the token"):
        set_token(wanted.settings, client, sys.stdin, say, overwrite=overwrite)


def _examine(
    directory: Path, name: str, *, prove: bool, every: bool = False, as_json: bool = False
) -> int:
    context = Context(ConfigFile(directory.resolve()), name, prove=prove)
    console = Console(highlight=False)
    if as_json:
        checks = examine(context)
        click.echo(doctor_json(checks, name))
    else:
        with console.status("Checking …") as status:
            checks = examine(context, lambda check: status.update(f"{check.name} …"))
        console.print(render(checks, every=every))
    return worst(checks)


def _deployment(directory: Path, name: str) -> Deployment:
    config_file = ConfigFile(directory.resolve())
    wanted = config_file.stage(name)
    return Deployment(config_file, wanted, Account(wanted.region))

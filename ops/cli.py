"""The operator's command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ops.cli_certificate import certificate
from ops.cli_deploy import deploy
from ops.cli_deployer import deployer
from ops.cli_destroy import destroy
from ops.cli_doctor import doctor
from ops.cli_image import image
from ops.cli_keys import keys
from ops.cli_meetings import meetings
from ops.cli_network import network
from ops.cli_notify import notify_test
from ops.cli_package import package_stage
from ops.cli_selftest import selftest
from ops.cli_stage import stage
from ops.cli_sweep import plan, status, sweep
from ops.cli_token import token
from ops.command_group import CommandGroup
from ops.completion import completion
from ops.console import place_options, project_option, said_clearly
from ops.iam_page import iam_page
from ops.reach import Code

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
    deploy,
    destroy,
    doctor,
    image,
    keys,
    meetings,
    network,
    package_stage,
    notify_test,
    plan,
    selftest,
    stage,
    status,
    sweep,
    token,
):
    main.add_command(command)


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

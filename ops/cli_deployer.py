"""The command `deployer`: the rights with which a pipeline deploys a stage."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import click

from ops.console import project_option, said_clearly, stage_argument
from ops.deployer import deployer_policy, trust_policy
from ops.stages import ConfigError, ConfigFile

if TYPE_CHECKING:
    from pathlib import Path

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")


@click.command(short_help="Print the least rights with which to deploy a stage.")
@stage_argument
@click.option(
    "--trust",
    "repository",
    metavar="OWNER/REPOSITORY",
    help="Print instead whom the role trusts: workflows of this GitHub repository, in the "
    "environment NAME.",
)
@project_option
def deployer(name: str, directory: Path, *, repository: str | None) -> None:
    """Print the IAM policy with the least rights with which to deploy stage NAME.

    It is checked against the calls that a deployment makes. docs/ci.md says how to use it.

    \b
    Examples:
      elephant deployer prod > policy.json
      elephant deployer prod --trust example/desktops > trust.json
    """  # noqa: D301 (click's mark for text that keeps its lines)
    with said_clearly():
        if repository is not None and not _REPOSITORY.fullmatch(repository):
            raise ConfigError(f"--trust is {repository!r}; it must be OWNER/REPOSITORY")
        stage = ConfigFile(directory.resolve()).stage(name)
        document = trust_policy(stage, repository) if repository else deployer_policy(stage)
    click.echo(json.dumps(document, indent=2))

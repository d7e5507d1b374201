"""The command `token`: test a stage's Cloudflare token, and store it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from chalicelib.dns.provider import DnsError
from ops.account import Account, readable_errors
from ops.console import project_option, said_clearly, say, stage_argument
from ops.prompts import is_terminal
from ops.stages import ConfigFile, Stage
from ops.token import TokenFormatError, set_token

_ATTEMPTS: Final = 3
"""How often a token is asked for on a terminal."""

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Test and store the Cloudflare token; also rotates it.")
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
        take_token(ConfigFile(directory.resolve()).stage(name), overwrite=overwrite)


def take_token(wanted: Stage, *, overwrite: bool = False) -> None:
    """Read the token from the terminal or standard input, test it, and store it.

    On a terminal it is asked for again if it is wrong.
    """
    client = Account(wanted.region).client("secretsmanager")
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            with readable_errors("store the token"):
                set_token(wanted.settings, client, sys.stdin, say, overwrite=overwrite)
        except (TokenFormatError, DnsError) as error:
            if not attempts_left or not is_terminal():
                raise
            click.secho(f"  {error}", fg="red", err=True)
        else:
            return

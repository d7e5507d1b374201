"""The operator's command line."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from chalicelib.cloudflare import CloudflareError
from chalicelib.deadline import OutOfTimeError
from chalicelib.secret import SecretError
from chalicelib.settings import SettingsError
from ops.account import Account, AwsError, readable_errors
from ops.assemble import TOKEN_VARIABLE, assemble
from ops.check import Context
from ops.command import CommandError
from ops.configure import changes
from ops.deployment import Deployment, Removable
from ops.doctor import as_json as doctor_json
from ops.doctor import examine, render, worst
from ops.iam_page import iam_page
from ops.reach import Code, UnreadableCallError
from ops.stages import ConfigError, ConfigFile, Stage, check_name, write_files
from ops.token import TokenFormatError, TokenStoreError, set_token

if TYPE_CHECKING:
    from collections.abc import Iterator

_directory = click.option(
    "--project",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    show_default="here",
    help="The project's directory.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a script.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Configure, deploy, examine and remove stages of Elephant.

    \b
    From a clone to a running stage:
      python -m ops stage prod --domain-root example.com
      python -m ops token prod
      python -m ops deploy prod
    """  # noqa: D301 (click's mark for text that keeps its lines)


@main.command()
@click.argument("name")
@click.option("--domain-root", help="The domain under which instances get their names.")
@click.option("--zone-id", help=f"Its zone's id; found by the domain if {TOKEN_VARIABLE} is set.")
@click.option("--secret", help="Name or ARN of the secret with the Cloudflare token.")
@click.option("--owner", help="Marks our records: 'elephant:…'.  [default: elephant:NAME/REGION]")
@click.option("--table", help="The meetings table; '' for DNS only.")
@click.option("--region", help="Where the stage lives.  [default: your AWS configuration's]")
@click.option("--account", help="The AWS account.  [default: your credentials']")
@click.option("--project-tag", help="The tag that makes an instance ours, Key=Value.")
@click.option("--dcv-port", help="The port in the links.")
@click.option("--proxied", type=click.Choice(["true", "false"]), help="Proxied by Cloudflare?")
@click.option("--ttl", help="Seconds; 1 for automatic.")
@click.option("--event-tags", type=click.Choice(["optional", "required"]))
@click.option("--cloudflare-api-url", help="The API's address, if it is not Cloudflare's own.")
@click.option("--alarm-email", help="Who is told of alarms; '' for nobody.")
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is not as it should be.")
@_as_json
@_directory
def stage(name: str, directory: Path, *, check: bool, as_json: bool, **options: str | None) -> None:
    """Create or update stage NAME: its part of .chalice/config.json, and its policies.

    What is not given stays as it is written; what is missing is asked for, on a terminal. Shows
    the difference before it writes. Twice the same changes nothing.

    \b
    Examples:
      python -m ops stage prod --domain-root example.com --zone-id 0123…cdef
      python -m ops stage prod --alarm-email ops@example.com
      python -m ops stage prod --check
    """  # noqa: D301
    with _said_clearly():
        config_file = ConfigFile(directory.resolve())
        code = Code(config_file.directory)
        check_name(name, code.functions)
        wanted = assemble(config_file, name, options)
        found = changes(config_file, code, wanted)
        paths = [change.path.relative_to(config_file.directory).as_posix() for change in found]
        if as_json:
            click.echo(json.dumps({"stage": name, "changed": paths, "written": not check}))
        else:
            for change in found:
                _show_difference(change.difference(config_file.directory))
        if check and found:
            raise click.ClickException(
                f"{', '.join(paths)} not as it should be: run `python -m ops stage {name}`"
            )
        write_files({each.path: each.after for each in found})
    if not as_json:
        click.echo(f"Stage {name}: {', '.join(paths) + ' written' if found else 'no change'}.")


@main.command()
@click.argument("name")
@click.option("--overwrite", is_flag=True, help="Even if the secret holds something else.")
@_directory
def token(name: str, directory: Path, *, overwrite: bool) -> None:
    """Take stage NAME's Cloudflare token, prove it in its zone, and store it; or rotate it.

    The token is asked for, or read from standard input; it is never an argument. It needs DNS
    Write (Zone > DNS > Edit) on the zone, which is proved by making and removing a record.

    \b
    Examples:
      python -m ops token prod
      pass show cloudflare/prod | python -m ops token prod
    """  # noqa: D301
    with _said_clearly():
        _take_token(ConfigFile(directory.resolve()).stage(name), overwrite=overwrite)


@main.command()
@click.argument("name")
@_directory
@click.pass_context
def deploy(context: click.Context, name: str, directory: Path) -> None:
    """Make stage NAME what the project says: the whole of it, in one go.

    The supporting stack (table, queue of failed events, alarms, dashboard), then `chalice deploy`,
    then what Chalice cannot set, then `doctor`. Safe to repeat, and to interrupt. On a terminal, a
    stage or a token that is not there yet is asked for first.

    \b
    Example:
      python -m ops deploy prod
    """  # noqa: D301
    with _said_clearly():
        config_file = ConfigFile(directory.resolve())
        if not config_file.values(name) and sys.stdin.isatty():
            _step(f"Stage {name} is not there yet")
            context.invoke(stage, name=name, directory=directory, check=False, as_json=False)
        wanted = config_file.stage(name)

        def take_token() -> None:
            if not sys.stdin.isatty():
                raise click.UsageError(f"store one with `python -m ops token {name}`")
            _take_token(wanted)

        deployment = Deployment(config_file, wanted, Account(wanted.region))
        deployment.deploy(_step, _say, take_token)
        _step("Doctor")
        status = _examine(directory, name, prove=True, as_json=False)
    raise SystemExit(status)


@main.command()
@click.argument("name")
@click.option("--prove", is_flag=True, help="Prove the token by making and removing a DNS record.")
@_as_json
@_directory
def doctor(name: str, directory: Path, *, prove: bool, as_json: bool) -> None:
    """Examine stage NAME: what is as it should be, what is not, and what to do about it.

    Changes nothing, but for the record that --prove makes and removes. Exit status 0 if the stage
    works (there may be warnings), 1 if something fails.

    \b
    Examples:
      python -m ops doctor prod
      python -m ops doctor prod --json
    """  # noqa: D301
    with _said_clearly():
        status = _examine(directory, name, prove=prove, as_json=as_json)
    raise SystemExit(status)


@main.command()
@click.argument("name")
@click.option("--table", help="The meetings table's name, to remove it with all its rows.")
@click.option("--secret", help="The secret's name or ARN, to remove it with the token.")
@click.option("--keep-records", is_flag=True, help="Leave the DNS records: the token is lost.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_directory
def destroy(  # noqa: PLR0913 (the options)
    name: str,
    directory: Path,
    table: str | None,
    secret: str | None,
    *,
    keep_records: bool,
    yes: bool,
) -> None:
    """Remove what `deploy` made of stage NAME, the application's own DNS records first.

    The table and the secret stay, unless they are named. The stage's files stay as well.

    \b
    Examples:
      python -m ops destroy qa
      python -m ops destroy qa --table elephant-qa-meetings --secret elephant/qa/cloudflare
    """  # noqa: D301
    with _said_clearly():
        deployment = _deployment(directory, name)
        if not yes:
            click.confirm(f"Remove stage {name} and its DNS records?", abort=True)
        deployment.destroy(Removable(table, secret, records=not keep_records), _step, _say)
    click.echo(f"Stage {name} is gone; its files in .chalice are as they were.")


@main.command()
@_directory
def iam(directory: Path) -> None:
    """Print docs/iam.md: which function may do what, and which line of code needs it."""
    with _said_clearly():
        click.echo(iam_page(Code(directory.resolve())), nl=False)


def _take_token(wanted: Stage, *, overwrite: bool = False) -> None:
    client = Account(wanted.region).client("secretsmanager")
    with readable_errors("store the token"):
        set_token(wanted.settings, client, sys.stdin, _say, overwrite=overwrite)


def _examine(directory: Path, name: str, *, prove: bool, as_json: bool) -> int:
    context = Context(ConfigFile(directory.resolve()), name, prove=prove)
    console = Console(highlight=False)
    if as_json:
        checks = examine(context)
        click.echo(doctor_json(checks))
    else:
        with console.status("Examining …") as status:
            checks = examine(context, lambda check: status.update(f"{check.name} …"))
        console.print(render(checks))
    return worst(checks)


def _deployment(directory: Path, name: str) -> Deployment:
    config_file = ConfigFile(directory.resolve())
    wanted = config_file.stage(name)
    return Deployment(config_file, wanted, Account(wanted.region))


def _step(text: str) -> None:
    click.secho(text, bold=True)


def _say(text: str) -> None:
    click.echo(f"  {text}")


@contextmanager
def _said_clearly() -> Iterator[None]:
    """Turn what a person can mend into a message without a traceback."""
    try:
        yield
    except CommandError as error:
        headline, _, _ = str(error).partition("\n")
        raise click.ClickException(f"{headline} what is printed above") from None
    except _MENDABLE as error:
        raise click.ClickException(str(error)) from None


_MENDABLE: Final = (
    AwsError,
    CloudflareError,
    ConfigError,
    SecretError,
    SettingsError,
    SyntaxError,
    OSError,
    OutOfTimeError,
    TokenFormatError,
    TokenStoreError,
    UnreadableCallError,
)


def _show_difference(text: str) -> None:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        click.secho(line, fg=colours.get(line[:1]))

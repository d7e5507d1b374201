"""Options and output shared by the operator's commands."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import botocore.session
import click
from botocore.exceptions import BotoCoreError
from click.shell_completion import CompletionItem

from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.provider import DnsError, QuotaSpentError
from chalicelib.secrets import SecretError
from chalicelib.settings.stage import SettingsError
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from ops.account import AwsError
from ops.certificate import CertificateError
from ops.command import CommandError
from ops.keys import KeysError
from ops.place import PROJECT_VARIABLE, aws_environment, find_project, refuse_other_region
from ops.reach import UnreadableCallError
from ops.stage_meetings import MeetingError
from ops.stages import ConfigError, ConfigFile, regions
from ops.stored_secret import NO_TEXT, SecretStoreError
from ops.token import TokenFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    _Command = Callable[..., Any]


def _stages(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a stage; offer none if config.json cannot be read."""
    try:
        names = ConfigFile(_project(context)).names()
    except (ConfigError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(begun)]


def _profiles(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a profile; offer none if the AWS configuration cannot be read."""
    try:
        names = botocore.session.Session().available_profiles
    except (BotoCoreError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(begun)]


def _regions(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a region."""
    return [CompletionItem(name) for name in regions() if name.startswith(begun)]


def _project(context: click.Context) -> Path:
    """Find the project, given after or before the command's name. Raises ConfigError."""
    return find_project(_given(context, "directory"), os.environ, Path.cwd()).resolve()


def _given(context: click.Context, name: str) -> Any:  # noqa: ANN401 (click's)
    """Return an option given after the command's name, or else before it."""
    return context.params.get(name) or context.find_root().params.get(name)


def place_options(command: _Command, *, sets_region: bool = False) -> _Command:
    """Add the options that say where a command works, and do nothing with them."""
    region = "The AWS region; that of the stage, if it exists."
    if sets_region:
        region = "The stage's AWS region.  [default: your AWS configuration's]"
    for option in (
        click.option("--region", metavar="NAME", help=region, shell_complete=_regions),
        click.option(
            "--profile",
            metavar="NAME",
            help="The AWS profile.  [default: AWS_PROFILE]",
            shell_complete=_profiles,
        ),
        click.option(
            "--project",
            "directory",
            type=click.Path(path_type=Path, file_okay=False),
            help=f"The project's directory.  [default: {PROJECT_VARIABLE}, or the nearest from "
            "here upwards]",
        ),
    ):
        command = option(command)
    return command


def project_option(command: _Command) -> _Command:
    """Add the options that say where a command works; it gets `directory`.

    While it runs, AWS clients use the given profile and region, and so do the programs it starts.
    A region that contradicts that of the stage is refused.
    """
    return _placed(command, sets_region=False)


def project_and_region_option(command: _Command) -> _Command:
    """Add the same to a command that sets the stage's region, which gets `region` as well."""
    return _placed(command, sets_region=True)


def _placed(command: _Command, *, sets_region: bool) -> _Command:
    @wraps(command)
    def placed(**options: Any) -> Any:  # noqa: ANN401
        context = click.get_current_context()
        profile, region = (_given(context, each) for each in ("profile", "region"))
        del options["profile"], options["region"]
        with said_clearly():
            options["directory"] = _project(context)
            if sets_region:
                options["region"] = region
            elif region and "name" in options:
                refuse_other_region(ConfigFile(options["directory"]), options["name"], region)
        with _environment(aws_environment(os.environ, profile, region)):
            return command(**options)

    return place_options(placed, sets_region=sets_region)


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Replace the environment, which programs inherit, for a while."""
    before = dict(os.environ)
    try:
        _set_environment(wanted)
        yield
    finally:
        _set_environment(before)


def _set_environment(wanted: Mapping[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


stage_argument = click.argument("name", shell_complete=_stages)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a script.")


def step(text: str) -> None:
    """Print the heading of a command's next part."""
    click.secho(text, bold=True)


def say(text: str) -> None:
    """Print a detail of the current part."""
    click.echo(f"  {text}")


def printable(text: str) -> str:
    """Return foreign text on one line, without what controls a terminal or the order of letters."""
    return "".join(each if each.isprintable() else NO_TEXT for each in text)


@contextmanager
def said_clearly() -> Iterator[None]:
    """Turn errors that the operator can fix into messages without a traceback."""
    try:
        yield
    except CommandError as error:
        headline, _, _ = str(error).partition("\n")
        raise click.ClickException(f"{headline} see the output above") from None
    except _MENDABLE as error:
        raise click.ClickException(str(error)) from None


_MENDABLE: Final = (
    AwsError,
    CertificateError,
    DnsError,
    ConfigError,
    KeysError,
    MeetingError,
    QuotaSpentError,
    RowsNotUpdatedError,
    SecretError,
    SecretStoreError,
    SettingsError,
    OSError,
    OutOfTimeError,
    TokenFormatError,
    UnreadableCallError,
)

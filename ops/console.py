"""Options and output shared by the operator's commands."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
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
from ops.reach import UnreadableCallError
from ops.stage_meetings import MeetingError
from ops.stages import ConfigError, ConfigFile
from ops.stored_secret import NO_TEXT, SecretStoreError
from ops.token import TokenFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator


def _stages(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a stage; offer none if config.json cannot be read."""
    try:
        names = ConfigFile(context.params.get("directory") or Path()).names()
    except (ConfigError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(begun)]


stage_argument = click.argument("name", shell_complete=_stages)
project_option = click.option(
    "--project",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    show_default="here",
    help="The project's directory.",
)
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

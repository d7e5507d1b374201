"""The commands `event` and `mails`: AWS events, and the stage's e-mails about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from localcloud.control_client import aws_port_option, control, show

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@click.argument("file", type=click.File())
@aws_port_option
def event(aws_port: int, file: TextIO) -> None:
    """Put the event in FILE on the bus of a running local cloud, as AWS would.

    Its account and region are replaced by the local ones. Shows the functions that were invoked
    for it.

    \b
    Example:
      elephant-local event tests/notifications/events/…json
    """  # noqa: D301 (click's mark for text that keeps its lines)
    try:
        wanted = json.load(file)
    except ValueError as error:
        raise click.ClickException(f"{file.name} is not valid JSON: {error}") from None
    show(control("AWS", aws_port, "POST", "events", wanted))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the HTML.")
@click.option(
    "--html",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the HTML of each into this directory, for a browser.",
)
@click.option("--clear", is_flag=True, help="Forget them.")
@aws_port_option
def mails(aws_port: int, directory: Path | None, *, as_json: bool, clear: bool) -> None:
    """Print the e-mails that a running local cloud has sent, oldest first."""
    sent = control("AWS", aws_port, "GET", "mails")
    if as_json:
        show(sent)
    else:
        click.echo("\n".join(map(_mail_text, sent)) or "No e-mail was sent.")
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
        for number, mail in enumerate(sent, 1):
            (directory / f"{number}.html").write_text(mail["html"], encoding="utf-8")
    if clear:
        control("AWS", aws_port, "DELETE", "mails")


def _mail_text(mail: Mapping[str, Any]) -> str:
    return (
        f"Date:    {mail['time']}\nFrom:    {mail['sender']}\n"
        f"To:      {', '.join(mail['recipients'])}\nSubject: {mail['subject']}\n\n{mail['text']}\n"
    )

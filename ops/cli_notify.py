"""The command `notify-test`: one sample of each e-mail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from chalicelib.notifications.layout import lay_out
from chalicelib.notifications.mailer import Mailer
from ops.account import Account, readable_errors
from ops.console import project_option, said_clearly, stage_argument
from ops.samples import samples
from ops.stages import ConfigError, ConfigFile


@click.command("notify-test", short_help="Send one sample of each e-mail.")
@stage_argument
@click.option(
    "--html",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write them into this directory, for a browser, instead of sending them.",
)
@project_option
def notify_test(name: str, directory: Path, target: Path | None) -> None:
    """Send one e-mail of each kind to stage NAME's recipients, with made-up contents.

    They are sent through SES from the stage's sender, with your own credentials; the functions need
    not be deployed. Their subjects begin with "Test:".

    \b
    Examples:
      elephant notify-test prod
      elephant notify-test prod --html /tmp/mails
    """  # noqa: D301 (click's mark for text that keeps its lines)
    with said_clearly():
        stage = ConfigFile(directory.resolve()).stage(name)
        settings = stage.settings.notifications
        if settings is None:
            raise ConfigError(
                f"stage {name!r} sends no e-mails: turn them on with `elephant stage {name} "
                "--with notifications --mail-from … --mail-to …`"
            )
        footer = f"Sent by `elephant notify-test {name}`: none of this has happened."
        mails = [lay_out(each, footer) for each in samples(stage, datetime.now(UTC))]
        if target:
            target.mkdir(parents=True, exist_ok=True)
            for number, mail in enumerate(mails, 1):
                for ending, text in (("html", mail.html), ("txt", mail.text)):
                    (target / f"{number}.{ending}").write_text(text, encoding="utf-8")
            click.echo(f"{len(mails)} e-mails are in {target}, as HTML and as text.")
            return
        with readable_errors(f"send from {settings.mail_from}"):
            mailer = Mailer(Account(stage.region).client("sesv2"), settings)
            for mail in mails:
                message_id = mailer.send_mail(mail)
                click.echo(f"{mail.subject}\n  {message_id}")
    click.echo(f"Sent to {', '.join(settings.mail_to)}.")

"""The command `try`: a deployed stage and a booked meeting, for somebody with a browser."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from localcloud import stage
from localcloud.caller import Caller
from localcloud.cloud import STAGE, LocalCloud, Ports
from localcloud.desktop import HEALTHY, Kit
from localcloud.display import Display
from localcloud.moments import next_moment

if TYPE_CHECKING:
    from localcloud.desktop import Desktop
    from localcloud.moments import Moment
    from localcloud.project import Project

_KIT: Final = Kit(
    files={
        "etc/elephant/finish.d/10-upload": """\
#!/bin/sh
echo "{\\"recording\\": \\"s3://recordings/$ELEPHANT_MEETING_ID/$ELEPHANT_ROLE\\"}"
"""
    },
    poll_seconds=2,
)
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_AHEAD: Final = timedelta(minutes=13)
"""How far ahead a meeting is booked: its desktops are launched ten minutes before it."""
_CREATED: Final = 201

_AFTERWARDS: Final = f"""\
Everything has stopped. Next:

  make demo            the whole story, with every promise checked
  elephant-local up    a local cloud that stays, for your own changes: then
                       `eval "$(elephant-local env)"`, `elephant deploy {STAGE}`
  README.md            how to deploy a stage to AWS"""


def let_try(project: Project, ports: Ports) -> None:
    """Deploy to a local cloud, book a meeting, and let time pass on Enter, until `q` or Ctrl-C.

    The desktops' links lead to the edge's port. Raises ProjectError, SettingsError, PortTakenError
    or CommandError, and leaves nothing running.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    port = str(ports.edge)
    settings = stage.settings_of(project, DCV_PORT=port)
    with suppress(KeyboardInterrupt):
        click.echo("AWS, Cloudflare and DNS start on this machine; nothing leaves it.")
        with (
            LocalCloud(settings, ports, schedules=True, kit=_KIT) as cloud,
            tempfile.TemporaryDirectory(prefix="elephant-") as directory,
            suppress(KeyboardInterrupt),
        ):
            click.echo(f"elephant deploy {STAGE}, which takes a few seconds …")
            made = stage.deploy(cloud, project, Path(directory, "project"), f"--dcv-port={port}")
            click.echo(f"  made a supporting stack, {made.functions} functions, and an API\n")
            Trial(cloud).run()
        click.echo("\nEnding …")
    click.echo(_AFTERWARDS)


class Trial:
    """Somebody at the terminal, for whom meetings are booked, and time passes."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._caller = Caller(cloud.api_url)
        self._key = str(
            cloud.client("secretsmanager").get_secret_value(
                SecretId=f"elephant-{STAGE}-schedule-key"
            )["SecretString"]
        )
        self._looked: list[Desktop] = []
        Display(cloud)

    def run(self) -> None:
        """Book a meeting, show its links, and do what is typed, until `q` or the input's end."""
        self._book()
        self._say_where()
        while True:
            moment = self._next_moment()
            self._prompt(moment)
            line = sys.stdin.readline()
            match line.strip().lower():
                case "q" | "quit" | "exit":
                    return
                case "" if not line:
                    return
                case "f":
                    self._finish()
                case "" if moment:
                    self._pass(moment)
                case "":
                    self._book()
                case other:
                    click.echo(f"{other!r} is nothing to type here.")

    def _book(self) -> None:
        start = (self._cloud.clock.now() + _AHEAD).replace(second=0, microsecond=0)
        address = f"@{self._cloud.settings.domain_root}"
        wanted = {
            "teacher_name": "Ada",
            "student_name": "Ben",
            "teacher_email": f"ada{address}",
            "student_email": f"ben{address}",
            "meet_time": start.isoformat(),
        }
        answer = self._caller.schedule(wanted, self._key)
        if answer.status != _CREATED:
            click.echo(f"No meeting was booked ({answer.status}): {answer.text}")
            return
        self._cloud.settle()
        made = answer.document
        click.echo(
            f"""
A meeting of Ada and Ben is booked for {start.astimezone():%H:%M}. Open in your browser:

  1. where meetings are booked, with the key {self._key}
{self._caller.base_url}/
  2. as Ada, the teacher
{made["teacher_link"]}
  3. as Ben, the student
{made["student_link"]}
"""
        )

    def _say_where(self) -> None:
        """Say how a browser gets to the desktops."""
        edge = self._cloud.edge
        program = next(filter(shutil.which, _BROWSERS), _BROWSERS[0])
        click.echo(
            f"""\
Links 2 and 3 lead to the desktops once these run. Your browser then warns of
the certificate, which this machine has made: choose Advanced, then Proceed. If
that took more than a minute, open the link again. Chromium without the warning:

{program} --user-data-dir="$(mktemp -d)" \\
  --ignore-certificate-errors-spki-list={edge.key_hash}"""
        )

    def _prompt(self, moment: Moment | None) -> None:
        now = self._cloud.clock.now()
        following = "book another meeting"
        if moment is not None:
            following = f"go on to {moment.time.astimezone():%H:%M}: {moment.what}"
        finish = ["  f      let everybody finish, at the desktops"]
        choices = [
            f"\nIt is {now.astimezone():%H:%M}.",
            f"  Enter  {following}",
            *(finish if self._cloud.desktops.running() else ()),
            "  q      end",
        ]
        click.secho("\n".join(choices), bold=True)

    def _next_moment(self) -> Moment | None:
        table = self._cloud.settings.table_name
        items = self._cloud.client("dynamodb").scan(TableName=table)["Items"]
        rows = [{name: str(*value.values()) for name, value in item.items()} for item in items]
        return next_moment(self._cloud.clock.now(), self._cloud.one_offs.pending(), rows)

    def _pass(self, moment: Moment) -> None:
        self._cloud.pass_until(moment.time)
        before = self._looked
        self._looked = self._cloud.desktops.running()
        for desktop in self._looked:
            desktop.wait_for(HEALTHY)
        self._cloud.settle()
        if set(self._looked) - set(before):
            click.echo("\nThe links lead to the desktops now: open them, or reload their pages.")

    def _finish(self) -> None:
        """Let everybody at a desktop finish, as by its shortcut."""
        desktops = self._cloud.desktops.running()
        for desktop in desktops:
            desktop.finish()
        for desktop in desktops:
            desktop.wait_until_ended()
        self._cloud.settle()
        if not desktops:
            click.echo("No desktop runs now.")


def _interrupt(*_: object) -> NoReturn:
    """End once; a second Ctrl-C would leave something running."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt

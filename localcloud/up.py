"""The command `up`: a local cloud that keeps running, and shows what happens in it."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from localcloud.aws import ACCOUNT_ID
from localcloud.cloud import STAGE, LocalCloud
from localcloud.control_client import AWS_PORT
from localcloud.display import Display

if TYPE_CHECKING:
    from localcloud.cloud import Ports
    from localcloud.project import Project


def keep_running(
    project: Project, ports: Ports, time_scale: float, *, verbose: bool = False
) -> None:
    """Keep a local cloud running for the project until Ctrl-C.

    Raises PortTakenError, ProjectError or SettingsError before anything runs.
    """
    settings = project.settings
    with LocalCloud(settings, ports, time_scale=time_scale, schedules=True) as cloud:
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        if project.forget_deployment():
            click.echo("The deployment to an earlier local cloud is forgotten.\n")
        if settings.cloudflare_api_url != cloud.cloudflare.url:
            click.secho(
                f"Stage {STAGE} expects Cloudflare at {settings.cloudflare_api_url}: before you "
                f"deploy it, `elephant stage {STAGE} --cloudflare-api-url {cloud.cloudflare.url}`"
                "\n",
                fg="yellow",
            )
        click.echo(_welcome(cloud))
        Display(cloud, verbose=verbose)
        ended.wait()
        click.echo("\nEnding …")
    click.echo("Everything has stopped.")


def _welcome(cloud: LocalCloud) -> str:
    settings = cloud.settings
    dns_host, dns_port = cloud.cloudflare.dns_address
    port = "" if cloud.aws.port == AWS_PORT else f" --aws-port {cloud.aws.port}"
    commands = {
        f'eval "$(elephant-local env{port})"': "leads aws, elephant, chalice, … here",
        f"elephant deploy {STAGE}": "",
    }
    if settings.meetings:
        commands |= {
            f"elephant keys {STAGE} add me": "for the booking page, which deploy names",
            f"elephant-local forward{port}": "to the next launch, or other moment",
        }
    width = max(map(len, commands))
    listed = "\n".join(
        f"  {command.ljust(width)}  {f'# {note}' if note else ''}".rstrip()
        for command, note in commands.items()
    )
    return f"""\
The local cloud is running; its time is {cloud.clock.now().astimezone():%H:%M}.

  AWS         {cloud.aws.endpoint}  (account {ACCOUNT_ID}, {cloud.region})
  Cloudflare  {cloud.cloudflare.url}
  DNS         {dns_host}, UDP port {dns_port}; zone {settings.domain_root}

In another terminal, in the project:

  . .venv/bin/activate
{listed}

docs/local-cloud.md has more to try. What happens is shown here.
Ctrl-C stops everything.
"""

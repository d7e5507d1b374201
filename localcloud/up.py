"""The command `up`: a local cloud that keeps running, and shows what happens in it."""

from __future__ import annotations

import shlex
import signal
import threading
from typing import TYPE_CHECKING

import click

from localcloud.aws import ACCOUNT_ID
from localcloud.aws.gateway import PREFIX
from localcloud.cloud import STAGE, LocalCloud, Ports
from localcloud.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from localcloud.aws import Delivery, Invocation
    from localcloud.desktop import Desktop


def keep_running(directory: Path, ports: tuple[int, int, int], time_scale: float) -> None:
    """Keep a local cloud running for the project until Ctrl-C.

    Raises PortTakenError, ProjectError or SettingsError before anything runs.
    """
    project = Project(directory)
    with LocalCloud(
        project.settings, Ports(*ports), time_scale=time_scale, schedules=True
    ) as cloud:
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        cloud.bridge.on_event(_show_event)
        cloud.functions.on_finished(_show_invocation)
        cloud.desktops.on_line(_show_line)
        if project.forget_deployment():
            click.echo("The deployment to an earlier local cloud is forgotten.\n")
        expected = project.settings.cloudflare_api_url
        if expected != cloud.cloudflare.url:
            click.secho(
                f"Stage {STAGE} expects Cloudflare at {expected}: set its CLOUDFLARE_API_URL in "
                f".chalice/config.json to {cloud.cloudflare.url} before you deploy.\n",
                fg="yellow",
            )
        click.echo(_welcome(cloud))
        ended.wait()
        click.echo("\nEnding …")
    click.echo("Everything has stopped.")


def _welcome(cloud: LocalCloud) -> str:
    settings = cloud.settings
    dns_host, dns_port = cloud.cloudflare.dns_address
    exports = "\n".join(
        f"  export {name}={shlex.quote(value)}" for name, value in cloud.exports.items()
    )
    instance = (
        "aws ec2 run-instances --image-id ami-12c6146b --tag-specifications \\\n"
        "    'ResourceType=instance,Tags=[{Key=Project,Value=Elephant},"
        "{Key=MeetingID,Value=m1},{Key=Role,Value=teacher}]'"
    )
    row = (
        f"aws dynamodb put-item --table-name {settings.table_name} \\\n"
        """    --item '{"id": {"S": "m1"}, "status": {"S": "LAUNCHED"}}'"""
    )
    return f"""\
The local cloud is running; its time is {cloud.clock.now():%H:%M} UTC.

  AWS         {cloud.aws.endpoint}  (account {ACCOUNT_ID}, {cloud.region})
  Cloudflare  {cloud.cloudflare.url}
  DNS         {dns_host}, UDP port {dns_port}; zone {settings.domain_root}

In another terminal, in the project, with its .venv activated (. .venv/bin/activate):

  unset AWS_PROFILE AWS_SESSION_TOKEN
{exports}

Then, for example:

  chalice deploy --stage {STAGE}
  {row}
  {instance}
  dig @{dns_host} -p {dns_port} INSTANCE-ID.{settings.domain_root}
  curl -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" \\
    "$CLOUDFLARE_BASE_URL/zones/{settings.zone_id}/dns_records"

Scheduled functions run on time, and at once with

  elephant-local tick --aws-port {cloud.aws.port}
{_meetings(cloud)}{_notifications(cloud)}
By hand, without deploying (the route exists only in stage {STAGE}):

  chalice local --stage {STAGE}
  curl http://127.0.0.1:8000/events -H 'Content-Type: application/json' \\
    -d '{{"instance-id": "INSTANCE-ID"}}'

Events and runs are shown here. Ctrl-C stops everything.
"""


def _meetings(cloud: LocalCloud) -> str:
    """Explain how to schedule and run a meeting, if the stage has meetings."""
    if cloud.settings.meetings is None:
        return ""
    port, edge = cloud.aws.port, "{}:{}".format(*cloud.edge.address)
    return f"""
A meeting, from scheduling to its end:

  elephant deploy {STAGE}
  API={cloud.aws.endpoint}{PREFIX}/$(aws apigateway get-rest-apis \\
    --query 'items[0].id' --output text)/{STAGE}
  KEY=$(elephant keys {STAGE} add me)                 # once; shown only now
  echo "$API/" "$KEY"                                  # the booking page, and its key; or
  curl "$API/schedule" -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
    -d '{{"teacher_name": "Ada", "student_name": "Ben",
    "meet_time": "'$(elephant-local clock --plus 12 --aws-port {port})'"}}'

Open the links in its answer in a browser. You don't have to wait: `forward` advances the clock. The
desktops are the kit's agents, which report by themselves; they are where Cloudflare's edge says:

  elephant-local forward --aws-port {port}            # to the next scheduled event
  chromium --host-resolver-rules='MAP *.{cloud.settings.domain_root} {edge}' \\
    --ignore-certificate-errors-spki-list={cloud.edge.key_hash} \\
    --user-data-dir=$(mktemp -d)                      # then open a link in it
  elephant-local desktop finish --aws-port {port}     # or shutdown
  elephant-local refusal add InsufficientInstanceCapacity --zone {cloud.region}a \\
    --aws-port {port}

`chalice local --stage {STAGE}` serves page and API at http://127.0.0.1:8000 as well, using this
machine's clock.
"""


def _notifications(cloud: LocalCloud) -> str:
    """Explain how to send an event and read its e-mail, if the stage sends any."""
    if cloud.settings.notifications is None:
        return ""
    port = cloud.aws.port
    return f"""
An e-mail: put an AWS event on the bus, and read what was sent:

  elephant-local event FILE --aws-port {port}
  elephant-local mails --aws-port {port}
"""


_SHOWN = ("instance-id", "EC2InstanceId", "application", "deploymentId", "state")
"""Fields of an event's detail that are shown, for every kind of event."""


def _show_event(delivery: Delivery) -> None:
    detail = delivery.event["detail"]
    functions = ", ".join(delivery.functions) or "no rule matches"
    what = " ".join(str(detail[key]) for key in _SHOWN if key in detail)
    click.echo(f"event   {what} → {functions}")


def _show_line(desktop: Desktop, line: str) -> None:
    click.echo(f"desktop {desktop.instance_id} ({desktop.role}): {line}")


def _show_invocation(invocation: Invocation) -> None:
    answer = invocation.payload.decode("utf-8", "replace")
    verb = "failed" if invocation.failed else "answer"
    click.echo(f"{verb}  {invocation.function}, attempt {invocation.attempt}: {answer}")
    if invocation.failed:
        for line in invocation.log:
            click.echo(f"        {line}")

"""The command line of the local cloud."""

from __future__ import annotations

import json
import shlex
import signal
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from chalicelib.settings import SettingsError
from localcloud import aws, cloudflare
from localcloud.cloud import HOST, LocalCloud, Ports
from localcloud.cloudflare import Fault, FaultKind, When
from localcloud.narrator import Narrator
from localcloud.project import STAGE, Project, ProjectError
from localcloud.story import tell

if TYPE_CHECKING:
    from localcloud.aws import Delivery, Invocation

AWS_PORT: Final = 8051
CLOUDFLARE_PORT: Final = 8052
DNS_PORT: Final = 8053

_project = click.option(
    "--project",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="The project's directory; its stage 'local' says which zone, table and secret there are.",
    show_default="here",
)
_cloudflare_port = click.option(
    "--cloudflare-port",
    type=click.IntRange(1, 65535),
    default=CLOUDFLARE_PORT,
    show_default=True,
    help="Where the Cloudflare stand-in listens.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """AWS and Cloudflare on this machine, without an account of either.

    AWS is moto's server; functions run under AWS's own runtime client; Cloudflare is a stand-in
    that keeps to the published API and serves its zone over DNS. Nothing leaves this machine.
    """


@main.command()
@_project
def demo(directory: Path) -> None:
    """Play a meeting from launch to end, and check every promise on the way.

    Takes free ports, works on a copy of the project, and ends everything it started. Exit status
    0 only if every promise held.
    """
    with _said_clearly():
        held = tell(Project(directory.resolve()), Narrator())
    raise SystemExit(0 if held else 1)


@main.command()
@click.option("--aws-port", type=click.IntRange(1, 65535), default=AWS_PORT, show_default=True)
@_cloudflare_port
@click.option("--dns-port", type=click.IntRange(1, 65535), default=DNS_PORT, show_default=True)
@click.option(
    "--time-scale",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="What Lambda's waits between attempts are multiplied by: 0.01 makes a minute 0.6 s.",
)
@_project
def up(
    aws_port: int, cloudflare_port: int, dns_port: int, time_scale: float, directory: Path
) -> None:
    """Keep the local cloud running until Ctrl-C, and show what happens in it."""
    project = Project(directory.resolve())
    with _said_clearly():
        ports = Ports(aws_port, cloudflare_port, dns_port)
        with LocalCloud(project.settings, ports, time_scale=time_scale) as cloud:
            cloud.bridge.on_event(_show_event)
            cloud.functions.on_finished(_show_invocation)
            click.echo(_welcome(cloud))
            if project.forget_deployment():
                click.echo("(Forgot what an earlier local cloud had deployed.)\n")
            expected = project.settings.cloudflare_api_url
            if expected != cloud.cloudflare.url:
                click.secho(
                    f"The stage expects Cloudflare at {expected}: set CLOUDFLARE_API_URL of stage "
                    f"'{STAGE}' in .chalice/config.json to {cloud.cloudflare.url} before you "
                    "deploy.\n",
                    fg="yellow",
                )
            _wait_for_the_end()
            click.echo("\nEnding …")
    click.echo("Everything has ended.")


@main.group()
def fault() -> None:
    """Switch faults of a running Cloudflare stand-in on and off."""


@fault.command("add")
@click.argument("kind", type=click.Choice([kind.value for kind in FaultKind]))
@click.option("--when", type=click.Choice([when.value for when in When]), default="before")
@click.option("--method", help="Only calls of this method, such as POST.")
@click.option("--path", default="*", help="Only calls to paths of this shell pattern.")
@click.option("--times", type=click.IntRange(0), default=1, help="How often; 0 until cleared.")
@click.option("--skip", type=click.IntRange(0), default=0, help="Leave out the first so many.")
@click.option("--status", type=int, help="The HTTP status to answer.")
@click.option("--code", type=int, help="The API's error code to answer.")
@click.option("--seconds", type=float, help="For delay, rate-limited and stale.")
@click.option("--changes", type=int, default=0, help="For stale: how many changes behind.")
@click.option("--name", help="For wrong-name: the name answered.")
@_cloudflare_port
def add_fault(cloudflare_port: int, times: int, **members: Any) -> None:  # noqa: ANN401
    """Let calls fail.

    \b
    Examples:
      python -m localcloud fault add drop --when after --method POST
      python -m localcloud fault add edge-error --status 520 --times 0
      python -m localcloud fault add rate-limited --seconds 300
    """  # noqa: D301 (click's mark for text that keeps its lines)
    try:
        made = Fault.from_json({**members, "times": times or None})
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    _show(_control(cloudflare_port, "POST", "faults", made.as_json()))


@fault.command("list")
@_cloudflare_port
def list_faults(cloudflare_port: int) -> None:
    """Show the faults that are on."""
    _show(_control(cloudflare_port, "GET", "faults"))


@fault.command("clear")
@_cloudflare_port
def clear_faults(cloudflare_port: int) -> None:
    """Switch every fault off."""
    _show(_control(cloudflare_port, "DELETE", "faults"))


@main.command()
@click.option("--calls", type=click.IntRange(1), help="So many calls are allowed …")
@click.option("--window", type=float, help="… in so many seconds; over it every call is refused …")
@click.option("--block", type=float, help="… for so many seconds.")
@_cloudflare_port
def quota(cloudflare_port: int, **members: float | None) -> None:
    """Show or set the request quota of a running Cloudflare stand-in."""
    wanted = {name: value for name, value in members.items() if value is not None}
    method = "PUT" if wanted else "GET"
    _show(_control(cloudflare_port, method, "quota", wanted or None))


class _said_clearly:  # noqa: N801 (reads as the function it replaces)
    """Turns what a person can mend into a message without a traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aws.PortTakenError | cloudflare.PortTakenError):
            raise click.ClickException(f"{error}. Choose another port: see --help.") from None
        if isinstance(error, ProjectError | SettingsError | aws.DeployError):
            raise click.ClickException(str(error)) from None


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
The local cloud is running.

  AWS         {cloud.aws.endpoint}  (account {aws.ACCOUNT_ID}, {cloud.region})
  Cloudflare  {cloud.cloudflare.url}
  DNS         {dns_host}, port {dns_port}, UDP and TCP; zone {settings.domain_root}

In another terminal, in the project, with its .venv activated:

{exports}

Then, for example:

  chalice deploy --stage {STAGE}
  {row}
  {instance}
  dig @{dns_host} -p {dns_port} INSTANCE-ID.{settings.domain_root}
  curl -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" \\
    "$CLOUDFLARE_BASE_URL/zones/{settings.zone_id}/dns_records"

By hand, without deploying (the route exists in stage {STAGE} alone):

  chalice local --stage {STAGE}
  curl http://127.0.0.1:8000/events -H 'Content-Type: application/json' \\
    -d '{{"instance-id": "INSTANCE-ID"}}'

What happens is shown here. Ctrl-C ends everything.
"""


def _show_event(delivery: Delivery) -> None:
    detail = delivery.event["detail"]
    told = ", ".join(delivery.functions) or "no rule matches"
    click.echo(f"event   {detail.get('instance-id')} {detail.get('state')} → {told}")


def _show_invocation(invocation: Invocation) -> None:
    answer = invocation.payload.decode("utf-8", "replace")
    verb = "failed" if invocation.failed else "answer"
    click.echo(f"{verb}  {invocation.function}, attempt {invocation.attempt}: {answer}")
    if invocation.failed:
        for line in invocation.log:
            click.echo(f"        {line}")


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _control(port: int, method: str, what: str, body: object = None) -> Any:  # noqa: ANN401
    url = f"http://{HOST}:{port}/__standin__/{what}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise click.ClickException(error.read().decode("utf-8", "replace")) from None
    except urllib.error.URLError as error:
        raise click.ClickException(
            f"no Cloudflare stand-in at port {port} ({error.reason}): "
            "start one with `python -m localcloud up`, or name its --cloudflare-port"
        ) from None


def _show(answer: Any) -> None:  # noqa: ANN401
    click.echo(json.dumps(answer, indent=2))

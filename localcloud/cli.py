"""The command line of the local cloud."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from localcloud.cli_events import event, mails
from localcloud.cli_run import demo, env, let_try, up
from localcloud.cloudflare import Fault, FaultKind, When
from localcloud.control_client import aws_port_option, cloudflare_port_option, control, show


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """AWS and Cloudflare on this machine, without an account.

    AWS is moto's server; functions run under AWS's own runtime client; Cloudflare is a stand-in
    that follows the published API and serves its zone over DNS. Nothing leaves this machine.
    """


for command in (demo, let_try, up, env, event, mails):
    main.add_command(command)


@main.command()
@aws_port_option
def tick(aws_port: int) -> None:
    """Run every schedule of a running local cloud now.

    Shows the functions that were invoked for it.
    """
    show(control("AWS", aws_port, "POST", "schedules"))


@main.command()
@click.option(
    "--plus", type=float, help="Print the time this many minutes from now, for a meet_time."
)
@aws_port_option
def clock(aws_port: int, plus: float | None) -> None:
    """Show the time of a running local cloud, and what is scheduled next."""
    shown = control("AWS", aws_port, "GET", "clock")
    if plus is None:
        show(shown)
    else:
        click.echo((datetime.fromisoformat(shown["now"]) + timedelta(minutes=plus)).isoformat())


@main.command()
@click.option("--minutes", type=click.FloatRange(0), help="Minutes to advance.")
@aws_port_option
def forward(aws_port: int, minutes: float | None) -> None:
    """Advance the clock of a running local cloud.

    Everything scheduled in between runs, in order. Without --minutes it advances to the next
    one-off schedule: a meeting's launch, or its safety net.
    """
    wanted = {} if minutes is None else {"minutes": minutes}
    show(control("AWS", aws_port, "POST", "clock", wanted))


@main.command()
@click.argument("action", type=click.Choice(["finish", "shutdown"]))
@click.option("--role", help="Only desktops of this role.")
@click.option("--meeting", help="Only desktops of this meeting.")
@aws_port_option
def desktop(aws_port: int, action: str, role: str | None, meeting: str | None) -> None:
    """Have desktops of meetings finish, which reports their data, or just shut down."""
    wanted = {"do": action, "role": role, "meeting": meeting}
    show(control("AWS", aws_port, "POST", "desktops", wanted))


@main.group()
def refusal() -> None:
    """Switch refusals to start instances in a running EC2 on and off."""


@refusal.command("add")
@click.argument("code")
@click.option("--zone", help="Only in this Availability Zone, such as us-west-2a.")
@click.option("--times", type=click.IntRange(0), default=1, help="How many times; 0 until cleared.")
@click.option("--skip", type=click.IntRange(0), default=0, help="Skip this many calls first.")
@aws_port_option
def add_refusal(aws_port: int, times: int, **members: Any) -> None:  # noqa: ANN401
    """Make EC2 refuse to start instances.

    \b
    Examples:
      elephant-local refusal add InsufficientInstanceCapacity --zone us-west-2a --times 0
      elephant-local refusal add VcpuLimitExceeded
    """  # noqa: D301 (click's mark for text that keeps its lines)
    wanted = {**members, "times": times or None}
    show(control("AWS", aws_port, "POST", "refusals", wanted))


@refusal.command("list")
@aws_port_option
def list_refusals(aws_port: int) -> None:
    """Show the active refusals."""
    show(control("AWS", aws_port, "GET", "refusals"))


@refusal.command("clear")
@aws_port_option
def clear_refusals(aws_port: int) -> None:
    """Switch every refusal off."""
    show(control("AWS", aws_port, "DELETE", "refusals"))


@main.group()
def fault() -> None:
    """Switch faults of a running Cloudflare stand-in on and off."""


@fault.command("add")
@click.argument("kind", type=click.Choice([kind.value for kind in FaultKind]))
@click.option("--when", type=click.Choice([when.value for when in When]), default="before")
@click.option("--method", help="Only calls of this method, such as POST.")
@click.option("--path", default="*", help="Only calls to paths that match this shell pattern.")
@click.option("--times", type=click.IntRange(0), default=1, help="How many times; 0 until cleared.")
@click.option("--skip", type=click.IntRange(0), default=0, help="Skip this many calls first.")
@click.option("--status", type=int, help="The HTTP status to answer.")
@click.option("--code", type=int, help="The API's error code to answer.")
@click.option("--seconds", type=float, help="For delay, rate-limited and stale.")
@click.option(
    "--changes", type=int, default=0, help="For stale: how many changes the answer is behind."
)
@click.option("--name", help="For wrong-name: the name in the answer.")
@cloudflare_port_option
def add_fault(cloudflare_port: int, times: int, **members: Any) -> None:  # noqa: ANN401
    """Make calls fail.

    \b
    Examples:
      elephant-local fault add drop --when after --method POST
      elephant-local fault add edge-error --status 520 --times 0
      elephant-local fault add rate-limited --seconds 300
    """  # noqa: D301 (click's mark for text that keeps its lines)
    try:
        made = Fault.from_json({**members, "times": times or None})
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    show(control("Cloudflare", cloudflare_port, "POST", "faults", made.as_json()))


@fault.command("list")
@cloudflare_port_option
def list_faults(cloudflare_port: int) -> None:
    """Show the active faults."""
    show(control("Cloudflare", cloudflare_port, "GET", "faults"))


@fault.command("clear")
@cloudflare_port_option
def clear_faults(cloudflare_port: int) -> None:
    """Switch every fault off."""
    show(control("Cloudflare", cloudflare_port, "DELETE", "faults"))


@main.command()
@click.option("--calls", type=click.IntRange(1), help="Number of calls allowed …")
@click.option(
    "--window", type=float, help="… in this many seconds; beyond it every call is refused …"
)
@click.option("--block", type=float, help="… for this many seconds.")
@cloudflare_port_option
def quota(cloudflare_port: int, **members: float | None) -> None:
    """Show or set the request quota of a running Cloudflare stand-in."""
    wanted = {name: value for name, value in members.items() if value is not None}
    method = "PUT" if wanted else "GET"
    show(control("Cloudflare", cloudflare_port, method, "quota", wanted or None))

"""The commands that run a local cloud, `demo`, `try` and `up`, and `env`, which leads to one."""

from __future__ import annotations

import shlex
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from chalicelib.settings.formats import PROXIED_HTTPS_PORTS
from chalicelib.settings.stage import SettingsError
from localcloud import cloudflare
from localcloud.control_client import aws_port_option, cloudflare_port_option, control

if TYPE_CHECKING:
    from collections.abc import Iterator

DNS_PORT: Final = 8053
EDGE_PORT: Final = 8443
_UNSET: Final = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
"""What would lead the AWS CLI elsewhere, in spite of the rest."""

_project = click.option(
    "--project",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="The project's directory; its stage 'local' names the zone, table and secret.",
    show_default="here",
)
_dns_port = click.option(
    "--dns-port",
    type=click.IntRange(1, 65535),
    default=DNS_PORT,
    show_default=True,
    help="The port of DNS.",
)


@click.command()
@_project
def demo(directory: Path) -> None:
    """Run meetings from scheduling to clean-up, and check every promise on the way.

    Uses free ports, works on a copy of the project, and stops everything it started. Exit status
    0 only if every promise held.
    """
    with _clear_errors():
        from localcloud.narrator import Narrator  # noqa: PLC0415 (moto takes a second to import)
        from localcloud.project import Project  # noqa: PLC0415
        from localcloud.story import play  # noqa: PLC0415

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # end desktops too
        held = play(Project(directory.resolve()), Narrator())
    raise SystemExit(0 if held else 1)


@click.command("try")
@aws_port_option
@cloudflare_port_option
@_dns_port
@click.option(
    "--edge-port",
    type=click.Choice([str(port) for port in PROXIED_HTTPS_PORTS]),
    default=str(EDGE_PORT),
    show_default=True,
    help="The port in the desktops' links.",
)
@_project
def let_try(
    aws_port: int, cloudflare_port: int, dns_port: int, edge_port: str, directory: Path
) -> None:
    """Deploy, book a meeting, and show its links for your browser; time passes on Enter.

    Works on a copy of the project. Ends with q, Ctrl-C or the end of the input, and stops
    everything it started.
    """
    with _clear_errors():
        from localcloud import trial  # noqa: PLC0415 (moto takes a second to import)
        from localcloud.cloud import Ports  # noqa: PLC0415
        from localcloud.project import Project  # noqa: PLC0415

        ports = Ports(aws_port, cloudflare_port, dns_port, int(edge_port))
        trial.let_try(Project(directory.resolve()), ports)


@click.command()
@aws_port_option
@cloudflare_port_option
@_dns_port
@click.option(
    "--time-scale",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Factor for Lambda's waits between attempts and for the periods of schedules: "
    "0.01 makes a minute 0.6 s.",
)
@click.option(
    "--edge-port",
    type=click.IntRange(0, 65535),
    show_default="the stage's DCV_PORT, to which the desktops' links lead",
    help="The port of the proxy in front of the desktops; 0 for any.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show events and answers as JSON, and logs.")
@_project
def up(  # noqa: PLR0913, PLR0917 (the options)
    aws_port: int,
    cloudflare_port: int,
    dns_port: int,
    edge_port: int | None,
    time_scale: float,
    verbose: bool,  # noqa: FBT001 (of click)
    directory: Path,
) -> None:
    """Keep the local cloud running until Ctrl-C, and show what happens in it."""
    with _clear_errors():
        from localcloud.cloud import Ports  # noqa: PLC0415 (moto takes a second to import)
        from localcloud.project import Project  # noqa: PLC0415
        from localcloud.up import keep_running  # noqa: PLC0415

        project = Project(directory.resolve())
        edge = project.settings.dcv_port if edge_port is None else edge_port
        ports = Ports(aws_port, cloudflare_port, dns_port, edge)
        keep_running(project, ports, time_scale, verbose=verbose)


@click.command()
@aws_port_option
def env(aws_port: int) -> None:
    """Print what leads other programs to a running `up` or `try`, for a shell to evaluate.

    That is the AWS CLI, boto3, elephant, Chalice and Cloudflare's clients.

    \b
    Example:
      eval "$(elephant-local env)"
    """  # noqa: D301 (click's mark for text that keeps its lines)
    exports = control("AWS", aws_port, "GET", "exports")
    click.echo(f"unset {' '.join(_UNSET)}")
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn errors that the operator can fix into messages without a traceback."""
    from localcloud import aws  # noqa: PLC0415 (moto takes a second to import)
    from localcloud.desktop import MissingToolError  # noqa: PLC0415
    from localcloud.project import ProjectError  # noqa: PLC0415 (moto takes a second to import)
    from ops.command import CommandError  # noqa: PLC0415

    try:
        yield
    except (aws.PortTakenError, cloudflare.PortTakenError) as error:
        raise click.ClickException(f"{error.strerror} (see --help)") from None
    except (ProjectError, SettingsError, MissingToolError, CommandError) as error:
        raise click.ClickException(str(error)) from None

"""The command `selftest`: prove a deployed stage with an instance of its own."""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from ops.console import json_option, project_option, said_clearly, stage_argument
from ops.opened import open_stage
from ops.selftest.instance import PRICE, SMALLEST
from ops.selftest.promises import Pace, Promises
from ops.selftest.report import table
from ops.selftest.run import SelfTest, Wish
from ops.stages import ConfigError, ConfigFile
from ops.steps import INTERRUPTED
from ops.written_files import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.selftest.promises import Outcome

PACE = Pace(time.monotonic, time.sleep)

_WIDTH: Final = 80


@click.command(short_help="Prove a deployed stage with an instance of its own.")
@stage_argument
@click.option("--subnet", help="A public subnet for the instance.  [default: the default VPC's]")
@click.option(
    "--instance-type", "kind", default=SMALLEST, show_default=True, help="The instance's type."
)
@click.option(
    "--meeting/--no-meeting",
    "with_meeting",
    default=None,
    help="Also book, enter and cancel a meeting, with two desktops.  [default: ask]",
)
@click.option(
    "--report",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Where to write the report.  [default: selftest-NAME.json]",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@project_option
def selftest(  # noqa: PLR0913 (the options)
    name: str,
    directory: Path,
    *,
    subnet: str | None,
    kind: str,
    with_meeting: bool | None,
    path: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Prove deployed stage NAME on the real AWS and Cloudflare: five minutes, about a cent.

    Launches the smallest instance with the stage's tag, and waits for its record, its resolution
    and its row; stops, starts and terminates it, and lets a sweep repair what no event announced.
    With meetings it can also book one, enter by its link and cancel it. The instance is terminated
    in any case, also after Ctrl-C, and ends by itself within an hour of its start.

    Prints each promise with its time, and writes a report that names no account, domain, address
    or secret, for a bug's description. Exit status 0 if every promise was kept, 1 if not.

    \b
    Examples:
      elephant selftest qa
      elephant selftest qa --subnet subnet-0123456789abcdef0 --meeting --yes
    """  # noqa: D301 (click's mark for text that keeps its lines)
    with said_clearly():
        stage, account = open_stage(directory, name)
        if with_meeting and not stage.settings.meetings:
            raise ConfigError(f"stage {name!r} has no meetings: leave --meeting out")
        if not yes:
            click.confirm(
                f"This launches one {kind} in account {stage.account}, {stage.region}: {PRICE}.\n"
                "Go on?",
                abort=True,
                err=as_json,
            )
            meetings = stage.settings.meetings
            if meetings and with_meeting is None:
                price = f"It costs two {meetings.instance_type} for some minutes."
                with_meeting = click.confirm(f"Also a meeting? {price}", err=as_json)
        console = Console(stderr=as_json, highlight=False)
        with console.status("") as status, ended_in_order():

            def show(outcome: Outcome) -> None:
                console.print(table([outcome]), width=min(_WIDTH, console.width))

            promises = Promises(PACE, lambda said: status.update(f"{said} …"), show)
            wish = Wish(kind, subnet, bool(with_meeting))
            test = SelfTest(ConfigFile(directory.resolve()), stage, account, wish, promises)
            status.update("Launching …")
            path = path or Path(f"selftest-{name}.json")
            try:
                test.run()
            except KeyboardInterrupt:
                console.print("Interrupted: what was launched is terminated.")
                raise SystemExit(INTERRUPTED) from None
            finally:
                report = test.report()
                if promises.outcomes:
                    write_files({path: json.dumps(report, indent=2) + "\n"})
        if as_json:
            click.echo(json.dumps(report, indent=2))
        else:
            kept = sum(each.is_kept for each in promises.outcomes)
            click.echo(f"\n{kept} of {len(promises.outcomes)} promises kept; report: {path}")
    raise SystemExit(0 if promises.all_kept else 1)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exception, so that what was launched is terminated."""
    end = signal.default_int_handler
    before = {each: signal.signal(each, end) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

"""The commands `status`, `plan` and `sweep`: run the sweep by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from ops.console import json_option, project_option, said_clearly, stage_argument
from ops.drift import Drift
from ops.drift_listing import plan_listing, repair_listing, status_listing
from ops.listing import Said, sentence, show, width_here
from ops.neighbours import Neighbour, conflicts
from ops.opened import open_stage
from ops.stages import ConfigFile
from ops.sweeping import Sweeping

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chalicelib.watchdog.survey import Survey
    from chalicelib.watchdog.sweep_result import Repair
    from ops.stages import Stage

DRIFT = 2
"""Exit status of `plan` when there is something to repair."""
UNFINISHED = 1
"""Exit status of `sweep` when something was left, held back or refused."""


@click.command(short_help="Show instances, records and rows side by side.")
@stage_argument
@json_option
@project_option
def status(name: str, directory: Path, *, as_json: bool) -> None:
    """Show stage NAME's instances, records and rows side by side, and their drift.

    Each instance is "ok", or has "drift" that the next sweep repairs, or a "warning" that somebody
    should look at, or is "waiting" until more is known. Those with drift come first. The JSON has
    "instances", with the meeting, records, drift and warnings of each, and "foreign" for what
    belongs to other deployments.

    \b
    Examples:
      elephant status prod
      elephant status prod --json
    """  # noqa: D301 (click's mark for text that keeps its lines)
    with said_clearly():
        stage, sweeping = _open(directory, name)
        shared = conflicts(ConfigFile(directory.resolve()), Neighbour.of(stage))
        drift = Drift(_survey(sweeping), stage.settings, name)
    if as_json:
        document = {**drift.status_json(), "conflicts": [each.found for each in shared]}
        click.echo(json.dumps(document, indent=2))
        return
    width = width_here()
    show(status_listing(drift, width))
    for each in shared:
        show(sentence(Said(f"warning: {each.found}; choose {each.remedy}", "red"), width))


@click.command()
@stage_argument
@json_option
@project_option
def plan(name: str, directory: Path, *, as_json: bool) -> None:
    """Show what a sweep of stage NAME would do, and change nothing.

    Exit status 0 if there is nothing to repair, 2 if there is, 1 if that could not be determined.
    The JSON has "changes", each with its action (create, update or delete), kind (record or row),
    name, change and reason; and what is "waiting", "warnings", and "unsafe" if any would be held
    back.

    \b
    Examples:
      elephant plan prod
      elephant plan prod --json
    """  # noqa: D301
    with said_clearly():
        stage, sweeping = _open(directory, name)
        drift = Drift(_survey(sweeping), stage.settings, name)
    if as_json:
        click.echo(json.dumps(drift.plan_json(), indent=2))
    else:
        show(plan_listing(drift, width_here()))
    raise SystemExit(DRIFT if drift.planned else 0)


@click.command(short_help="Repair a stage now, as the function `sweep` does.")
@stage_argument
@click.option("--force", is_flag=True, help="Also make the deletions that would be held back.")
@json_option
@project_option
def sweep(name: str, directory: Path, *, force: bool, as_json: bool) -> None:
    """Repair stage NAME now, as the function `sweep` does every minute.

    Deletions for which EC2 shows no reason are held back if there are more than the limits allow:
    review them with `plan`, and if they are right, use --force.
    Exit status 0 if everything is right, 1 if something was left, held back or refused.
    The JSON is what the function logs, see docs/operations.md.

    \b
    Examples:
      elephant sweep prod
      elephant sweep prod --force
    """  # noqa: D301
    with said_clearly():
        _, sweeping = _open(directory, name)
        survey = _survey(sweeping)
        repair = _repair(sweeping, survey, force=force)
    if as_json:
        click.echo(json.dumps({"stage": name, **repair.to_dict()}, indent=2))
    else:
        show(repair_listing(repair, name, width_here()))
    raise SystemExit(UNFINISHED if repair.left or repair.held or repair.refused else 0)


def _open(directory: Path, name: str) -> tuple[Stage, Sweeping]:
    stage, account = open_stage(directory, name)
    return stage, Sweeping(stage, account)


def _survey(sweeping: Sweeping) -> Survey:
    with Console(stderr=True).status("Looking at records, instances and rows …"):
        return sweeping.survey()


def _repair(sweeping: Sweeping, survey: Survey, *, force: bool) -> Repair:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Repairing …", total=len(survey.plan.changes))
        progress: Callable[[int], None] = lambda count: bar.advance(task, count)  # noqa: E731
        return sweeping.repair(survey, force=force, progress=progress)

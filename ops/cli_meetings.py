"""The command `meetings`: what takes place in a stage, and ending it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from chalicelib.meeting_row.meeting import Status
from chalicelib.meetings.lifetime import is_over
from ops.account import readable_errors
from ops.console import json_option, printable, project_option, said_clearly, stage_argument
from ops.meeting_end import CANCEL, END, claim_end, require_right_word, wait_for_end
from ops.meeting_list import MeetingList
from ops.meeting_text import Reading
from ops.opened import open_meetings

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.meeting_row.meeting import Meeting

_SHOW: Final = "show"
_DEAREST: Final = 10_000
NOT_ENDED: Final = 1
"""Exit status if desktops were not ended within the time that it waits."""

_pause = time.sleep


@click.command()
@stage_argument
@click.argument("action", required=False, type=click.Choice([_SHOW, CANCEL, END]))
@click.argument("meeting_id", metavar="[ID]", required=False)
@click.option("--all", "is_all", is_flag=True, help="List every row, by reading the whole table.")
@click.option(
    "--price-per-hour",
    "price",
    type=click.FloatRange(0, _DEAREST),
    help="What a desktop costs in an hour, to show what meetings cost.",
)
@click.option("--yes", is_flag=True, help="With cancel and end: do not ask.")
@json_option
@project_option
def meetings(  # noqa: PLR0913 (the options)
    name: str,
    action: str | None,
    meeting_id: str | None,
    directory: Path,
    price: float | None,
    *,
    is_all: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """List stage NAME's meetings and their desktops' hours; show, cancel or end one.

    Lists those of the past week, running and upcoming. With --all it lists every meeting that still
    has a row, including rows that others have written.

    `cancel` is for a meeting that nobody has joined, `end` for one that people may be in. Both end
    its desktops, and wait until that is done; exit status 1 if it is not within a minute.

    \b
    Examples:
      elephant meetings prod
      elephant meetings prod --price-per-hour 0.526
      elephant meetings prod --all --json
      elephant meetings prod show 4k2v9xw0c7m1q8zd
      elephant meetings prod cancel 4k2v9xw0c7m1q8zd
    """  # noqa: D301 (click's mark for text that keeps its lines)
    _check_usage(action, meeting_id, is_all=is_all, yes=yes, as_json=as_json)
    with said_clearly(), readable_errors(f"use the meetings of stage {name}"):
        opened = open_meetings(directory, name)
        reading = Reading(datetime.now(UTC), opened.settings.longest, price)
        found = MeetingList(opened.account.client("dynamodb"), opened.stage)
        if action is None or meeting_id is None:
            _list(found, reading, name, is_all=is_all, as_json=as_json)
        elif action == _SHOW:
            _show(found.find(meeting_id), reading, as_json=as_json)
        else:
            _end(found, reading, meeting_id, action, yes=yes)
            _wait(found, name, meeting_id)


def _check_usage(
    action: str | None, meeting_id: str | None, *, is_all: bool, yes: bool, as_json: bool
) -> None:
    """Refuse options that another action has, before anything is read."""
    if action and not meeting_id:
        raise click.UsageError(f"give the meeting: `{action} ID`")
    if action and is_all:
        raise click.UsageError("--all is for the list of meetings")
    if action in {CANCEL, END} and as_json:
        raise click.UsageError(f"--json is not an option of {action}")
    if action not in {CANCEL, END} and yes:
        raise click.UsageError("--yes is for cancel and end")


def _list(found: MeetingList, reading: Reading, name: str, *, is_all: bool, as_json: bool) -> None:
    with Console(stderr=True).status("Reading the meetings …"):
        listed = found.read_all() if is_all else found.read_recent(reading.now)
    for meeting_id, why in listed.unread.items():
        click.echo(f"warning: {printable(meeting_id)} could not be read: {why}", err=True)
    if as_json:
        document = {"stage": name, **reading.list_document(listed.meetings)}
        click.echo(json.dumps(document, indent=2))
        return
    for line in reading.list_lines(listed.meetings):
        click.echo(line)


def _show(meeting: Meeting, reading: Reading, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(reading.document(meeting), indent=2))
        return
    for line in reading.detail_lines(meeting):
        click.echo(line)


def _end(found: MeetingList, reading: Reading, meeting_id: str, action: str, *, yes: bool) -> None:
    meeting = found.find(meeting_id)
    require_right_word(meeting, action)
    if is_over(meeting):
        click.echo("It is over already.")
        return
    for line in reading.lines(meeting):
        click.echo(line)
    consequence = (
        "Its desktops end at once, with whatever is open on them."
        if action == END
        else "Its links stop working, its desktops end if it has any, and whoever was invited by "
        "e-mail gets a cancellation."
    )
    if not yes:
        click.confirm(f"{consequence} This cannot be undone. {action.capitalize()} it?", abort=True)
    claim_end(found, meeting_id, action)


def _wait(found: MeetingList, name: str, meeting_id: str) -> None:
    with Console(stderr=True).status("Waiting until its desktops are ended …"):
        meeting = wait_for_end(found, meeting_id, _pause)
    if meeting.status == Status.TERMINATED:
        click.echo("It is ended, and none of its desktops runs.")
        return
    click.echo(
        "It is ended for its people: nobody can enter, and nothing of it starts any more. But its "
        "desktops, if it has any, are not ended yet. The stage keeps trying; look in ten minutes "
        f"with `elephant meetings {name} show {printable(meeting_id)}`, and if its status is not "
        f"{Status.TERMINATED} then, run `elephant doctor {name}`.",
        err=True,
    )
    raise SystemExit(NOT_ENDED)

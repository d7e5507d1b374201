"""The command `meetings`: list, show, cancel and end them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from chalicelib.meeting_row.meeting import REASON, ROLES, Status
from chalicelib.meetings.own_meetings import PAST
from chalicelib.meetings.state import is_over
from ops.console import json_option, printable, project_option, said_clearly, stage_argument
from ops.listing import show, width_here
from ops.meeting_documents import Documents, start_of
from ops.opened import open_meetings
from ops.stage_meetings import CANCEL, END, LOOKS, PAUSE, StageMeetings, check_action

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.meeting_row.meeting import Meeting

_SHOW: Final = "show"
_ACTIONS: Final = (_SHOW, CANCEL, END)
_CONSEQUENCES: Final = {
    CANCEL: "Nobody can enter it any more, and desktops that run are terminated.",
    END: "Who is in it is thrown out, its desktops are terminated, and what is on them is lost.",
}


@click.command(short_help="List meetings; show, cancel or end one.")
@stage_argument
@click.argument("action", type=click.Choice(_ACTIONS), required=False)
@click.argument("meeting_id", metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="List every row, by reading the whole table.")
@click.option(
    "--price-per-hour",
    "price",
    type=click.FloatRange(min=0),
    help="What a desktop costs an hour, to show costs.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@project_option
def meetings(  # noqa: PLR0913 (the options)
    name: str,
    action: str | None,
    meeting_id: str | None,
    directory: Path,
    *,
    every: bool,
    price: float | None,
    yes: bool,
    as_json: bool,
) -> None:
    """List stage NAME's meetings, and show, cancel or end one of them.

    Lists those that run, are to come, or were in the past week, regardless of whose key booked
    them, with the hours of desktops that they used; with --all every one that has a row, also
    those that other programs have written. An hour is one desktop's, from the beginning of the
    launch to the end of the meeting. With --price-per-hour, also what that costs; the price is
    stored nowhere, and contains what you put into it: instance, volume, address, traffic.

    "cancel" is for a meeting that nobody has joined yet, "end" for one in progress. Both wait up to
    a minute until the stage has terminated its desktops; exit status 1 if it has not. The JSON of a
    list has "meetings"; of one meeting, it is the meeting.

    \b
    Examples:
      elephant meetings prod
      elephant meetings prod --all --price-per-hour 0.12
      elephant meetings prod show 4fzyo82mvyr2k7aq
      elephant meetings prod cancel 4fzyo82mvyr2k7aq
      elephant meetings prod end 4fzyo82mvyr2k7aq --yes
    """  # noqa: D301 (click's mark for text that keeps its lines)
    if action and not meeting_id:
        raise click.UsageError(f"say which meeting: `elephant meetings NAME {action} ID`")
    with said_clearly():
        stage, account, settings = open_meetings(directory, name)
        documents = Documents(_now(), settings.longest, price)
        found = StageMeetings(stage, account)
        if action is None or meeting_id is None:
            _list(found, documents, name, every=every, as_json=as_json)
        elif action == _SHOW:
            _show(found.read(meeting_id), documents, name, as_json=as_json)
        else:
            _stop(found, meeting_id, action, documents, name, yes=yes, as_json=as_json)


def _now() -> datetime:
    return datetime.now(UTC)


def _list(
    found: StageMeetings, documents: Documents, name: str, *, every: bool, as_json: bool
) -> None:
    with Console(stderr=True).status("Reading the meetings …"):
        rows = found.read_all() if every else found.read_since(documents.now - PAST)
    if as_json:
        click.echo(json.dumps({"stage": name, **documents.list_json(rows)}, indent=2))
    else:
        show(documents.list_lines(rows, width_here()))
        if not every:
            click.echo("Older ones, and those booked by other programs, are listed with --all.")


def _show(meeting: Meeting, documents: Documents, name: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"stage": name, **documents.one_json(meeting)}, indent=2))
    else:
        show(documents.one_lines(meeting, width_here()))


def _stop(  # noqa: PLR0913 (the command's options)
    found: StageMeetings,
    meeting_id: str,
    action: str,
    documents: Documents,
    name: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    meeting = found.read(meeting_id)
    check_action(meeting, action)
    if not yes and not is_over(meeting):
        names = (meeting.text(f"{role}_name") or f"a {role}" for role in ROLES)
        people = " and ".join(map(printable, names))
        what = f"{action.capitalize()} {meeting_id}, of {people}, {start_of(meeting)} UTC?"
        click.confirm(f"{_CONSEQUENCES[action]}\n{what}", abort=True, err=as_json)
    with Console(stderr=True).status("Waiting until its desktops are terminated …"):
        ended = found.end(meeting_id, action, documents.now)
    for warning in ended.warnings:
        click.secho(f"warning, without consequences: {warning}", fg="yellow", err=True)
    if as_json:
        _show(ended.meeting, documents, name, as_json=True)
    elif ended.is_done:
        reason = ended.meeting.text(REASON) or "without a reason"
        click.echo(f"{meeting_id} has ended ({reason}), and no desktop of it is left running.")
    if not ended.is_done:
        raise click.ClickException(
            f"{meeting_id} is being ended, but after {LOOKS * PAUSE:.0f} s its desktops are not "
            "known to be terminated. The sweep terminates them within minutes; see `elephant "
            f"meetings {name} show {meeting_id}`. If its status does not become "
            f"{Status.TERMINATED}: docs/operations.md#alarm-meetings-terminator"
        )

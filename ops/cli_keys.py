"""The command `keys`: who may schedule meetings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chalicelib.clock import in_minutes
from chalicelib.meetings.authorizer import LIFETIME
from ops.console import json_option, project_option, said_clearly, stage_argument
from ops.keys import KeySecret, day_of, new_key
from ops.opened import open_meetings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.keys import KeyRing

_WITHIN: Final = f"within {in_minutes(timedelta(seconds=LIFETIME))}"
_ADD, _ROTATE, _REMOVE = _ACTIONS = ("add", "rotate", "remove")


@click.command()
@stage_argument
@click.argument("action", type=click.Choice(_ACTIONS), required=False)
@click.argument("who", required=False)
@click.option("--finish", is_flag=True, help="With rotate: remove WHO's older keys.")
@click.option("--force", is_flag=True, help="With remove: also the last key of all.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@project_option
def keys(  # noqa: PLR0913 (the options)
    name: str,
    action: str | None,
    who: str | None,
    directory: Path,
    *,
    finish: bool,
    force: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """List, add, rotate and remove the keys with which stage NAME's meetings are booked.

    WHO is a person or a front end. Each has a key of its own, and sees, changes and cancels only
    the meetings booked with it. Keys are never shown again: lists have names and days.

    "add" and "rotate" print a new key, and nothing else, on standard output. It works within
    seconds. "rotate" keeps the former key valid until "rotate WHO --finish"; keys that are removed
    are refused within five minutes. Meetings stay when a key is removed.

    \b
    Examples:
      elephant keys prod
      elephant keys prod add anna
      elephant keys prod add front-end | pass insert -m elephant/front-end
      elephant keys prod rotate anna
      elephant keys prod rotate anna --finish
      elephant keys prod remove anna
    """  # noqa: D301 (click's mark for text that keeps its lines)
    _check_usage(action, who, finish=finish, force=force)
    with said_clearly():
        stage, account, _ = open_meetings(directory, name)
        secret = KeySecret(stage, account)
        if action is None or who is None:
            _show(secret.read(), as_json=as_json)
        elif action == _REMOVE:
            _remove(secret, name, who, force=force, yes=yes)
        elif finish:
            _finish(secret, who, yes=yes)
        else:
            _make(secret, name, action, who)


def _check_usage(action: str | None, who: str | None, *, finish: bool, force: bool) -> None:
    if action and not who:
        raise click.UsageError(f"say whose key to {action}: `elephant keys NAME {action} WHO`")
    if finish and action != _ROTATE:
        raise click.UsageError("--finish is for rotate")
    if force and action != _REMOVE:
        raise click.UsageError("--force is for remove")


def _make(secret: KeySecret, name: str, action: str, who: str) -> None:
    key = new_key(datetime.now(UTC))
    change: Callable[[KeyRing], KeyRing] = (
        (lambda ring: ring.added(who, key))
        if action == _ADD
        else (lambda ring: ring.rotated(who, key))
    )
    count = len(secret.change(change).of(who))
    _advise(f"The new key of {who}, shown only this once:")
    click.echo(key)
    _advise(
        f"Hand it to {who} in a safe way: who has it books meetings in that name. It is asked for "
        "by the booking page, and sent by programs as `Authorization: Bearer KEY`."
    )
    if count > 1:
        _advise(
            f"{who} has {count} valid keys now. Once nobody uses the former: `elephant keys {name} "
            f"rotate {who} --finish`."
        )


def _finish(secret: KeySecret, who: str, *, yes: bool) -> None:
    older = len(secret.read().of(who)) - 1
    if not older:
        click.echo(f"{who} has one key: nothing to remove.")
        return
    if not yes:
        click.confirm(
            f"Remove {_counted(older, 'older key')} of {who}, and leave the newest?", abort=True
        )
    secret.change(lambda ring: ring.finished(who))
    click.echo(f"{who} has one key now; the older is refused everywhere {_WITHIN}.")


def _remove(secret: KeySecret, name: str, who: str, *, force: bool, yes: bool) -> None:
    ring = secret.read()
    ring.without(who, force=force)  # so that nobody is asked for nothing
    what_of_meetings = (
        f"Meetings that {who} booked stay and take place: from then on, they can be changed only "
        f"with `elephant meetings {name}`, or with a new key of the same name."
    )
    if not yes:
        count = _counted(len(ring.of(who)), "key")
        click.confirm(f"{what_of_meetings}\nRemove {count} of {who}?", abort=True)
    secret.change(lambda ring: ring.without(who, force=force))
    click.echo(f"{who} has no key any more; it is refused everywhere {_WITHIN}.")


def _show(ring: KeyRing, *, as_json: bool) -> None:
    days = {
        who: [str(day) if (day := day_of(key)) else None for key in found]
        for who, found in ring.keys.items()
    }
    if as_json:
        listed = [{"name": who, "keys": len(since), "since": since} for who, since in days.items()]
        click.echo(json.dumps({"keys": listed}, indent=2))
        return
    table = Table(caption="since: the day on which each key was made", caption_justify="left")
    for column in ("name", "keys", "since"):
        table.add_column(column, overflow="fold")
    for who, since in days.items():
        said = ", ".join(day or "not known" for day in since)
        table.add_row(escape(who), str(len(since)), said)
    Console(highlight=False).print(table)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _advise(text: str) -> None:
    click.echo(text, err=True)

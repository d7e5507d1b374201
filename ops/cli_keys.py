"""The command `keys`: who may schedule meetings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from chalicelib.clock import in_minutes
from chalicelib.meetings.authorizer import LIFETIME
from ops.console import json_option, project_option, said_clearly, stage_argument
from ops.keys import KeySecret, day_of, new_key
from ops.listing import Item, Said, counted, listing, show, width_here
from ops.opened import open_meetings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ops.keys import KeyRing

_WITHIN: Final = f"within {in_minutes(timedelta(seconds=LIFETIME))}"
_ADD, _ROTATE, _REMOVE = _ACTIONS = ("add", "rotate", "remove")


@click.command(short_help="List, add, rotate and remove the keys for booking.")
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
    are refused within five minutes. Meetings stay when a key is removed. With --json, both print an
    object with the "key"; the list has "keys", each with its name, and the days "since" when.

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
            _show(secret.read(), name, as_json=as_json)
        elif action == _REMOVE:
            _remove(secret, name, who, force=force, yes=yes, as_json=as_json)
        elif finish:
            _finish(secret, name, who, yes=yes, as_json=as_json)
        else:
            _make(secret, name, action, who, as_json=as_json)


def _check_usage(action: str | None, who: str | None, *, finish: bool, force: bool) -> None:
    if action and not who:
        raise click.UsageError(f"say whose key to {action}: `elephant keys NAME {action} WHO`")
    if finish and action != _ROTATE:
        raise click.UsageError("--finish is for rotate")
    if force and action != _REMOVE:
        raise click.UsageError("--force is for remove")


def _make(secret: KeySecret, name: str, action: str, who: str, *, as_json: bool) -> None:
    key = new_key(datetime.now(UTC))
    change: Callable[[KeyRing], KeyRing] = (
        (lambda ring: ring.added(who, key))
        if action == _ADD
        else (lambda ring: ring.rotated(who, key))
    )
    count = len(secret.change(change).of(who))
    _advise(f"The new key of {who}, shown only this once:")
    click.echo(_json(name, {"name": who, "key": key, "keys": count}) if as_json else key)
    _advise(
        f"Hand it to {who} in a safe way: who has it books meetings in that name. It is asked for "
        "by the booking page, and sent by programs as `Authorization: Bearer KEY`."
    )
    if count > 1:
        _advise(
            f"{who} has {count} valid keys now. Once nobody uses the former: `elephant keys {name} "
            f"rotate {who} --finish`."
        )


def _finish(secret: KeySecret, name: str, who: str, *, yes: bool, as_json: bool) -> None:
    older = len(secret.read().of(who)) - 1
    said = f"{who} has one key: nothing to remove."
    if older:
        if not yes:
            question = f"Remove {counted(older, 'older key')} of {who}, and leave the newest?"
            click.confirm(question, abort=True, err=as_json)
        secret.change(lambda ring: ring.finished(who))
        refused = "the older is" if older == 1 else "the older ones are"
        said = f"{who} has one key now; {refused} refused everywhere {_WITHIN}."
    click.echo(_json(name, {"name": who, "keys": 1}) if as_json else said)


def _remove(  # noqa: PLR0913 (the options)
    secret: KeySecret, name: str, who: str, *, force: bool, yes: bool, as_json: bool
) -> None:
    ring = secret.read()
    ring.without(who, force=force)  # so that nobody is asked for nothing
    what_of_meetings = (
        f"Meetings that {who} booked stay and take place: from then on, they can be changed only "
        f"with `elephant meetings {name}`, or with a new key of the same name."
    )
    if not yes:
        count = counted(len(ring.of(who)), "key")
        question = f"{what_of_meetings}\nRemove {count} of {who}?"
        click.confirm(question, abort=True, err=as_json)
    secret.change(lambda ring: ring.without(who, force=force))
    said = f"{who} has no key any more; it is refused everywhere {_WITHIN}."
    click.echo(_json(name, {"name": who, "keys": 0}) if as_json else said)


def _show(ring: KeyRing, name: str, *, as_json: bool) -> None:
    days = {
        who: [str(day) if (day := day_of(key)) else None for key in found]
        for who, found in ring.keys.items()
    }
    if as_json:
        listed = [{"name": who, "keys": len(since), "since": since} for who, since in days.items()]
        click.echo(_json(name, {"keys": listed}))
        return
    if not days:
        click.echo(f"Nobody has a key: make one with `elephant keys {name} add WHO`.")
        return
    items = [
        Item(
            (
                Said(who),
                Said(f"{len(since):>4}"),
                Said(", ".join(day or "not known" for day in since)),
            )
        )
        for who, since in days.items()
    ]
    show(listing(("name", "keys", "made on"), items, width_here()))


def _json(stage: str, document: Mapping[str, object]) -> str:
    return json.dumps({"stage": stage, **document}, indent=2)


def _advise(text: str) -> None:
    click.echo(text, err=True)

"""The command `keys`: who may schedule meetings."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from chalicelib.meetings.authorizer import LIFETIME, ONLY_CALLER
from ops.account import readable_errors
from ops.console import json_option, printable, project_option, said_clearly, stage_argument
from ops.keys import KeyRing, new_key
from ops.opened import open_meetings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.keys import NamedKeys

_ADD: Final = "add"
_ROTATE: Final = "rotate"
_REMOVE: Final = "remove"
_MINUTES: Final = f"{LIFETIME / 60:g} minutes"


@click.command()
@stage_argument
@click.argument("action", required=False, type=click.Choice([_ADD, _ROTATE, _REMOVE]))
@click.argument("who", required=False)
@click.option("--finish", is_flag=True, help="With rotate: end the old keys, keep the newest.")
@click.option("--force", is_flag=True, help="With remove: also the last keys.")
@click.option("--yes", is_flag=True, help="With remove: do not ask.")
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
    """List, add, rotate and remove the keys for scheduling stage NAME's meetings.

    Give each person and each front end a key of its own, under a name (WHO). A key sees and changes
    only meetings that a key of the same name has scheduled. A new key is printed once, alone on
    standard output, and is not shown again.

    \b
    Examples:
      elephant keys prod                           # names, and how many keys each has
      elephant keys prod add office
      elephant keys prod add office | pbcopy
      elephant keys prod rotate office             # a new key; the old one stays valid
      elephant keys prod rotate office --finish    # the old one ends
      elephant keys prod remove office
    """  # noqa: D301 (click's mark for text that keeps its lines)
    _check_usage(action, who, finish=finish, force=force, yes=yes, as_json=as_json)
    with said_clearly(), readable_errors(f"use the keys of stage {name}"):
        opened = open_meetings(directory, name)
        ring = KeyRing(opened.account.client("secretsmanager"), opened.stage)
        if action is None or who is None:
            _list(ring.read(), name, as_json=as_json)
        elif action == _REMOVE:
            _remove(ring, who, force=force, yes=yes)
        elif finish:
            ring.change(lambda held: held.finished(who))
            _say(f"The newest key of {who} is kept; the others are refused within {_MINUTES}.")
        elif action == _ROTATE:
            _rotate(ring, name, who)
        else:
            _add(ring, who)


def _check_usage(action: str | None, who: str | None, *, as_json: bool, **flags: bool) -> None:
    """Refuse options that another action has, before anything is read."""
    if action and not who:
        raise click.UsageError(f"give the name: `{action} WHO`")
    if action and as_json:
        raise click.UsageError("--json is for the list of keys")
    allowed = {_ROTATE: {"finish"}, _REMOVE: {"force", "yes"}}.get(action or "", set())
    for flag in (each for each, is_set in flags.items() if is_set and each not in allowed):
        raise click.UsageError(f"--{flag} is not an option of {action or 'the list of keys'}")


def _list(held: NamedKeys, stage_name: str, *, as_json: bool) -> None:
    if as_json:
        listed = [{"name": name, "keys": count} for name, count in held.counts.items()]
        click.echo(json.dumps({"stage": stage_name, "keys": listed}, indent=2))
        return
    if not held.counts:
        click.echo(f"no keys: nobody can schedule meetings; `elephant keys {stage_name} add WHO`")
    for name, count in held.counts.items():
        rotating = " (being rotated)" if count > 1 else ""
        click.echo(f"{printable(name)}: {count} key{'s'[: count > 1]}{rotating}")


def _add(ring: KeyRing, who: str) -> None:
    key = new_key()
    before = ring.change(lambda held: held.added(who, key))
    _hand_out(key, who)
    if before.counts == {ONLY_CALLER: 1}:
        _say(f"The key that was there before is named {ONLY_CALLER}, and stays valid.")


def _rotate(ring: KeyRing, stage_name: str, who: str) -> None:
    key = new_key()
    before = ring.change(lambda held: held.rotated(who, key))
    _hand_out(key, who)
    count = before.counts[who]
    old = "the old one stays" if count == 1 else f"the {count} old ones stay"
    _say(
        f"Both work now: {old} valid until `elephant keys {stage_name} rotate {who} --finish`, and "
        f"for up to {_MINUTES} after that."
    )


def _remove(ring: KeyRing, who: str, *, force: bool, yes: bool) -> None:
    remove: Callable[[NamedKeys], NamedKeys] = lambda held: held.removed(who, force=force)  # noqa: E731
    remove(ring.read())  # so that what is refused is not asked for
    _say(
        f"Meetings that {who} has scheduled stay and take place. Nobody but you can see or change "
        f"them then (`elephant meetings`), unless a key is added under the same name again."
    )
    if not yes:
        click.confirm(f"Remove every key of {who}?", abort=True, err=True)
    ring.change(remove)
    _say(f"The keys of {who} are removed; they are refused within {_MINUTES}.")


def _hand_out(key: str, who: str) -> None:
    """Print the key alone on standard output, and what it is on the other stream."""
    _say(f"The new key of {who}, which is not shown again; keep it in a password manager:")
    click.echo(key)
    _say("It works within seconds: on the booking page, which is at the API's address, or in a")
    _say("program as the header `Authorization: Bearer KEY`. Whoever has it can start desktops.")


_say = partial(click.echo, err=True)

"""What must hold of letters: each is true when it is sent, once, and the last one in the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tests.simulation.mail import REFUSED_ADDRESS
from tests.simulation.names import CONFIRMED, REASON, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.dynamodb import Item
    from tests.simulation.mail import Sending
    from tests.simulation.stage import Stage

CALLED_OFF: Final = {"CANCELLED", "LAUNCH_FAILED", "DESKTOP_LIMIT"}
QUIET: Final = 300.0
"""Seconds after which a letter that was due has been sent, unless something failed."""


def wrote_problems(row: str, before: Item, after: Item) -> Iterator[str]:
    """Look at what sending letters writes into a row: what became of each person's last one."""
    if not before.changed(after) <= {f"{role}_mail" for role in ROLES} or not after:
        yield f"changed {before.changed(after)} of {row}"
    for role in ROLES:
        places = [_place(each.text(f"{role}_mail")) for each in (before, after)]
        if places[1] < places[0]:
            yield f"noted {after.get(f'{role}_mail')} in {row} after {before.get(f'{role}_mail')}"


def _place(mark: str | None) -> tuple[int, int]:
    if mark is None:
        return -1, -1
    kind, number, _ = mark.split(" ")
    return int(number), ("invitation", "reminder", "cancellation").index(kind)


def sent_problems(stage: Stage, letter: Sending) -> Iterator[str]:
    """Check a letter at the moment at which SES accepts it."""
    row, role = letter.place
    stage.invariants.seen[f"letter: {letter.tags['letter']}"] += 1
    versions = stage.invariants.lately(row, letter.run)
    if not any(_is_true(letter, each) for each in versions):
        yield f"sent {letter}, and {row} was {versions}"
    order = next((each for each in stage.callers.orders if row in each.booked), None)
    if order:
        keys = order.booked[row]
        others = [each for each in ROLES if each != role and keys[each] in letter.text]
        if others or (letter.tags["letter"] != "cancellation" and keys[role] not in letter.text):
            yield f"sent the {role} of {row} the links {letter.text!r}"
    for earlier in stage.mail.letters:
        if earlier.key == letter.key and not _may_repeat(stage, earlier):
            yield f"sent {letter.key} at {earlier.at} and at {letter.at}"


def _may_repeat(stage: Stage, earlier: Sending) -> bool:
    """Return True if a letter may be sent again: nobody could note that it was sent before."""
    is_noted = "sent_at" in stage.sent.items.get(earlier.key, {})
    was_killed = earlier.run.result is None and earlier.run not in stage.functions.running
    is_lost = earlier in stage.mail.unanswered or earlier.key in stage.sent.not_noted
    return not is_noted and (is_lost or was_killed)


def _is_true(letter: Sending, item: Item) -> bool:
    kind, number = letter.tags["letter"], int(letter.tags["number"])
    is_theirs = item.text(f"{letter.tags['role']}_email") == letter.to and CONFIRMED in item
    if not is_theirs or number != _sequence(item):
        return False
    if kind == "cancellation":
        if item.text(REASON) not in CALLED_OFF or item.has_begun:
            return False
    elif item.is_over or item.has_begun:
        return False
    if kind == "reminder":
        return not letter.calendar and item.rank > 0
    method = "CANCEL" if kind == "cancellation" else "REQUEST"
    wanted = (
        method,
        str(number + (method == "CANCEL")),
        _time(item.meet_time),
        _time(item.ends_at),
    )
    names = ("METHOD", "SEQUENCE", "DTSTART", "DTEND")
    return tuple(letter.calendar.get(name) for name in names) == wanted


def _time(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y%m%dT%H%M%SZ}"


def _sequence(item: Item) -> int:
    return int(item.text("sequence") or 0)


def end_problems(stage: Stage, calm_since: float) -> Iterator[str]:
    """Check that each person's calendar agrees with the row, once nothing is under way."""
    lost = {each["dynamodb"]["Keys"]["id"]["S"] for each in stage.invitations.lost}
    left_out = lost | stage.actors.touched | stage.actors.disturbed
    for row, item in stage.dynamodb.items.items():
        for role in ROLES:
            address = item.text(f"{role}_email")
            if CONFIRMED in item and row not in left_out and address not in {None, REFUSED_ADDRESS}:
                yield from _calendar_problems(stage, row, role, item, calm_since)


def _calendar_problems(
    stage: Stage, row: str, role: str, item: Item, calm_since: float
) -> Iterator[str]:
    """Check the last calendar object that a person got."""
    letters = [each for each in stage.mail.letters if each.place == (row, role) and each.calendar]
    last = letters[-1].calendar if letters else {}
    mark = item.text(f"{role}_mail")
    invariants = stage.invariants
    ended_at = invariants.claimed_at.get(row, stage.clock.now)
    closed_at = min(ended_at, item.ends_at, invariants.joined_at.get(row, ended_at))
    asked_at = max(invariants.changed_at.get(row, 0.0), invariants.confirmed_at[row])
    is_called_off = item.text(REASON) in CALLED_OFF and not item.has_begun
    if is_called_off and last and last["METHOD"] != "CANCEL":
        yield f"{row} was called off, and the {role} has {last}, {mark}"
    if not is_called_off and last.get("METHOD") == "CANCEL":
        yield f"{row} was not called off, and the {role} has {last}"
    is_settled = closed_at > max(asked_at, calm_since) + QUIET
    times = {"DTSTART": _time(item.meet_time), "DTEND": _time(item.ends_at)}
    if is_settled and not times.items() <= last.items():
        yield f"the {role} of {row} has {last}: {item}"

"""What must hold of every change that a function of the feature makes to a meeting's row."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from tests.simulation.callers import ENTER, JSON, WAIT, Booking, Visit
from tests.simulation.names import (
    API,
    CONFIRMED,
    IDS,
    JOINED,
    LAUNCH,
    LONGEST,
    MINUTE,
    PRESENCE,
    RANKS,
    REASON,
    ROLES,
    SAFETY_NET,
    SHORTEST,
    TERMINATOR,
    assignment,
    changed,
    desktops_of,
    has_begun,
    is_claimed,
    is_gone,
    is_over,
    launched_at,
    meet_time,
    session_data,
    status,
    text,
)
from tests.simulation.record_invariants import LONGEST_LAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.dynamodb import Item
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage

LEASE: Final = "launch_lease"
_LAUNCH_OWN: Final = frozenset({LEASE, "launch_begun_at", *(f"{role}_subnet_id" for role in ROLES)})
_DATA: Final = frozenset(f"{role}_session_data" for role in ROLES)
_REASONS: Final = {
    LAUNCH: {"LAUNCH_FAILED"},
    SAFETY_NET: {
        "NEVER_HEALTHY",
        "NO_SHOW_TIMEOUT",
        "PARTIAL_NO_SHOW_TIMEOUT",
        "15_MIN_SUCCESS",
        "MAX_LENGTH_TIMEOUT",
    },
    TERMINATOR: {"SUCCESS"},
    API: {"LAUNCH_FAILED"},
}


def problems(
    stage: Stage, run: Invocation, row: str, before: Item | None, after: Item | None
) -> Iterator[str]:
    """Say what is wrong with a change of a row."""
    if run.function == API:
        if isinstance(run.event, Booking):
            yield from _booked(run.event, row, before, after)
        else:
            yield from _joined(run.event, row, before, after)
    elif before is None or after is None:
        yield f"{'made' if before is None else 'removed'} the row {row}"
    else:
        if row not in stage.invariants.meetings_of(run):
            yield f"changed {row}"
        yield from _led(stage, run, row, before, after)


def _booked(booking: Booking, row: str, before: Item | None, after: Item | None) -> Iterator[str]:
    """Look at what a request does: it makes, confirms or takes back its own row, and no other."""
    present = after or before or {}
    if text(present, "teacher_name") != booking.order.teacher:
        yield f"wrote the row {row} of another request"
    if before is None:
        if after is None or status(after) != "SCHEDULED" or is_over(after):
            yield f"made the row {row} as {after}"
    elif after is None:
        if CONFIRMED in before:
            yield f"removed the row {row}, which was confirmed"
    elif not changed(before, after) <= {CONFIRMED, REASON, "status"}:
        yield f"changed {changed(before, after)} of {row}"
    elif REASON in after and CONFIRMED in after:
        yield f"took back {row}, which was confirmed"


def _joined(visit: Visit, row: str, before: Item | None, after: Item | None) -> Iterator[str]:
    """Look at what a visit does: it writes nothing but that the meeting has begun."""
    if before is None or after is None or row != visit.meeting:
        yield f"wrote {row}"
    elif visit.how not in {JSON, WAIT, ENTER}:
        yield f"wrote {row}, though somebody only looked at the page"
    elif changed(before, after) == {f"{visit.role}_waiting_at"}:
        if is_over(before) or has_begun(before):
            yield f"wrote that somebody waits for {row}, which was {status(before)}"
    elif visit.how == WAIT:
        yield f"wrote {row}, though the page said that it only waits"
    elif not changed(before, after) <= {"status", JOINED} or status(after) != "IN_PROGRESS":
        yield f"changed {changed(before, after)} of {row}"
    elif status(before) != "HEALTHY" or is_over(before):
        yield f"let somebody in to {row}, which was {status(before)}, {before.get(REASON)}"


def _led(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    """Look at what the others do: note what they start, claim the end, say when it is there."""
    for name in sorted(changed(before, after)):
        if name == REASON:
            yield from _claimed(stage, run, row, before, after)
        elif name == "status":
            yield from _moved(stage, run, row, before, after)
        elif name in _DATA and name not in after:
            yield from _emptied(stage, run, row, before)
        elif run.function != LAUNCH or name not in {*_LAUNCH_OWN, *IDS}:
            yield f"changed {name} of {row}"
        elif is_over(before) and name != LEASE:
            yield f"changed {name} of {row}, which is over"
        elif name in IDS:
            yield from _noted(stage, row, name, before, after)


def _emptied(stage: Stage, run: Invocation, row: str, before: Item) -> Iterator[str]:
    """Look at the removal of what a side has left, which makes room for the end of a meeting."""
    is_ending = is_claimed(before) or (
        run.function == SAFETY_NET and stage.invariants.is_over_by_time(run, row, before)
    )
    if row not in run.learnt.crowded or not is_ending:
        yield f"removed data from {row}"


def _claimed(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    now, reason = stage.clock.now, text(after, REASON)
    if is_claimed(before):
        yield f"claimed {row}, which was over"
    if reason not in _REASONS[run.function]:
        yield f"claimed {row} as {reason}"
    is_early = now < meet_time(before) + SHORTEST - MINUTE and run.function != LAUNCH
    if is_early and not stage.invariants.is_worn_out(run, row):
        yield f"claimed {row} too early, as {reason}"
    if run.function == TERMINATOR and not all(session_data(before)):
        yield f"claimed {row} without all data"
    if has_begun(before) and "NO_SHOW" in str(reason):
        yield f"claimed {row} as {reason} though somebody is there"
    waited = [text(before, f"{role}_waiting_at") for role in ROLES]
    seen = [datetime.fromisoformat(each).timestamp() for each in waited if each]
    is_lately = bool(seen) and now <= max(seen) + PRESENCE
    if is_lately and "NO_SHOW" in str(reason) and now < meet_time(before) + LONGEST:
        yield f"claimed {row} as {reason} though somebody waited at {max(seen)}"
    was_healthy = RANKS.get(status(before), len(RANKS)) >= RANKS["HEALTHY"]
    if reason == ("NEVER_HEALTHY" if was_healthy else "NO_SHOW_TIMEOUT"):
        yield f"claimed {row} as {reason}, which was {status(before)}"


def _moved(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    new = status(after)
    if new == "LAUNCHED" and run.function == LAUNCH:
        if is_over(before) or not all(name in after for name in IDS):
            yield f"moved {row} to {new} from {before}"
        return
    if new != "TERMINATED":
        yield f"moved {row} to {new}"
        return
    if REASON not in after:
        yield f"moved {row} to {new} without a reason"
    seen_for_sure = (run.started or 0.0) - LONGEST_LAG
    noted = {text(before, name) for name in IDS}
    for host in desktops_of(stage.ec2.hosts.values(), row):
        is_listed = host.id in noted or host.id not in stage.ec2.hidden
        if is_listed and launched_at(host) <= seen_for_sure:
            yield f"moved {row} to {new} while {host.id} is {host.view}"


def _noted(stage: Stage, row: str, name: str, before: Item, after: Item) -> Iterator[str]:
    host = stage.ec2.hosts.get(text(after, name) or "")
    role = IDS[name]
    if name in before:
        yield f"changed {name} of {row} from {before[name]} to {after[name]}"
    if (row, role) not in {assignment(view) for _, view in host.past} if host else {}:
        yield f"noted {host and host.id} as the {role} of {row}"
    if host and is_gone(host.view) and len(host.past) == 1:
        yield f"noted {host.id}, which never was"

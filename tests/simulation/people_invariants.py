"""What must hold of those who look after meetings: what they may change, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.simulation.callers import document_of
from tests.simulation.names import (
    AHEAD,
    CANCELLED,
    CONFIRMED,
    FRESHNESS,
    LAUNCH,
    LONGEST,
    MINUTE,
    REASON,
    ROLES,
    SAFETY_NET,
    SHORTEST,
)
from tests.simulation.people import LIST, SHOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.simulation.dynamodb import Item
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.people import Asking
    from tests.simulation.stage import Stage

_OK, _WRONG, _UNKNOWN, _CONFLICT, _LATER = 200, 400, 404, 409, 503
_OF_PATCH: Final = {"meet_time", "duration_minutes", "sequence", "schedules", "expires_at"}
_OF_DELETE: Final = {REASON, "ended_at"}
_KEPT: Final = 90 * 24 * 60 * MINUTE
_PATIENCE: Final = 150.0
"""For how long a launch waits for the desktops of others to end."""
SOONEST: Final = MINUTE
"""How far ahead a schedule is at least."""


# Writes


def problems(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    asking: Asking = run.event
    if not (before and after) or row != asking.meeting or CONFIRMED not in before:
        yield f"wrote {row}: {before}"
        return
    if before.text("scheduled_by") != asking.caller:
        yield f"let {asking.caller} change {row} of {before.text('scheduled_by')}"
    if before.is_over:
        yield f"changed {before.changed(after)} of {row}, which is over"
    stage.invariants.written_by.add(run.number)
    if asking.is_patch:
        yield from _changed(stage, asking, row, before, after)
    elif asking.request.method != "DELETE" or before.changed(after) != _OF_DELETE:
        yield f"changed {before.changed(after)} of {row} by {asking.what}"
    elif after.text(REASON) != CANCELLED:
        yield f"cancelled {row} as {after.text(REASON)}"
    else:
        stage.invariants.seen[f"cancelled {_phase(before)}"] += 1


def _changed(stage: Stage, asking: Asking, row: str, before: Item, after: Item) -> Iterator[str]:
    now, changed = stage.clock.now, before.changed(after)
    is_moved = before.meet_time != after.meet_time
    wanted = _wanted(asking, before)
    if not changed <= _OF_PATCH or (after.meet_time, after.length) != wanted:
        yield f"changed {changed} of {row} to {after}, and {wanted} was asked for"
    if (before.meet_time, before.length) == wanted:
        yield f"changed {changed} of {row}, which was as it was to be"
    if _number(after, "sequence") != _number(before, "sequence") + 1:
        yield f"counted {after.get('sequence')} after {before.get('sequence')} in {row}"
    if after.get("expires_at") != {"N": str(int(after.ends_at + _KEPT))}:
        yield f"lets {row} expire at {after.get('expires_at')}: {after}"
    if is_moved and before.has_begun:
        yield f"moved {row}, in which somebody is"
    if ("schedules" in changed) != (is_moved and not before.is_begun):
        yield f"changed {changed} of {row}, whose launch had begun: {before.is_begun}"
    if after.ends_at < now:
        yield f"moved the end of {row} to the past"
    stage.invariants.changed_at[row] = now
    what = "moved" if is_moved else "extended" if after.length > before.length else "shortened"
    stage.invariants.seen[f"{what} {_phase(before)}"] += 1
    for each in _schedule_problems(stage, row, after):
        yield f"changed a meeting: {each}"


def _phase(item: Item) -> str:
    """Say at which moment of its life a meeting is changed."""
    if item.has_begun:
        return "in progress"
    if all(f"{role}_ec2_id" in item for role in ROLES):
        return "when launched"
    return "during its launch" if item.is_begun else "before its launch"


def _wanted(asking: Asking, before: Item) -> tuple[float, float]:
    length = before.length if asking.minutes is None else asking.minutes * MINUTE
    return (before.meet_time if asking.start is None else asking.start), length


def _number(item: Item, attribute: str) -> int:
    return int(item.text(attribute) or 0)


# Schedules


def changed_schedule(stage: Stage, run: Invocation, operation: str, name: str) -> Iterator[str]:
    """Look at a schedule that a request makes or removes: it is the meeting's own, and idle."""
    asking: Asking = run.event
    row = asking.meeting or "?"
    item = stage.dynamodb.row(row)
    if not name.startswith((f"launch-{row}", f"safety-{row}")):
        yield f"calls {operation} of {name}"
    if item and item.text("scheduled_by") != asking.caller:
        yield f"calls {operation} of {name} for {asking.caller}"
    if operation == "DeleteSchedule" and name in item.schedules and not item.is_over:
        yield f"removes {name}, which the meeting needs: {item}"


def schedule_problems(stage: Stage) -> Iterator[str]:
    """Check the schedules of all meetings that are still to come."""
    for row, item in stage.dynamodb.items.items():
        is_left_alone = CONFIRMED in item and row not in stage.actors.touched
        if is_left_alone and not item.is_over and not item.is_begun:
            yield from _schedule_problems(stage, row, item)


def _schedule_problems(stage: Stage, row: str, item: Item) -> Iterator[str]:
    """Check that a meeting has its schedules, for its own time unless they have fired."""
    if item.is_begun:
        return
    scheduler = stage.scheduler
    changed_at = stage.invariants.changed_at.get(row, 0.0)
    moments = (item.meet_time - AHEAD, item.meet_time + SHORTEST)
    for name, function, moment in zip(item.schedules, (LAUNCH, SAFETY_NET), moments, strict=True):
        planned = scheduler.planned.get(name)
        if planned is None and name not in scheduler.past:
            yield f"{row} has no schedule {name}: {item}"
        elif planned and (planned.function, planned.meeting) != (function, row):
            yield f"{name} is {planned}"
        elif planned and "schedules" in item:
            latest = max(moment, changed_at + SOONEST) + 1
            if not moment <= planned.at <= latest:
                yield f"{row} starts at {item.meet_time}, and {planned} comes {planned.at - moment}"


# Limits


def crowd(begin: float, end: float, others: Iterable[Item]) -> int:
    """Return how many meetings need their desktops at the same time, at most."""
    slots = [(each.desktops_from, each.ends_at) for each in others]
    slots = [slot for slot in slots if slot[0] < end and slot[1] > begin]
    moments = [begin, *(max(slot[0], begin) for slot in slots)]
    return max(sum(first <= each < last for first, last in slots) for each in moments)


def room_problems(stage: Stage, run: Invocation, row: str, caller: str) -> Iterator[str]:
    """Check that a meeting that was just booked or changed has its room."""
    item, started = stage.dynamodb.row(row), run.started or 0.0
    if not item or item.is_over or row in stage.actors.touched:
        return
    settled = [
        each
        for other, each in stage.dynamodb.items.items()
        if other != row
        and not each.is_over
        and stage.invariants.written_at.get(other, 0.0) < started - FRESHNESS
    ]
    settings = stage.settings.meetings
    assert settings
    mine = [each for each in settled if each.text("scheduled_by") == caller]
    for most, others in (
        (settings.max_desktops // 2, settled),
        (settings.key_meetings_at_once, mine),
    ):
        if crowd(item.desktops_from, item.ends_at, others) >= most:
            yield f"took {row} beside {others}, and there may be {most}"


def no_room_problems(
    stage: Stage, run: Invocation, row: str | None, span: tuple[float, float], caller: str
) -> Iterator[str]:
    """Check that a meeting was refused for which there was no room."""
    stage.invariants.seen["refused by a limit"] += 1
    started = (run.started or 0.0) - FRESHNESS
    settings = stage.settings.meetings
    assert settings
    others = [
        version
        for other, versions in stage.invariants.versions.items()
        if other != row
        for version in lately(versions, started, stage.clock.now)
        if not version.is_claimed
    ]
    near = {
        str(each.text("id")): each
        for each in others
        if each.desktops_from < span[1] and each.ends_at > span[0]
    }
    mine = [each for each in near.values() if each.text("scheduled_by") == caller]
    has_room = len(near) < settings.max_desktops // 2 and len(mine) < settings.key_meetings_at_once
    if has_room:
        yield f"found no room for {row} at {span} beside {near}"


def too_many_problems(stage: Stage, run: Invocation, row: str, item: Item) -> Iterator[str]:
    """Check that a meeting was not launched because others need the desktops, or have them."""
    started = (run.started or 0.0) - FRESHNESS
    settings = stage.settings.meetings
    assert settings
    others = {
        other
        for other, versions in stage.invariants.versions.items()
        for each in lately(versions, started, stage.clock.now)
        if not each.is_claimed
        and each.meet_time - AHEAD < item.ends_at
        and each.ends_at > item.meet_time - AHEAD
    }
    running = {host.view.meeting for host in stage.ec2.hosts.values() if not host.view.is_gone}
    if stage.clock.now > item.meet_time - AHEAD + _PATIENCE:
        others |= running
    if len(others - {row}) < settings.max_desktops // 2:
        yield f"ended {row} for the desktops of {others - {row}}"


def lately(versions: list[tuple[float, Item]], since: float, until: float) -> Iterator[Item]:
    """Yield what a row was at any time in between."""
    ends = [*(moment for moment, _ in versions[1:]), float("inf")]
    for (begun, item), ended in zip(versions, ends, strict=True):
        if item and begun <= until and ended >= since:
            yield item


# Answers


def answer_problems(stage: Stage, run: Invocation) -> Iterator[str]:
    asking: Asking = run.event
    status = run.result.status
    stage.people.was_answered(asking, run.result)
    stage.invariants.seen[f"{asking.request.method} {status}"] += 1
    if status == _LATER:
        return
    if status == _OK:
        yield from _answered(stage, run, document_of(run.result))
    elif run.number in stage.invariants.written_by:
        yield f"answered {status} to {asking.what}, and wrote the row"
    elif status == _UNKNOWN:
        yield from _unknown(stage, run)
    elif not asking.is_patch or not _may_refuse(stage, run, status):
        yield f"answered {status} to {asking}: {run.result.body}"
    elif "limit" in (document := document_of(run.result)):
        item = stage.dynamodb.row(asking.meeting or "")
        for each in stage.invariants.lately(asking.meeting or "", run):
            start, length = _wanted(asking, each)
            span = min(start - AHEAD, item.desktops_from), start + length
            yield from no_room_problems(stage, run, item.text("id"), span, asking.caller)
        assert document["errors"], document


def _answered(stage: Stage, run: Invocation, document: Mapping[str, Any]) -> Iterator[str]:
    asking: Asking = run.event
    if asking.what == LIST:
        yield from _listed(stage, run, document)
        return
    row = asking.meeting or ""
    item = stage.dynamodb.row(row)
    was = stage.invariants.lately(row, run)
    yield from _shown(stage, document, asking.caller, was)
    if row in stage.actors.touched or asking.what == SHOW:
        return
    if not asking.is_patch:
        if not item.is_claimed and item.status != "TERMINATED":
            yield f"answered that {row} is cancelled: {item}"
        return
    if not any((each.meet_time, each.length) == _wanted(asking, each) for each in was):
        yield f"answered that {row} is {asking.start}, {asking.minutes}: {was}"
    if run.number in stage.invariants.written_by:
        yield from room_problems(stage, run, row, asking.caller)


def _shown(
    stage: Stage, document: Mapping[str, Any], caller: str, was: Iterable[Item]
) -> Iterator[str]:
    """Check that a meeting is shown as it was at some moment, to who has booked it."""
    row = document["meeting_id"]
    shown = document["meet_time"], document["status"], document["reason"]
    states = [(each.text("meet_time"), each.text("status"), each.text(REASON)) for each in was]
    owners = {each.text("scheduled_by") for each in was}
    if owners != {caller} or shown not in states:
        yield f"showed {caller} {shown} of {row} of {owners}: {states}"
    order = next((each for each in stage.callers.orders if row in each.booked), None)
    for role, key in order.booked[row].items() if order else ():
        link = document[f"{role}_link"]
        if link is None and document["state"] == "over":
            continue
        if link is None or not link.endswith(f"/join/{row}/{role}?key={key}"):
            yield f"showed the {role} of {row} {link}"


def _listed(stage: Stage, run: Invocation, document: Mapping[str, Any]) -> Iterator[str]:
    started, caller = run.started or 0.0, run.event.caller
    listed = [each["meeting_id"] for each in document["meetings"]]
    for each in document["meetings"]:
        was = stage.invariants.lately(each["meeting_id"], run)
        yield from _shown(stage, each, caller, was)
    missing = {
        row
        for row, item in stage.dynamodb.items.items()
        if item.text("scheduled_by") == caller
        and CONFIRMED in item
        and stage.invariants.written_at[row] < started - FRESHNESS
    } - set(listed)
    if missing or len(listed) != len(set(listed)):
        yield f"listed {listed} for {caller}, and not {missing}"


def _unknown(stage: Stage, run: Invocation) -> Iterator[str]:
    asking: Asking = run.event
    was = stage.invariants.lately(asking.meeting or "", run)
    is_there = was and all(CONFIRMED in each for each in was)
    was_removed = not stage.dynamodb.row(asking.meeting or "")
    if is_there and not was_removed and was[0].text("scheduled_by") == asking.caller:
        yield f"does not show {asking.caller} its {asking.meeting}"


def _may_refuse(stage: Stage, run: Invocation, status: int) -> bool:
    """Return True if a change may be refused in the state in which the meeting was."""
    asking: Asking = run.event
    document = document_of(run.result)
    row, now = asking.meeting or "", stage.clock.now
    was = stage.invariants.lately(row, run)
    wanted = [_wanted(asking, each) for each in was]
    if status == _WRONG:
        is_past = asking.start is not None and asking.start < now
        return is_past or any(start + length < now + MINUTE for start, length in wanted)
    if status != _CONFLICT:
        return False
    if "limit" in document:
        return True
    is_later = any(
        sum(each) > item.ends_at and item.is_begun for each, item in zip(wanted, was, strict=True)
    )
    latest = stage.invariants.begun_at.get(row, now) + SHORTEST + LONGEST
    is_too_late = is_later and max(map(sum, wanted)) > latest - MINUTE
    is_joined = asking.start is not None and any(each.has_begun for each in was)
    return is_too_late or is_joined or any(each.is_over for each in was)

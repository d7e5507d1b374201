"""What must hold when the faults have stopped and every meeting's longest time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import ending
from tests.simulation.meetings.world import (
    AHEAD,
    CONFIRMED,
    LONGEST,
    MINUTE,
    REASON,
    SHORTEST,
    data_of,
    desktops_of,
    launched_at,
    meet_time,
    status,
)
from tests.simulation.names import is_gone, is_project, text
from tests.simulation.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.ec2 import Host
    from tests.simulation.meetings.callers import Guest, Order
    from tests.simulation.meetings.stage import MeetingStage

LATEST = 25 * MINUTE
"""How long a desktop may outlive its meeting's longest time, once nothing fails any more.

The overseer waits for the safety net's own looks for ten minutes, and books one for the next time
at which there are any, which is eleven minutes ahead at most.
"""


def overdue(stage: MeetingStage, calm_since: float, grace: float = LATEST) -> list[Host]:
    """List the desktops that should have been ended by now, that is after so many seconds."""
    now = stage.clock.now
    return [
        host
        for host in stage.ec2.hosts.values()
        if is_project(host.view)
        and not is_gone(host.view)
        and now > max(latest_end(stage, host), calm_since) + grace
    ]


def latest_end(stage: MeetingStage, host: Host) -> float:
    """Tell when the longest time of a desktop's meeting is over."""
    meeting = (host.view.tag("MeetingID") if host.view else None) or ""
    item = stage.dynamodb.items.get(meeting)
    if item:
        return meet_time(item) + LONGEST
    left = desktops_of(stage.ec2.hosts.values(), meeting)
    return min(int(launched_at(each)) for each in [host, *left]) + LONGEST


def problems(stage: MeetingStage, calm_since: float) -> Iterator[str]:
    """Say what is not as it should be."""
    for host in stage.ec2.hosts.values():
        if is_project(host.view) and not is_gone(host.view):
            yield f"{host.id} is {host.view} in the end"
        elif host.view and not is_project(host.view) and is_gone(host.view):
            yield f"{host.id} was ended, which is {host.view}"
    yield from ending.problems(stage, Traces.of(stage))
    yield from _row_problems(stage)
    yield from _order_problems(stage)
    for order in stage.callers.orders:
        yield from _health_problems(stage, order, calm_since)
    for guest in stage.callers.guests:
        yield from _guest_problems(stage, guest, calm_since)
    if stage.scheduler.planned:
        yield f"{sorted(stage.scheduler.planned)} are still to come"


def _row_problems(stage: MeetingStage) -> Iterator[str]:
    lost = {each.meeting for each in stage.scheduler.lost}
    lost |= {
        str(next(iter(each.event.values())))
        for each in stage.functions.failed
        if isinstance(each.event, dict)
    }
    with_desktops = _launched(stage)
    for row, item in stage.dynamodb.items.items():
        is_traced = row in with_desktops and row not in stage.meddlers.touched
        is_known = is_traced or (CONFIRMED in item and row not in lost)
        if is_known and status(item) != "TERMINATED":
            yield f"{row} is {status(item)} in the end: {item}"


def _launched(stage: MeetingStage) -> set[str | None]:
    """Tell which meetings have had a desktop."""
    hosts = stage.ec2.hosts.values()
    return {host.view.tag("MeetingID") for host in hosts if host.view and is_project(host.view)}


def _order_problems(stage: MeetingStage) -> Iterator[str]:
    """Check that a request made one meeting if it was answered well, and none if it was not."""
    began = _launched(stage)
    for order in stage.callers.orders:
        rows = [row for row, owner in stage.promises.owners.items() if owner == order.teacher]
        items = stage.dynamodb.items
        confirmed = [row for row in rows if CONFIRMED in items.get(row, {})]
        if len(confirmed) > 1 and stage.meddlers.erased.isdisjoint(rows):
            yield f"{order.teacher} has {confirmed}"
        if order.is_refused and began.intersection(rows):
            yield f"{order.teacher} was refused, and {began.intersection(rows)} was launched"


def _is_calm(stage: MeetingStage, order: Order, calm_since: float) -> bool:
    """Tell whether nothing has disturbed a meeting."""
    is_left_alone = order.meeting not in stage.meddlers.touched | stage.meddlers.disturbed
    is_left_alone = is_left_alone and not order.plan.is_churned
    return calm_since < order.meet_time - AHEAD and is_left_alone


def _health_problems(stage: MeetingStage, order: Order, calm_since: float) -> Iterator[str]:
    """Check that a meeting whose desktops never were healthy is said to be one, and in time."""
    item = stage.dynamodb.items.get(order.meeting or "", {})
    if order.plan.is_well or not item or any(data_of(item)):
        return
    reason = text(item, REASON)
    ended = stage.promises.over_since.get(order.meeting or "", 0.0)
    is_late = ended > order.meet_time + SHORTEST + 2 * MINUTE
    if _is_calm(stage, order, calm_since) and (reason != "NEVER_HEALTHY" or is_late):
        yield f"{order.meeting}, never healthy, ended at {ended} as {reason}: {item}"


def _guest_problems(stage: MeetingStage, guest: Guest, calm_since: float) -> Iterator[str]:
    """Check that whoever came to a meeting that nothing disturbed got in."""
    order, meeting = guest.order, guest.order.meeting
    item = stage.dynamodb.items.get(meeting or "", {})
    is_calm = _is_calm(stage, order, calm_since)
    if not order.plan.is_well:
        if guest.entered:
            yield f"the {guest.role} of {meeting} got in to a desktop that is not healthy: {item}"
    elif is_calm and guest.entered is None:
        yield f"the {guest.role} of {meeting} never got in: {item}"
    elif is_calm and (guest.entered or 0.0) > order.meet_time + SHORTEST:
        yield f"the {guest.role} of {meeting} got in late: {item}"
    if is_calm and guest.entered and text(item, "termination_reason") is None:
        yield f"{meeting} ended without a reason: {item}"

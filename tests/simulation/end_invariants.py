"""What must hold when the faults have stopped: of records and rows, and of meetings."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.simulation import letter_invariants
from tests.simulation.callers import NEVER
from tests.simulation.names import (
    AHEAD,
    CANCELLED,
    CONFIRMED,
    DESKTOP_LIMIT,
    LONGEST,
    MINUTE,
    RANKS,
    REASON,
    ROLES,
    SHORTEST,
    described,
    instance_linked,
    instance_named,
    is_ours,
    is_unmarked,
    name_of,
    noted,
)
from tests.simulation.record_invariants import traced_rows
from tests.world import OWNER
from tests.world import link as link_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from localcloud.cloudflare import Record
    from tests.simulation.callers import Guest, Order
    from tests.simulation.ec2 import Host
    from tests.simulation.stage import Stage

LATEST = 25 * MINUTE
"""How long a desktop may outlive its meeting's longest time, once nothing fails any more.

The overseer waits for the safety net's own looks for ten minutes, and books one for the next time
at which there are any, which is eleven minutes ahead at most.
"""

PROMPT = 3 * MINUTE
"""How long it does if nothing has failed since before its launch."""


def stage_problems(stage: Stage, traced: set[str]) -> Iterator[str]:
    """Say what is wrong with records, and with the traced rows, once two sweeps have run."""
    for host in stage.ec2.hosts.values():
        yield from _record_problems(stage, host)
    for record in stage.cloudflare.store.records:
        if is_ours(record) and (instance_named(record.name) or "") not in stage.ec2.hosts:
            yield f"{described(record)} is left over"
    desktops: dict[str, list[Host]] = {}
    for host in stage.ec2.hosts.values():
        if host.view.is_project:
            desktops.setdefault(host.view.meeting, []).append(host)
    for row in sorted(traced & stage.dynamodb.items.keys()):
        yield from _row_problems(stage, row, desktops.get(row, []))


def _record_problems(stage: Stage, host: Host) -> Iterator[str]:
    standing = stage.cloudflare.store.named(name_of(host.id))
    ours = [record for record in standing if is_ours(record)]
    if not host.view.is_live:
        if ours:
            yield f"{host.id} is {host.view} and has {list(map(described, ours))}"
        return
    if len(ours) != 1 and not _is_conflicting(standing):
        yield f"{host.id} is {host.view} and has not one record but {list(map(described, ours))}"
    if not is_taken(host, standing):
        wrong = [each for each in ours if _wrong(host, each)]
        yield from (f"{described(each)} is wrong: {host.view}" for each in wrong)


def is_taken(host: Host, standing: Iterable[Record]) -> bool:
    """Return True if another's record has the very name and address that ours should have.

    Cloudflare refuses a second one (81058), so that ours cannot be right.
    """
    return any(
        record.type == "A" and record.fields.content == host.view.address and not is_ours(record)
        for record in standing
    )


def _is_conflicting(standing: tuple[Record, ...]) -> bool:
    """Return True if another's record has taken the name; then none of ours is made beside it."""
    others = any(
        record.type == "A" and not is_ours(record) and not is_unmarked(record)
        for record in standing
    )
    return others or any(record.type == "CNAME" for record in standing)


def _wrong(host: Host, record: Record) -> bool:
    fields, tags = record.fields, host.view.assignment
    comment = f"{OWNER} m={tags[0]} r={quote(tags[1])}" if tags else f"{OWNER} "
    is_said = (fields.comment or "").startswith(comment)
    return not (
        is_said and fields.content == host.view.address and fields.proxied and fields.ttl == 1
    )


def _row_problems(stage: Stage, row: str, desktops: list[Host]) -> Iterator[str]:
    item = stage.dynamodb.items[row]
    for role, link in item.links.items():
        yield from _link_problems(stage, row, role, link)
    for role in ROLES:
        yield from _role_problems(stage, row, role, desktops)
    is_linked = any(instance_linked(link) for link in item.links.values())
    if is_linked and item.rank < RANKS["DNS_WRITTEN"]:
        yield f"{row} has a link and its status is {item.status}"
    named = {item.text(name) for name in item if name.endswith("_ec2_id")}
    known = desktops + [stage.ec2.hosts[each] for each in named if each in stage.ec2.hosts]
    roles = {(row, role) for role in ROLES}
    has_begun = any(host.view.assignment in roles for host in desktops)
    # What EC2 has forgotten it cannot show as ended: the meeting's own time ends such a meeting.
    known += [
        host
        for host in stage.ec2.hosts.values()
        if not host.view and any(view.assignment in roles for _, view in host.past)
    ]
    is_shown = all(host.view and host.view.is_gone for host in known)
    is_over = has_begun and is_shown and not item.links
    if is_over and item.status != "TERMINATED":
        yield f"{row} is over and its status is {item.status}"


def _link_problems(stage: Stage, row: str, role: str, link: str) -> Iterator[str]:
    """Check that a link of ours leads to a desktop that has a record, and in no other role."""
    instance_id = instance_linked(link)
    if instance_id is None:
        return
    host = stage.ec2.hosts.get(instance_id)
    standing = stage.cloudflare.store.named(name_of(instance_id))
    ours = [record for record in standing if is_ours(record)]
    if host and host.view.state == "pending":
        return  # its record, or its link, will be set right once it runs
    if host and host.view and _is_conflicting(standing):
        return  # whoever took the name over is left alone, and so is the link: people are warned
    if host is None or not host.view.is_live or not ours:
        yield f"{row} links {role} to {instance_id}, which is {host and host.view}, has {ours}"
    elif _served(host, ours) not in {None, (row, role)}:
        yield f"{row} links {role} to {instance_id}, which serves {_served(host, ours)}"


def _served(host: Host, ours: Sequence[Record]) -> tuple[str, str] | None:
    """Return the meeting and role that tags name, or else the comment of our record."""
    served = host.view.assignment or next(filter(None, map(noted, ours)), None)
    return served if served and served[1] in ROLES else None


def _role_problems(stage: Stage, row: str, role: str, desktops: list[Host]) -> Iterator[str]:
    """Check that the link leads to the desktop that is noted, or else the one launched last."""
    item = stage.dynamodb.items[row]
    candidates = [
        host
        for host in desktops
        if host.view.assignment == (row, role)
        and host.view.is_live
        and not _is_conflicting(stage.cloudflare.store.named(name_of(host.id)))
    ]
    first = stage.ec2.hosts.get(item.text(f"{role}_ec2_id") or "")
    link = item.links.get(role)
    if first and first.view.is_project and not first.view.is_gone:
        if first in candidates and link != link_to(first.id):
            yield f"{row} notes {first.id} as {role} and links it to {link}"
        return
    launches = {host.id: host.view.launched_at for host in candidates}
    last = {each for each, launched in launches.items() if launched == max(launches.values())}
    linked = instance_linked(link)
    if last and linked not in last and not _may_keep(stage, linked, launches):
        yield f"{row} links {role} to {link}, and should to {' or '.join(sorted(last))}"


def _may_keep(stage: Stage, linked: str | None, launches: Mapping[str, datetime]) -> bool:
    """Return True if a desktop that was launched last may keep its link, though others serve.

    Its record has been taken over, or only its comment says what it serves as.
    """
    host = stage.ec2.hosts.get(linked or "")
    if host is None or not host.view or host.view.launched_at < max(launches.values()):
        return False
    is_taken_over = _is_conflicting(stage.cloudflare.store.named(name_of(host.id)))
    return is_taken_over or host.view.assignment is None


# Meetings


def overdue(stage: Stage, calm_since: float, grace: float = LATEST) -> list[Host]:
    """List the desktops that should have been ended by now, that is after so many seconds."""
    now = stage.clock.now
    return [
        host
        for host in stage.ec2.hosts.values()
        if host.view.is_project
        and not host.view.is_gone
        and now > max(latest_end(stage, host), calm_since) + grace
    ]


def latest_end(stage: Stage, host: Host) -> float:
    meeting = host.view.meeting
    if stage.dynamodb.row(meeting):
        return latest_end_of(stage, meeting)
    left = stage.ec2.desktops_of(meeting)
    return min(int(each.launched_at) for each in [host, *left]) + LONGEST


def latest_end_of(stage: Stage, meeting: str) -> float:
    """Return when a meeting is over: at its last time, unless its end was claimed before."""
    item = stage.dynamodb.row(meeting)
    claimed_at = stage.invariants.claimed_at[meeting] if item.is_claimed else float("inf")
    return min(item.ends_at, claimed_at)


def meeting_problems(stage: Stage, calm_since: float) -> Iterator[str]:
    """Say what is wrong once every meeting's longest time is over."""
    for host in stage.ec2.hosts.values():
        if host.view.is_project and not host.view.is_gone:
            yield f"{host.id} is {host.view} in the end"
        elif host.view and not host.view.is_project and host.view.is_gone:
            yield f"{host.id} was ended, which is {host.view}"
    yield from stage_problems(stage, traced_rows(stage))
    yield from _end_of_row_problems(stage)
    yield from _order_problems(stage)
    for order in stage.callers.orders:
        yield from _launch_problems(stage, order, calm_since)
        yield from _lifetime_problems(stage, order, calm_since)
    for guest in stage.callers.guests:
        yield from _guest_problems(stage, guest, calm_since)
    yield from letter_invariants.end_problems(stage, calm_since)
    if stage.scheduler.planned:
        yield f"{sorted(stage.scheduler.planned)} are still to come"


def _end_of_row_problems(stage: Stage) -> Iterator[str]:
    lost = {each.meeting for each in stage.scheduler.lost}
    lost |= {
        str(next(iter(each.event.values())))
        for each in stage.functions.failed
        if isinstance(each.event, dict)
    }
    with_desktops = _launched(stage)
    for row, item in stage.dynamodb.items.items():
        is_traced = row in with_desktops and row not in stage.actors.touched
        is_known = is_traced or (CONFIRMED in item and row not in lost)
        if is_known and item.status != "TERMINATED":
            yield f"{row} is {item.status} in the end: {item}"


def _launched(stage: Stage) -> set[str]:
    hosts = stage.ec2.hosts.values()
    return {host.past[0][1].meeting for host in hosts if host.view.is_project}


def _order_problems(stage: Stage) -> Iterator[str]:
    """Check that a request made one meeting if it was answered well, and none if it was not."""
    began = _launched(stage)
    for order in stage.callers.orders:
        rows = [row for row, owner in stage.invariants.owners.items() if owner == order.teacher]
        items = stage.dynamodb.items
        confirmed = [row for row in rows if CONFIRMED in items.get(row, {})]
        if len(confirmed) > 1 and stage.actors.erased.isdisjoint(rows):
            yield f"{order.teacher} has {confirmed}"
        if order.is_refused and began.intersection(rows):
            yield f"{order.teacher} was refused, and {began.intersection(rows)} was launched"


def _is_calm(stage: Stage, order: Order, calm_since: float) -> bool:
    actors = stage.actors
    is_left_alone = order.meeting not in actors.touched | actors.disturbed | actors.hostile
    begun_at = stage.invariants.begun_at.get(order.meeting or "", calm_since)
    return calm_since < order.start - AHEAD and calm_since <= begun_at and is_left_alone


def _lifetime_problems(stage: Stage, order: Order, calm_since: float) -> Iterator[str]:
    """Check that the desktops of a meeting that nothing disturbed ended with it."""
    if order.meeting is None or not _is_calm(stage, order, calm_since):
        return
    for host in stage.ec2.hosts.values():
        if host.past[0][1].meeting == order.meeting:
            ended = next((at for at, view in host.past if view and view.is_gone), float("inf"))
            if ended > latest_end_of(stage, order.meeting) + PROMPT:
                yield f"{host.id} ended late, at {ended}: {stage.dynamodb.row(order.meeting)}"


def _launch_problems(stage: Stage, order: Order, calm_since: float) -> Iterator[str]:
    """Check that a meeting that nothing disturbed was launched for its final time, and once."""
    meeting = order.meeting or ""
    item = stage.dynamodb.row(meeting)
    hosts = [host for host in stage.ec2.hosts.values() if host.past[0][1].meeting == meeting]
    if order.meeting is None or not _is_calm(stage, order, calm_since):
        return
    if item.text(REASON) in {CANCELLED, DESKTOP_LIMIT}:
        return
    roles = sorted(str(host.past[0][1].tag("Role")) for host in hosts)
    if roles != sorted(ROLES):
        yield f"{meeting} was launched with {hosts}: {item}"
    changed_at = stage.invariants.changed_at.get(meeting, 0.0)
    due = min(order.start, order.meet_time) - AHEAD if item.is_begun else order.start - AHEAD
    latest = max(order.start - AHEAD, changed_at + MINUTE) + 2 * MINUTE
    for host in hosts:
        if not due - MINUTE <= host.past[0][0] <= latest:
            yield f"{host.id} of {meeting} was launched at {host.past[0][0]}, not {due}"


def _guest_problems(stage: Stage, guest: Guest, calm_since: float) -> Iterator[str]:
    """Check that whoever came to a meeting that nothing disturbed got in."""
    order, meeting = guest.order, guest.order.meeting
    item = stage.dynamodb.row(meeting or "")
    is_calm = _is_calm(stage, order, calm_since)
    stays_out = order.plan.is_hidden or (stage.signs_in and order.plan.enters == NEVER)
    if item.text(REASON) in {CANCELLED, DESKTOP_LIMIT}:
        return
    if not order.plan.is_well:
        if guest.entered and meeting not in stage.actors.hostile:
            yield f"the {guest.role} of {meeting} got in to a desktop that is not healthy: {item}"
    elif is_calm and guest.entered is None and not stays_out:
        yield f"the {guest.role} of {meeting} never got in: {item}"
    elif is_calm and (guest.entered or 0.0) > order.start + SHORTEST:
        yield f"the {guest.role} of {meeting} got in late: {item}"
    if is_calm and guest.entered and item.text("termination_reason") is None:
        yield f"{meeting} ended without a reason: {item}"

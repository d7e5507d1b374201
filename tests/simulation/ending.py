"""What must hold when the faults have stopped and two sweeps have run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.simulation.names import (
    RANKS,
    ROLES,
    assignment,
    instance_linked,
    instance_named,
    is_gone,
    is_live,
    is_ours,
    is_project,
    link_to,
    links,
    name_of,
    noted,
    text,
)
from tests.simulation.record_promises import LONGEST_LAG, spelled
from tests.world import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from localcloud.cloudflare import Record
    from tests.simulation.ec2 import Host
    from tests.simulation.stage import Stage
    from tests.simulation.traces import Traces


def problems(stage: Stage, traces: Traces) -> Iterator[str]:
    """Say what is not as it should be."""
    for host in stage.ec2.hosts.values():
        yield from _record_problems(stage, host)
    for record in stage.cloudflare.store.records:
        if is_ours(record) and (instance_named(record.name) or "") not in stage.ec2.hosts:
            yield f"{spelled([record])} is left over"
    desktops: dict[str, list[Host]] = {}
    for host in stage.ec2.hosts.values():
        if host.view and is_project(host.view):
            desktops.setdefault(host.view.tag("MeetingID") or "", []).append(host)
    for row in sorted(traces.rows & stage.dynamodb.items.keys()):
        yield from _row_problems(stage, row, desktops.get(row, []))


def _record_problems(stage: Stage, host: Host) -> Iterator[str]:
    standing = stage.cloudflare.store.named(name_of(host.id))
    ours = [record for record in standing if is_ours(record)]
    if not is_live(host.view):
        if ours:
            yield f"{host.id} is {host.view} and has {spelled(ours)}"
        return
    if len(ours) != 1 and not _in_the_way(standing):
        yield f"{host.id} is {host.view} and has not one record but {spelled(ours)}"
    if not is_taken(host, standing):
        wrong = [each for each in ours if _wrong(host, each)]
        yield from (f"{spelled([each])} is wrong: {host.view}" for each in wrong)


def is_taken(host: Host, standing: Iterable[Record]) -> bool:
    """Tell whether another's record has the very name and address that ours should have.

    Cloudflare refuses a second one (81058), so that ours cannot be right.
    """
    address = host.view.address if host.view else None
    return any(
        record.type == "A" and record.fields.content == address and not is_ours(record)
        for record in standing
    )


def _in_the_way(standing: tuple[Record, ...]) -> bool:
    """Tell whether another's record has taken the name; then none of ours is made beside it."""
    marks = ((record.fields.comment or "").split() or [""] for record in standing)
    others = any(
        first.startswith("elephant:") and first != OWNER and record.type == "A"
        for record, (first, *_) in zip(standing, marks, strict=True)
    )
    return others or any(record.type == "CNAME" for record in standing)


def _wrong(host: Host, record: Record) -> bool:
    fields, tags = record.fields, assignment(host.view)
    comment = f"{OWNER} m={tags[0]} r={quote(tags[1])}" if tags else f"{OWNER} "
    is_said = (fields.comment or "").startswith(comment)
    address = host.view.address if host.view else None
    return not (is_said and fields.content == address and fields.proxied and fields.ttl == 1)


def _row_problems(stage: Stage, row: str, desktops: list[Host]) -> Iterator[str]:
    item = stage.dynamodb.items[row]
    for role, link in links(item).items():
        yield from _link_problems(stage, row, role, link)
    for role in ROLES:
        yield from _role_problems(stage, row, role, desktops)
    status = text(item, "status")
    is_linked = any(instance_linked(link) for link in links(item).values())
    if is_linked and RANKS.get(status or "", 0) < RANKS["DNS_WRITTEN"]:
        yield f"{row} has a link and its status is {status}"
    named = {text(item, name) for name in item if name.endswith("_ec2_id")}
    known = desktops + [stage.ec2.hosts[each] for each in named if each in stage.ec2.hosts]
    roles = {(row, role) for role in ROLES}
    has_begun = any(assignment(host.view) in roles for host in desktops)
    # What EC2 has forgotten it cannot show as ended: the meeting's own time ends such a meeting.
    known += [
        host
        for host in stage.ec2.hosts.values()
        if not host.view and any(assignment(view) in roles for _, view in host.past)
    ]
    is_shown = all(host.view and is_gone(host.view) for host in known)
    is_over = has_begun and is_shown and not links(item)
    if is_over and status != "TERMINATED":
        yield f"{row} is over and its status is {status}"
    if row in stage.promises.ended_at:  # and not by the meeting's own rules
        yield from _ended_problems(stage, row, known)


def _ended_problems(stage: Stage, row: str, known: list[Host]) -> Iterator[str]:
    """Check that nothing of a meeting lives that did when it was set to TERMINATED.

    What the run could not know of is passed over: EC2 showed nothing of it.
    """
    ended_at, unseen = stage.promises.ended_at[row]
    for host in known:
        then = host.since(ended_at - LONGEST_LAG)
        was_here = all(is_project(view) and assignment(view) for view in then)
        is_of_row = all(view and view.tag("MeetingID") == row for view in then)
        if was_here and is_of_row and not is_gone(host.view) and host.id not in unseen:
            yield f"{row} is TERMINATED, and {host.id} is {host.view}"


def _link_problems(stage: Stage, row: str, role: str, link: str) -> Iterator[str]:
    """Check that a link of ours leads to a desktop that has a record, and in no other role."""
    instance_id = instance_linked(link)
    if instance_id is None:
        return
    host = stage.ec2.hosts.get(instance_id)
    standing = stage.cloudflare.store.named(name_of(instance_id))
    ours = [record for record in standing if is_ours(record)]
    if host and host.view and host.view.state == "pending":
        return  # its record, or its link, will be set right once it runs
    if host and host.view and _in_the_way(standing):
        return  # whoever took the name over is left alone, and so is the link: people are warned
    if host is None or not is_live(host.view) or not ours:
        yield f"{row} links {role} to {instance_id}, which is {host and host.view}, has {ours}"
    elif _served(host, ours) not in {None, (row, role)}:
        yield f"{row} links {role} to {instance_id}, which serves {_served(host, ours)}"


def _served(host: Host, ours: Sequence[Record]) -> tuple[str, str] | None:
    """Return the meeting and role that tags name, or else the comment of our record."""
    served = assignment(host.view) or next(filter(None, map(noted, ours)), None)
    return served if served and served[1] in ROLES else None


def _role_problems(stage: Stage, row: str, role: str, desktops: list[Host]) -> Iterator[str]:
    """Check that the link leads to the desktop that is noted, or else the one launched last."""
    item = stage.dynamodb.items[row]
    candidates = [
        host
        for host in desktops
        if assignment(host.view) == (row, role)
        and is_live(host.view)
        and not _in_the_way(stage.cloudflare.store.named(name_of(host.id)))
    ]
    first = stage.ec2.hosts.get(text(item, f"{role}_ec2_id") or "")
    link = links(item).get(role)
    if first and is_project(first.view) and not is_gone(first.view):
        if first in candidates and link != link_to(first.id):
            yield f"{row} notes {first.id} as {role} and links it to {link}"
        return
    launches = {host.id: host.view.launched_at for host in candidates if host.view}
    last = {each for each, launched in launches.items() if launched == max(launches.values())}
    linked = instance_linked(link)
    if last and linked not in last and not _may_keep(stage, linked, launches):
        yield f"{row} links {role} to {link}, and should to {' or '.join(sorted(last))}"


def _may_keep(stage: Stage, linked: str | None, launches: Mapping[str, datetime]) -> bool:
    """Tell whether a desktop that was launched last may keep its link, though others serve.

    Its record has been taken over, or only its comment says what it serves as.
    """
    host = stage.ec2.hosts.get(linked or "")
    if host is None or host.view is None or host.view.launched_at < max(launches.values()):
        return False
    is_taken_over = _in_the_way(stage.cloudflare.store.named(name_of(host.id)))
    return is_taken_over or assignment(host.view) is None

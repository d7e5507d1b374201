"""What must hold of every change that a run makes to the zone."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from tests.simulation.names import ROLES, described, instance_named, is_ours, is_unmarked, noted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.cloudflare import Record
    from localcloud.cloudflare.table import Transaction
    from tests.simulation.ec2 import Host
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage

_LIVE = attrgetter("is_live")
LONGEST_LAG: Final = 240.0
"""Seconds for which EC2's answers may lag behind."""


def problems(
    stage: Stage, run: Invocation, position: int, transaction: Transaction
) -> Iterator[str]:
    for step in transaction.steps:
        if step.before is None:
            if step.after and not _may_make(stage, step.after):
                yield f"made {described(step.after)}"
        elif not _may_touch(stage, run, position, step.before):
            yield f"touched {described(step.before)}, which is another's"
        elif step.after is None and (problem := _what_forbids(stage, run, position, step.before)):
            yield f"deleted {described(step.before)} {problem}"
        elif step.after and not _may_make(stage, step.after):
            yield f"wrote {described(step.after)}"


def traced_rows(stage: Stage) -> set[str]:
    """Return the rows to which tags of what EC2 still describes, or our comments, lead.

    Of any other row nothing is promised: nobody can know that it is wrong. (An instance that
    terminated an hour ago is no longer described, and its record may have been deleted by hand; a
    Role tag that is no role leads nowhere.)
    """
    hosts, records = stage.ec2.hosts.values(), stage.cloudflare.store.records
    found = [host.view.assignment for host in hosts if host.view.is_project]
    found += [noted(record) for record in records if is_ours(record)]
    return {each[0] for each in found if each and each[1] in ROLES}


def steady(host: Host, run: Invocation) -> bool:
    """Return True if an instance is still what it was in the oldest answer the run may have had."""
    return len(host.since((run.started or 0.0) - LONGEST_LAG)) == 1


def _may_make(stage: Stage, record: Record) -> bool:
    """Return True if it is marked, proxied and made for an instance that has been ours once."""
    host = stage.ec2.hosts.get(instance_named(record.name) or "")
    was_ours = host is not None and any(view.is_project for _, view in host.past)
    return was_ours and is_ours(record) and record.fields.proxied


def _may_touch(stage: Stage, run: Invocation, position: int, record: Record) -> bool:
    """Return True if it is ours, or was when the run looked.

    Cloudflare has no conditional writes: whoever takes a record over between a run's list and its
    write may lose it to that write.
    """
    if _is_for_us(stage, record):
        return True
    seen = _as_seen(stage, run, position, record)
    return seen is not None and _is_for_us(stage, seen)


def _is_for_us(stage: Stage, record: Record) -> bool:
    """Ours is what bears our marker, and what bears none under an instance of ours."""
    if is_ours(record):
        return True
    host = stage.ec2.hosts.get(instance_named(record.name) or "")
    return is_unmarked(record) and host is not None and any(v.is_project for _, v in host.past)


def _as_seen(stage: Stage, run: Invocation, position: int, record: Record) -> Record | None:
    """Return the record as the run's last list showed it."""
    seen: Record | None = record
    history = stage.cloudflare.store.history
    for transaction in reversed(history[run.learnt.view : position]):
        for step in reversed(transaction.steps):
            if step.after and step.after.id == record.id:
                seen = step.before
    return seen


def _what_forbids(stage: Stage, run: Invocation, position: int, record: Record) -> str | None:
    """Say why a record may not go, if it may not.

    EC2 must have shown its instance to the run, or denied knowing it, asked for that very id: what
    a list lacks says nothing. A live desktop's last record may only go if EC2 denied the instance
    or showed it as something else, as it was before, or if the record had another name when the run
    looked: a sweep by hand may have renamed it since.
    """
    instance_id = instance_named(record.name)
    if instance_id is None:
        return None
    if not run.learnt.knows_of(instance_id):
        return f"though EC2 has neither shown nor denied {instance_id}"
    host = stage.ec2.hosts.get(instance_id)
    seen = _as_seen(stage, run, position, record)
    if seen and seen.name != record.name:
        return None
    is_last = not stage.cloudflare.store.named(record.name) and not _others_left(stage, run, record)
    if host and is_last and host.view.is_live and not run.learnt.may_doubt(host.id, _LIVE):
        return "of a desktop that is live, and that EC2 has shown as nothing else"
    return None


def _others_left(stage: Stage, run: Invocation, record: Record) -> set[str]:
    """Return the ids of what stood beside the record when the run looked, and that the run left.

    Cloudflare has no conditional writes: what others remove meanwhile, a run cannot know.
    """
    history = stage.cloudflare.store.history
    stood = {each.id for each in stage.cloudflare.store.named(record.name)}
    removed = set()
    for position in range(len(history) - 1, run.learnt.view - 1, -1):
        for step in reversed(history[position].steps):
            if step.after and step.after.name == record.name:
                stood.discard(step.after.id)
            if step.before and step.before.name == record.name:
                stood.add(step.before.id)
                if stage.invariants.writers.get(position) is run:
                    removed.add(step.before.id)
    return stood - removed

"""What must hold of every change that a run makes to a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.names import RANKS, instance_linked, name_of, noted
from tests.simulation.record_invariants import LONGEST_LAG, steady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.dynamodb import Item
    from tests.simulation.ec2 import Host, View
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage


def problems(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    if not before:
        yield f"made the row {row}"
        return
    names = before.changed(after)
    strange = {name for name in names if name != "status" and not name.endswith("_ec2_link")}
    if strange:
        yield f"changed {sorted(strange)} of {row}"
    for name in sorted(names - {"status"} - strange):
        role = name.removesuffix("_ec2_link")
        if name in after:
            yield from _linked(stage, run, row, role, after)
        else:
            yield from _unlinked(stage, run, row, role, before)
    if "status" in names:
        yield from _moved(stage, run, row, before, after)


def _linked(stage: Stage, run: Invocation, row: str, role: str, after: Item) -> Iterator[str]:
    instance_id = instance_linked(after.links[role])
    if instance_id is None or not _is_confirmed(run, instance_id):
        yield f"set {role} of {row} to {after.links[role]} without a confirmed record"
        return
    rival = _replaces(stage, run, after, role)
    if rival:
        yield f"set {role} of {row} to {instance_id}, which {rival} has replaced"


def _replaces(stage: Stage, run: Invocation, row: Item, role: str) -> str | None:
    """Name another desktop of ours that a row notes for a role, unless it is gone.

    One that EC2 denies, or may still deny, or may not yet show as ours, is passed over: the first
    looks like one that is long gone, and a link can be set back.
    """
    rival = stage.ec2.hosts.get(row.text(f"{role}_ec2_id") or "")
    if rival is None or rival.id == instance_linked(row.links.get(role)):
        return None
    if rival.id in run.learnt.denied:
        return None
    lately = rival.since((run.started or 0.0) - LONGEST_LAG)
    return None if rival.view.is_gone or not all(view.is_project for view in lately) else rival.id


def _is_confirmed(run: Invocation, instance_id: str) -> bool:
    """Return True if Cloudflare has shown the run the record at the address EC2 showed last."""
    address = run.learnt.address(instance_id)
    return address in run.learnt.confirmed.get(name_of(instance_id), set())


def _unlinked(stage: Stage, run: Invocation, row: str, role: str, before: Item) -> Iterator[str]:
    link = before.links[role]
    instance_id = instance_linked(link)
    if instance_id is None:
        yield f"removed {role} of {row}, which was {link}"
        return
    host = stage.ec2.hosts.get(instance_id)
    run.learnt.unlinked.add((row, instance_id))
    if not run.learnt.knows_of(instance_id):
        yield f"removed {role} of {row}, though EC2 has neither shown nor denied {instance_id}"
        return

    def serves(view: View) -> bool:
        return view.assignment == (row, role) and view.is_live

    is_doubtful = run.learnt.may_doubt(instance_id, serves)
    if host and serves(host.view) and not is_doubtful:
        yield f"removed {role} of {row}, whose desktop {instance_id} serves, as EC2 has shown"


def _moved(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    old, new = before.text("status"), after.text("status")
    if new not in {"DNS_WRITTEN", "TERMINATED"}:
        yield f"moved {row} to {new}"
        return
    if old is not None and (old not in RANKS or RANKS[new] < RANKS[old]):
        yield f"moved {row} back, from {old} to {new}"
    if new == "DNS_WRITTEN":
        confirmed = [
            role
            for role, link in after.links.items()
            if (linked := instance_linked(link)) and _is_confirmed(run, linked)
        ]
        if not confirmed:
            yield f"moved {row} to {new} without a confirmed record"
        elif all(_replaces(stage, run, after, role) for role in confirmed):
            yield f"moved {row} to {new} by a record that another's has replaced"
    elif after.links:
        yield f"moved {row} to {new} though it has {after.links}"
    else:
        yield from _ended(stage, run, row, before)


def _ended(stage: Stage, run: Invocation, row: str, item: Item) -> Iterator[str]:
    """Check that the meeting is over: nothing that the run could know of is alive.

    That is what the row notes, and of the instances that bear the meeting's tag what the row linked
    to before the run, what EC2 has shown, and what it lacked in no answer nor by its lag.
    """
    noted = {item.text(name) for name in item if name.endswith("_ec2_id")}
    linked = {instance_linked(link) for link in item.links.values()}
    linked |= {instance_id for of, instance_id in run.learnt.unlinked if of == row}
    for host in stage.ec2.hosts.values():
        if host.view.is_gone:
            continue
        tagged = host.view.meeting
        is_to_be_seen = steady(host, run) and host.id not in run.learnt.withheld
        was_shown = any(v.meeting == row for v in run.learnt.shown.get(host.id, ()))
        may_be_known = was_shown or is_to_be_seen
        is_of_row = tagged == row and (host.id in linked or may_be_known)
        if host.id in noted or (is_of_row and host.view.is_project):
            yield f"moved {row} to TERMINATED while {host.id} has not ended"
    shown_as_ended = [
        stage.ec2.hosts[each]
        for each, views in run.learnt.shown.items()
        if any(view.is_gone for view in views)
    ]
    if not any(_was_of(stage, host, row) for host in shown_as_ended):
        yield f"moved {row} to TERMINATED though EC2 has shown none of its desktops as ended"


def _was_of(stage: Stage, host: Host, row: str) -> bool:
    """Return True if tags have ever assigned an instance to a row, or the comment of a record."""
    if any(view.meeting == row for _, view in host.past):
        return True
    return any(
        each is not None
        and each.name == name_of(host.id)
        and (found := noted(each))
        and found[0] == row
        for transaction in stage.cloudflare.store.history
        for step in transaction.steps
        for each in (step.before, step.after)
    )

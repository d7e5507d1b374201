"""What must hold of deletions for which EC2 has shown no reason, and of those held back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.simulation.names import SETTINGS, instance_named, is_live, is_ours, is_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.cloudflare import Record
    from localcloud.cloudflare.table import Transaction
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage

WINDOW: Final = 24 * 3600.0
CUT: Final = 20
"""A result names so many of what was held back."""
_NAME = re.compile(r"^delete (\S+) at ")


def exceeded(stage: Stage, run: Invocation, transaction: Transaction) -> Iterator[str]:
    """Say whether a change of a sweep takes more than both limits allow within a day.

    `learnt.unproven` counts what the environment is to remember once Cloudflare has confirmed it.
    """
    gone = [step.before for step in transaction.steps if step.before and step.after is None]
    count = sum(_is_unproven(run, record) for record in gone)
    if not (run.is_sweep and count) or run.is_forced:
        return
    run.learnt.unproven += count
    if _is_too_many(stage, run, run.learnt.unproven, at_most=True):
        yield f"deleted {run.learnt.unproven} without a reason that EC2 has shown, beyond the limit"


def held_back(stage: Stage, run: Invocation) -> Iterator[str]:
    """Say what a sweep has held back and should not have: what EC2 proves, or what is not many."""
    held = (run.result or {}).get("held_back", ())
    found = [name for each in held for name in _NAME.findall(each)]
    learnt = run.learnt
    is_tag_known = any(is_project(views[-1]) for views in learnt.shown.values())
    for name in found:
        views = learnt.shown.get(instance_named(name) or "", ())
        if views and not is_live(views[-1]) and (is_tag_known or views[-1].state != "running"):
            yield f"held back the deletion of {name}, of which EC2 has shown {views[-1]}"
    if held and len(held) < CUT and not _is_too_many(stage, run, len(held), at_most=False):
        yield f"held back {len(held)} deletions, which the limits allow"


def _is_unproven(run: Invocation, record: Record) -> bool:
    """Tell whether EC2 has denied the instance and not shown it, or there is none of this name."""
    return is_ours(record) and instance_named(record.name) not in run.learnt.shown


def _is_too_many(stage: Stage, run: Invocation, count: int, *, at_most: bool) -> bool:
    """Compare with both limits.

    How many records there were when the run looked is not known to one: what was changed since
    counts to the run's advantage.
    """
    begun = run.started or 0.0
    made = sum(at > begun - WINDOW for at in run.environment.unproven)
    if not at_most:  # it counts as made what others had deleted before its call came
        made = max(made, _said_to_be_deleted(stage, run))
    owned = sum(map(is_ours, stage.cloudflare.store.records)) + made
    for transaction in stage.cloudflare.store.history[run.learnt.view :]:
        for step in transaction.steps:
            owned += at_most and step.after is None
            owned -= not at_most and step.before is None
    is_few = made + count <= SETTINGS.delete_limit
    return not is_few and (made + count) * 100 > owned * SETTINGS.delete_percent


def _said_to_be_deleted(stage: Stage, run: Invocation) -> int:
    """Count the deletions that the environment's runs before this one said they made, or tried.

    One whose answer was lost counts once its record is gone.
    """
    before = [
        each.result or {} for each in stage.functions.ended if each.environment is run.environment
    ]
    done = sum(each.get("done", {}).get("deleted", 0) for each in before)
    tried = sum(bool(_NAME.match(said)) for each in before for said in each.get("left", ()))
    return int(done + tried)

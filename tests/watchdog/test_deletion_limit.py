"""The limit on deletions without proof: all of them are made, or none."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib.dns.batches import Applied
from chalicelib.dns.finding import Finding
from chalicelib.dns.plan import Plan
from chalicelib.ec2.presence import Presence
from chalicelib.watchdog.deletion_limit import DeletionLimit, held_back
from chalicelib.watchdog.survey import Survey
from tests.changes import create, delete, update
from tests.surveys import NOW
from tests.world import make_settings

if TYPE_CHECKING:
    from chalicelib.dns.change import Change


def finding(*changes: Change, unproven: bool = True) -> Finding:
    return Finding(Presence.AWAY, "a reason", changes, unproven=unproven)


def plan(deletions: int) -> Plan:
    """Make a plan that deletes so many records without proof, each of another instance."""
    return Plan({f"i-{number:08x}": finding(delete(number)) for number in range(deletions)})


@pytest.mark.parametrize(
    ("deletions", "made", "owned", "is_held"),
    [
        (0, 0, 0, False),
        (10, 0, 10, False),
        (11, 0, 11, True),
        (11, 0, 36, True),
        (11, 0, 37, False),
        (30, 0, 100, False),
        (31, 0, 100, True),
        (1, 10, 5, True),
        (1, 10, 30, False),
        (1, 9, 1, False),
    ],
)
def test_beyond_both_limits_all_are_held_back(
    deletions: int, made: int, owned: int, *, is_held: bool
) -> None:
    """What was made counts, and was ours."""
    planned = plan(deletions)
    held = held_back(planned, owned, made, make_settings())
    assert held == (frozenset(planned.findings) if is_held else frozenset())


def test_the_limits_are_the_stages_own() -> None:
    few = {"SWEEP_DELETE_LIMIT": "1", "SWEEP_DELETE_PERCENT": "1"}
    assert held_back(plan(2), 100, 0, make_settings(**few))
    assert not held_back(plan(2), 100, 0, make_settings(**few | {"SWEEP_DELETE_PERCENT": "2"}))


def test_nothing_else_counts_or_is_held_back() -> None:
    proven = {
        f"i-{number:08x}": finding(delete(number), unproven=False) for number in range(100, 200)
    }
    others = {"a": finding(create(1), unproven=False)}
    others["b"] = finding(update(1), unproven=False)
    both = Plan({**proven, **others, **plan(11).findings})

    assert held_back(both, 200, 0, make_settings()) == frozenset()
    assert held_back(both, 20, 0, make_settings()) == frozenset(plan(11).findings)


def survey(planned: Plan, at: datetime = NOW) -> Survey:
    return Survey(at, tuple(delete(number).record for number in range(11)), {}, {}, planned)


@pytest.mark.parametrize(
    ("hours", "unproven", "is_held"), [(23, 10, True), (24, 10, False), (1, 9, False)]
)
def test_what_was_made_without_proof_within_a_day_is_remembered(
    hours: int, unproven: int, *, is_held: bool
) -> None:
    limit = DeletionLimit(make_settings())
    proven = {"proven": finding(delete(99), unproven=False)}
    first = survey(Plan({**plan(unproven).findings, **proven}))
    limit.note(first, Applied(done=[*first.plan.changes, create(1)]))

    held = limit.held_back(survey(plan(1), NOW + timedelta(hours=hours)))

    assert bool(held) is is_held


def test_a_deletion_whose_answer_was_lost_was_made_if_its_record_is_gone() -> None:
    limit = DeletionLimit(make_settings())
    first = survey(plan(11))
    lost = Applied(left=[(change, "no answer") for change in first.plan.changes])
    gone = replace(survey(plan(1)), records=())

    limit.note(first, lost)
    assert not limit.held_back(survey(plan(1)))
    limit.note(first, lost)
    assert limit.held_back(gone)

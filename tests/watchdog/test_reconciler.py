"""Observe, decide, apply: an unclear write is looked up before it is repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.dns.change import Create
from chalicelib.dns.provider import QuotaSpentError, UnconfirmedError
from chalicelib.ec2.presence import Presence
from chalicelib.watchdog.reconciler import Reconciler
from tests.changes import STEPS, at_call
from tests.memory_dns import MemoryZone
from tests.surveys import ADDRESS, NOW, SETTINGS, A, instance, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.dns.record import Record
    from chalicelib.ec2.instances import Instance
    from chalicelib.watchdog.reconciler import Reconciliation

NO_ANSWER = UnconfirmedError("no answer")


@dataclass
class Ec2:
    """Knows one instance, or none."""

    instance: Instance | None

    def find(self, _instance_id: str) -> Instance | None:
        return self.instance


def observed(there: MemoryZone, ec2: Any) -> Callable[[], Reconciliation]:  # noqa: ANN401
    """Observe the instance; return what settles what was seen."""
    reconciler = Reconciler(SETTINGS, ec2, there, NOW.timestamp)
    seen = reconciler.observe(A, STEPS)
    return lambda: reconciler.settle(seen, STEPS)


def zone(*records: Record) -> MemoryZone:
    return MemoryZone(records=records, clock=lambda: NOW)


def test_an_unclear_write_is_left_to_the_sweep_when_the_quota_is_spent() -> None:
    there = zone()
    there.loses_answer = True
    settle = observed(there, Ec2(instance()))
    there.spent = "the quota is kept for others"

    with pytest.raises(QuotaSpentError, match="the quota is kept for others; the answer was lost"):
        settle()

    assert there.sizes == [1]


def test_a_record_that_vanished_before_its_update_is_created_again() -> None:
    there = zone(record(content="192.0.2.1"))
    settle = observed(there, Ec2(instance()))
    there.records.clear()

    assert [type(change) for change in settle().done] == [Create]
    assert [each.content for each in there.records] == [ADDRESS]


def test_a_write_that_is_not_confirmed_at_the_third_attempt_fails() -> None:
    there = zone()
    there.fail = [lambda _: NO_ANSWER]

    with pytest.raises(UnconfirmedError):
        observed(there, Ec2(instance()))()

    assert there.sizes == [1, 1, 1]


@pytest.mark.parametrize(
    ("before", "records", "after", "presence", "left"),
    [
        (instance(), (), instance(state="terminated"), Presence.ENDED, []),
        (instance(state="stopped"), (record(),), instance(), Presence.LIVE, [ADDRESS]),
    ],
    ids=["created, and it has ended", "deleted, and it runs again"],
)
def test_after_an_unclear_write_ec2_is_asked_again_before_it_is_repeated(
    before: Instance, records: tuple[Record, ...], after: Instance, presence: object, left: object
) -> None:
    """What EC2 said before the write may be long ago."""
    there, ec2 = zone(*records), Ec2(before)
    settle = observed(there, ec2)
    there.fail = [at_call(1, NO_ANSWER)]
    ec2.instance = after

    settled = settle()

    assert (settled.finding.presence, settled.done) == (presence, ())
    assert [each.content for each in there.records] == left


def test_an_unclear_write_is_not_taken_for_done_when_ec2_no_longer_answers() -> None:
    there, ec2 = zone(), Ec2(instance())
    settle = observed(there, ec2)
    there.fail = [at_call(1, NO_ANSWER)]
    ec2.instance = None

    with pytest.raises(UnconfirmedError):
        settle()

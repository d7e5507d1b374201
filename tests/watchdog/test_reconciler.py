"""Observe, decide, apply: both ends are asked at once, and an unclear write is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.dns.provider import QuotaSpentError, UnconfirmedError
from chalicelib.ec2.presence import Presence
from chalicelib.step import Steps
from chalicelib.watchdog.reconciler import Reconciler
from tests.changes import FAR, STEPS, at_call
from tests.memory_dns import MemoryZone
from tests.surveys import ADDRESS, NOW, SETTINGS, A, instance, record

if TYPE_CHECKING:
    from chalicelib.ec2.instances import Instance
    from tests.world import World

NO_ANSWER = UnconfirmedError("no answer")


@dataclass
class Ec2:
    """Knows one instance, or none."""

    instance: Instance | None

    def find(self, _instance_id: str) -> Instance | None:
        return self.instance


def make(ec2: Any, zone: Any) -> Reconciler:  # noqa: ANN401
    return Reconciler(SETTINGS, ec2, zone, NOW.timestamp)


def zone(*records: Any) -> MemoryZone:  # noqa: ANN401
    return MemoryZone(records=records, clock=lambda: NOW)


def test_ec2_and_the_zone_are_asked_at_the_same_time(world: World) -> None:
    """One after the other would wait for the barrier until it breaks."""
    both = Barrier(2, timeout=20)

    class Waiting:
        def find(self, _instance_id: str) -> None:
            both.wait()

        def records_named(self, *_: object) -> tuple[()]:
            both.wait()
            return ()

    steps = Steps(world.executor, FAR)

    assert make(Waiting(), Waiting()).observe(A, steps).instance is None


def test_nothing_is_written_when_nothing_is_to_change() -> None:
    there = zone(record())
    reconciler = make(Ec2(instance()), there)

    seen = reconciler.observe(A, STEPS)

    assert reconciler.settle(seen, STEPS) == seen
    assert there.calls == []


def test_an_unclear_write_is_left_to_the_sweep_when_the_quota_is_spent() -> None:
    there = zone()
    there.loses_answer = True
    reconciler = make(Ec2(instance()), there)
    seen = reconciler.observe(A, STEPS)
    there.spent = "the quota is kept for others"

    with pytest.raises(QuotaSpentError, match="the quota is kept for others; the answer was lost"):
        reconciler.settle(seen, STEPS)

    assert there.sizes == [1]


def test_records_that_came_meanwhile_are_decided_upon_again() -> None:
    there = zone()
    reconciler = make(Ec2(instance()), there)
    seen = reconciler.observe(A, STEPS)
    there.records += [record(comment=""), record(content="192.0.2.1", comment="elephant:other")]

    settled = reconciler.settle(seen, STEPS)

    assert [each.content for each in settled.finding.conflicting] == ["192.0.2.1"]
    assert not settled.finding.may_be_linked
    assert settled.done == ()


def test_an_instance_that_ended_after_an_unclear_write_gets_no_record() -> None:
    """What EC2 said before the write may be long ago."""
    there, ec2 = zone(), Ec2(instance())
    reconciler = make(ec2, there)
    seen = reconciler.observe(A, STEPS)
    there.fail = [at_call(1, NO_ANSWER)]
    ec2.instance = instance(state="terminated")

    settled = reconciler.settle(seen, STEPS)

    assert settled.finding.presence is Presence.ENDED
    assert (settled.done, there.records) == ((), [])


def test_an_instance_that_runs_again_after_an_unclear_deletion_keeps_its_record() -> None:
    there, ec2 = zone(record()), Ec2(instance(state="stopped"))
    reconciler = make(ec2, there)
    seen = reconciler.observe(A, STEPS)
    there.fail = [at_call(1, NO_ANSWER)]
    ec2.instance = instance()

    reconciler.settle(seen, STEPS)

    assert [each.content for each in there.records] == [ADDRESS]


def test_an_unclear_write_is_not_taken_for_done_when_ec2_no_longer_answers() -> None:
    there, ec2 = zone(), Ec2(instance())
    reconciler = make(ec2, there)
    seen = reconciler.observe(A, STEPS)
    there.fail = [at_call(1, NO_ANSWER)]
    ec2.instance = None

    with pytest.raises(UnconfirmedError):
        reconciler.settle(seen, STEPS)

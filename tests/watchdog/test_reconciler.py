"""Observe, decide, apply: both ends are asked at once, and an unclear write is looked up."""

from __future__ import annotations

from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from chalicelib.dns.provider import QuotaSpentError, UnconfirmedError
from chalicelib.ec2.presence import Presence
from chalicelib.watchdog.reconciler import Reconciler
from localcloud.cloudflare import Fault, FaultKind, When
from tests.world import DOMAIN, World, make_settings

if TYPE_CHECKING:
    from chalicelib.deadline import Deadline
    from chalicelib.dns.record import Record
    from chalicelib.ec2.instances import Instance


def make(world: World) -> Reconciler:
    return Reconciler(make_settings(), world.instances(), world.zone(), world.clock)


def test_ec2_and_cloudflare_are_asked_at_the_same_time(world: World) -> None:
    """One after the other would wait for the barrier until it breaks."""
    both = Barrier(2, timeout=10)

    class Instances:
        def find(self, _instance_id: str) -> Instance | None:
            both.wait()
            return None

    class Zone:
        def records_named(self, _name: str, _deadline: Deadline) -> tuple[Record, ...]:
            both.wait()
            return ()

    reconciler = Reconciler(make_settings(), Instances(), Zone(), world.clock)  # type: ignore[arg-type]

    assert reconciler.observe("i-00000001", world.steps()).instance is None


def test_nothing_is_written_when_nothing_is_to_change(world: World) -> None:
    reconciler, steps = make(world), world.steps()
    instance_id = world.desktop()
    reconciler.settle(reconciler.observe(instance_id, steps), steps)
    world.forget_calls()

    seen = reconciler.observe(instance_id, steps)

    assert reconciler.settle(seen, steps) == seen
    assert [method for method, _ in world.dns_calls] == ["GET"]


def test_an_unclear_write_is_left_to_the_sweep_when_the_quota_is_spent(world: World) -> None:
    world.limit_calls(3)
    world.cloudflare.faults.add(Fault(FaultKind.UNSUCCESSFUL, when=When.AFTER, method="POST"))
    reconciler, steps = make(world), world.steps()
    seen = reconciler.observe(world.desktop(), steps)

    with pytest.raises(QuotaSpentError, match=r"another \d+ s \(1 calls left\); could not"):
        reconciler.settle(seen, steps)

    assert [method for method, _ in world.dns_calls] == ["GET", "POST"]


def test_records_that_came_meanwhile_are_decided_upon_anew(world: World) -> None:
    reconciler, steps = make(world), world.steps()
    instance_id = world.desktop()
    seen = reconciler.observe(instance_id, steps)
    name = f"{instance_id}.{DOMAIN}"
    world.put_record(name, world.address(instance_id))
    world.put_record(name, "192.0.2.1", comment="elephant:other m=m1 r=teacher")

    settled = reconciler.settle(seen, steps)

    finding = settled.finding
    assert [record.content for record in finding.in_the_way] == ["192.0.2.1"]
    assert not finding.may_be_linked
    assert settled.done == ()


def test_an_instance_that_ended_after_an_unclear_write_gets_no_record(world: World) -> None:
    """What EC2 said before the write may be long ago."""
    reconciler, steps = make(world), world.steps()
    instance_id = world.desktop()
    seen = reconciler.observe(instance_id, steps)
    world.cloudflare.faults.add(Fault(FaultKind.DROP, method="POST"))
    world.terminate(instance_id)

    settled = reconciler.settle(seen, steps)

    assert settled.finding.presence is Presence.ENDED
    assert (settled.done, world.records()) == ((), ())


def test_an_instance_that_runs_again_after_an_unclear_deletion_keeps_its_record(
    world: World,
) -> None:
    reconciler, steps = make(world), world.steps()
    instance_id = world.desktop()
    reconciler.settle(reconciler.observe(instance_id, steps), steps)
    world.ec2.stop_instances(InstanceIds=[instance_id])
    seen = reconciler.observe(instance_id, steps)
    world.cloudflare.faults.add(Fault(FaultKind.DROP, method="DELETE"))
    world.ec2.start_instances(InstanceIds=[instance_id])

    reconciler.settle(seen, steps)

    assert [content for _, content, _ in world.standing()] == [world.address(instance_id)]


def test_an_unclear_write_is_not_taken_for_done_when_ec2_no_longer_answers(world: World) -> None:
    reconciler, steps = make(world), world.steps()
    seen = reconciler.observe(world.desktop(), steps)
    world.cloudflare.faults.add(Fault(FaultKind.DROP, method="POST"))
    world.fail("DescribeInstances", "InvalidInstanceID.NotFound")

    with pytest.raises(UnconfirmedError):
        reconciler.settle(seen, steps)

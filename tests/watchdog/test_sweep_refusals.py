"""What Cloudflare refuses stands alone in the result, and everything else is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.dns.provider import WrongZoneError
from localcloud.cloudflare import DEFAULT_ZONE_ID, Fault, FaultKind
from tests.transports import Tampering
from tests.world import DOMAIN, RECORDS, Context, World, link

if TYPE_CHECKING:
    from collections.abc import Sequence

LIST = ("GET", RECORDS)
BATCH = ("POST", f"{RECORDS}/batch")
BATCHES = "/zones/*/dns_records/batch"


def done(result: dict[str, Any]) -> tuple[int, int, int]:
    counts = result["done"]
    return counts["created"], counts["updated"], counts["deleted"]


def in_tens(world: World) -> dict[str, Any]:
    return world.swept(SWEEP_BATCH_SIZE="10")


def linked(world: World) -> int:
    return sum("teacher_ec2_link" in world.row(each) for each in world.rows())


# What is refused


def unproxiable(world: World, count: int, **tags: str) -> list[str]:
    """Launch desktops with an address that Cloudflare cannot proxy to."""
    instances = world.launch_many(count, **tags)
    for number, instance_id in enumerate(instances, start=1):
        world.associate(instance_id, f"127.0.0.{number}")
    return instances


def test_a_record_that_cloudflare_stores_with_another_ttl_is_linked_and_reported(
    world: World,
) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()

    def spoil(envelope: dict[str, Any]) -> None:
        if isinstance(envelope["result"], dict):
            envelope["result"]["ttl"] = 60

    result = world.sweep(transport=Tampering(spoil)).handle(Context())

    (refused,) = result["refused"]
    assert refused.endswith(f"Cloudflare stored {instance_id}.{DOMAIN} with ttl 60 instead of 1")
    assert world.row()["teacher_ec2_link"] == link(instance_id)
    ((_, _, counts),) = world.reports.lines
    assert counts["Rejected"] == 1


def test_one_bad_record_of_200_is_reported_and_the_others_are_made(world: World) -> None:
    world.put_row("bad", status="LAUNCHED")
    world.put_row("good", status="LAUNCHED")
    (bad,) = unproxiable(world, 1, MeetingID="bad", Role="teacher")
    world.launch_many(198)
    good = world.desktop(meeting="good")
    sweep = world.sweep()

    result = sweep.handle(Context())

    assert done(result) == (199, 0, 0)
    (refused,) = result["refused"]
    assert refused.startswith(f"create {bad}.{DOMAIN} at 127.0.0.1: POST {RECORDS}: HTTP 400, 9003")
    assert "set PROXIED to 'false'" in refused
    assert result["warnings"] == [refused]
    assert len(world.records()) == 199
    assert world.row("bad") == {"status": "LAUNCHED"}
    assert world.row("good") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(good)}
    assert len(world.dns_calls) <= 1 + 1 + 2 * 8
    _, _, counts = world.reports.lines[-1]
    assert (counts["Rejected"], counts["Warnings"], counts["Created"]) == (1, 1, 199)
    world.forget_calls()

    again = sweep.handle(Context())

    assert (again["action"], again["reason"]) == ("unchanged", "1 rejected by the DNS provider")
    assert world.dns_calls == [LIST, ("POST", RECORDS)]


def test_what_was_refused_is_tried_after_everything_else(world: World) -> None:
    unproxiable(world, 1)
    sweep = world.sweep()
    sweep.handle(Context())
    world.launch_many(5)
    world.forget_calls()

    assert done(sweep.handle(Context())) == (5, 0, 0)
    assert world.dns_calls == [LIST, BATCH, ("POST", RECORDS)]


def test_even_if_everything_is_refused_it_is_not_a_call_for_each(world: World) -> None:
    unproxiable(world, 150)

    result = world.swept()

    assert done(result) == (0, 0, 0)
    assert world.dns_calls[0] == LIST
    assert len(world.dns_calls) == 1 + 1 + 60
    assert len(world.records()) == 0


def test_a_full_zone_takes_what_it_can_and_says_so_once(world: World) -> None:
    for number in range(990):
        world.put_record(f"other{number}.example.com")
    world.launch_many(100)

    result = world.swept()

    assert done(result) == (10, 0, 0)
    (refused,) = result["refused"]
    assert "the zone is full: remove records or raise its plan" in refused
    assert (result["skipped"], len(world.records())) == (89, 1000)
    assert len(world.dns_calls) < 20


def test_a_full_zone_makes_room_first(world: World) -> None:
    for number in range(980):
        world.put_record(f"other{number}.example.com")
    world.put_ended(20)
    world.launch_many(20)
    world.pass_time()

    result = world.swept()

    assert done(result) == (20, 0, 20)
    assert world.dns_calls == [LIST, BATCH]


@pytest.mark.parametrize("count", [1, 3])
def test_the_wrong_zone_is_refused_and_keeps_no_stray_record(world: World, count: int) -> None:
    world.launch_many(count)

    with pytest.raises(WrongZoneError, match="set ZONE_ID"):
        world.swept(DOMAIN_ROOT="desktops.example.org")

    assert world.records() == ()
    assert world.reports.lines[-1][2]["Failed"] == 1


def test_a_token_that_is_refused_in_between_fails_the_run(thirty: World) -> None:
    thirty.cloudflare.faults.add(Fault(FaultKind.REFUSED, path=BATCHES, skip=1, times=None))

    with pytest.raises(TokenRefusedError):
        in_tens(thirty)

    assert thirty.dns_calls == [LIST, BATCH, BATCH]
    assert linked(thirty) == 0
    thirty.cloudflare.faults.clear()
    assert in_tens(thirty)["done"]["rows"] == 30
    assert linked(thirty) == 30


def test_a_rotated_token_is_picked_up_in_between(thirty: World) -> None:
    thirty.meanwhile("BatchGetItem", thirty.rotate_token)

    assert done(in_tens(thirty)) == (30, 0, 0)
    assert thirty.aws_calls.count("GetSecretValue") == 2


# What is there or gone already


def vanish(world: World, names: Sequence[str]) -> None:
    for record in world.records():
        if record.name in names:
            world.cloudflare.api.zone(DEFAULT_ZONE_ID).delete(record.id)


def test_what_another_has_deleted_meanwhile_does_not_hold_up_the_rest(world: World) -> None:
    orphans = world.put_ended(50)
    world.pass_time()
    world.meanwhile("DescribeInstances", lambda: vanish(world, [orphans[7].name]))

    result = world.swept()

    assert done(result) == (0, 0, 50)
    assert world.records() == ()


def test_what_another_has_made_meanwhile_is_left_to_the_next_run(thirty: World) -> None:
    thirty.put_row("new", status="LAUNCHED")
    instance_id = thirty.desktop(meeting="new")
    address = thirty.address(instance_id)
    thirty.meanwhile("DescribeInstances", lambda: thirty.put_own(instance_id, address, "new"))

    first = thirty.swept()

    assert (done(first), first["skipped"]) == ((30, 0, 0), 1)
    assert "the zone has changed since it was read" in first["left"][0]
    assert (linked(thirty), thirty.row("new")) == (30, {"status": "LAUNCHED"})

    assert thirty.swept()["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 1}
    assert (linked(thirty), len(thirty.records())) == (31, 31)
    assert thirty.swept()["action"] == "unchanged"

"""The list that a sweep begins with: ours, and what stands in our way; whole or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import zone as zone_module
from chalicelib.cloudflare import UnavailableError
from localcloud.cloudflare import Fault, FaultKind
from tests.transports import Tampering
from tests.world import DOMAIN, OWNER, RECORDS, World

if TYPE_CHECKING:
    from typing import Any

    from chalicelib.record import Record


def owned(world: World, owner: str = OWNER) -> tuple[Record, ...]:
    return world.zone().records_of(owner, world.deadline())


def test_the_list_of_an_owner_is_one_call_that_cloudflare_filters(world: World) -> None:
    ours = world.put_own("i-00000001")
    world.put_record("www.example.com", comment="made by hand")
    world.put_record("mail.example.com", comment="elephant:other m=m1 r=teacher")

    assert [record.id for record in owned(world)] == [ours.id]

    (call,) = world.cloudflare.calls
    assert (call.method, call.path) == ("GET", RECORDS)
    assert call.query == (
        ("match", "any"),
        ("comment.startswith", OWNER),
        ("name.startswith", "i-"),
        ("page", "1"),
        ("per_page", str(zone_module.PAGE_SIZE)),
    )


def test_the_list_of_an_owner_has_what_stands_under_the_names_of_instances(world: World) -> None:
    name = f"i-00000001.{DOMAIN}"
    expected = [
        world.put_record(name, "192.0.2.1", comment="elephant:other m=m1 r=teacher"),
        world.put_record(name, "192.0.2.2"),
        world.put_record(name, "hello", kind="TXT"),
        world.put_record(f"i-00000002.{DOMAIN}", "elsewhere.example.com", kind="CNAME"),
        world.put_record("www.example.com", comment=f"{OWNER} m=m1 r=teacher"),
    ]

    assert {record.id for record in owned(world)} == {record.id for record in expected}


def test_an_owner_is_the_whole_first_word_and_not_only_how_a_comment_begins(world: World) -> None:
    """Cloudflare compares beginnings, and in any case."""
    for last, comment in enumerate([f"{OWNER}1 x", f"{OWNER}/x", OWNER.upper(), f"x {OWNER}"]):
        world.put_record("www.example.com", f"192.0.2.{last}", comment=comment)

    assert owned(world) == ()


def test_an_answer_that_holds_strangers_as_well_is_sifted(world: World) -> None:
    world.put_own("i-00000001")

    def add_a_stranger(envelope: dict[str, Any]) -> None:
        stranger = {"name": "www.example.com", "comment": "by hand"}
        envelope["result"].append(envelope["result"][0] | stranger)
        envelope["result_info"]["total_count"] = 2

    zone = world.zone(transport=Tampering(add_a_stranger))
    (record,) = zone.records_of(OWNER, world.deadline())

    assert record.name == f"i-00000001.{DOMAIN}"


def test_every_page_of_an_owners_records_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zone_module, "PAGE_SIZE", 100)
    world.put_orphans(250)

    assert len(owned(world)) == 250
    assert [dict(call.query)["page"] for call in world.cloudflare.calls] == ["1", "2", "3"]


def test_a_page_is_large_enough_for_most_zones(world: World) -> None:
    world.put_orphans(900)

    assert len(owned(world)) == 900
    assert len(world.dns_calls) == 1


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_of_an_owner_that_is_not_whole_is_no_list(world: World, count: int) -> None:
    """Records that left or came between two pages shift the others."""
    world.put_orphans(2)

    def miscount(envelope: dict[str, Any]) -> None:
        envelope["result_info"]["total_count"] = count

    with pytest.raises(UnavailableError, match=f"2 of {count} records were listed"):
        world.zone(transport=Tampering(miscount)).records_of(OWNER, world.deadline())


def test_a_page_that_fails_makes_the_list_fail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zone_module, "PAGE_SIZE", 1)
    world.put_orphans(3)
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, skip=1, times=3))

    with pytest.raises(UnavailableError, match="502"):
        owned(world)

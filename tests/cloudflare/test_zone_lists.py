"""The list that a sweep begins with: our records and conflicting ones, whole or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.cloudflare import zone as zone_module
from chalicelib.dns.provider import Listing, UnavailableError
from tests.transports import Noting, Tampering
from tests.world import DOMAIN, OWNER, RECORDS, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from chalicelib.dns.record import Record


@pytest.fixture
def _two_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_module, "PAGE_SIZE", 2)


def owned(world: World, owner: str = OWNER) -> tuple[Record, ...]:
    return world.zone().records_of(owner, world.deadline()).records


def listed_with(world: World, tamper: Callable[[dict[str, Any]], None]) -> Listing:
    """List the owner's records from an answer that was changed on its way."""
    return world.zone(transport=Tampering(tamper)).records_of(OWNER, world.deadline())


def test_the_list_of_an_owner_has_what_stands_under_the_names_of_instances(world: World) -> None:
    """In one call, which Cloudflare filters."""
    name = f"i-00000001.{DOMAIN}"
    expected = [
        world.put_record(name, "192.0.2.1", comment="elephant:other m=m1 r=teacher"),
        world.put_record(name, "192.0.2.2"),
        world.put_record(name, "hello", kind="TXT"),
        world.put_record(f"i-00000002.{DOMAIN}", "elsewhere.example.com", kind="CNAME"),
        world.put_record("www.example.com", comment=f"{OWNER} m=m1 r=teacher"),
    ]
    for comment in ("made by hand", "elephant:other m=m1 r=teacher", f"{OWNER}1 m=m1 r=teacher"):
        world.put_record(f"{len(comment)}.example.com", comment=comment)

    assert {record.id for record in owned(world)} == {record.id for record in expected}

    (call,) = world.cloudflare.calls
    assert (call.method, call.path) == ("GET", RECORDS)
    assert call.query == (
        ("match", "any"),
        ("comment.startswith", OWNER),
        ("name.startswith", "i-"),
        ("page", "1"),
        ("per_page", "5000"),
    )


@pytest.mark.usefixtures("_two_a_page")
def test_every_page_of_an_owners_records_is_read(world: World) -> None:
    world.put_orphans(5)

    assert len(owned(world)) == 5
    assert [dict(call.query)["page"] for call in world.cloudflare.calls] == ["1", "2", "3"]


@pytest.mark.parametrize("spoilt", [{"ttl": None}, {"created_on": "a while ago"}, {}])
@pytest.mark.parametrize("comment", [f"{OWNER} m=m1 r=teacher", "by hand"])
def test_a_record_that_cannot_be_parsed_is_named_and_holds_up_no_other(
    world: World, spoilt: dict[str, object], comment: str
) -> None:
    """Whoever's it is: neither is it absent, nor does it stop a sweep."""
    world.put_own("i-00000001")
    world.put_record(f"i-00000002.{DOMAIN}", comment=comment)

    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"][1] |= spoilt | {"name": f"I-00000002.{DOMAIN}"}
        if not spoilt:
            del envelope["result"][1]["type"]

    listing = listed_with(world, spoil)

    assert [record.name for record in listing.records] == [f"i-00000001.{DOMAIN}"]
    assert listing.unreadable == {f"i-00000002.{DOMAIN}"}
    with pytest.raises(UnavailableError, match=f"a record of i-00000002.{DOMAIN} could not be"):
        listing.whole()
    assert Listing(listing.records).whole() == listing.records


@pytest.mark.parametrize("spoilt", ["x", None, {"id": "1"}, {"name": "x"}, {"id": "1", "name": ""}])
def test_what_has_neither_id_nor_name_makes_the_list_fail(world: World, spoilt: object) -> None:
    world.put_orphans(2)

    with pytest.raises(UnavailableError, match="an invalid record, without id or name"):
        listed_with(world, lambda envelope: envelope["result"].append(spoilt))


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (None, "no total_pages"),
        ({"total_pages": 1}, "no total_count"),
        ({"total_pages": "1", "total_count": 2}, "no total_pages"),
        ({"total_pages": True, "total_count": 2}, "no total_pages"),
        ({"total_pages": 1, "total_count": -2}, "no total_count"),
        ({"total_pages": 1, "total_count": 1}, "2 of 1 records were listed"),
        ({"total_pages": 1, "total_count": 3}, "2 of 3 records were listed"),
        ({"total_pages": 1_000_000, "total_count": 2}, "1000000 is not a valid number of pages"),
        ({"total_pages": 20, "total_count": 100_001}, "100001 records exceed the maximum of"),
        ({"total_pages": 51, "total_count": 5_100}, "51 pages exceed the maximum of 50"),
    ],
)
def test_a_list_whose_size_is_not_sure_is_no_list(world: World, info: object, said: str) -> None:
    world.put_orphans(2)

    with pytest.raises(UnavailableError, match=f"GET .*{said}"):
        listed_with(world, lambda envelope: envelope.update(result_info=info))


def test_an_answer_without_a_list_or_one_that_ends_too_early_is_no_list(world: World) -> None:
    info = {"total_pages": 3, "total_count": 250}

    with pytest.raises(UnavailableError, match="0 of 250 records were listed"):
        listed_with(world, lambda envelope: envelope.update(result_info=info))
    assert len(world.dns_calls) == 1
    with pytest.raises(UnavailableError, match="the answer contains no list of records"):
        listed_with(world, lambda envelope: envelope.update(result=None))


@pytest.mark.usefixtures("_two_a_page")
def test_a_list_that_grows_while_it_is_read_is_no_list(world: World) -> None:
    world.put_orphans(3)
    calls: list[str] = []

    def make_one_more(_: str) -> None:
        if calls:
            world.put_own("i-00000001")

    transport = Noting(calls, make_one_more)

    with pytest.raises(UnavailableError, match="changed from 3 to 4 records while being read"):
        world.zone(transport=transport).records_of(OWNER, world.deadline())


@pytest.mark.usefixtures("_two_a_page")
def test_a_list_of_which_a_page_was_shifted_is_no_list(world: World) -> None:
    """One record went and one came, so the count is the same, and one is listed twice."""
    world.put_orphans(4)
    first: list[object] = []

    def shift(envelope: dict[str, Any]) -> None:
        if first:
            envelope["result"][0] = first[-1]
        first.extend(envelope["result"])

    with pytest.raises(UnavailableError, match=r"record \w+ was listed twice"):
        listed_with(world, shift)

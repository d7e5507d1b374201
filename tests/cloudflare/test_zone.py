"""The zone: lists that are whole or nothing, and writes that count only once confirmed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from chalicelib.cloudflare import zone as zone_module
from chalicelib.cloudflare.transport import NoAnswerError
from chalicelib.cloudflare.zone import CloudflareZone
from chalicelib.dns.batches import Batches
from chalicelib.dns.change import Create, Delete, Update
from chalicelib.dns.provider import (
    StoredOtherwiseError,
    UnavailableError,
    UnconfirmedError,
    WrongZoneError,
)
from chalicelib.dns.record import Record
from localcloud.cloudflare import DEFAULT_ZONE_ID, Fault, FaultKind, When
from tests.transports import Tampering, storing
from tests.world import DOMAIN, OWNER, RECORDS, World

if TYPE_CHECKING:
    from typing import Any

    from chalicelib.cloudflare.transport import Response
    from chalicelib.dns.change import Change

NAME = f"i-0123456789abcdef0.{DOMAIN}"
BATCH = ("POST", f"{RECORDS}/batch")


def wanted(name: str = NAME, content: str = "203.0.113.7") -> Record:
    return Record.address(name, content, proxied=True, ttl=1, comment=f"{OWNER} m=m1 r=teacher")


def creates(count: int) -> list[Change]:
    return [Create(wanted(f"i-{number:08x}.{DOMAIN}")) for number in range(count)]


def listed(world: World, name: str = NAME) -> tuple[Record, ...]:
    return world.zone().records_named(name, world.deadline())


def two_records(world: World) -> tuple[Record, ...]:
    for last in (1, 2):
        world.put_record(NAME, f"192.0.2.{last}")
    return listed(world)


def answering(world: World, **members: object) -> CloudflareZone:
    """Give the zone whose answers have these members instead of their own."""
    return world.zone(transport=Tampering(lambda envelope: envelope.update(members)))


# Lists


def test_a_list_holds_the_address_records_of_exactly_the_name(world: World) -> None:
    record = world.put_record(NAME, "192.0.2.1", f"{OWNER} m=m1 r=teacher")
    world.put_record(NAME, "text", kind="TXT")
    world.put_record(f"x.{NAME}")

    (found,) = listed(world)

    assert (found.id, found.name, found.content) == (record.id, NAME, "192.0.2.1")
    (call,) = world.cloudflare.calls
    page = {"page": "1", "per_page": str(zone_module.PAGE_SIZE)}
    assert dict(call.query) == {"type": "A", "name.exact": NAME} | page


def test_an_answer_that_holds_other_records_as_well_is_filtered(world: World) -> None:
    """A deletion must never follow from a filter that was not understood."""
    world.put_record(NAME)

    def add_another(envelope: dict[str, Any]) -> None:
        envelope["result"].append(envelope["result"][0] | {"id": "1", "name": "www.example.com"})
        envelope["result_info"]["total_count"] = 2

    zone = world.zone(transport=Tampering(add_another))

    assert [record.name for record in zone.records_named(NAME, world.deadline())] == [NAME]


@pytest.mark.parametrize("name", [NAME, NAME.upper()])
def test_a_record_of_the_name_that_cannot_be_parsed_fails_the_list(world: World, name: str) -> None:
    two_records(world)

    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"][1] |= {"name": name, "ttl": None}

    with pytest.raises(UnavailableError, match=f"a record of {NAME} could not be parsed"):
        world.zone(transport=Tampering(spoil)).records_named(NAME, world.deadline())


# Changes


def test_an_update_overwrites_what_we_set_and_nothing_else(world: World) -> None:
    before = world.put_record(NAME, settings={"ipv4_only": True}, proxied=True)
    (record,) = listed(world)

    world.zone().apply([Update(record, wanted())], world.deadline())

    (after,) = world.records()
    assert (after.id, after.fields.content) == (before.id, "203.0.113.7")
    assert after.as_json()["settings"] == {"ipv4_only": True}
    assert world.dns_calls[1:] == [("PATCH", f"{RECORDS}/{record.id}")]


def test_several_changes_are_one_batch_and_none_is_no_call(world: World) -> None:
    first, second = two_records(world)
    other = f"i-00000001.{DOMAIN}"
    world.forget_calls()

    world.zone().apply([], world.deadline())
    assert world.dns_calls == []

    changes: list[Change] = [Delete(first), Update(second, wanted()), Create(wanted(other))]
    world.zone().apply(changes, world.deadline())

    standing = [(name, content) for name, content, _ in world.standing()]
    assert standing == [(other, "203.0.113.7"), (NAME, "203.0.113.7")]
    assert world.dns_calls == [BATCH]


@pytest.mark.parametrize(
    ("stage", "sizes"), [({}, [200, 200, 1]), ({"batch_size": 150}, [150, 150, 101])]
)
def test_a_batch_holds_as_many_as_the_stage_says_or_the_free_plan_allows(
    world: World, stage: dict[str, int], sizes: list[int]
) -> None:
    CloudflareZone(world.api(), DEFAULT_ZONE_ID, **stage).apply(creates(401), world.deadline())

    assert [len(json.loads(call.body)["posts"]) for call in world.cloudflare.calls] == sizes
    assert world.dns_calls == [BATCH] * 3
    assert len(world.records()) == 401


@pytest.mark.parametrize(("count", "seconds"), [(1, 6), (2, 6.04), (200, 10), (3500, 76)])
def test_the_time_that_an_answer_has_grows_with_what_is_asked(
    world: World, count: int, seconds: float
) -> None:
    class Waiting:
        given = 0.0

        def request(self, *request: Any) -> Response:  # noqa: ANN401
            self.given = request[-1]
            raise NoAnswerError("timed out")

    transport = Waiting()
    zone = CloudflareZone(world.api(transport), DEFAULT_ZONE_ID, batch_size=3500)

    with pytest.raises(UnconfirmedError):
        zone.apply([Create(wanted())] * count, world.deadline(3600))

    assert transport.given == pytest.approx(seconds)


# Confirmation


@pytest.mark.parametrize(
    "result", [None, {}, {"deletes": None}, {"deletes": []}, {"deletes": [{"id": "1"}]}, []]
)
def test_a_batch_whose_answer_is_not_whole_is_unconfirmed(world: World, result: object) -> None:
    changes = [Delete(record) for record in two_records(world)]

    with pytest.raises(UnconfirmedError, match="could not confirm POST"):
        answering(world, result=result).apply(changes, world.deadline())


@pytest.mark.parametrize(
    "result", [None, {}, {"id": "another"}, "gone", {"name": NAME, "content": "203.0.113.7"}]
)
def test_a_change_counts_only_for_the_record_answered(world: World, result: object) -> None:
    world.put_record(NAME)
    (record,) = listed(world)
    zone = answering(world, result=result)

    with pytest.raises(UnconfirmedError, match="the answer is another record"):
        zone.apply([Delete(record)], world.deadline())
    with pytest.raises(UnconfirmedError, match="the answer is not a valid record"):
        zone.apply([Create(wanted())], world.deadline())


@pytest.mark.parametrize("spoilt", [{"name": "i-00000001.example.com"}, {"content": "192.0.2.9"}])
def test_a_creation_counts_only_for_name_and_address_answered(
    world: World, spoilt: dict[str, object]
) -> None:
    with pytest.raises(UnconfirmedError):
        world.zone(transport=storing(**spoilt)).apply([Create(wanted())], world.deadline())


def test_a_name_is_compared_in_any_case(world: World) -> None:
    zone = world.zone(transport=storing(name=NAME.upper()))

    zone.apply([Create(wanted())], world.deadline())


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"ttl": 300}, "ttl 300 instead of 1"),
        ({"comment": None}, f"comment '' instead of '{OWNER} m=m1 r=teacher'"),
        ({"ttl": 60, "proxied": False}, "proxied False instead of True and ttl 60 instead of 1"),
    ],
)
def test_what_cloudflare_stores_otherwise_is_refused_by_it(
    world: World, stored: dict[str, object], said: str
) -> None:
    """It would be updated in every run, to no effect and unnoticed."""
    with pytest.raises(StoredOtherwiseError) as raised:
        world.zone(transport=storing(**stored)).apply([Create(wanted())], world.deadline())

    assert str(raised.value) == f"POST {RECORDS}: Cloudflare stored {NAME} with {said}"


def test_of_a_batch_only_what_is_stored_otherwise_is_refused(world: World) -> None:
    world.put_record(NAME)
    first, second, third = creates(3)
    deletion = Delete(listed(world)[0])

    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"]["posts"][1]["ttl"] = 60

    batches = Batches(world.zone(transport=Tampering(spoil)))
    applied = batches.apply([deletion, first, second, third], world.steps())

    assert applied.done == [deletion, first, third]
    said = f"Cloudflare stored {second.name} with ttl 60 instead of 1"
    assert applied.stored_otherwise == [(second, said)]
    assert world.dns_calls[1:] == [BATCH]


# Another zone than the domain's

STRAY = "i-0123456789abcdef0.desktops.example.org"


def test_a_stray_record_is_removed_and_the_setting_named(world: World) -> None:
    with pytest.raises(WrongZoneError) as raised:
        world.zone().apply([Create(wanted(STRAY))], world.deadline())

    assert str(raised.value) == (
        f"zone {DEFAULT_ZONE_ID} is not the zone of {STRAY}: Cloudflare made {STRAY}.example.com"
        ", which was removed; set ZONE_ID to the zone of DOMAIN_ROOT"
    )
    assert world.records() == ()


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault(FaultKind.REFUSED, method="DELETE", status=404, code=81044), "is already gone"),
        (Fault(FaultKind.DROP, method="DELETE", when=When.AFTER), "which is already gone"),
        (Fault(FaultKind.DROP, method="DELETE"), "was removed"),
        (Fault(FaultKind.DROP, method="DELETE", times=2), "could not be removed: delete record"),
        (Fault(FaultKind.RATE_LIMITED, method="DELETE"), "could not be removed: delete record"),
    ],
)
def test_a_stray_record_whose_removal_is_unclear_is_named(
    world: World, fault: Fault, outcome: str
) -> None:
    world.cloudflare.faults.add(fault)

    with pytest.raises(WrongZoneError, match=outcome):
        world.zone().apply([Create(wanted(STRAY))], world.deadline())


def test_a_stray_record_in_a_batch_is_removed(world: World) -> None:
    changes = [Create(wanted(STRAY)), Create(wanted(NAME)), Create(wanted(f"x{STRAY}"))]

    with pytest.raises(WrongZoneError):
        world.zone().apply(changes, world.deadline())

    assert [name for name, _, _ in world.standing()] == [NAME]


def test_strays_that_were_left_are_found_if_they_are_ours(world: World) -> None:
    world.put_record(f"{STRAY}.example.com", comment="by hand")
    world.zone().remove_misplaced(STRAY, OWNER, world.deadline())
    assert len(world.records()) == 1

    for last in (3, 4):
        address = f"192.0.2.{last}"
        world.put_record(f"{STRAY}.example.com", address, comment=f"{OWNER} m=m1 r=teacher")
    with pytest.raises(WrongZoneError):
        world.zone().remove_misplaced(STRAY, OWNER, world.deadline())

    assert [comment for _, _, comment in world.standing()] == ["by hand"]

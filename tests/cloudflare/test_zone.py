"""The zone: lists that are whole or nothing, and writes that count only once confirmed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib.cloudflare import zone as zone_module
from chalicelib.cloudflare.transport import NoAnswerError
from chalicelib.cloudflare.zone import CloudflareZone
from chalicelib.dns.batches import Batches
from chalicelib.dns.change import Create, Delete, Update
from chalicelib.dns.provider import (
    RateLimitedError,
    RecordExistsError,
    RecordNotFoundError,
    RejectedError,
    StoredOtherwiseError,
    UnavailableError,
    UnconfirmedError,
    WrongZoneError,
)
from chalicelib.dns.record import Record
from localcloud.cloudflare import DEFAULT_ZONE_ID, Fault, FaultKind, When
from tests.transports import Tampering
from tests.world import DOMAIN, OWNER, RECORDS, World

if TYPE_CHECKING:
    from typing import Any

    from chalicelib.cloudflare.transport import Response
    from chalicelib.dns.change import Change

NAME = f"i-0123456789abcdef0.{DOMAIN}"
BATCH = ("POST", f"{RECORDS}/batch")


def wanted(name: str = NAME, content: str = "203.0.113.7") -> Record:
    return Record.address(name, content, proxied=True, ttl=1, comment=f"{OWNER} m=m1 r=teacher")


def listed(world: World, name: str = NAME) -> tuple[Record, ...]:
    return world.zone().records_named(name, world.deadline())


def test_a_list_holds_the_address_records_of_exactly_the_name(world: World) -> None:
    record = world.put_record(NAME, "192.0.2.1", f"{OWNER} m=m1 r=teacher")
    world.put_record(NAME, "text", kind="TXT")
    world.put_record(f"x.{NAME}")
    world.put_record(DOMAIN)

    (found,) = listed(world)

    assert (found.id, found.name, found.content) == (record.id, NAME, "192.0.2.1")
    assert found.comment == f"{OWNER} m=m1 r=teacher"
    (call,) = world.cloudflare.calls
    assert dict(call.query) == {
        "type": "A",
        "name.exact": NAME,
        "page": "1",
        "per_page": str(zone_module.PAGE_SIZE),
    }


def test_an_answer_that_holds_other_records_as_well_is_sifted(world: World) -> None:
    """A deletion must never follow from a filter that was not understood."""
    world.put_record(NAME)

    def add_a_stranger(envelope: dict[str, Any]) -> None:
        envelope["result"].append(envelope["result"][0] | {"id": "1", "name": "www.example.com"})
        envelope["result_info"]["total_count"] = 2

    zone = world.zone(transport=Tampering(add_a_stranger))

    assert [record.name for record in zone.records_named(NAME, world.deadline())] == [NAME]


def test_every_page_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_module, "PAGE_SIZE", 2)
    for last in range(5):
        world.put_record(NAME, f"192.0.2.{last}")

    assert len(listed(world)) == 5
    assert len(world.dns_calls) == 3


@pytest.mark.parametrize(
    ("member", "value"),
    [("result", None), ("result", [{"id": "1"}]), ("result", ["x"]), ("result", [])],
)
def test_an_incomplete_list_is_no_list(world: World, member: str, value: object) -> None:
    world.put_record(NAME)

    def spoil(envelope: dict[str, Any]) -> None:
        envelope[member] = value

    with pytest.raises(UnavailableError):
        world.zone(transport=Tampering(spoil)).records_named(NAME, world.deadline())


@pytest.mark.parametrize("spoilt", [NAME, NAME.upper()])
def test_a_record_of_the_very_name_that_cannot_be_parsed_makes_the_list_fail(
    world: World, spoilt: str
) -> None:
    for last in (1, 2):
        world.put_record(NAME, f"192.0.2.{last}")

    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"][1] |= {"name": spoilt, "ttl": None}

    with pytest.raises(UnavailableError, match=f"a record of {NAME} could not be parsed"):
        world.zone(transport=Tampering(spoil)).records_named(NAME, world.deadline())


def test_a_batch_of_which_a_part_is_answered_is_not_confirmed(world: World) -> None:
    def lose_one(envelope: dict[str, Any]) -> None:
        envelope["result"]["posts"].pop()

    changes = [Create(wanted()), Create(replace(wanted(), name=f"x.{NAME}"))]
    with pytest.raises(UnconfirmedError, match="the answer has 1 of 2 posts"):
        world.zone(transport=Tampering(lose_one)).apply(changes, world.deadline())


def test_a_record_is_made_whole(world: World) -> None:
    world.zone().apply([Create(wanted())], world.deadline())

    ((name, content, comment),) = world.standing()
    assert (name, content, comment) == (NAME, "203.0.113.7", f"{OWNER} m=m1 r=teacher")
    assert world.records()[0].fields.proxied
    assert world.dns_calls == [("POST", RECORDS)]


def test_an_update_overwrites_what_we_set_and_nothing_else(world: World) -> None:
    before = world.put_record(NAME, settings={"ipv4_only": True}, proxied=True)
    (record,) = listed(world)

    world.zone().apply([Update(record, wanted())], world.deadline())

    (after,) = world.records()
    assert (after.id, after.fields.content) == (before.id, "203.0.113.7")
    assert after.as_json()["settings"] == {"ipv4_only": True}
    assert world.dns_calls[1:] == [("PATCH", f"{RECORDS}/{record.id}")]


def test_a_deletion_of_what_is_gone_is_done(world: World) -> None:
    world.put_record(NAME)
    (record,) = listed(world)
    deletion = Delete(record)

    for _ in range(2):
        world.zone().apply([deletion], world.deadline())

    assert world.records() == ()


def test_an_update_of_what_is_gone_says_so(world: World) -> None:
    world.put_record(NAME)
    (record,) = listed(world)
    world.zone().apply([Delete(record)], world.deadline())

    with pytest.raises(RecordNotFoundError):
        world.zone().apply([Update(record, wanted())], world.deadline())


def test_an_identical_record_is_reported_as_there(world: World) -> None:
    world.put_record(NAME, "203.0.113.7")

    with pytest.raises(RecordExistsError):
        world.zone().apply([Create(wanted())], world.deadline())


def test_no_change_is_no_call(world: World) -> None:
    world.zone().apply([], world.deadline())

    assert world.dns_calls == []


def test_several_changes_are_one_batch(world: World) -> None:
    for last in (1, 2):
        world.put_record(NAME, f"192.0.2.{last}")
    first, second = listed(world)
    other = f"i-00000001.{DOMAIN}"
    world.forget_calls()

    changes: list[Change] = [Delete(first), Update(second, wanted()), Create(wanted(other))]
    world.zone().apply(changes, world.deadline())

    assert {(name, content) for name, content, _ in world.standing()} == {
        (NAME, "203.0.113.7"),
        (other, "203.0.113.7"),
    }
    assert world.dns_calls == [BATCH]


def test_a_batch_holds_no_more_than_the_free_plan_allows(world: World) -> None:
    changes = [Create(wanted(f"i-{number:08x}.{DOMAIN}")) for number in range(401)]

    world.zone().apply(changes, world.deadline())

    sizes = [len(json.loads(call.body)["posts"]) for call in world.cloudflare.calls]
    assert sizes == [200, 200, 1]
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


def test_a_batch_holds_as_many_as_the_stage_says(world: World) -> None:
    changes = [Create(wanted(f"i-{number:08x}.{DOMAIN}")) for number in range(5)]
    zone = CloudflareZone(world.api(), DEFAULT_ZONE_ID, batch_size=2)

    zone.apply(changes, world.deadline())

    sizes = [len(json.loads(call.body)["posts"]) for call in world.cloudflare.calls]
    assert sizes == [2, 2, 1]


def test_a_batch_that_fails_changes_nothing(world: World) -> None:
    world.put_record(NAME, "203.0.113.7")
    changes = [Create(wanted(f"i-00000001.{DOMAIN}")), Create(wanted())]

    with pytest.raises(RecordExistsError):
        world.zone().apply(changes, world.deadline())

    assert len(world.records()) == 1


@pytest.mark.parametrize("result", [None, {}, {"deletes": None}, {"deletes": []}, []])
def test_a_batch_whose_answer_is_not_whole_is_unconfirmed(world: World, result: object) -> None:
    for last in (1, 2):
        world.put_record(NAME, f"192.0.2.{last}")
    records = listed(world)

    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"] = result

    with pytest.raises(UnconfirmedError, match="could not confirm POST"):
        world.zone(transport=Tampering(spoil)).apply(
            [Delete(record) for record in records], world.deadline()
        )


@pytest.mark.parametrize("result", [None, {}, {"id": "another"}, "gone"])
def test_a_deletion_counts_only_for_the_record_answered(world: World, result: object) -> None:
    world.put_record(NAME)
    (record,) = listed(world)

    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"] = result

    with pytest.raises(UnconfirmedError):
        world.zone(transport=Tampering(spoil)).apply([Delete(record)], world.deadline())


@pytest.mark.parametrize(
    "spoilt", [{"name": "i-00000001.example.com"}, {"content": "192.0.2.9"}, {"id": None}, None]
)
def test_a_creation_counts_only_for_name_and_address_answered(
    world: World, spoilt: dict[str, object] | None
) -> None:
    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"] = envelope["result"] | spoilt if spoilt else None
        if spoilt == {"id": None}:
            del envelope["result"]["id"]

    with pytest.raises(UnconfirmedError):
        world.zone(transport=Tampering(spoil)).apply([Create(wanted())], world.deadline())


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ({"proxied": False}, "proxied False instead of True"),
        ({"ttl": 300}, "ttl 300 instead of 1"),
        ({"comment": None}, f"comment '' instead of '{OWNER} m=m1 r=teacher'"),
        ({"ttl": 60, "proxied": False}, "proxied False instead of True and ttl 60 instead of 1"),
    ],
)
def test_what_cloudflare_stores_otherwise_is_refused_by_it(
    world: World, spoilt: dict[str, object], said: str
) -> None:
    """It would be updated in every run, to no effect and unnoticed."""

    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"] |= spoilt

    with pytest.raises(StoredOtherwiseError) as raised:
        world.zone(transport=Tampering(spoil)).apply([Create(wanted())], world.deadline())

    assert str(raised.value) == f"POST {RECORDS}: Cloudflare stored {NAME} with {said}"


def test_of_a_batch_only_what_is_stored_otherwise_is_refused(world: World) -> None:
    world.put_record(NAME, "192.0.2.1")
    others = [Create(wanted(f"i-0000000{number}.{DOMAIN}")) for number in range(3)]
    changes: list[Change] = [Delete(listed(world)[0]), *others]

    def spoil(envelope: dict[str, Any]) -> None:
        envelope["result"]["posts"][1]["ttl"] = 60

    zone = world.zone(transport=Tampering(spoil))
    applied = Batches(zone).apply(changes, world.steps())

    assert applied.done == [changes[0], others[0], others[2]]
    said = f"Cloudflare stored {others[1].name} with ttl 60 instead of 1"
    assert applied.stored_otherwise == [(others[1], said)]
    assert world.dns_calls[1:] == [BATCH]


def test_a_name_is_compared_whatever_its_case(world: World) -> None:
    def shout(envelope: dict[str, Any]) -> None:
        envelope["result"]["name"] = envelope["result"]["name"].upper()

    world.zone(transport=Tampering(shout)).apply([Create(wanted())], world.deadline())


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


def test_a_429_on_a_write_is_no_confirmation(world: World) -> None:
    world.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, when=When.BEFORE, method="POST"))

    with pytest.raises(RateLimitedError):
        world.zone().apply([Create(wanted())], world.deadline())

    assert world.records() == ()


def test_a_zone_id_that_is_none_is_named(world: World) -> None:
    with pytest.raises(RejectedError, match=r"7003.*set ZONE_ID"):
        world.zone("example.com").records_named(NAME, world.deadline())

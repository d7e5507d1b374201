"""What every DNS provider promises: Cloudflare's over HTTP, and the one in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib.deadline import Deadline
from chalicelib.dns.change import Create, Delete, Update
from chalicelib.dns.provider import (
    NameOccupiedError,
    RecordExistsError,
    RecordNotFoundError,
    RejectedError,
    UnavailableError,
    ZoneFullError,
)
from chalicelib.dns.record import Record
from tests.memory_dns import MemoryZone
from tests.world import DOMAIN, OWNER

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.dns.change import Change
    from chalicelib.dns.provider import Zone
    from tests.world import World

SOON = Deadline(60, lambda: 0)
NAME = f"i-00000001.{DOMAIN}"


def wanted(name: str = NAME, content: str = "203.0.113.7", comment: str = f"{OWNER} x") -> Record:
    return Record.address(name, content, proxied=True, ttl=1, comment=comment)


class Memory:
    """The provider in memory, an empty zone, and what others do to it."""

    room = 3

    def __init__(self) -> None:
        self.zone = MemoryZone(room=self.room)

    def add(self, kind: str, name: str, content: str) -> None:
        record = replace(wanted(name, content), id=f"{kind} {name}", type=kind)
        self.zone.records.append(record)


class Cloudflare:
    """Cloudflare at the stand-in, an empty zone, and what others do to it by its own tools."""

    room = 1000  # as the world's zone has

    def __init__(self, world: World) -> None:
        self._world = world
        self.zone = world.zone()

    def add(self, kind: str, name: str, content: str) -> None:
        self._world.put_record(name, content, kind=kind)


Provider = Memory | Cloudflare


@pytest.fixture(params=["memory", "Cloudflare"])
def provider(request: pytest.FixtureRequest) -> Provider:
    return Memory() if request.param == "memory" else Cloudflare(request.getfixturevalue("world"))


@pytest.fixture
def zone(provider: Provider) -> Zone:
    return provider.zone


def contents(zone: Zone, name: str = NAME) -> list[str]:
    return sorted(record.content for record in zone.records_named(name, SOON))


def test_a_record_is_stored_as_it_was_wanted_until_it_is_deleted(zone: Zone) -> None:
    zone.apply([Create(wanted())], SOON)
    (record,) = zone.records_named(NAME, SOON)
    assert record.matches(wanted())
    assert record.owner == OWNER
    assert record.created_at

    zone.apply([Update(record, wanted(content="203.0.113.8"))], SOON)
    (record,) = zone.records_named(NAME, SOON)
    assert record.matches(wanted(content="203.0.113.8"))

    zone.apply([Delete(record)], SOON)
    assert contents(zone) == []


def test_a_list_has_our_records_and_all_that_are_named_like_an_instance(provider: Provider) -> None:
    provider.add("CNAME", NAME, "elsewhere.example.com")
    provider.add("A", f"www.{DOMAIN}", "192.0.2.1")
    provider.zone.apply([Create(wanted(f"old-name.{DOMAIN}"))], SOON)

    listed = provider.zone.records_of(OWNER, SOON).whole()

    names = {record.name for record in listed if record.owner == OWNER or record.instance_id}
    assert names >= {NAME, f"old-name.{DOMAIN}"}


def test_a_batch_is_applied_as_a_whole_or_not_at_all(zone: Zone) -> None:
    zone.apply([Create(wanted())], SOON)
    (record,) = zone.records_named(NAME, SOON)
    missing = replace(record, id="0" * 32)

    with pytest.raises(RecordNotFoundError):
        zone.apply([Delete(missing), Create(wanted(content="203.0.113.8"))], SOON)

    assert contents(zone) == ["203.0.113.7"]


def test_deletions_of_a_batch_come_first(zone: Zone) -> None:
    zone.apply([Create(wanted())], SOON)
    (record,) = zone.records_named(NAME, SOON)

    zone.apply([Create(replace(wanted(), comment=f"{OWNER} y")), Delete(record)], SOON)

    (record,) = zone.records_named(NAME, SOON)
    assert record.comment == f"{OWNER} y"


GONE = replace(wanted(), id="0" * 32)


def test_what_is_gone_counts_as_deleted(zone: Zone) -> None:
    zone.apply([Delete(GONE)], SOON)


def fill(provider: Provider) -> None:
    for number in range(provider.room):
        provider.add("A", f"{number}.{DOMAIN}", "192.0.2.1")


IDENTICAL, CONFLICTING = ("A", NAME, "203.0.113.7"), ("CNAME", NAME, "elsewhere.example.com")


@pytest.mark.parametrize(
    ("occupy", "change", "error"),
    [
        (lambda provider: provider.add(*IDENTICAL), Create(wanted()), RecordExistsError),
        (lambda provider: provider.add(*CONFLICTING), Create(wanted()), NameOccupiedError),
        (fill, Create(wanted()), ZoneFullError),
        (lambda _: None, Update(GONE, wanted()), RecordNotFoundError),
    ],
    ids=["an identical record", "a conflicting one", "a full zone", "gone"],
)
def test_the_reason_for_a_rejection_is_named(
    provider: Provider,
    occupy: Callable[[Provider], None],
    change: Change,
    error: type[RejectedError],
) -> None:
    occupy(provider)

    with pytest.raises(error):
        provider.zone.apply([change], SOON)


def test_after_an_objection_nothing_is_sent(zone: Zone) -> None:
    with pytest.raises(UnavailableError, match="too old"):
        zone.apply([Create(wanted())], SOON, lambda: "too old")

    assert contents(zone) == []

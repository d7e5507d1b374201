"""Answers of a zone's authoritative servers, as a function of its records.

Proxied names answer with the edge's addresses, https://developers.cloudflare.com/dns/proxy-status/,
under the TTL of https://developers.cloudflare.com/dns/manage-dns-records/reference/ttl/
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from localcloud.cloudflare.content import PROXIABLE_TYPES
from localcloud.cloudflare.records import AUTOMATIC_TTL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from localcloud.cloudflare.records import Record
    from localcloud.cloudflare.zone import ZoneStore

AUTOMATIC_SECONDS = 300
NEGATIVE_SECONDS = 1800
NS_SECONDS = 86400
MAX_ALIASES = 8


class Rcode(Enum):
    """How an answer turned out, by DNS's own numbers."""

    NOERROR = 0
    NXDOMAIN = 3
    REFUSED = 5


@dataclass(frozen=True)
class Edge:
    """The addresses that answer for proxied names, from the ranges kept for documentation."""

    ipv4: tuple[str, ...] = ("192.0.2.80", "192.0.2.81")
    ipv6: tuple[str, ...] = ("2001:db8:cf::80", "2001:db8:cf::81")


@dataclass(frozen=True)
class Resource:
    """One resource record of an answer."""

    name: str
    type: str
    ttl: int
    content: str
    priority: int | None = None


@dataclass(frozen=True)
class Answer:
    """An answer's sections. It is not authoritative when it refers to another zone's servers."""

    rcode: Rcode
    authoritative: bool = True
    answers: tuple[Resource, ...] = ()
    authority: tuple[Resource, ...] = ()


def resolve(stores: Iterable[ZoneStore], name: str, qtype: str, edge: Edge) -> Answer:
    """Answer a question for a lower-case name without the last dot.

    The zone with the longest matching name answers; what lies in none is refused.
    """
    around = [
        store for store in stores if name == store.zone.name or name.endswith(f".{store.zone.name}")
    ]
    if not around:
        return Answer(Rcode.REFUSED, authoritative=False)
    store = max(around, key=lambda candidate: len(candidate.zone.name))
    return _ZoneAnswer(store, edge).answer(name, qtype)


class _ZoneAnswer:
    """Answers from one zone."""

    def __init__(self, store: ZoneStore, edge: Edge) -> None:
        self._store = store
        self._zone = store.zone
        self._edge = edge

    def answer(self, name: str, qtype: str) -> Answer:
        found: list[Resource] = []
        current = name
        for _ in range(MAX_ALIASES):
            delegation = self._delegation(current)
            if delegation:
                return Answer(Rcode.NOERROR, bool(found), tuple(found), delegation)
            records = self._records_for(current)
            if records is None:
                return Answer(Rcode.NXDOMAIN, answers=tuple(found), authority=(self._soa(),))
            resources = self._resources(current, qtype, records)
            found += resources
            alias = resources[0] if resources and resources[0].type == "CNAME" else None
            if alias is None or qtype == "CNAME" or not self._is_inside(alias.content):
                break
            current = alias.content
        return Answer(Rcode.NOERROR, answers=tuple(found), authority=self._negative(found))

    def _negative(self, found: Sequence[Resource]) -> tuple[Resource, ...]:
        return () if found else (self._soa(),)

    def _is_inside(self, name: str) -> bool:
        return name == self._zone.name or name.endswith(f".{self._zone.name}")

    def _delegation(self, name: str) -> tuple[Resource, ...]:
        """Return the NS records at or above a name, below the apex: its zone is elsewhere."""
        cuts = []
        current = name
        while current != self._zone.name:
            cuts.append(current)
            current = current.partition(".")[2]
        for cut in reversed(cuts):
            records = [record for record in self._store.named(cut) if record.type == "NS"]
            if records:
                return tuple(_resource(cut, record) for record in records)
        return ()

    def _records_for(self, name: str) -> tuple[Record, ...] | None:
        """Return a name's records, or a wildcard's for it; None when there is no such name."""
        if self._exists(name):
            return self._store.named(name)
        closest = name
        while not self._exists(closest):
            closest = closest.partition(".")[2]
        wildcard = self._store.named(f"*.{closest}")
        return wildcard or None

    def _exists(self, name: str) -> bool:
        if name == self._zone.name or self._store.named(name):
            return True
        return any(other.endswith(f".{name}") for other in self._store.names)

    def _resources(self, name: str, qtype: str, records: Sequence[Record]) -> list[Resource]:
        if name == self._zone.name and qtype == "SOA":
            return [self._soa()]
        ordered = sorted(records, key=lambda record: record.serial)
        resources = []
        if name == self._zone.name and qtype == "NS":
            resources = [Resource(name, "NS", NS_SECONDS, host) for host in self._zone.name_servers]
        addressed = [record for record in ordered if record.type in PROXIABLE_TYPES]
        # One proxied record makes all addresses of its name proxied.
        if self._zone.is_proxying and any(record.fields.proxied for record in addressed):
            return self._edge_addresses(name, qtype, addressed) or [
                *resources,
                *_matching(name, qtype, [r for r in ordered if r.type not in PROXIABLE_TYPES]),
            ]
        return resources + _matching(name, qtype, ordered)

    def _edge_addresses(self, name: str, qtype: str, addressed: Sequence[Record]) -> list[Resource]:
        only_v4 = any(record.fields.settings.get("ipv4_only") is True for record in addressed)
        only_v6 = any(record.fields.settings.get("ipv6_only") is True for record in addressed)
        addresses: tuple[str, ...] = ()
        if qtype == "A" and not only_v6:
            addresses = self._edge.ipv4
        if qtype == "AAAA" and not only_v4:
            addresses = self._edge.ipv6
        return [Resource(name, qtype, AUTOMATIC_SECONDS, address) for address in addresses]

    def _soa(self) -> Resource:
        serial = 1 + len(self._store.history)
        server = self._zone.name_servers[0]
        content = f"{server}. dns.cloudflare.com. {serial} 10000 2400 604800 {NEGATIVE_SECONDS}"
        return Resource(self._zone.name, "SOA", NEGATIVE_SECONDS, content)


def _matching(name: str, qtype: str, records: Sequence[Record]) -> list[Resource]:
    """Return the records of the type asked for, or else the alias that stands in their place."""
    wanted = [record for record in records if record.type == qtype]
    if not wanted:
        wanted = [record for record in records if record.type == "CNAME"]
    return [_resource(name, record) for record in wanted]


def _resource(name: str, record: Record) -> Resource:
    fields = record.fields
    ttl = AUTOMATIC_SECONDS if fields.ttl == AUTOMATIC_TTL else fields.ttl
    return Resource(name, fields.type, ttl, fields.content, fields.priority)

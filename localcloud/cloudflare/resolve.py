"""Answers of a zone's authoritative servers, as a function of its records.

Proxied names answer with the edge's addresses, https://developers.cloudflare.com/dns/proxy-status/,
with the TTL of https://developers.cloudflare.com/dns/manage-dns-records/reference/ttl/
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .content import PROXIABLE_TYPES
from .records import AUTOMATIC_TTL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .records import Record
    from .zone import ZoneStore

AUTOMATIC_SECONDS = 300
NEGATIVE_SECONDS = 1800
NS_SECONDS = 86400
MAX_ALIASES = 8
EDGE = {
    "A": ("192.0.2.80", "192.0.2.81"),
    "AAAA": ("2001:db8:cf::80", "2001:db8:cf::81"),
}
"""The addresses that answer for proxied names, from the ranges kept for documentation."""


class Rcode(Enum):
    """The outcome of a question, with DNS's own numbers."""

    NOERROR = 0
    NXDOMAIN = 3
    REFUSED = 5


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
    """The sections of an answer."""

    rcode: Rcode
    authoritative: bool = True
    answers: tuple[Resource, ...] = ()
    authority: tuple[Resource, ...] = ()


def resolve(stores: Iterable[ZoneStore], name: str, qtype: str) -> Answer:
    """Answer a question for a lower-case name without the last dot.

    The zone with the longest matching name answers; a name in no zone is refused. Aliases are
    followed within the zone.
    """
    around = [store for store in stores if _is_in(name, store.zone.name)]
    if not around:
        return Answer(Rcode.REFUSED, authoritative=False)
    store = max(around, key=lambda candidate: len(candidate.zone.name))
    found: list[Resource] = []
    for _ in range(MAX_ALIASES):
        if not _exists(store, name):
            return Answer(Rcode.NXDOMAIN, answers=tuple(found), authority=(_soa(store),))
        resources = _resources(store, name, qtype)
        found += resources
        alias = resources[0] if resources and resources[0].type == "CNAME" else None
        if alias is None or qtype == "CNAME" or not _is_in(alias.content, store.zone.name):
            break
        name = alias.content
    return Answer(Rcode.NOERROR, answers=tuple(found), authority=() if found else (_soa(store),))


def _is_in(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def _exists(store: ZoneStore, name: str) -> bool:
    return name == store.zone.name or any(_is_in(other, name) for other in store.names)


def _resources(store: ZoneStore, name: str, qtype: str) -> Sequence[Resource]:
    is_apex = name == store.zone.name
    if is_apex and qtype == "SOA":
        return [_soa(store)]
    if is_apex and qtype == "NS":
        return [Resource(name, "NS", NS_SECONDS, host) for host in store.zone.name_servers]
    records = sorted(store.named(name), key=lambda record: record.serial)
    # One proxied record makes all addresses of its name proxied.
    if store.zone.is_proxying and any(record.fields.proxied for record in records):
        edge = [Resource(name, qtype, AUTOMATIC_SECONDS, each) for each in EDGE.get(qtype, ())]
        rest = [record for record in records if record.type not in PROXIABLE_TYPES]
        return edge or _matching(name, qtype, rest)
    return _matching(name, qtype, records)


def _matching(name: str, qtype: str, records: Sequence[Record]) -> list[Resource]:
    """Return the records of this type, or the alias that there is instead."""
    wanted = [record for record in records if record.type == qtype]
    aliases = [record for record in records if record.type == "CNAME"]
    return [_resource(name, record) for record in wanted or aliases]


def _resource(name: str, record: Record) -> Resource:
    fields = record.fields
    ttl = AUTOMATIC_SECONDS if fields.ttl == AUTOMATIC_TTL else fields.ttl
    return Resource(name, fields.type, ttl, fields.content, fields.priority)


def _soa(store: ZoneStore) -> Resource:
    serial = 1 + len(store.history)
    server = store.zone.name_servers[0]
    content = f"{server}. dns.cloudflare.com. {serial} 10000 2400 604800 {NEGATIVE_SECONDS}"
    return Resource(store.zone.name, "SOA", NEGATIVE_SECONDS, content)

"""How names resolve: at the zone's own servers, and at a public resolver.

Cloudflare's servers are found by the zone's NS records, as every resolver does.
"""

from __future__ import annotations

import os
from typing import Final

import dns.message
import dns.query
import dns.rdatatype
import dns.resolver

DNS_VARIABLE: Final = "ELEPHANT_DNS"
"""The variable for another server to ask, as HOST:PORT; `elephant-local env` exports it."""

PUBLIC: Final = ("1.1.1.1", "8.8.8.8")
_PORT: Final = 53
_SECONDS: Final = 5.0


class Resolution:
    """Asks DNS for addresses. Its methods raise dns.exception.DNSException."""

    def __init__(self) -> None:
        host, _, port = os.environ.get(DNS_VARIABLE, "").rpartition(":")
        self._only = (host, int(port)) if host else None

    def authoritative(self, zone: str, name: str) -> list[str]:
        """Ask one of the zone's own servers; empty if the name has no address."""
        if self._only:
            return self._ask(*self._only, name)
        resolver = self._public_resolver()
        server = min(str(each.target) for each in resolver.resolve(zone, "NS"))
        return self._ask(str(resolver.resolve(server, "A")[0]), _PORT, name)

    def public(self, name: str) -> list[str]:
        """Ask a public resolver; empty if the name has no address."""
        if self._only:
            return self._ask(*self._only, name)
        try:
            return sorted(str(each) for each in self._public_resolver().resolve(name, "A"))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []

    def _ask(self, host: str, port: int, name: str) -> list[str]:
        query = dns.message.make_query(name, "A")
        answer = dns.query.udp(query, host, timeout=_SECONDS, port=port)
        sets = [each for each in answer.answer if each.rdtype == dns.rdatatype.A]
        return sorted(str(address) for each in sets for address in each)

    def _public_resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = list(PUBLIC)
        resolver.lifetime = 2 * _SECONDS
        return resolver

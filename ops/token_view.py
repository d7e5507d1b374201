"""Cloudflare as a token sees it, and calls to its API with that token.

https://developers.cloudflare.com/api/resources/zones/
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from chalicelib.cloudflare.client import Call, Cloudflare, TokenRefusedError
from chalicelib.cloudflare.rate_limit import Quota
from chalicelib.cloudflare.transport import Urllib3Transport
from chalicelib.deadline import Deadline
from chalicelib.dns.provider import DnsError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.cloudflare.client import Answer

SECONDS: Final = 300.0
"""Maximum seconds for one question, with all its pages and retries."""

DNS_WRITE: Final = "DNS Write (Zone > DNS > Edit)"

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")

_IPV4: Final = 4
_LARGEST: Final = {4: 10, 6: 24}
"""The shortest prefixes of a range that may be Cloudflare's, by IP's version."""

T = TypeVar("T")
Network: TypeAlias = IPv4Network | IPv6Network


class AmbiguousZoneError(DnsError):
    """Several zones have the domain's name; the operator has to choose one."""


@dataclass(frozen=True)
class ZoneDetails:
    """Cloudflare's details of a zone."""

    id: str
    name: str
    status: str
    type: str
    paused: bool
    account: str | None

    @property
    def is_active(self) -> bool:
        """Whether Cloudflare serves the zone and proxies its proxied records."""
        return self.status == "active" and not self.paused

    @property
    def is_full(self) -> bool:
        """Whether the whole zone is Cloudflare's: its certificate then covers one label.

        https://developers.cloudflare.com/ssl/edge-certificates/universal-ssl/limitations/
        """
        return self.type == "full"


@dataclass(frozen=True)
class _TokenAtHand:
    """A token that is not, or not yet, in a secret."""

    _token: str = field(repr=False)
    secret_id: str = ""

    def value(self) -> str:
        return self._token

    def read(self) -> str:
        """Return the same token again, so that a refusal is final."""
        return self._token


class _Api(Cloudflare):
    """Cloudflare's API with a given token; its errors name the missing permission, not a secret."""

    def __init__(
        self, url: str, token: str, needs: str, quota: Quota, sleep: Callable[[float], None]
    ) -> None:
        super().__init__(url, _TokenAtHand(token), Urllib3Transport(), quota, sleep=sleep)
        self._needs = needs

    def answer(
        self, call: Call, deadline: Deadline, objection: Callable[[], str] = lambda: ""
    ) -> Answer:
        try:
            return super().answer(call, deadline, objection)
        except TokenRefusedError as refusal:
            reason = refusal.__cause__ or refusal
        raise TokenRefusedError(
            f"{reason}; Cloudflare refuses the token for this: it needs {self._needs} on this very "
            "zone and no client address filter; check the zone's id as well"
        )


class TokenView:
    """Cloudflare as a token sees it. Every method raises DnsError, the constructor as well.

    `needs` is the permission to name if the token is refused.
    """

    def __init__(
        self,
        api_url: str,
        token: str,
        *,
        needs: str = DNS_WRITE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not _TOKEN.fullmatch(token):  # the HTTP client would put it into its error
            raise TokenRefusedError(
                "the token has characters that are not valid in Cloudflare tokens"
            )
        self._sleep = sleep
        self._api = _Api(api_url, token, needs, Quota(), sleep)

    def zone_for(self, domain: str) -> str | None:
        """Find the id of the zone that contains a domain: its closest parent that is a zone.

        None if the token sees no such zone, for which it needs Zone Read. Raises
        AmbiguousZoneError if several have the same name.
        """
        labels = domain.lower().rstrip(".").split(".")
        for start in range(len(labels) - 1):
            try:
                zone_id = self._zone_named(".".join(labels[start:]))
            except TokenRefusedError:
                return None
            if zone_id:
                return zone_id
        return None

    def ranges(self) -> tuple[Network, ...]:
        """Read the ranges from which Cloudflare connects to origins; there is at least one.

        Raises UnavailableError if any of them is so large that it cannot be right.
        https://www.cloudflare.com/ips/
        """
        call = Call("GET", "/ips")
        result = self._ask(call).result
        texts = [
            *member_in(call, result, "ipv4_cidrs", list),
            *member_in(call, result, "ipv6_cidrs", list),
        ]
        try:
            found = tuple(ip_network(str(each)) for each in texts)
        except ValueError as error:
            raise UnavailableError(f"{call}: the answer holds what is no range: {error}") from error
        if not any(each.version == _IPV4 for each in found) or any(map(_is_too_large, found)):
            raise UnavailableError(f"{call}: the answer holds no ranges of Cloudflare's")
        return found

    def _zone_named(self, name: str) -> str | None:
        call = Call.read("/zones", [("name", name)])
        result = self._ask(call).result
        if not isinstance(result, list):
            raise UnavailableError(f"{call}: the answer holds no list of zones")
        zones = [details_in(call, each) for each in result]
        found = [zone for zone in zones if zone.name == name]
        if len(found) > 1:
            each = ", ".join(
                f"{zone.id} ({zone.status}, account {zone.account or 'unknown'})" for zone in found
            )
            raise AmbiguousZoneError(
                f"the token sees {len(found)} zones named {name}: {each}; give the zone's id "
                "itself, or a token for only one of them"
            )
        return found[0].id if found else None

    def _ask(self, call: Call) -> Answer:
        return self._api.answer(call, soon())


def _is_too_large(network: Network) -> bool:
    """Tell whether a range is no provider's: Cloudflare's largest are a /12 and a /29."""
    return network.prefixlen < _LARGEST[network.version] or network.is_private


def soon() -> Deadline:
    """Return the deadline of a question."""
    return Deadline(time.time() + SECONDS)


def details_in(call: Call, result: object) -> ZoneDetails:
    """Read a zone from an answer; optional fields may be None."""
    zone = object_in(call, result)
    account = zone.get("account")
    return ZoneDetails(
        id=member_in(call, zone, "id", str),
        name=member_in(call, zone, "name", str).lower(),
        status=member_in(call, zone, "status", str),
        type=member_in(call, zone, "type", str),
        paused=zone.get("paused") is True,
        account=account.get("name") if isinstance(account, dict) else None,
    )


def object_in(call: Call, result: object) -> Mapping[str, Any]:
    """Return an answer's result if it is an object. Raises UnavailableError."""
    if not isinstance(result, dict):
        raise UnavailableError(f"{call}: the answer holds no object")
    return result


def member_in(call: Call, result: object, name: str, kind: type[T]) -> T:
    """Return a member of an answer's result if it has this type. Raises UnavailableError."""
    value = object_in(call, result).get(name)
    if not isinstance(value, kind):
        raise UnavailableError(
            f"{call}: the answer's {name} is missing or not of type {kind.__name__}"
        )
    return value

"""The part of Cloudflare's API that the stand-in has, and the permission each call needs.

https://developers.cloudflare.com/api/ names the accepted permissions of every endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from . import errors
from .spec import Permission, is_id
from .wire import BASE_PATH


class Family(Enum):
    """Endpoints that refuse credentials with the same code and message."""

    DNS = auto()
    ZONE = auto()
    VERIFY = auto()
    ACCOUNT = auto()
    CERTIFICATES = auto()


class Endpoint(Enum):
    """What a call asks for."""

    LIST_IPS = auto()
    VERIFY_TOKEN = auto()
    VERIFY_ACCOUNT_TOKEN = auto()
    LIST_ZONES = auto()
    GET_ZONE = auto()
    GET_SSL = auto()
    LIST_PAGE_RULES = auto()
    GET_USAGE = auto()
    BATCH = auto()
    LIST_RECORDS = auto()
    CREATE_RECORD = auto()
    GET_RECORD = auto()
    PUT_RECORD = auto()
    PATCH_RECORD = auto()
    DELETE_RECORD = auto()
    LIST_CERTIFICATES = auto()
    CREATE_CERTIFICATE = auto()


@dataclass(frozen=True)
class Route:
    """One method on one path. `permissions`: any of them is enough."""

    endpoint: Endpoint
    method: str
    pattern: str
    family: Family
    permissions: tuple[Permission, ...] = ()


@dataclass(frozen=True)
class Target:
    """A route, with the ids of the path that led to it."""

    route: Route
    zone_id: str = ""
    record_id: str = ""


_DNS_READ = (Permission.DNS_READ, Permission.DNS_WRITE)
_DNS_WRITE = (Permission.DNS_WRITE,)
_RECORDS = "/zones/{zone}/dns_records"
_RECORD = "/zones/{zone}/dns_records/{record}"
_SSL_READ = (Permission.SSL_READ, Permission.SSL_WRITE)
_SSL_WRITE = (Permission.SSL_WRITE,)
_CERTIFICATES = "/certificates"

ROUTES = (
    Route(Endpoint.LIST_IPS, "GET", "/ips", Family.ZONE),
    Route(Endpoint.VERIFY_TOKEN, "GET", "/user/tokens/verify", Family.VERIFY),
    Route(
        Endpoint.VERIFY_ACCOUNT_TOKEN, "GET", "/accounts/{account}/tokens/verify", Family.ACCOUNT
    ),
    Route(Endpoint.LIST_ZONES, "GET", "/zones", Family.ZONE, (Permission.ZONE_READ,)),
    Route(
        Endpoint.GET_ZONE, "GET", "/zones/{zone}", Family.ZONE, (Permission.ZONE_READ, *_DNS_READ)
    ),
    Route(
        Endpoint.GET_SSL,
        "GET",
        "/zones/{zone}/settings/ssl",
        Family.ZONE,
        (Permission.ZONE_SETTINGS_READ,),
    ),
    Route(
        Endpoint.LIST_PAGE_RULES,
        "GET",
        "/zones/{zone}/pagerules",
        Family.ZONE,
        (Permission.PAGE_RULES_READ,),
    ),
    Route(
        Endpoint.GET_USAGE,
        "GET",
        f"{_RECORDS}/usage",
        Family.DNS,
        (*_DNS_READ, Permission.ZONE_DNS_SETTINGS_READ),
    ),
    Route(Endpoint.BATCH, "POST", f"{_RECORDS}/batch", Family.DNS, _DNS_WRITE),
    Route(Endpoint.LIST_RECORDS, "GET", _RECORDS, Family.DNS, _DNS_READ),
    Route(Endpoint.CREATE_RECORD, "POST", _RECORDS, Family.DNS, _DNS_WRITE),
    Route(Endpoint.GET_RECORD, "GET", _RECORD, Family.DNS, _DNS_READ),
    Route(Endpoint.PUT_RECORD, "PUT", _RECORD, Family.DNS, _DNS_WRITE),
    Route(Endpoint.PATCH_RECORD, "PATCH", _RECORD, Family.DNS, _DNS_WRITE),
    Route(Endpoint.DELETE_RECORD, "DELETE", _RECORD, Family.DNS, _DNS_WRITE),
    Route(Endpoint.LIST_CERTIFICATES, "GET", _CERTIFICATES, Family.CERTIFICATES, _SSL_READ),
    Route(Endpoint.CREATE_CERTIFICATE, "POST", _CERTIFICATES, Family.CERTIFICATES, _SSL_WRITE),
)


def family_of(path: str) -> Family:
    """Return the family of a path below the base, whether or not it exists.

    Credentials are checked before the path.
    """
    if path.startswith("/accounts/"):
        return Family.ACCOUNT
    if path == "/user/tokens/verify":
        return Family.VERIFY
    if path.startswith(_CERTIFICATES):
        return Family.CERTIFICATES
    return Family.DNS if "/dns_records" in path else Family.ZONE


def find(method: str, path: str) -> Target:
    """Find the route of a path below the base, or raise what the API answers if there is none."""
    matches = [(route, ids) for route in ROUTES if (ids := _ids(route.pattern, path)) is not None]
    if not matches:
        raise errors.no_such_route()
    # A literal last segment comes before a record's id: "batch" and "usage" are no ids.
    literal = [match for match in matches if "record" not in match[1]]
    candidates = literal or matches
    if not all(map(is_id, candidates[0][1].values())):
        raise errors.no_such_object(f"{BASE_PATH}{path}")
    for route, ids in candidates:
        if route.method == method:
            return Target(route, ids.get("zone", ""), ids.get("record", ""))
    raise errors.method_not_allowed()


def _ids(pattern: str, path: str) -> dict[str, str] | None:
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    ids: dict[str, str] = {}
    for want, have in zip(wanted, given, strict=True):
        if want.startswith("{"):
            ids[want.strip("{}")] = have
        elif want != have:
            return None
    return ids

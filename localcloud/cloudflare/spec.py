"""Configuration of a stand-in: zones, their plans, and tokens with their permissions."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

_ID = re.compile(r"[0-9a-f]{32}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{35,200}")

IPV4 = (
    "173.245.48.0/20",
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "141.101.64.0/18",
    "108.162.192.0/18",
    "190.93.240.0/20",
    "188.114.96.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "162.158.0.0/15",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "172.64.0.0/13",
    "131.0.72.0/22",
)
IPV6 = (
    "2400:cb00::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2405:b500::/32",
    "2405:8100::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
)
"""From where Cloudflare connects to origins: https://www.cloudflare.com/ips/"""

DEFAULT_ZONE_ID = "023e105f4ecef8ad9ca31a8372d0c353"
DEFAULT_ACCOUNT_ID = "01a7362d577a6c3019a474fd6f485823"
DEFAULT_TOKEN = "standin_00000000000000000000000000000000"  # noqa: S105 (opens nothing)


def is_id(text: str) -> bool:
    """Return whether a text has the form of Cloudflare's ids: 32 lower-case hexadecimal digits."""
    return _ID.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Return whether a text has the form of a token, as the API checks it before looking it up."""
    return _TOKEN.fullmatch(text) is not None


class Plan(StrEnum):
    """A zone's plan, by the name the API calls `legacy_id`."""

    FREE = "free"
    PRO = "pro"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True)
class Limits:
    """A plan's limits; `records` is None where the account's quota counts instead.

    https://developers.cloudflare.com/dns/manage-dns-records/reference/record-attributes/ and
    https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/
    """

    records: int | None
    batch: int
    comment: int
    tags: int
    min_ttl: int
    max_ttl: int = 86400


LIMITS = {
    Plan.FREE: Limits(records=200, batch=200, comment=100, tags=0, min_ttl=60),
    Plan.PRO: Limits(records=3500, batch=3500, comment=500, tags=20, min_ttl=60),
    Plan.BUSINESS: Limits(records=3500, batch=3500, comment=500, tags=20, min_ttl=60),
    Plan.ENTERPRISE: Limits(records=None, batch=3500, comment=500, tags=20, min_ttl=30),
}


@dataclass(frozen=True)
class Zone:
    """A zone as it is set up; its records live in the zone's store.

    `record_quota` and `batch_limit` replace the plan's own numbers. A zone that is not
    `active`, or paused, serves its records DNS-only.
    """

    id: str = DEFAULT_ZONE_ID
    name: str = "example.com"
    status: str = "active"
    type: str = "full"
    plan: Plan = Plan.FREE
    paused: bool = False
    ssl: str = "full"
    account_id: str = DEFAULT_ACCOUNT_ID
    account_name: str = "Stand-in"
    name_servers: tuple[str, ...] = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
    record_quota: int | None = None
    batch_limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse an id the API could not route to, and a name that is not in its normal form."""
        if not is_id(self.id):
            raise ValueError(f"zone id {self.id!r} is not 32 lower-case hexadecimal digits")
        if not self.name or self.name != self.name.lower().rstrip("."):
            raise ValueError(f"zone name {self.name!r} must be lower-case, without a last dot")

    @property
    def limits(self) -> Limits:
        """The limits of the plan, with what this zone replaces."""
        plan = LIMITS[self.plan]
        return Limits(
            records=plan.records if self.record_quota is None else self.record_quota,
            batch=plan.batch if self.batch_limit is None else self.batch_limit,
            comment=plan.comment,
            tags=plan.tags,
            min_ttl=plan.min_ttl,
        )

    @property
    def is_proxying(self) -> bool:
        """Whether proxied records are answered with the edge's addresses."""
        return self.status == "active" and not self.paused


class Permission(StrEnum):
    """A right of a token, by the name of its permission group.

    https://developers.cloudflare.com/fundamentals/api/reference/permissions/
    """

    DNS_READ = "DNS Read"
    DNS_WRITE = "DNS Write"
    ZONE_READ = "Zone Read"
    ZONE_SETTINGS_READ = "Zone Settings Read"
    ZONE_DNS_SETTINGS_READ = "Zone DNS Settings Read"
    PAGE_RULES_READ = "Page Rules Read"
    SSL_READ = "SSL and Certificates Read"
    SSL_WRITE = "SSL and Certificates Write"


@dataclass(frozen=True)
class Token:
    """A token and its permissions; by default everything in every zone.

    `zones` holds the ids that it is limited to. Tokens of one `owner` share a quota of calls, as a
    user's tokens do; without an owner a token has its own. A value that begins with `cfat_` is an
    account's token, which `/user/tokens/verify` does not know.
    """

    value: str = DEFAULT_TOKEN
    permissions: frozenset[Permission] = frozenset(Permission)
    zones: frozenset[str] | None = None
    owner: str | None = None
    disabled: bool = False
    expires_on: float | None = None
    allowed_ips: frozenset[str] | None = None

    def __post_init__(self) -> None:
        """Refuse a value that the API would call malformed."""
        if not is_token(self.value):
            raise ValueError(
                "a token's value is 35 to 200 of the characters A-Z a-z 0-9 _ - "
                f"(this one has {len(self.value)})",
            )

    @property
    def id(self) -> str:
        """The token's id, which is not its value."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:32]

    @property
    def is_account_owned(self) -> bool:
        """Whether the token belongs to an account rather than to a user."""
        return self.value.startswith("cfat_")

    def status(self, now: float) -> str:
        """Return `active`, `disabled` or `expired`, as verify names it."""
        if self.disabled:
            return "disabled"
        if self.expires_on is not None and now >= self.expires_on:
            return "expired"
        return "active"

    def may(self, zone_id: str, *permissions: Permission) -> bool:
        """Return whether the token holds any of these permissions on a zone."""
        in_scope = self.zones is None or zone_id in self.zones
        return in_scope and not self.permissions.isdisjoint(permissions)

"""Zones as the API shows and lists them.

https://developers.cloudflare.com/api/resources/zones/methods/list/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.cloudflare import errors
from localcloud.cloudflare.listing import whole_number
from localcloud.cloudflare.records import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from localcloud.cloudflare.jsonvalue import Json
    from localcloud.cloudflare.listing import Query
    from localcloud.cloudflare.spec import Zone

DEFAULT_PER_PAGE = 20
MIN_PER_PAGE = 5
MAX_PER_PAGE = 50

_TEXTS: dict[str, Callable[[Zone], str]] = {
    "name": lambda zone: zone.name,
    "account.name": lambda zone: zone.account_name,
}
_EXACT: dict[str, Callable[[Zone], str]] = {
    "status": lambda zone: zone.status,
    "type": lambda zone: zone.type,
    "account.id": lambda zone: zone.account_id,
}
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "equal": lambda value, wanted: value == wanted,
    "not_equal": lambda value, wanted: value != wanted,
    "starts_with": lambda value, wanted: value.startswith(wanted),
    "ends_with": lambda value, wanted: value.endswith(wanted),
    "contains": lambda value, wanted: wanted in value,
}
_ORDERS: dict[str, Callable[[Zone], str]] = {
    **_TEXTS,
    **_EXACT,
    "plan.id": lambda zone: zone.plan,
}


def as_json(zone: Zone, created_on: float) -> dict[str, Json]:
    """Return the object the API answers for a zone."""
    moment = timestamp(created_on)
    return {
        "id": zone.id,
        "name": zone.name,
        "status": zone.status,
        "paused": zone.paused,
        "type": zone.type,
        "development_mode": 0,
        "name_servers": list(zone.name_servers),
        "original_name_servers": None,
        "original_registrar": None,
        "original_dnshost": None,
        "created_on": moment,
        "modified_on": moment,
        "activated_on": moment if zone.status == "active" else None,
        "meta": {
            "step": 2,
            "custom_certificate_quota": 0,
            "page_rule_quota": 3,
            "phishing_detected": False,
        },
        "owner": {"id": None, "type": "user", "email": None},
        "account": {"id": zone.account_id, "name": zone.account_name},
        "tenant": {"id": None, "name": None},
        "tenant_unit": {"id": None},
        "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read"],
        "plan": {
            "id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
            "name": f"{zone.plan.value.title()} Website",
            "legacy_id": zone.plan.value,
            "is_subscribed": zone.plan != "free",
            "can_subscribe": False,
            "currency": "USD",
            "externally_managed": False,
            "frequency": "",
            "legacy_discount": False,
            "price": 0,
        },
    }


def select(zones: Iterable[Zone], query: Query) -> tuple[list[Zone], dict[str, Json]]:
    """Return the page of zones a query asks for, and its ``result_info``."""
    first = dict(reversed(query))
    tests = [(key, value) for key, value in query if key in _TEXTS or key in _EXACT]
    combine = any if first.get("match") == "any" else all
    found = [
        zone
        for zone in zones
        if not tests or combine(_matches(zone, key, value) for key, value in tests)
    ]
    order = first.get("order", "name")
    if order not in _ORDERS:
        raise errors.invalid_query(f"order must be one of {', '.join(_ORDERS)}.")
    found.sort(key=_ORDERS[order], reverse=first.get("direction") == "desc")
    page = whole_number(first, "page", default=1, maximum=1_000_000)
    per_page = whole_number(
        first, "per_page", default=DEFAULT_PER_PAGE, minimum=MIN_PER_PAGE, maximum=MAX_PER_PAGE
    )
    shown = found[(page - 1) * per_page : page * per_page]
    info: dict[str, Json] = {
        "page": page,
        "per_page": per_page,
        "count": len(shown),
        "total_count": len(found),
        "total_pages": max(1, -(-len(found) // per_page)),
    }
    return shown, info


def _matches(zone: Zone, key: str, value: str) -> bool:
    if key in _EXACT:
        return _EXACT[key](zone) in value.split(",")
    text = _TEXTS[key](zone)
    name, colon, wanted = value.partition(":")
    operator = name.removesuffix("_case_sensitive")
    if not colon or operator not in _OPERATORS:
        operator, wanted = "equal", value
    if not name.endswith("_case_sensitive"):
        text, wanted = text.lower(), wanted.lower()
    return _OPERATORS[operator](text, wanted)

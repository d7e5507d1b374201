"""Zones as the API shows and lists them.

https://developers.cloudflare.com/api/resources/zones/methods/list/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import listing
from .records import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .jsonvalue import Json
    from .listing import Query
    from .spec import Zone

_FILTERS: dict[str, Callable[[Zone], str]] = {
    "name": lambda zone: zone.name,
    "account.id": lambda zone: zone.account_id,
}


def as_json(zone: Zone, created_on: float) -> dict[str, Json]:
    """Return the API's object for a zone."""
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


def select(zones: Iterable[Zone], query: Query) -> tuple[Sequence[Zone], dict[str, Json]]:
    """Return the requested page of zones, by name, and its `result_info`."""
    wanted = [(_FILTERS[key], value) for key, value in query if key in _FILTERS]
    found = [zone for zone in zones if all(text(zone) == value for text, value in wanted)]
    found.sort(key=lambda zone: zone.name)
    return listing.paged(found, query, default=20, minimum=5, maximum=50)

"""DNS records as Cloudflare's API has them.

https://developers.cloudflare.com/api/resources/dns/subresources/records/
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chalicelib.dns.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping


def to_json(wanted: Record) -> dict[str, object]:
    """Serialize a wanted record with every field, so that none takes a default."""
    return {
        "type": wanted.type,
        "name": wanted.name,
        "content": wanted.content,
        "proxied": wanted.proxied,
        "ttl": wanted.ttl,
        "comment": wanted.comment,
    }


def parse_record(answered: Mapping[str, Any]) -> Record:
    """Parse a record; unknown fields are ignored.

    Raises KeyError, TypeError, ValueError or AttributeError if it is not a valid record.
    """
    created = answered.get("created_on")
    modified = answered.get("modified_on") or created
    return Record(
        id=str(answered["id"]),
        type=str(answered["type"]),
        name=str(answered["name"]).lower(),
        content=str(answered["content"]),
        proxied=bool(answered.get("proxied", False)),
        ttl=int(answered.get("ttl", 0)),
        comment=str(answered.get("comment") or ""),
        modified_at=_moment(modified) if modified else None,
        created_at=_moment(created) if created else None,
    )


def _moment(text: str) -> datetime:
    """Parse a time, which is in UTC unless it has an offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

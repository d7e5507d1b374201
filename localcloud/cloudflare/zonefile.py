"""A zone's records as a BIND zone file, as the API exports them.

https://developers.cloudflare.com/dns/manage-dns-records/how-to/import-and-export/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.cloudflare.content import HOST_TYPES

if TYPE_CHECKING:
    from localcloud.cloudflare.records import Record
    from localcloud.cloudflare.zone import ZoneStore


def export(store: ZoneStore) -> str:
    """Return the records, with what DNS has no place for (proxy, comment, tags) behind them."""
    zone = store.zone
    head = [f";; Domain:     {zone.name}.", f"$ORIGIN {zone.name}.", ""]
    records = sorted(store.records, key=lambda record: (record.type, record.name))
    return "\n".join(head + [_line(record) for record in records]) + "\n"


def _line(record: Record) -> str:
    fields = record.fields
    content = fields.content
    if fields.type in HOST_TYPES and content != ".":
        content = f"{content}."
    if fields.type == "TXT" and not content.startswith('"'):
        content = f'"{content}"'
    if fields.priority is not None:
        content = f"{fields.priority} {content}"
    notes = [fields.comment] if fields.comment else []
    tags = [f"cf-proxied:{str(fields.proxied).lower()}", *fields.tags]
    remark = " ".join([*notes, f"cf_tags={','.join(tags)}"])
    return f"{fields.name}.\t{fields.ttl}\tIN\t{fields.type}\t{content} ; {remark}"

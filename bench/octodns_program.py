"""What octodns does for a zone, as its own command does it: plan, then apply."""

from __future__ import annotations

import os
from typing import Any

from octodns.record import Record
from octodns.zone import Zone
from octodns_cloudflare import CloudflareProvider


def bring(event: dict[str, Any], context: object) -> int:  # noqa: ARG001 (called as a handler is)
    """Let octodns bring the zone to these names and addresses; return how many it changed."""
    domain = f"{event['domain']}."
    wanted = Zone(domain, [])
    for name, address in event["records"].items():
        data = {"type": "A", "ttl": 300, "values": [address]}
        data["octodns"] = {"cloudflare": {"proxied": True, "auto-ttl": True}}
        wanted.add_record(Record.new(wanted, name, data))
    provider = CloudflareProvider(
        "cloudflare", token=event["token"], api_url=os.environ["CLOUDFLARE_API_URL"]
    )
    plan = provider.plan(wanted)
    return int(provider.apply(plan)) if plan else 0

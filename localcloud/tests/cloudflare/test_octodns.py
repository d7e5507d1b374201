"""octodns and its Cloudflare provider against the stand-in, unchanged."""

from collections.abc import Iterator

import pytest
from octodns.record import Record
from octodns.zone import Zone as Desired
from octodns_cloudflare import CloudflareProvider

from localcloud.cloudflare import DEFAULT_TOKEN, CloudflareStandIn

PROXIED = {"cloudflare": {"proxied": True, "comment": "mine"}}
RECORDS: dict[str, list[dict[str, object]]] = {
    "": [
        {"type": "A", "ttl": 300, "values": ["198.51.100.1", "198.51.100.2"]},
        {"type": "MX", "ttl": 300, "values": [{"preference": 10, "exchange": "mail.example.net."}]},
        {"type": "TXT", "ttl": 300, "values": ["v=spf1 -all", "long " * 60]},
        {
            "type": "CAA",
            "ttl": 300,
            "values": [{"flags": 0, "tag": "issue", "value": "letsencrypt.org"}],
        },
    ],
    "www": [{"type": "A", "ttl": 300, "values": ["198.51.100.3"], "octodns": PROXIED}],
    "six": [{"type": "AAAA", "ttl": 600, "values": ["2001:db8::1"]}],
    "alias": [{"type": "CNAME", "ttl": 300, "value": "www.example.com."}],
    "sub": [{"type": "NS", "ttl": 300, "values": ["ns1.example.net.", "ns2.example.net."]}],
    "_sip._tcp": [
        {
            "type": "SRV",
            "ttl": 300,
            "values": [{"priority": 1, "weight": 2, "port": 5060, "target": "www.example.com."}],
        },
    ],
}


@pytest.fixture
def provider(cloudflare: CloudflareStandIn) -> Iterator[CloudflareProvider]:
    provider = CloudflareProvider(
        "cloudflare", token=DEFAULT_TOKEN, api_url=cloudflare.url, retry_count=0
    )
    yield provider
    provider._sess.close()


def desired(records: dict[str, list[dict[str, object]]]) -> Desired:
    zone = Desired("example.com.", [])
    for name, items in records.items():
        for data in items:
            zone.add_record(Record.new(zone, name, dict(data)))
    return zone


def test_a_zone_is_planned_applied_and_then_as_desired(
    provider: CloudflareProvider, cloudflare: CloudflareStandIn
) -> None:
    plan = provider.plan(desired(RECORDS))
    assert {type(change).__name__ for change in plan.changes} == {"Create"}
    assert provider.apply(plan) == 9
    assert len(cloudflare.api.zones[0].records) == 12
    (www,) = cloudflare.api.zones[0].named("www.example.com")
    assert (www.fields.proxied, www.fields.ttl, www.fields.comment) == (True, 1, "mine")

    assert provider.plan(desired(RECORDS)) is None


def test_a_changed_zone_is_brought_up_to_date(
    provider: CloudflareProvider, cloudflare: CloudflareStandIn
) -> None:
    provider.apply(provider.plan(desired(RECORDS)))
    changed = {name: items for name, items in RECORDS.items() if name != "six"}
    changed["www"] = [{"type": "A", "ttl": 300, "values": ["198.51.100.9", "198.51.100.8"]}]
    changed["alias"] = [{"type": "A", "ttl": 300, "values": ["198.51.100.7"]}]

    provider.apply(provider.plan(desired(changed)))

    zone = cloudflare.api.zones[0]
    assert zone.named("six.example.com") == ()
    contents = sorted(record.fields.content for record in zone.named("www.example.com"))
    assert contents == ["198.51.100.8", "198.51.100.9"]
    assert [record.type for record in zone.named("alias.example.com")] == ["A"]
    assert provider.plan(desired(changed)) is None

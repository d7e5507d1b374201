"""Cloudflare's own Python SDK against the stand-in, unchanged."""

from collections.abc import Iterator

import cloudflare as sdk
import httpx
import pytest
from cloudflare.types.dns.record_response import ARecord, CNAMERecord
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from localcloud.cloudflare import (
    DEFAULT_TOKEN,
    DEFAULT_ZONE_ID,
    CloudflareStandIn,
    Fault,
    FaultKind,
    Quota,
)

ZONE = DEFAULT_ZONE_ID


@pytest.fixture(scope="module")
def client_of() -> Iterator[httpx.Client]:
    # One client for the module: building the SDK's own takes longer than all its calls.
    with httpx.Client() as client:
        yield client


@pytest.fixture
def client(cloudflare: CloudflareStandIn, client_of: httpx.Client) -> sdk.Cloudflare:
    return sdk.Cloudflare(
        api_token=DEFAULT_TOKEN, base_url=cloudflare.url, max_retries=0, http_client=client_of
    )


def create(client: sdk.Cloudflare, name: str, content: str = "198.51.100.4") -> ARecord:
    record = client.dns.records.create(
        zone_id=ZONE, type="A", name=name, content=content, ttl=1, proxied=True, comment="mine"
    )
    assert isinstance(record, ARecord)
    return record


def test_a_record_is_created_read_edited_overwritten_and_deleted(client: sdk.Cloudflare) -> None:
    created = create(client, "i-abc.example.com")
    assert (created.name, created.ttl, created.proxied) == ("i-abc.example.com", 1, True)

    got = client.dns.records.get(created.id, zone_id=ZONE)
    assert got == created

    edited = client.dns.records.edit(
        created.id, zone_id=ZONE, type="A", name="i-abc", content="198.51.100.5", ttl=1
    )
    assert isinstance(edited, ARecord)
    assert (edited.content, edited.comment) == ("198.51.100.5", "mine")

    updated = client.dns.records.update(
        created.id, zone_id=ZONE, type="A", name="i-abc", content="198.51.100.6", ttl=300
    )
    assert isinstance(updated, ARecord)
    assert (updated.content, updated.comment, updated.ttl) == ("198.51.100.6", None, 300)

    deleted = client.dns.records.delete(created.id, zone_id=ZONE)
    assert deleted is not None
    assert deleted.id == created.id
    assert list(client.dns.records.list(zone_id=ZONE)) == []


def test_a_list_is_filtered_and_goes_through_all_pages(
    client: sdk.Cloudflare, cloudflare: CloudflareStandIn
) -> None:
    for number in range(7):
        create(client, f"h{number}")
    found = client.dns.records.list(
        zone_id=ZONE, name={"startswith": "H"}, comment={"exact": "MINE"}, type="A", per_page=3
    )
    assert [record.name for record in found] == [f"h{n}.example.com" for n in range(7)]
    pages = [dict(call.query).get("page") for call in cloudflare.calls if call.method == "GET"]
    assert pages == [None, "2", "3", "4"]


def test_a_batch_does_everything_at_once(client: sdk.Cloudflare) -> None:
    first, second = create(client, "a"), create(client, "b")
    done = client.dns.records.batch(
        zone_id=ZONE,
        deletes=[{"id": first.id}],
        patches=[{"id": second.id, "type": "A", "name": "b", "ttl": 1, "content": "198.51.100.7"}],
        posts=[{"type": "CNAME", "name": "c", "content": "a.example.net", "ttl": 60}],
    )
    assert done is not None
    assert done.deletes is not None
    assert done.patches is not None
    assert done.posts is not None
    assert [record.name for record in done.deletes] == ["a.example.com"]
    assert isinstance(done.patches[0], ARecord)
    assert isinstance(done.posts[0], CNAMERecord)
    names = [record.name for record in client.dns.records.list(zone_id=ZONE)]
    assert names == ["b.example.com", "c.example.com"]


def test_usage_is_understood(client: sdk.Cloudflare) -> None:
    create(client, "www")
    usage = client.dns.usage.zone.get(zone_id=ZONE)
    assert usage is not None
    assert (usage.record_usage, usage.record_quota) == (1, 200)


def test_zones_token_and_setting_are_understood(client: sdk.Cloudflare) -> None:
    (zone,) = client.zones.list(name="example.com")
    assert zone == client.zones.get(zone_id=ZONE)
    assert (zone.id, zone.name, zone.status) == (ZONE, "example.com", "active")
    verified = client.user.tokens.verify()
    assert verified is not None
    assert verified.status == "active"
    setting = client.zones.settings.get("ssl", zone_id=ZONE)
    assert setting is not None
    assert setting.to_dict()["value"] == "full"


def test_an_origin_certificate_is_issued_and_listed(client: sdk.Cloudflare) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    made = client.origin_ca_certificates.create(
        csr=request.sign(key, SHA256()).public_bytes(Encoding.PEM).decode(),
        hostnames=["*.example.com", "example.com"],
        request_type="origin-ecc",
        requested_validity=30,
    )
    assert made is not None
    assert made.certificate is not None
    assert x509.load_pem_x509_certificate(made.certificate.encode()).public_key() == (
        key.public_key()
    )
    assert list(client.origin_ca_certificates.list(zone_id=ZONE)) == [made]


def test_refusals_become_the_exceptions_of_the_sdk(client: sdk.Cloudflare) -> None:
    create(client, "www")
    with pytest.raises(sdk.BadRequestError) as identical:
        create(client, "www")
    assert [error.code for error in identical.value.errors] == [81058]
    with pytest.raises(sdk.NotFoundError) as missing:
        client.dns.records.delete("f" * 32, zone_id=ZONE)
    assert [error.code for error in missing.value.errors] == [81044]
    with pytest.raises(sdk.PermissionDeniedError):
        client.dns.records.get("f" * 32, zone_id="f" * 32)
    with pytest.raises(sdk.AuthenticationError):
        client.with_options(api_token="u" * 40).dns.records.get("f" * 32, zone_id=ZONE)
    with pytest.raises(sdk.BadRequestError, match="6111"):
        client.with_options(api_token="short").dns.records.get("f" * 32, zone_id=ZONE)


def test_trouble_becomes_the_exceptions_of_the_sdk(
    client: sdk.Cloudflare, cloudflare: CloudflareStandIn
) -> None:
    cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, status=524))
    with pytest.raises(sdk.InternalServerError):
        client.dns.records.get("f" * 32, zone_id=ZONE)
    cloudflare.faults.add(Fault(FaultKind.DROP))
    with pytest.raises(sdk.APIConnectionError):
        client.dns.records.get("f" * 32, zone_id=ZONE)
    cloudflare.api.limiter.quota = Quota(calls=1)
    client.dns.usage.zone.get(zone_id=ZONE)
    with pytest.raises(sdk.RateLimitError) as limited:
        client.dns.usage.zone.get(zone_id=ZONE)
    assert limited.value.response.headers["Retry-After"] == "300"


def test_cloudflares_own_ranges_are_listed(client: sdk.Cloudflare) -> None:
    found = client.ips.list()
    assert found
    assert "104.16.0.0/13" in (found.ipv4_cidrs or [])
    assert "2606:4700::/32" in (found.ipv6_cidrs or [])

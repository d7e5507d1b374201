"""Certificates of the Origin CA."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from localcloud.cloudflare import DEFAULT_ZONE_ID, Api, Permission, Token, Zone
from localcloud.tests.cloudflare.client import Client, Clock

if TYPE_CHECKING:
    from localcloud.cloudflare.jsonvalue import JsonObject

CERTIFICATES = "/certificates"
NAMES = ["*.example.com", "example.com"]
OTHER_ID = "f" * 32
OF_THE_ZONE = f"{CERTIFICATES}?zone_id={DEFAULT_ZONE_ID}"
KEY = ec.generate_private_key(ec.SECP256R1())


REQUEST = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(KEY, SHA256())
CSR = REQUEST.public_bytes(Encoding.PEM).decode()


def asked(**members: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"csr": CSR, "hostnames": NAMES, "request_type": "origin-ecc"} | members


def issue(client: Client, **members: Any) -> JsonObject:  # noqa: ANN401
    return client.result("POST", CERTIFICATES, asked(**members))


def read(issued: JsonObject) -> x509.Certificate:
    return x509.load_pem_x509_certificate(str(issued["certificate"]).encode())


def test_a_certificate_has_the_requests_key_and_is_signed_by_the_root(
    client: Client, api: Api
) -> None:
    certificate = read(issue(client))
    assert certificate.public_key() == KEY.public_key()
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(api.origin_ca.root.encode())
    )


def test_it_is_for_the_names_and_days_asked_for(client: Client, clock: Clock) -> None:
    issued = issue(client, hostnames=["A.example.com"], requested_validity=90)
    names = read(issued).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example.com"]
    end = datetime.fromtimestamp(clock(), UTC) + timedelta(days=90)
    assert read(issued).not_valid_after_utc == end
    assert issued["expires_on"] == f"{end:%Y-%m-%d %H:%M:%S} +0000 UTC"
    assert issued["id"] == str(read(issued).serial_number)
    assert (issued["csr"], issued["request_type"]) == (CSR, "origin-ecc")


def test_a_list_has_one_zones_certificates_page_by_page(clock: Clock) -> None:
    client = Client(Api([Zone(), Zone(id=OTHER_ID, name="ample.com")], clock=clock))
    issue(client, hostnames=["ample.com"])
    issue(client, hostnames=["*.ample.com"])
    ours = [issue(client)["id"] for _ in range(6)]
    assert [each["id"] for each in client.results(OF_THE_ZONE)] == ours
    second = client.call("GET", f"{OF_THE_ZONE}&per_page=5&page=2").json()
    assert second["result_info"] == {
        "page": 2,
        "per_page": 5,
        "count": 1,
        "total_count": 6,
        "total_pages": 2,
    }
    assert len(client.results(f"{CERTIFICATES}?zone_id={OTHER_ID}")) == 2
    assert client.error("GET", f"{OF_THE_ZONE}&per_page=51")[0] == 400


def test_names_must_lie_in_an_active_zone_that_the_token_is_for(clock: Clock) -> None:
    zones = [Zone(), Zone(id=OTHER_ID, name="other.org"), Zone(id="a" * 32, name="a.org")]
    pending = Zone(id="b" * 32, name="new.org", status="pending")
    token = Token(zones=frozenset({DEFAULT_ZONE_ID, "a" * 32, pending.id}))
    client = Client(Api([*zones, pending], [token], clock=clock))
    for names in (["example.net"], ["other.org"], ["new.org"], [*NAMES, "myexample.com"]):
        assert client.error("POST", CERTIFICATES, asked(hostnames=names)) == (400, 1010)
    assert issue(client, hostnames=["deep.down.example.com", "a.org"])["id"]
    assert client.error("GET", f"{CERTIFICATES}?zone_id={OTHER_ID}") == (403, 10000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hostnames": None},
        {"hostnames": []},
        {"hostnames": ["*.*.example.com"]},
        {"requested_validity": 100},
        {"request_type": "rsa"},
        {"request_type": "origin-rsa"},
        {"csr": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"},
    ],
)
def test_what_cannot_be_certified_is_refused(client: Client, wrong: dict[str, Any]) -> None:
    assert client.error("POST", CERTIFICATES, asked(**wrong))[0] == 400
    assert client.results(OF_THE_ZONE) == []


def test_a_permission_for_dns_is_none_for_certificates(clock: Clock) -> None:
    def only(*permissions: Permission) -> Client:
        return Client(Api(tokens=[Token(permissions=frozenset(permissions))], clock=clock))

    dns = only(Permission.DNS_WRITE, Permission.ZONE_READ)
    reader = only(Permission.SSL_READ)
    for client in (dns, reader):
        assert client.error("POST", CERTIFICATES, asked()) == (403, 10000)
    assert dns.error("GET", OF_THE_ZONE) == (403, 10000)
    assert reader.results(OF_THE_ZONE) == []
    assert only(Permission.SSL_WRITE).result("POST", CERTIFICATES, asked())["id"]

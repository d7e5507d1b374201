"""What is asked of the Origin CA, and what becomes of an answer that does not come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from chalicelib.cloudflare.client import Answer
from chalicelib.dns.provider import RejectedError, UnavailableError, UnconfirmedError
from localcloud.cloudflare import DEFAULT_TOKEN, DEFAULT_ZONE_ID, Fault, FaultKind, When
from ops.origin_ca import OriginCa

if TYPE_CHECKING:
    from chalicelib.cloudflare.client import Call
    from localcloud.cloudflare.jsonvalue import JsonObject
    from tests.world import World

NAMES = ("*.example.com", "example.com")
LOST = Fault(FaultKind.DROP, when=When.AFTER, method="POST")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def csr_of(key: rsa.RSAPrivateKey) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


CSR = csr_of(KEY)


def authority(world: World) -> OriginCa:
    return OriginCa(world.cloudflare.url, DEFAULT_TOKEN, DEFAULT_ZONE_ID, sleep=lambda _: None)


def issue_others(world: World, count: int) -> None:
    other = csr_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    zone = world.cloudflare.api.zone(DEFAULT_ZONE_ID).zone
    body: JsonObject = {"csr": other, "hostnames": [*NAMES], "request_type": "origin-rsa"}
    for _ in range(count):
        world.cloudflare.api.origin_ca.issue(body, [zone])


def test_names_outside_of_the_zone_are_refused(world: World) -> None:
    with pytest.raises(RejectedError, match=r"1010 .*must be in an active zone"):
        authority(world).issue(CSR, ["*.example.org"], 90)


@pytest.mark.parametrize(("others", "pages"), [(1, 1), (50, 2)])
def test_a_certificate_whose_answer_was_lost_is_found_by_its_key_on_every_page(
    world: World, others: int, pages: int
) -> None:
    issue_others(world, others)
    world.cloudflare.faults.add(LOST)
    certificate = authority(world).issue(CSR, NAMES, 90).encode()
    assert x509.load_pem_x509_certificate(certificate).public_key() == KEY.public_key()
    assert world.dns_calls == [("POST", "/certificates"), *[("GET", "/certificates")] * pages]


def test_a_certificate_that_was_not_made_is_not_found(world: World) -> None:
    issue_others(world, 50)
    world.cloudflare.faults.add(
        Fault(FaultKind.EDGE_ERROR, when=When.BEFORE, status=502, method="POST")
    )
    with pytest.raises(UnconfirmedError, match=r"(?s)HTTP 502.*run it again"):
        authority(world).issue(CSR, NAMES, 90)
    assert world.dns_calls.count(("POST", "/certificates")) == 1


UNREADABLE = [{"certificate": None}, {"certificate": "no PEM"}]


@pytest.mark.parametrize(
    ("result", "error"),
    [({}, UnavailableError), ([7], UnavailableError), (UNREADABLE, UnconfirmedError)],
)
def test_an_answer_that_holds_no_certificates_is_none(
    monkeypatch: pytest.MonkeyPatch, result: object, error: type[Exception]
) -> None:
    issuer = OriginCa("http://127.0.0.1:1", DEFAULT_TOKEN, DEFAULT_ZONE_ID)

    def ask(call: Call) -> Answer:
        if call.method == "POST":
            raise UnconfirmedError("no answer")
        return Answer(result, {})

    monkeypatch.setattr(issuer, "_ask", ask)
    with pytest.raises(error):
        issuer.issue(CSR, NAMES, 90)

"""The Origin CA: certificates that only Cloudflare trusts, for servers behind its proxy.

https://developers.cloudflare.com/ssl/origin-configuration/origin-ca/ and
https://developers.cloudflare.com/api/resources/origin_ca_certificates/

Certificates are really signed, by a root certificate that exists only here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import errors, listing
from .jsonvalue import is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .jsonvalue import Json, JsonObject
    from .listing import Query
    from .spec import Zone

VALIDITIES: Final = (7, 30, 90, 365, 730, 1095, 5475)
DEFAULT_VALIDITY: Final = 5475
MAX_HOSTNAMES: Final = 100

_KEYS: Final = {"origin-rsa": rsa.RSAPublicKey, "origin-ecc": ec.EllipticCurvePublicKey}
_HOSTNAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_BEFORE: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Issued:
    """A certificate, and what was asked for."""

    certificate: x509.Certificate
    csr: str
    hostnames: tuple[str, ...]
    request_type: str
    requested_validity: int

    @property
    def id(self) -> str:
        """The serial number in decimal digits, which is how the API calls it."""
        return str(self.certificate.serial_number)

    def as_json(self) -> dict[str, Json]:
        """Return the object the API answers for it."""
        expiry = self.certificate.not_valid_after_utc
        return {
            "id": self.id,
            "certificate": self.certificate.public_bytes(Encoding.PEM).decode(),
            "csr": self.csr,
            "hostnames": list(self.hostnames),
            "expires_on": f"{expiry:%Y-%m-%d %H:%M:%S} +0000 UTC",
            "request_type": self.request_type,
            "requested_validity": self.requested_validity,
        }


class OriginCa:
    """Issues and lists certificates."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._issued: dict[str, Issued] = {}

    @property
    def root(self) -> str:
        """The certificate, in PEM, that all of these lead to."""
        return self._root.public_bytes(Encoding.PEM).decode()

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def _root(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stand-in Origin CA")])
        now = self._now()
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + timedelta(days=2 * DEFAULT_VALIDITY))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, SHA256())
        )

    def issue(self, body: JsonObject, zones: Iterable[Zone]) -> Issued:
        """Sign a request whose names all lie in these zones, where they are active."""
        hostnames = _hostnames(body.get("hostnames"))
        names = {zone.name for zone in zones if zone.status == "active"}
        for hostname in hostnames:
            parents = hostname.removeprefix("*.").split(".")
            if not any(".".join(parents[start:]) in names for start in range(len(parents))):
                raise errors.hostname_not_validated(hostname)
        days = body.get("requested_validity", DEFAULT_VALIDITY)
        if not is_number(days) or days not in VALIDITIES:
            raise errors.invalid_body(f"requested_validity must be one of {VALIDITIES}.")
        request_type = body.get("request_type")
        if not isinstance(request_type, str) or request_type not in _KEYS:
            raise errors.invalid_body(f"request_type must be one of {', '.join(_KEYS)}.")
        csr = body.get("csr")
        certificate = self._sign(_request(csr, request_type), hostnames, int(days))
        issued = Issued(certificate, str(csr), hostnames, request_type, int(days))
        self._issued[issued.id] = issued
        return issued

    def page(self, zone: Zone, query: Query) -> tuple[Sequence[Issued], dict[str, Json]]:
        """Return a page of the certificates with names in a zone, and its `result_info`."""
        ends = (f".{zone.name}", f"*.{zone.name}")
        found = [
            each
            for each in self._issued.values()
            if any(name == zone.name or name.endswith(ends) for name in each.hostnames)
        ]
        return listing.paged(found, query, default=20, minimum=5, maximum=50)

    def _sign(
        self, request: x509.CertificateSigningRequest, hostnames: tuple[str, ...], days: int
    ) -> x509.Certificate:
        """Certify the request's key; of all else that it asks for Cloudflare takes nothing."""
        now = self._now()
        root = self._root
        subject = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "CloudFlare, Inc."),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "CloudFlare Origin CA"),
            x509.NameAttribute(NameOID.COMMON_NAME, "CloudFlare Origin Certificate"),
        ]
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(root.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in hostnames]),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, SHA256())
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def _hostnames(given: Json) -> tuple[str, ...]:
    """Read the names; wildcards stand for one whole label at the front, of two labels at least."""
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_HOSTNAMES:
        raise errors.invalid_body(f"hostnames must be a list of 1 to {MAX_HOSTNAMES} names.")
    hostnames = []
    for each in given:
        hostname = each.lower() if isinstance(each, str) else ""
        if not _HOSTNAME.fullmatch(hostname):
            raise errors.invalid_body(f"{each!r} is no hostname that can be certified.")
        hostnames.append(hostname)
    return tuple(hostnames)


def _request(csr: Json, request_type: str) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(csr.encode() if isinstance(csr, str) else b"")
        is_signed = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        raise errors.invalid_body("csr must be a certificate signing request in PEM.") from None
    if not is_signed or not isinstance(request.public_key(), _KEYS[request_type]):
        raise errors.invalid_body(f"csr must be signed with the key of an {request_type} request.")
    return request


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )

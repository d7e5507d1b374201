"""An authority of the tests' own: it certifies what it is told, right or wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

LIFE = timedelta(days=90)
AUTHORITY = ec.generate_private_key(ec.SECP256R1())


def certify(
    key: CertificatePublicKeyTypes,
    names: Sequence[str],
    end: datetime,
    life: timedelta = LIFE,
    by: ec.EllipticCurvePrivateKey = AUTHORITY,
) -> str:
    """Certify a key for these names, until `end`; without any extension if there are none."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key)
        .serial_number(1)
        .not_valid_before(end - life)
        .not_valid_after(end)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(by, SHA256()).public_bytes(Encoding.PEM).decode()

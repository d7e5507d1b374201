"""A desktop's certificate: its key, its request, and the copy for `doctor`.

The key is generated here and only stored. The certificate, which is not secret, is
also kept beside the stage's policies, so that `doctor` knows when it expires.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from ops.stages import ConfigFile

KEY_BITS: Final = 2048
"""The size that Cloudflare's own dashboard uses; every DCV server accepts RSA."""

_EXPONENT: Final = 65537


class CertificateError(Exception):
    """There is no valid certificate, or it cannot be stored; the message says what to do."""


class Issuer(Protocol):
    """A certificate authority, such as `ops.origin_ca.OriginCa`."""

    def issue(self, csr: str, names: Sequence[str], days: int) -> str:
        """Return a certificate in PEM for the request's key and these names."""
        ...


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, both in PEM. Only the certificate is ever shown."""

    certificate: str
    key: str = field(repr=False)


def names_under(domain_root: str) -> tuple[str, str]:
    """Return the names that the certificate is for: every desktop's, and the domain itself."""
    return f"*.{domain_root}", domain_root


def obtain(issuer: Issuer, names: Sequence[str], days: int, now: datetime) -> Pair:
    """Generate a key and have it certified for these names.

    Raises CertificateError if the certificate is not for this key and these names, or has
    expired; and the issuer's exceptions.
    """
    key = rsa.generate_private_key(public_exponent=_EXPONENT, key_size=KEY_BITS)
    text = issuer.issue(_request(key, names), names, days)
    certificate = read_certificate(text, "Cloudflare's answer")
    if certificate.public_key() != key.public_key():
        raise CertificateError(
            "Cloudflare's certificate is for another key than the one made here, so nothing was "
            "stored: run it again"
        )
    missing = [name for name in names if name not in names_in(certificate)]
    if missing:
        raise CertificateError(
            f"Cloudflare's certificate is not for {' and '.join(missing)}, so nothing was stored: "
            "check that the zone is the right one"
        )
    if certificate.not_valid_after_utc <= now:
        raise CertificateError(
            f"Cloudflare's certificate has expired on {certificate.not_valid_after_utc:%Y-%m-%d}, "
            "so nothing was stored: check that this machine's clock is right"
        )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(text.strip() + "\n", pem.decode())


def read_certificate(text: str, where: str) -> x509.Certificate:
    """Read a certificate in PEM found at `where`. Raises CertificateError if it is not one."""
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise CertificateError(f"{where} holds no certificate: {error}") from error


def names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names that a certificate is for; the subject is ignored.

    https://www.rfc-editor.org/rfc/rfc9525#section-2
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.value.get_values_for_type(x509.DNSName))


def note_path(config_file: ConfigFile, stage: str) -> Path:
    """Return the path of a stage's certificate, kept without its key."""
    return config_file.path.parent / f"certificate-{stage}.pem"


def _request(key: rsa.RSAPrivateKey, names: Sequence[str]) -> str:
    """Sign a request; Cloudflare uses only its key, and gets the names separately."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Elephant")])
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(alternatives, critical=False)
        .sign(key, SHA256())
    )
    return request.public_bytes(Encoding.PEM).decode()

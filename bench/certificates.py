"""Certificates for the servers, and bundles of the size that clients parse in earnest.

A server shows two certificates, its own and the intermediate one that signed it, both RSA, as AWS
and Cloudflare do. Clients find the root in botocore's bundle, or beside Amazon's own.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

import botocore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

HOST: Final = "127.0.0.1"
_PEM: Final = serialization.Encoding.PEM
_BOTOCORES: Final = Path(botocore.__file__).with_name("cacert.pem")


@dataclass(frozen=True)
class Certificates:
    """The root as text, and the directory with the server's chain and the clients' bundle."""

    directory: Path
    root: str

    @classmethod
    def make(cls, directory: Path) -> Certificates:
        """Make them all in this directory."""
        keys = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
        names = ("bench root", "bench intermediate", HOST)
        root = _sign(names[0], keys[0], names[0], keys[0])
        intermediate = _sign(names[1], keys[1], names[0], keys[0])
        leaf = _sign(names[2], keys[2], names[1], keys[1], is_authority=False)
        private = keys[2].private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = [private, *(each.public_bytes(_PEM) for each in (leaf, intermediate))]
        (directory / "chain.pem").write_bytes(b"".join(chain))
        made = cls(directory, root.public_bytes(_PEM).decode())
        made.bundle.write_text(_BOTOCORES.read_text() + made.root)
        return made

    @property
    def bundle(self) -> Path:
        """The whole bundle of botocore, with our root as its last."""
        return self.directory / "bundle.pem"

    @property
    def server_context(self) -> ssl.SSLContext:
        """What a server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "chain.pem")
        return context


def _sign(
    name: str, key: RSAPrivateKey, by: str, by_key: RSAPrivateKey, *, is_authority: bool = True
) -> Certificate:
    now = datetime.now(UTC)
    hosts = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(_identifier(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_identifier(by_key)),
            critical=False,
        )
        .add_extension(_usage(is_authority=is_authority), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(hosts, critical=False)
    return builder.sign(by_key, hashes.SHA256())


def _identifier(key: RSAPrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    """Say what a key is for, which Python 3.13 and later require of an authority's.

    https://docs.python.org/3/whatsnew/3.13.html#ssl
    """
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=not is_authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

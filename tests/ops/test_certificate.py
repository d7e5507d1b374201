"""A certificate is of the key that was made here, and good for what it was asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ops.certificate import (
    KEY_BITS,
    CertificateError,
    Pair,
    names_in,
    names_under,
    obtain,
    read_certificate,
)
from tests.ops.authority import AUTHORITY, LIFE, certify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = names_under("example.com")


class Issuer:
    """Certifies what it is asked to, but for what a test says it does otherwise."""

    def __init__(
        self,
        names: Sequence[str] | None = None,
        end: datetime = NOW + LIFE,
        key: CertificatePublicKeyTypes | None = None,
        text: str | None = None,
    ) -> None:
        self._names = names
        self._end = end
        self._key = key
        self._text = text
        self.asked: list[tuple[x509.CertificateSigningRequest, tuple[str, ...], int]] = []

    def issue(self, csr: str, names: Sequence[str], days: int) -> str:
        request = x509.load_pem_x509_csr(csr.encode())
        self.asked.append((request, tuple(names), days))
        wanted = names if self._names is None else self._names
        text = self._text or certify(self._key or request.public_key(), wanted, self._end)
        return f"\n{text}\n"


def test_the_certificate_is_of_a_key_of_its_own_for_every_desktop_and_the_domain() -> None:
    pair, other = obtain(Issuer(), NAMES, 90, NOW), obtain(Issuer(), NAMES, 90, NOW)
    key = load_pem_private_key(pair.key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == KEY_BITS
    assert pair.certificate == pair.certificate.strip() + "\n"
    certificate = read_certificate(pair.certificate, "here")
    assert certificate.public_key() == key.public_key()
    assert names_in(certificate) == NAMES == ("*.example.com", "example.com")
    assert pair.key != other.key


def test_the_request_is_signed_and_holds_names_and_days_but_no_key() -> None:
    issuer = Issuer()
    obtain(issuer, NAMES, 90, NOW)
    ((request, names, days),) = issuer.asked
    assert request.is_signature_valid
    alternatives = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(alternatives.get_values_for_type(x509.DNSName)) == NAMES
    assert (names, days) == (NAMES, 90)


@pytest.mark.parametrize(
    ("issuer", "said"),
    [
        (Issuer(text="certificate"), "answer holds no certificate"),
        (Issuer(key=AUTHORITY.public_key()), "for another key"),
        (Issuer(names=["example.com"]), r"is not for \*\.example\.com, so nothing was stored"),
        (Issuer(names=[]), r"is not for \*\.example\.com and example\.com"),
        (Issuer(end=NOW), "has expired on 2026-11-21"),
    ],
)
def test_what_would_be_of_no_use_is_not_taken(issuer: Issuer, said: str) -> None:
    with pytest.raises(CertificateError, match=said):
        obtain(issuer, NAMES, 90, NOW)


def test_the_key_is_not_shown_with_the_pair() -> None:
    assert repr(Pair("c", "private")) == "Pair(certificate='c')"

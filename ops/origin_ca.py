"""Cloudflare's Origin CA: certificates that Cloudflare trusts, and nobody else.

https://developers.cloudflare.com/ssl/origin-configuration/origin-ca/ and
https://developers.cloudflare.com/api/resources/origin_ca_certificates/
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from cryptography import x509

from chalicelib.cloudflare.client import Call
from chalicelib.dns.provider import RejectedError, UnavailableError, UnconfirmedError
from ops.token_view import TokenView, member_in, object_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

VALIDITIES: Final = (7, 30, 90, 365, 730, 1095, 5475)
"""Validities that Cloudflare offers, in days."""

SSL_EDIT: Final = "SSL and Certificates Edit (Zone > SSL and Certificates > Edit)"
"""The permission that it needs.

It also allows switching off the zone's TLS, so no stored token should have it.
"""

_PER_PAGE: Final = 50


class OriginCa(TokenView):
    """The Origin CA as a token may use it for one zone. Every method raises CloudflareError."""

    def __init__(
        self,
        api_url: str,
        token: str,
        zone_id: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(api_url, token, needs=SSL_EDIT, sleep=sleep)
        self._zone_id = zone_id

    def issue(self, csr: str, names: Sequence[str], days: int) -> str:
        """Have an RSA key certified, and return the certificate in PEM as Cloudflare gave it.

        Without a clear answer, the zone's certificates are searched for one with this key.
        Raises UnconfirmedError if there is none; a certificate issued meanwhile is useless.
        """
        body = {
            "csr": csr,
            "hostnames": list(names),
            "request_type": "origin-rsa",
            "requested_validity": days,
        }
        call = Call("POST", "/certificates", body)
        try:
            return member_in(call, self._ask(call).result, "certificate", str)
        except UnconfirmedError as error:
            found = self._issued_for(x509.load_pem_x509_csr(csr.encode()).public_key())
            if found is None:
                raise UnconfirmedError(
                    f"{error}; the zone shows no certificate for this key, which is discarded: run "
                    "it again"
                ) from error
            return found
        except RejectedError as error:
            raise RejectedError(
                f"{error}; the names must be in an active zone of the token, and the "
                f"token needs {SSL_EDIT}"
            ) from error

    def _issued_for(self, key: CertificatePublicKeyTypes) -> str | None:
        for certificate in self._issued():
            if _key_of(certificate) == key:
                return certificate
        return None

    def _issued(self) -> Iterator[str]:
        """List the zone's certificates, page by page until one is not full."""
        page, count = 1, _PER_PAGE
        while count == _PER_PAGE:
            query = [("zone_id", self._zone_id), ("page", f"{page}"), ("per_page", f"{_PER_PAGE}")]
            call = Call.read("/certificates", query)
            items = self._ask(call).result
            if not isinstance(items, list):
                raise UnavailableError(f"{call}: the answer holds no list of certificates")
            yield from (object_in(call, each).get("certificate") or "" for each in items)
            page, count = page + 1, len(items)


def _key_of(certificate: str) -> CertificatePublicKeyTypes | None:
    try:
        return x509.load_pem_x509_certificate(certificate.encode()).public_key()
    except ValueError:
        return None

"""The desktops' certificate, as `elephant certificate` has it issued."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ops.certificate import names_under, obtain
from ops.certificate_store import CERTIFICATE_FILE, KEY_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localcloud.cloudflare import Api
    from localcloud.cloudflare.jsonvalue import JsonObject

_DAYS: Final = 5475


class _Issuer:
    """The Origin CA, asked without HTTP."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def issue(self, csr: str, names: Sequence[str], days: int) -> str:
        """Return a certificate in PEM."""
        body: JsonObject = {
            "csr": csr,
            "hostnames": list(names),
            "request_type": "origin-rsa",
            "requested_validity": days,
        }
        zones = [store.zone for store in self._api.zones]
        return str(self._api.origin_ca.issue(body, zones).as_json()["certificate"])


def issue_certificate(api: Api, domain_root: str) -> dict[str, str]:
    """Have a certificate for all desktops issued; return it and its key by their files' names."""
    pair = obtain(_Issuer(api), names_under(domain_root), _DAYS, datetime.now(UTC))
    return {CERTIFICATE_FILE: pair.certificate, KEY_FILE: pair.key}

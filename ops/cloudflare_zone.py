"""A zone at Cloudflare as its operator sees it with a token.

https://developers.cloudflare.com/api/resources/zones/ and
https://developers.cloudflare.com/api/resources/dns/subresources/records/
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from chalicelib.cloudflare.client import Call, TokenRefusedError
from chalicelib.cloudflare.zone import BATCH_SIZE, CloudflareZone
from chalicelib.dns.change import Delete
from chalicelib.dns.provider import DnsError, RecordNotFoundError, UnconfirmedError
from chalicelib.dns.record import ADDRESS_RECORD, Record
from chalicelib.settings.formats import AUTOMATIC_TTL
from ops.token_view import TokenView, details_in, member_in, object_in, soon
from ops.write_check import PAUSE, WriteCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ops.token_view import ZoneDetails
    from ops.write_check import WriteProof

ROUNDS: Final = 5
"""How many times the zone is listed again while records are removed."""

_CHECK_PREFIX: Final = "elephant-check-"
_CHECK_ADDRESS: Final = "192.0.2.1"
"""Reserved for documentation: https://www.rfc-editor.org/rfc/rfc5737"""


_NO_DANGER: Final = ("strict", "origin_pull")


class RecordsRemainError(DnsError):
    """Records of the owner are still in the zone after repeated removals."""


def danger_of(ssl_mode: str) -> str | None:
    """Say what is wrong with how Cloudflare connects to desktops; None if nothing is.

    https://developers.cloudflare.com/ssl/origin-configuration/ssl-modes/
    """
    if ssl_mode in _NO_DANGER:
        return None
    if ssl_mode == "full":
        return "Cloudflare accepts any certificate from a desktop"
    return "Cloudflare connects to desktops without TLS, which they do not accept"


@dataclass(frozen=True)
class Usage:
    """How many records the zone has, and how many it may have (None: its account's quota)."""

    used: int
    quota: int | None

    @property
    def left(self) -> int | None:
        """How many more records the zone may have; None if its quota is not known."""
        return None if self.quota is None else max(0, self.quota - self.used)


class Records(CloudflareZone):
    """The zone's address records, by any filter of the API."""

    def matching(self, member: str, text: str) -> tuple[Record, ...]:
        """List all address records whose field starts with this. Raises DnsError."""
        return self.filtered([(f"{member}.startswith", text)])

    def filtered(self, query: Sequence[tuple[str, str]]) -> tuple[Record, ...]:
        """List all address records that these filters find. Raises DnsError."""
        return self._list([("type", ADDRESS_RECORD), *query], soon()).whole()


def find_zone(api_url: str, token: str, domain: str) -> str | None:
    """Find the id of the zone that contains a domain, as `TokenView.zone_for` does."""
    return TokenView(api_url, token).zone_for(domain)


class ZoneView(TokenView):
    """A zone as a token may see and change it. Every method raises DnsError."""

    def __init__(
        self,
        api_url: str,
        token: str,
        zone_id: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(api_url, token, sleep=sleep)
        self.zone_id = zone_id
        self._records = Records(self._api, zone_id)

    def details(self) -> ZoneDetails:
        """Read the zone's details."""
        call = Call("GET", f"/zones/{self.zone_id}")
        return details_in(call, self._ask(call).result)

    def ssl_mode(self) -> str | None:
        """Read how Cloudflare connects to origins; None if the token may not.

        https://developers.cloudflare.com/ssl/origin-configuration/ssl-modes/
        """
        call = Call("GET", f"/zones/{self.zone_id}/settings/ssl")
        try:
            answer = self._ask(call)
        except TokenRefusedError:
            return None
        return member_in(call, answer.result, "value", str)

    def usage(self) -> Usage:
        """Read how many records the zone has and may have."""
        call = Call("GET", f"/zones/{self.zone_id}/dns_records/usage")
        result = self._ask(call).result
        quota = object_in(call, result).get("record_quota")
        return Usage(
            used=member_in(call, result, "record_usage", int),
            quota=None if quota is None else member_in(call, result, "record_quota", int),
        )

    def our_records(self, owner: str) -> tuple[Record, ...]:
        """List every address record with exactly this owner in its comment."""
        found = self._records.matching("comment", owner)
        return tuple(record for record in found if record.owner == owner)

    def filtered(self, query: Sequence[tuple[str, str]]) -> tuple[Record, ...]:
        """List every address record that these filters of the API find."""
        return self._records.filtered(query)

    def remove(self, record: Record) -> None:
        """Remove one record."""
        self._records.apply([Delete(record)], soon())

    def prove_write(
        self, domain_root: str, owner: str, *, proxied: bool = True, ttl: int = AUTOMATIC_TTL
    ) -> WriteProof:
        """Test that the token can do in this zone what the application does.

        Creates a record as the application would, with an unused name, finds it, removes
        it and checks that it is gone. Raises WriteCheckError, which names the failed step and what
        is left behind, if anything.
        """
        name = f"{_CHECK_PREFIX}{token_hex(8)}.{domain_root}"
        comment = f"{owner} check"
        wanted = Record.address(name, _CHECK_ADDRESS, proxied=proxied, ttl=ttl, comment=comment)
        return WriteCheck(self._api, self._records, self.zone_id, wanted, self._sleep).prove()

    def remove_all(self, owner: str, say: Callable[[str], None]) -> int:
        """Remove every address record of this owner and no other; return their number.

        Returns once the zone shows none. Raises RecordsRemainError if that never happens.
        """
        seen: set[str] = set()
        problem: DnsError | None = None
        for _ in range(ROUNDS):
            records = self.our_records(owner)
            if not records:
                return len(seen)
            if problem or seen:
                say(f"{len(records)} records are left: trying again")
                self._sleep(PAUSE)
            seen.update(record.id for record in records)
            try:
                self._remove(records, say)
                problem = None
            except (UnconfirmedError, RecordNotFoundError) as error:
                problem = error
        raise RecordsRemainError(
            f"{owner} has records in zone {self.zone_id} after {ROUNDS} rounds, such as "
            f"{records[0].name}: "
            + (str(problem) if problem else "stop what keeps creating them, and try again")
        ) from problem

    def _remove(self, records: Sequence[Record], say: Callable[[str], None]) -> None:
        for start in range(0, len(records), BATCH_SIZE):
            batch = records[start : start + BATCH_SIZE]
            self._records.apply([Delete(record) for record in batch], soon())
            say(f"removed {start + len(batch)} of {len(records)} records")

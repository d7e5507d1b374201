"""A zone at Cloudflare as its operator sees it, with a token at hand.

https://developers.cloudflare.com/api/resources/zones/ and
https://developers.cloudflare.com/api/resources/dns/subresources/records/
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from chalicelib.cloudflare.client import (
    Call,
    CloudflareError,
    RecordNotFoundError,
    TokenRefusedError,
    UnconfirmedError,
)
from chalicelib.cloudflare.zone import BATCH_SIZE, Zone
from chalicelib.dns.change import Delete
from chalicelib.dns.record import ADDRESS_RECORD, WantedRecord
from chalicelib.settings.stage import AUTOMATIC_TTL
from ops.token_view import TokenView, details_in, member_in, object_in, soon
from ops.write_check import PAUSE, WriteCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.dns.record import Record
    from ops.token_view import ZoneDetails
    from ops.write_check import WriteProof

ROUNDS: Final = 5
"""How often the zone is looked at again when records are to be removed."""

_CHECK_PREFIX: Final = "elephant-check-"
_CHECK_ADDRESS: Final = "192.0.2.1"
"""For documentation, so nobody's: https://www.rfc-editor.org/rfc/rfc5737"""


_NO_DANGER: Final = ("strict", "origin_pull")


class RecordsRemainError(CloudflareError):
    """Records of the owner are still in the zone, however often they were removed."""


def danger_of(ssl_mode: str) -> str | None:
    """Say what is wrong with the way in which Cloudflare speaks to desktops; None if nothing is.

    https://developers.cloudflare.com/ssl/origin-configuration/ssl-modes/
    """
    if ssl_mode in _NO_DANGER:
        return None
    if ssl_mode == "full":
        return "Cloudflare takes any certificate from a desktop"
    return "Cloudflare speaks to desktops without TLS, which they do not understand"


@dataclass(frozen=True)
class Usage:
    """How many records the zone has, and how many it may have (None: its account's quota)."""

    used: int
    quota: int | None

    @property
    def left(self) -> int | None:
        """How many more records there may be, None if the zone's own quota does not say."""
        return None if self.quota is None else max(0, self.quota - self.used)


class Records(Zone):
    """The zone's address records, by any filter of the API."""

    def matching(self, member: str, text: str) -> tuple[Record, ...]:
        """List all address records of which this member begins so. Raises CloudflareError."""
        query = [("type", ADDRESS_RECORD), (f"{member}.startswith", text)]
        return self._list(query, soon()).whole()


def find_zone(api_url: str, token: str, domain: str) -> str | None:
    """Find the id of the zone that a domain lies in, as `TokenView.zone_for` does."""
    return TokenView(api_url, token).zone_for(domain)


class ZoneView(TokenView):
    """A zone, as far as a token may see and change it. Every method raises CloudflareError."""

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
        """Ask what the zone is."""
        call = Call("GET", f"/zones/{self.zone_id}")
        return details_in(call, self._ask(call).result)

    def ssl_mode(self) -> str | None:
        """Ask how Cloudflare speaks to origins; None if the token may not know.

        https://developers.cloudflare.com/ssl/origin-configuration/ssl-modes/
        """
        call = Call("GET", f"/zones/{self.zone_id}/settings/ssl")
        try:
            answer = self._ask(call)
        except TokenRefusedError:
            return None
        return member_in(call, answer.result, "value", str)

    def usage(self) -> Usage:
        """Ask how many records the zone has and may have."""
        call = Call("GET", f"/zones/{self.zone_id}/dns_records/usage")
        result = self._ask(call).result
        quota = object_in(call, result).get("record_quota")
        return Usage(
            used=member_in(call, result, "record_usage", int),
            quota=None if quota is None else member_in(call, result, "record_quota", int),
        )

    def our_records(self, owner: str) -> tuple[Record, ...]:
        """List every address record that bears this very owner's marker."""
        found = self._records.matching("comment", owner)
        return tuple(record for record in found if record.owner == owner)

    def prove_write(
        self, domain_root: str, owner: str, *, proxied: bool = True, ttl: int = AUTOMATIC_TTL
    ) -> WriteProof:
        """Prove that the token can do in this zone what the application does.

        Makes a record as the application would, of a name that no instance has, finds it, removes
        it and sees it gone. Raises WriteCheckError, which names the step that failed and what was
        left behind, if anything was.
        """
        name = f"{_CHECK_PREFIX}{token_hex(8)}.{domain_root}"
        wanted = WantedRecord(name, _CHECK_ADDRESS, proxied, ttl, f"{owner} check")
        return WriteCheck(self._api, self._records, self.zone_id, wanted, self._sleep).prove()

    def remove_all(self, owner: str, say: Callable[[str], None]) -> int:
        """Remove every address record of this owner and no other's; return how many they were.

        Returns once the zone shows none. Raises RecordsRemainError if it never does.
        """
        seen: set[str] = set()
        problem: CloudflareError | None = None
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
            + (str(problem) if problem else "stop what keeps making them, and try again")
        ) from problem

    def _remove(self, records: Sequence[Record], say: Callable[[str], None]) -> None:
        for start in range(0, len(records), BATCH_SIZE):
            batch = records[start : start + BATCH_SIZE]
            self._records.apply([Delete(record) for record in batch], soon())
            say(f"removed {start + len(batch)} of {len(records)} records")

"""Test that a token can write in a zone: a record is created, found, removed and gone.

It does not use the endpoint that verifies tokens, which ignores permissions, and calls those of an
account invalid.
https://developers.cloudflare.com/fundamentals/api/get-started/account-owned-tokens/
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from chalicelib.cloudflare.client import Call
from chalicelib.cloudflare.record_format import parse_record, to_json
from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.change import Delete
from chalicelib.dns.provider import (
    DnsError,
    RecordExistsError,
    RejectedError,
    UnconfirmedError,
    WrongZoneError,
)
from chalicelib.dns.record import Record
from ops.token_view import soon

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.cloudflare.client import Cloudflare
    from chalicelib.dns.record import Record
    from ops.cloudflare_zone import Records

LOOKS: Final = 3
PAUSE: Final = 1.0
"""How many times the zone is polled for a change, and the seconds between."""


class Step(StrEnum):
    """The steps of the test, in order."""

    CREATE = "create it"
    FIND = "find it in the zone"
    DELETE = "remove it again"
    MISS = "confirm that it is gone"


@dataclass(frozen=True)
class WriteProof:
    """The token can do what the application does; this record was created and removed."""

    record_id: str
    name: str


@dataclass(frozen=True)
class Leftover:
    """What may be left in the zone; without an id it is not known whether it is."""

    name: str
    record_id: str | None

    def __str__(self) -> str:
        if self.record_id is None:
            return f"it may exist: look for {self.name} and remove it by hand"
        return f"it may still exist: remove record {self.record_id} ({self.name}) by hand"


class WriteCheckError(DnsError):
    """The test of the token failed at `step`, for the reason that is its cause."""

    def __init__(self, message: str, step: Step, leftover: Leftover | None) -> None:
        super().__init__(message)
        self.step = step
        self.leftover = leftover


class WriteCheck:
    """One test with one record of a unique name."""

    def __init__(
        self,
        api: Cloudflare,
        records: Records,
        zone_id: str,
        wanted: Record,
        sleep: Callable[[float], None],
    ) -> None:
        self._api = api
        self._records = records
        self._zone_id = zone_id
        self._wanted = wanted
        self._sleep = sleep
        self._made: Record | None = None
        self._may_be_made = False

    def prove(self) -> WriteProof:
        """Run the steps, and in any case leave nothing behind. Raises WriteCheckError."""
        step = Step.CREATE
        try:
            made = self._create()
            step = Step.FIND
            self._find(made)
            step = Step.DELETE
            self._delete(made)
            step = Step.MISS
            self._miss(made)
        except DnsError as error:
            # A removal that failed was tried twice already.
            leftover = self._leftover() if step is Step.DELETE else self._clean_up()
            raise WriteCheckError(
                f"the test of the token failed: could not {step} ({self._wanted.name}): {error}; "
                f"{leftover or 'nothing was left behind'}",
                step,
                leftover,
            ) from error
        except BaseException as error:  # Ctrl-C as well
            leftover = self._clean_up()
            if leftover:
                error.add_note(str(leftover))
            raise
        return WriteProof(made.id, made.name)

    def _create(self) -> Record:
        path = f"/zones/{self._zone_id}/dns_records"
        call = Call("POST", path, to_json(self._wanted))
        self._may_be_made = True
        try:
            self._made = self._confirmed(call, self._api.answer(call, soon()).result)
        except (UnconfirmedError, RecordExistsError):
            found = self._look(bool)
            if not found:
                self._may_be_made = False
                raise
            self._made = found[0]
        except DnsError:
            self._may_be_made = False
            raise
        if self._made.name != self._wanted.name:
            raise WrongZoneError(
                f"zone {self._zone_id} is not the zone of {self._wanted.name}: Cloudflare created "
                f"{self._made.name}; give the id of the zone that contains the domain"
            )
        return self._made

    def _confirmed(self, call: Call, answered: object) -> Record:
        """Read the record in the answer, if it is ours or has the zone's name appended."""
        record = None
        if isinstance(answered, dict):
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                record = parse_record(answered)
        if record is None or not self._is_ours(record):
            raise UnconfirmedError(f"could not confirm {call}: the answer has another record")
        return record

    def _find(self, made: Record) -> None:
        found = self._look(lambda found: made.id in {record.id for record in found})
        shown = [record for record in found if record.id == made.id]
        if not shown:
            raise UnconfirmedError(f"record {made.id} was created, but the zone does not show it")
        if not shown[0].matches(self._wanted):
            raise RejectedError(f"asked for {self._wanted}, but the zone shows {shown[0]}")

    def _delete(self, made: Record) -> None:
        """Remove the record by its id; safe to repeat."""
        try:
            self._records.apply([Delete(made)], soon())
        except UnconfirmedError:
            self._records.apply([Delete(made)], soon())
        self._made, self._may_be_made = None, False

    def _miss(self, made: Record) -> None:
        if self._look(lambda found: not found):
            self._made = made
            raise UnconfirmedError(f"record {made.id} was removed, but the zone still shows it")

    def _look(self, is_enough: Callable[[Sequence[Record]], bool]) -> Sequence[Record]:
        """List the records with our name, and repeat after a pause until the condition holds."""
        found = self._list()
        for _ in range(LOOKS - 1):
            if is_enough(found):
                break
            self._sleep(PAUSE)
            found = self._list()
        return found

    def _list(self) -> Sequence[Record]:
        listed = self._records.matching("name", self._wanted.name)
        return [record for record in listed if self._is_ours(record)]

    def _is_ours(self, record: Record) -> bool:
        return f"{record.name}.".startswith(f"{self._wanted.name}.")

    def _clean_up(self) -> Leftover | None:
        """Remove what is or may be in the zone; return what could not be removed."""
        if not self._made and not self._may_be_made:
            return None
        try:
            self._made = self._made or next(iter(self._list()), None)
            if self._made:
                self._delete(self._made)
        except (DnsError, OutOfTimeError):
            return self._leftover()
        return None

    def _leftover(self) -> Leftover:
        if self._made:
            return Leftover(self._made.name, self._made.id)
        return Leftover(self._wanted.name, None)

"""A DNS provider in memory: the second one that fulfils `chalicelib.dns.provider.Zone`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib.dns.change import ORDER, Change, Create, Delete, Update
from chalicelib.dns.provider import (
    Listing,
    NameOccupiedError,
    QuotaSpentError,
    RecordExistsError,
    RecordNotFoundError,
    UnavailableError,
    UnconfirmedError,
    ZoneFullError,
)
from chalicelib.dns.record import ADDRESS_RECORD, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.deadline import Deadline

Failure = Callable[[Sequence[Change]], Exception | None]
"""Decides whether a call fails, before anything of it is done."""


def _now() -> datetime:
    return datetime.now(UTC)


class MemoryZone:
    """A zone that keeps the provider's rules, fails as a test wants, and remembers its calls."""

    def __init__(
        self,
        *fail: Failure,
        records: Iterable[Record] = (),
        size: int = 200,
        room: int | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.batch_size = size
        self.few_calls_left: int | None = None
        self.spent = ""
        """Why no call may be made for now; empty if calls may be made."""
        self.records = list(records)
        self.unreadable: frozenset[str] = frozenset()
        self.fail = list(fail)
        self.loses_answer = False
        """Whether the next call is carried out without a clear answer."""
        self.calls: list[list[Change]] = []
        self.carried_out: list[Change] = []
        self._room = room
        self._clock = clock
        self._created = 0

    @property
    def sizes(self) -> list[int]:
        """The number of changes in each call."""
        return [len(call) for call in self.calls]

    def require_quota(self) -> None:
        if self.spent:
            raise QuotaSpentError(self.spent)

    def records_named(self, name: str, deadline: Deadline) -> tuple[Record, ...]:
        listed = self._list(deadline)
        if name in listed.unreadable:
            raise UnavailableError(f"a record of {name} could not be parsed")
        found = (each for each in listed.records if each.name == name)
        return tuple(each for each in found if each.type == ADDRESS_RECORD)

    def records_of(self, owner: str, deadline: Deadline) -> Listing:
        listed = self._list(deadline)
        found = tuple(
            each for each in listed.records if each.owner == owner or each.name.startswith("i-")
        )
        return Listing(found, listed.unreadable)

    def apply(
        self,
        changes: Sequence[Change],
        deadline: Deadline,
        objection: Callable[[], str] = lambda: "",
    ) -> None:
        for start in range(0, len(changes), self.batch_size):
            deadline.require(0, "call the zone")
            if reason := objection():
                raise UnavailableError(f"not sent: {reason}")
            self._apply(changes[start : start + self.batch_size])

    def remove_misplaced(self, name: str, owner: str, deadline: Deadline) -> None:
        """Do nothing: no record is created under another name."""

    def _list(self, deadline: Deadline) -> Listing:
        deadline.require(0, "list the zone")
        return Listing(tuple(self.records), self.unreadable)

    def _apply(self, changes: Sequence[Change]) -> None:
        self.calls.append(list(changes))
        for fail in self.fail:
            if error := fail(changes):
                raise error
        records = list(self.records)
        for change in sorted(changes, key=lambda each: ORDER.index(type(each))):
            self._carry_out(change, records, is_alone=len(changes) == 1)
        self.records = records
        self.carried_out += changes
        if self.loses_answer:
            self.loses_answer = False
            raise UnconfirmedError("the answer was lost")

    def _carry_out(self, change: Change, records: list[Record], *, is_alone: bool) -> None:
        if isinstance(change, Create):
            self._created += 1
            if self._room is not None and len(records) >= self._room:
                raise ZoneFullError("the zone is full")
            now = self._clock()
            made = replace(
                change.wanted, id=f"record {self._created}", modified_at=now, created_at=now
            )
            records.append(_fitting(made, records))
            return
        old = next((each for each in records if each.id == change.record.id), None)
        if old is None:
            if isinstance(change, Delete) and is_alone:
                return
            raise RecordNotFoundError(f"there is no record {change.record.id}")
        records.remove(old)
        if isinstance(change, Update):
            new = replace(
                change.wanted, id=old.id, created_at=old.created_at, modified_at=self._clock()
            )
            records.append(_fitting(new, records))


def _fitting(record: Record, others: Iterable[Record]) -> Record:
    """Return the record. Raises RejectedError if the zone cannot have it beside the others."""
    for other in others:
        if other.name != record.name:
            continue
        if other.type != ADDRESS_RECORD:
            raise NameOccupiedError(f"{record.name} has a {other.type} record")
        if other.content == record.content:
            raise RecordExistsError(f"{record.name} at {record.content} exists")
    return record

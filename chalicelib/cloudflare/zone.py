"""The Cloudflare zone: listing its records, and changing them with confirmation.

https://developers.cloudflare.com/api/resources/dns/subresources/records/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chalicelib.cloudflare.client import ANSWER_SECONDS, Call
from chalicelib.cloudflare.listing import Pages
from chalicelib.cloudflare.record_format import parse_record, to_json
from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.change import Create, Delete, Update
from chalicelib.dns.provider import (
    DnsError,
    Listing,
    RecordNotFoundError,
    StoredOtherwiseError,
    UnavailableError,
    UnconfirmedError,
    WrongZoneError,
)
from chalicelib.dns.record import ADDRESS_RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from chalicelib.cloudflare.client import Answer, Cloudflare
    from chalicelib.deadline import Deadline
    from chalicelib.dns.change import Change
    from chalicelib.dns.record import Record

PAGE_SIZE: Final = 5000
BATCH_SIZE: Final = 200
"""Operations in one batch on the free plan; 3,500 on paid ones:
https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/"""

OPERATION_SECONDS: Final = 0.02
"""Seconds that each operation adds to a batch's timeout: 10 s for 200, 76 s for 3,500."""


class CloudflareZone:
    """The address records of one zone: `chalicelib.dns.provider.Zone` for Cloudflare."""

    def __init__(self, cloudflare: Cloudflare, zone_id: str, batch_size: int = BATCH_SIZE) -> None:
        self._cloudflare = cloudflare
        self.batch_size = batch_size
        self._zone_id = zone_id
        self._path = f"/zones/{zone_id}/dns_records"
        self._quota = cloudflare.quota

    @property
    def few_calls_left(self) -> int | None:
        """The calls that are left, if these are less than half of the quota."""
        return self._quota.remaining if self._quota.is_low else None

    def require_quota(self) -> None:
        """Raise QuotaSpentError if less of the quota is left than is kept for others."""
        self._quota.require()

    def records_named(self, name: str, deadline: Deadline) -> tuple[Record, ...]:
        """List every address record of exactly this name, as the protocol says."""
        # Filtered again: an answer to another query must not be taken for the answer to ours.
        query = [("type", ADDRESS_RECORD), ("name.exact", name)]
        found = self._list(query, deadline)
        if name in found.unreadable:
            raise UnavailableError(f"a record of {name} could not be parsed")
        return tuple(record for record in found.records if record.name == name)

    def records_of(self, owner: str, deadline: Deadline) -> Listing:
        """List every address record of this owner, and all records named like an instance's.

        One list has both, so that conflicts are known before a record is created.
        """
        either = [("match", "any"), ("comment.startswith", owner), ("name.startswith", "i-")]
        found = self._list(either, deadline)
        records = tuple(
            record
            for record in found.records
            if record.owner == owner or record.name.startswith("i-")
        )
        return Listing(records, found.unreadable)

    def apply(
        self,
        changes: Sequence[Change],
        deadline: Deadline,
        objection: Callable[[], str] = lambda: "",
    ) -> None:
        """Apply the changes as the protocol says: one is one call, more are batches."""
        if len(changes) == 1:
            self._apply_one(changes[0], deadline, objection)
            return
        for start in range(0, len(changes), self.batch_size):
            self._apply_batch(changes[start : start + self.batch_size], deadline, objection)

    def remove_misplaced(self, name: str, owner: str, deadline: Deadline) -> None:
        """Remove a record that a lost answer left with another zone's name appended to ours."""
        found = self._list([("type", ADDRESS_RECORD), ("name.startswith", f"{name}.")], deadline)
        strays = [each for each in found.records if _is_stray(each, name) and each.owner == owner]
        if strays:
            self._refuse_strays(name, strays, deadline)

    def _list(self, query: list[tuple[str, str]], deadline: Deadline) -> Listing:
        """Read every page, or raise: a partial list must not be taken for the complete one."""
        pages = Pages(PAGE_SIZE)
        is_whole = False
        while not is_whole:
            paging = [("page", str(pages.read + 1)), ("per_page", str(PAGE_SIZE))]
            call = Call.read(self._path, [*query, *paging])
            answer = self._cloudflare.answer(call, deadline)
            try:
                is_whole = pages.add(answer)
            except UnavailableError as error:
                raise UnavailableError(f"{call}: {error}") from error
        return pages.listing

    def _apply_one(self, change: Change, deadline: Deadline, objection: Callable[[], str]) -> None:
        if isinstance(change, Create):
            call = Call("POST", self._path, to_json(change.wanted))
        elif isinstance(change, Update):
            path = f"{self._path}/{change.record.id}"
            call = Call("PATCH", path, to_json(change.wanted))
        else:
            call = Call("DELETE", f"{self._path}/{change.record.id}")
        try:
            answer = self._cloudflare.answer(call, deadline, objection)
        except RecordNotFoundError:
            if isinstance(change, Delete):
                return  # already gone, as wanted
            raise
        self._refuse_any_stray([self._confirm(call, change, answer.result)], deadline)
        _refuse_differences(call, [(change, answer.result)])

    def _apply_batch(
        self, changes: Sequence[Change], deadline: Deadline, objection: Callable[[], str]
    ) -> None:
        body = {
            "deletes": [
                {"id": change.record.id} for change in changes if isinstance(change, Delete)
            ],
            "patches": [
                {"id": change.record.id, **to_json(change.wanted)}
                for change in changes
                if isinstance(change, Update)
            ],
            "posts": [to_json(change.wanted) for change in changes if isinstance(change, Create)],
        }
        call = Call(
            "POST",
            f"{self._path}/batch",
            {key: ops for key, ops in body.items() if ops},
            ANSWER_SECONDS + OPERATION_SECONDS * len(changes),
        )
        answer = self._cloudflare.answer(call, deadline, objection)
        pairs = list(_pair(call, changes, answer))
        confirmed = [self._confirm(call, change, answered) for change, answered in pairs]
        self._refuse_any_stray(confirmed, deadline)
        _refuse_differences(call, pairs)

    def _confirm(
        self,
        call: Call,
        change: Change,
        answered: Any,  # noqa: ANN401
    ) -> tuple[str, Record] | None:
        """Compare the answer with what was asked; return a record misplaced in a wrong zone."""
        if isinstance(change, Delete):
            if not isinstance(answered, dict) or answered.get("id") != change.record.id:
                raise UnconfirmedError(f"could not confirm {call}: the answer is another record")
            return None
        wanted = change.wanted
        record = _record(call, answered)
        if _is_stray(record, wanted.name):
            return wanted.name, record
        if (record.name, record.content) != (wanted.name, wanted.content):
            raise UnconfirmedError(
                f"could not confirm {call}: asked for {wanted.name} at {wanted.content}, "
                f"answered {record.name} at {record.content}"
            )
        return None

    def _refuse_any_stray(
        self, confirmed: Sequence[tuple[str, Record] | None], deadline: Deadline
    ) -> None:
        strays = [stray for stray in confirmed if stray]
        if strays:
            self._refuse_strays(strays[0][0], [record for _, record in strays], deadline)

    def _refuse_strays(self, name: str, strays: Sequence[Record], deadline: Deadline) -> None:
        outcomes = [f"{stray.name}, {self._remove_stray(stray, deadline)}" for stray in strays]
        raise WrongZoneError(
            f"zone {self._zone_id} is not the zone of {name}: Cloudflare made {'; '.join(outcomes)}"
            "; set ZONE_ID to the zone of DOMAIN_ROOT"
        )

    def _remove_stray(self, stray: Record, deadline: Deadline) -> str:
        """Remove a record by id, which may be retried, and return the outcome."""
        call = Call("DELETE", f"{self._path}/{stray.id}")
        try:
            try:
                self._cloudflare.answer(call, deadline)
            except UnconfirmedError:
                self._cloudflare.answer(call, deadline)
        except RecordNotFoundError:
            return "which is already gone"
        except (DnsError, OutOfTimeError) as error:
            return f"which could not be removed: delete record {stray.id} manually ({error})"
        return "which was removed"


def _is_stray(record: Record, name: str) -> bool:
    """Return True if Cloudflare appended its zone's name to ours, so the zone is a wrong one."""
    return record.name.startswith(f"{name}.")


def _record(
    call: Call,
    answered: Any,  # noqa: ANN401
) -> Record:
    try:
        return parse_record(answered)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnconfirmedError(
            f"could not confirm {call}: the answer is not a valid record ({error!r})"
        ) from error


def _refuse_differences(call: Call, pairs: Iterable[tuple[Change, Any]]) -> None:
    differences = {change: _difference(change, answered) for change, answered in pairs}
    found = {change: difference for change, difference in differences.items() if difference}
    if found:
        raise StoredOtherwiseError(str(call), found)


def _difference(change: Change, answered: Mapping[str, Any]) -> str:
    """Return how an answered record differs from what was asked."""
    if isinstance(change, Delete):
        return ""
    wanted, stored = change.wanted, parse_record(answered)
    members = {
        "proxied": (stored.proxied, wanted.proxied),
        "ttl": (stored.ttl, wanted.ttl),
        "comment": (stored.comment, wanted.comment),
    }
    found = [
        f"{member} {is_so!r} instead of {should!r}"
        for member, (is_so, should) in members.items()
        if member in answered and is_so != should
    ]
    return f"Cloudflare stored {wanted.name} with {' and '.join(found)}" if found else ""


def _pair(call: Call, changes: Sequence[Change], answer: Answer) -> Iterator[tuple[Change, Any]]:
    """Pair each change with its answer; Cloudflare answers a batch in the order asked."""
    kinds = {"deletes": Delete, "patches": Update, "posts": Create}
    result = answer.result if isinstance(answer.result, dict) else {}
    for key, kind in kinds.items():
        asked = [change for change in changes if isinstance(change, kind)]
        answers = result.get(key)
        answered = answers if isinstance(answers, list) else []
        if len(asked) != len(answered):
            raise UnconfirmedError(
                f"could not confirm {call}: the answer has {len(answered)} of {len(asked)} {key}"
            )
        yield from zip(asked, answered, strict=True)

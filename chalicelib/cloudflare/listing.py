"""Paginated lists from Cloudflare: complete, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chalicelib.cloudflare.record_format import parse_record
from chalicelib.dns.provider import Listing, UnavailableError

if TYPE_CHECKING:
    from chalicelib.cloudflare.client import Answer
    from chalicelib.dns.record import Record

MOST_RECORDS: Final = 100_000
"""The most that are read: more would exceed a run's quota and memory."""

MOST_PAGES: Final = 50
"""The most that are read: more, every minute, would use most of the rate limit."""

_SMALLEST_PAGE: Final = 100
"""Cloudflare's default page size."""


class Pages:
    """The pages of a list as they are read. Raises UnavailableError if it is incomplete.

    Records added or removed between two pages shift the others: one may be read twice and another
    not at all. So the count must stay the same and no record may appear twice.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.read = 0
        self._count = 0
        self._records: list[Record] = []
        self._unreadable: set[str] = set()
        self._ids: set[str] = set()

    @property
    def listing(self) -> Listing:
        """What has been read."""
        return Listing(tuple(self._records), frozenset(self._unreadable))

    def add(self, answer: Answer) -> bool:
        """Add the next page; return whether it is the last one."""
        if not isinstance(answer.result, list):
            raise UnavailableError("the answer contains no list of records")
        pages, count = (_number(answer, key) for key in ("total_pages", "total_count"))
        if count > MOST_RECORDS:
            raise UnavailableError(f"{count} records exceed the maximum of {MOST_RECORDS}")
        if self.read and count != self._count:
            raise UnavailableError(
                f"the list changed from {self._count} to {count} records while being read"
            )
        if pages > max(1, -(-count // min(self.size, _SMALLEST_PAGE))):
            raise UnavailableError(f"{pages} is not a valid number of pages for {count} records")
        if pages > MOST_PAGES:
            raise UnavailableError(f"{pages} pages exceed the maximum of {MOST_PAGES}")
        for each in answer.result:
            self._take(each)
        self._count = count
        self.read += 1
        if self.read < pages and answer.result:
            return False
        if len(self._ids) != count:
            raise UnavailableError(f"{len(self._ids)} of {count} records were listed")
        return True

    def _take(self, answered: Any) -> None:  # noqa: ANN401
        record_id, name = (
            (answered.get("id"), answered.get("name")) if isinstance(answered, dict) else (None, "")
        )
        if not (isinstance(record_id, str) and isinstance(name, str) and name):
            raise UnavailableError("the answer contains an invalid record, without id or name")
        if record_id in self._ids:
            raise UnavailableError(f"record {record_id} was listed twice")
        self._ids.add(record_id)
        try:
            self._records.append(parse_record(answered))
        except (KeyError, TypeError, ValueError, AttributeError):
            self._unreadable.add(name.lower())


def _number(answer: Answer, key: str) -> int:
    number = answer.info.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise UnavailableError(f"the answer has no {key}, so it may be incomplete")
    return number

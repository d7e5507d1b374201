"""Listing records: filters, order and pages.

https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/list/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from localcloud.cloudflare import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localcloud.cloudflare.jsonvalue import Json
    from localcloud.cloudflare.records import Record

Query: TypeAlias = tuple[tuple[str, str], ...]
Test: TypeAlias = Callable[["Record"], bool]

DEFAULT_PER_PAGE = 100
MAX_PER_PAGE = 5_000_000

_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda value, wanted: value == wanted,
    "contains": lambda value, wanted: wanted in value,
    "startswith": lambda value, wanted: value.startswith(wanted),
    "endswith": lambda value, wanted: value.endswith(wanted),
}
_TEXTS: dict[str, Callable[[Record], str]] = {
    "name": lambda record: record.name.lower(),
    "content": lambda record: record.fields.content.lower(),
    "comment": lambda record: (record.fields.comment or "").lower(),
}
_ORDERS: dict[str, Callable[[Record], str | int]] = {
    "type": lambda record: record.type,
    "name": lambda record: record.name,
    "content": lambda record: record.fields.content,
    "ttl": lambda record: record.fields.ttl,
    "proxied": lambda record: int(record.fields.proxied),
}


@dataclass(frozen=True)
class Page:
    """One page of a list, and what its ``result_info`` says."""

    records: tuple[Record, ...]
    page: int
    per_page: int
    total_count: int

    @property
    def info(self) -> dict[str, Json]:
        """The envelope's ``result_info``; an empty list still has one page."""
        return {
            "page": self.page,
            "per_page": self.per_page,
            "count": len(self.records),
            "total_count": self.total_count,
            "total_pages": max(1, -(-self.total_count // self.per_page)),
        }


def select(records: Iterable[Record], query: Query) -> Page:
    """Return the page of these records that the query asks for.

    Parameters the API does not know are ignored. Without an order records come by type, and
    within a type as they were created.
    """
    accepts = _filter(query)
    found = [record for record in records if accepts(record)]
    first = dict(reversed(query))
    order = _one_of(first, "order", tuple(_ORDERS))
    direction = _one_of(first, "direction", ("asc", "desc"))
    found.sort(key=lambda record: record.serial)
    found.sort(key=_ORDERS[order], reverse=direction == "desc")
    page = whole_number(first, "page", default=1, maximum=MAX_PER_PAGE)
    per_page = whole_number(first, "per_page", default=DEFAULT_PER_PAGE, maximum=MAX_PER_PAGE)
    start = (page - 1) * per_page
    return Page(tuple(found[start : start + per_page]), page, per_page, len(found))


def exact_name(query: Query) -> str | None:
    """Return the only name that can match, if the query says so; it saves looking at the rest."""
    names = [value for key, value in query if key in {"name", "name.exact"}]
    is_any = ("match", "any") in query
    return names[0].lower() if names and not is_any else None


def whole_number(
    query: dict[str, str], key: str, *, default: int, maximum: int, minimum: int = 1
) -> int:
    """Return a number of the query, or raise that it is none or out of range."""
    text = query.get(key)
    if text is None:
        return default
    if not text.isdecimal() or not minimum <= int(text) <= maximum:
        raise errors.invalid_query(f"{key} must be between {minimum} and {maximum}.")
    return int(text)


def _one_of(query: dict[str, str], key: str, values: Sequence[str]) -> str:
    value = query.get(key, values[0])
    if value not in values:
        raise errors.invalid_query(f"{key} must be one of {', '.join(values)}.")
    return value


def _filter(query: Query) -> Test:
    """Combine the conditions; those on tags count as one, combined by ``tag_match``."""
    first = dict(reversed(query))
    match_all = _one_of(first, "match", ("all", "any")) == "all"
    tag_match_all = _one_of(first, "tag_match", ("all", "any")) == "all"
    tests = [test for key, value in query if (test := _condition(key, value)) is not None]
    tag_tests = [test for key, value in query if (test := _tag_condition(key, value)) is not None]
    if tag_tests:
        tests.append(_combined(tag_tests, is_all=tag_match_all))
    if not tests:
        return lambda _: True
    return _combined(tests, is_all=match_all)


def _combined(tests: Sequence[Test], *, is_all: bool) -> Test:
    combine = all if is_all else any
    return lambda record: combine(test(record) for test in tests)


def _condition(key: str, value: str) -> Test | None:
    wanted = value.lower()
    if key in _FLAGS:
        accepts = _FLAGS[key]
        return lambda record: accepts(record, wanted)
    member, _, operator = key.partition(".")
    if member not in _TEXTS or (operator or "exact") not in _OPERATORS:
        return None
    text, compare = _TEXTS[member], _OPERATORS[operator or "exact"]
    return lambda record: compare(text(record), wanted)


def _is_found(record: Record, wanted: str) -> bool:
    texts = [text(record) for text in _TEXTS.values()]
    texts += [record.type.lower(), *(tag.lower() for tag in record.fields.tags)]
    return any(wanted in text for text in texts)


_FLAGS: dict[str, Callable[[Record, str], bool]] = {
    "type": lambda record, wanted: record.type.lower() == wanted,
    "proxied": lambda record, wanted: record.fields.proxied == (wanted == "true"),
    "comment.present": lambda record, _: record.fields.comment is not None,
    "comment.absent": lambda record, _: record.fields.comment is None,
    "search": _is_found,
}


def _tag_condition(key: str, value: str) -> Test | None:
    member, _, operator = key.partition(".")
    if member != "tag":
        return None
    name, colon, wanted = value.lower().partition(":")
    if operator == "absent":
        return lambda record: not _tag_values(record, name)
    if operator == "present" or (not operator and not colon):
        return lambda record: bool(_tag_values(record, name))
    compare = _OPERATORS.get(operator or "exact")
    if compare is None:
        return None
    return lambda record: any(compare(text, wanted) for text in _tag_values(record, name))


def _tag_values(record: Record, name: str) -> list[str]:
    pairs = [tag.lower().partition(":") for tag in record.fields.tags]
    return [value for tag_name, _, value in pairs if tag_name == name]

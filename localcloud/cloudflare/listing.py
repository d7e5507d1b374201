"""Listing records: filters and pages.

https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/list/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from . import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .jsonvalue import Json
    from .records import Record

Query: TypeAlias = tuple[tuple[str, str], ...]

DEFAULT_PER_PAGE = 100
MAX_PER_PAGE = 5_000_000

_Item = TypeVar("_Item")
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "": str.__eq__,
    "exact": str.__eq__,
    "startswith": str.startswith,
}
_TEXTS: dict[str, Callable[[Record], str]] = {
    "name": lambda record: record.name,
    "content": lambda record: record.fields.content,
    "comment": lambda record: record.fields.comment or "",
    "type": lambda record: record.type,
}
_NO_FILTERS = frozenset({"page", "per_page", "match"})


@dataclass(frozen=True)
class Page:
    """One page of a list, and what its `result_info` says."""

    records: Sequence[Record]
    info: dict[str, Json]


def select(records: Iterable[Record], query: Query) -> Page:
    """Return the requested page of these records, by type and then in order of creation.

    The API ignores unknown parameters. A filter that it has and the stand-in lacks must not
    silently find everything, so all others are refused here.
    """
    filters = [_filter(key, value) for key, value in query if key not in _NO_FILTERS]
    combine = any if ("match", "any") in query and filters else all
    found = [record for record in records if combine(test(record) for test in filters)]
    found.sort(key=lambda record: (record.type, record.serial))
    return Page(*paged(found, query, default=DEFAULT_PER_PAGE, minimum=1, maximum=MAX_PER_PAGE))


def exact_name(query: Query) -> str | None:
    """Return the only name that can match, if there is one, so that the others are not searched."""
    names = [value for key, value in query if key in {"name", "name.exact"}]
    return names[0].lower() if names and ("match", "any") not in query else None


def paged(
    found: Sequence[_Item], query: Query, *, default: int, minimum: int, maximum: int
) -> tuple[Sequence[_Item], dict[str, Json]]:
    """Return the requested page, and its `result_info`; an empty list has one page."""
    page = _whole_number(query, "page", 1, 1, MAX_PER_PAGE)
    per_page = _whole_number(query, "per_page", default, minimum, maximum)
    shown = found[(page - 1) * per_page : page * per_page]
    return shown, {
        "page": page,
        "per_page": per_page,
        "count": len(shown),
        "total_count": len(found),
        "total_pages": max(1, -(-len(found) // per_page)),
    }


def _whole_number(query: Query, key: str, default: int, minimum: int, maximum: int) -> int:
    text = dict(query).get(key, str(default))
    if not text.isdecimal() or not minimum <= int(text) <= maximum:
        raise errors.invalid_query(f"{key} must be between {minimum} and {maximum}.")
    return int(text)


def _filter(key: str, value: str) -> Callable[[Record], bool]:
    member, _, operator = key.partition(".")
    if member not in _TEXTS or operator not in _OPERATORS:
        raise errors.invalid_query(f"The stand-in has no filter {key}.")
    text, compare, wanted = _TEXTS[member], _OPERATORS[operator], value.lower()
    return lambda record: compare(text(record).lower(), wanted)

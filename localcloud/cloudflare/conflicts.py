"""Which records may share a name.

https://developers.cloudflare.com/dns/manage-dns-records/troubleshooting/records-with-same-name/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .records import Fields

MAX_COMBINED_CONTENT = 8192


def check(new: Fields, namesakes: Sequence[Fields], apex: str) -> None:
    """Raise what the API answers if a record may not share its name with the others.

    Several A or AAAA records of one name are allowed (round robin), an identical one is not
    (81058). A CNAME excludes A, AAAA and other CNAMEs (81053, 81054), but neither TXT nor MX. NS
    records below the apex exclude every other type (81056).
    """
    if any(new.identity == other.identity for other in namesakes):
        raise errors.identical_record()
    types = {other.type for other in namesakes}
    if new.type == "CNAME" and types & {"A", "AAAA", "CNAME"}:
        raise errors.name_taken_for_cname()
    if new.type in {"A", "AAAA"} and "CNAME" in types:
        raise errors.cname_exists()
    has_other_types = bool(types - {new.type})
    if new.name != apex and has_other_types and "NS" in types | {new.type}:
        raise errors.ns_exists()
    combined = sum(len(other.content) for other in namesakes if other.type == new.type)
    if combined + len(new.content) > MAX_COMBINED_CONTENT:
        raise errors.combined_content_too_long()

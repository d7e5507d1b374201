"""A meeting's join links, one for each role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.meeting_row.meeting import API_URL, ROLES
from chalicelib.meetings.keys import key_hash_attribute, opens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.meeting_row.meeting import Meeting


def join_links(
    meeting: Meeting, keys_of: Callable[[str], Mapping[str, str]], base_url: str | None = None
) -> dict[str, str | None]:
    """Return the link of each role, below the API's address or, by default, the row's.

    `keys_of` returns the keys of a meeting, and is called only for one whose links have keys. A
    link is None if the row has another key's hash: the meeting was scheduled before keys could be
    derived again, and its links were shown only then.
    """
    base = base_url or meeting.text(API_URL)
    hashes = {role: meeting.text(key_hash_attribute(role)) for role in ROLES}
    keys = keys_of(meeting.id) if any(hashes.values()) else {}
    links: dict[str, str | None] = {}
    for role, key_hash in hashes.items():
        link = f"{base}/join/{meeting.id}/{role}" if base else None
        if link and key_hash is not None:
            link = f"{link}?key={keys[role]}" if opens(keys.get(role), key_hash) else None
        links[role] = link
    return links

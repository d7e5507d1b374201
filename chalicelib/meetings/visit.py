"""A visit of a join link: who asks, and whether they ask to enter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from chalicelib.meetings.http import Request

LONGEST_ID: Final = 255
_OF_PREVIEWS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz", "range")
"""Headers of prefetches of a link, or of requests for a part of its target.

https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header
"""
_SAYS_WAITING: Final = "elephant-waiting"
"""The header of a waiting page that must not enter: it is hidden, or needs a click.

It is for our own page: CORS does not allow other front ends to send it.
"""
_HOW_TO_ENTER: Final = "The desktop is ready. To enter it, send 'Accept: application/json'."


@dataclass(frozen=True)
class Visit:
    """Who asks, and how: `enters` by saying so, not by fetching the link."""

    request: Request
    meeting_id: str
    role: str

    @property
    def is_page(self) -> bool:
        """Whether a browser asks for a page to show."""
        return self._accepts("text/html")

    @property
    def enters(self) -> bool:
        """Whether the visitor is sent in if the desktop is ready.

        Opening the page has no side effects: link previews fetch it like this, or with the
        `Accept: */*` of a library. So a program has to name JSON. A front end's script need not,
        since the browser identifies it in headers that no page can set. A waiting page asks as a
        program does, and says when it must not enter.
        """
        headers = self.request.headers
        if self._is_preview or self._says_waiting:
            return False
        if self.is_page:
            return self.request.query.get("enter") == "1"
        is_fetched = headers.get("sec-fetch-dest") == "empty" and (
            headers.get("sec-fetch-mode") in {"cors", "same-origin"}
        )
        return self._accepts("application/json") or is_fetched or "origin" in headers

    @property
    def waits(self) -> bool:
        """Whether a visitor is behind it: one who asks to enter, or a page that says it waits."""
        return self.enters or (self._says_waiting and not self._is_preview)

    @property
    def wants_file(self) -> bool:
        """Whether the visitor enters with one of DCV's native clients, so with a file for it."""
        return self.is_page and self.request.query.get("as") == "dcv"

    @property
    def hint(self) -> str | None:
        """The hint for a program that has not asked to enter; None if it has."""
        return None if self.waits else _HOW_TO_ENTER

    @property
    def _is_preview(self) -> bool:
        return any(name in self.request.headers for name in _OF_PREVIEWS)

    @property
    def _says_waiting(self) -> bool:
        return self.request.headers.get(_SAYS_WAITING) == "1"

    def _accepts(self, content_type: str) -> bool:
        """Return True if the header Accept names exactly this type."""
        types = self.request.headers.get("accept", "").split(",")
        return any(each.split(";")[0].strip().lower() == content_type for each in types)

    @property
    def is_possible(self) -> bool:
        """Whether this can be a meeting's id."""
        return 0 < len(self.meeting_id) <= LONGEST_ID and self.meeting_id.isprintable()

    @property
    def entrance(self) -> str:
        """The address, relative to this one, that enters by a click."""
        key = self.request.query.get("key")
        query = ({"key": key} if key else {}) | {"enter": "1"}
        return "?" + urlencode(query, errors="replace")

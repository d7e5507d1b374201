"""Clients of a stage's API: people and programs that schedule and join meetings."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT: Final = 600
_AS_BROWSERS_DO: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)

    @property
    def document(self) -> Any:  # noqa: ANN401 (JSON)
        """The body as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Page:
    """What a visitor sees on the waiting page, as text."""

    status: int
    headline: str
    message: str
    entrance: str | None
    """Where "Open your desktop" leads, if it is shown."""


class Caller:
    """Calls the API from outside AWS: by HTTP, and with a key."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())

    def schedule(
        self, wanted: Mapping[str, object], key: str | None, idempotency_key: str | None = None
    ) -> Answer:
        """Ask for a meeting."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.request("POST", "/schedule", key, wanted, headers)

    def request(
        self,
        method: str,
        path: str,
        key: str | None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request as the booking page does; without a key if that is None."""
        sent = {"Accept": "application/json", **(headers or {})}
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        return self._call(f"{self.base_url}{path}", sent, data, method)

    def ask(self, link: str) -> Answer:
        """Ask a join link as a program does."""
        return self._call(link, {"Accept": "application/json"})

    def look(self, link: str) -> Page:
        """Open a join link in a browser, and read what the page says."""
        answer = self._call(link, {"Accept": _AS_BROWSERS_DO})
        reading = _Reading()
        reading.feed(answer.text)
        return Page(
            answer.status,
            reading.texts.get("headline", ""),
            reading.texts.get("message", ""),
            reading.entrance,
        )

    def click(self, link: str, page: Page) -> str | None:
        """Click "Open your desktop"; return the address that the browser is sent to."""
        if page.entrance is None:
            return None
        where = urllib.parse.urljoin(link, page.entrance)
        answer = self._call(where, {"Accept": _AS_BROWSERS_DO})
        return answer.headers.get("Location")

    def _call(
        self,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        method: str | None = None,
    ) -> Answer:
        # The stage's own address.
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 (see above)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Do not follow redirects, since only the target is of interest."""


class _Reading(HTMLParser):
    """Reads the text of elements with an id, and the entrance's target."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.entrance: str | None = None
        self._within: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where the reading is."""
        known = dict(attrs)
        self._within = known.get("id") if tag in {"h1", "p"} else self._within
        if known.get("id") == "open":
            self.entrance = known.get("href")

    def handle_endtag(self, tag: str) -> None:
        """Leave the element."""
        if tag in {"h1", "p"}:
            self._within = None

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        if self._within:
            self.texts[self._within] = " ".join((self.texts.get(self._within, "") + data).split())

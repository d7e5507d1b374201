"""`GET /`: the booking page, where people who have a key book meetings, and change and end theirs.

The page contains nothing of a meeting or a key: its script asks the visitor for the key, and then
does everything by the API, as any front end would.
"""

from __future__ import annotations

import time
from html import escape
from string import Template
from typing import TYPE_CHECKING, Final

from chalicelib.clock import format_time, time_at
from chalicelib.meetings.http import Answer
from chalicelib.meetings.inline import HTML, page_headers, read_part

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chalicelib.meetings.http import Request
    from chalicelib.telemetry import Reporter

_SCRIPTS: Final = ("_api", "_times", "_when", "_form", "_list", "_actions", "")
"""The parts of the script, each after those whose constants it needs when it is loaded."""

STYLE: Final = read_part("style.css") + read_part("booking_page.css")
_PARTS: Final = "\n".join(read_part(f"booking_page{each}.js") for each in _SCRIPTS)
SCRIPT: Final = f'"use strict";\n(() => {{\n{_PARTS}}})();'
_LOGO: Final = read_part("logo.svg").rstrip()
_PAGE: Final = Template(read_part("booking_page.html"))

HEADERS: Final = {
    **page_headers(STYLE, SCRIPT),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class BookingPage:
    """Answers `GET /`; one for each execution environment."""

    def __init__(self, *, reporter: Reporter, clock: Callable[[], float] = time.time) -> None:
        self._reporter = reporter
        self._clock = clock

    def handle(self, request: Request) -> Answer:
        """Answer any request with the page, and report once."""
        body = render(request.base_url, time_at(self._clock()))
        self._reporter.succeeded({"action": "shown", "reason": "the booking page"}, {})
        return Answer(200, body, HTML, HEADERS)


def render(api_url: str, now: datetime) -> str:
    """Write the page for the API at this address; if it is empty, for that beside the page.

    `now` is there because the visitor's own clock may be wrong.
    """
    return _PAGE.substitute(
        api=escape(api_url), now=format_time(now), logo=_LOGO, style=STYLE, script=SCRIPT
    )

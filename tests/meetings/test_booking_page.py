"""The booking page loads nothing, allows only itself, and knows its API's address."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Final

from chalicelib.meetings.booking_page import HEADERS, SCRIPT, STYLE, BookingPage, render
from chalicelib.meetings.http import Request
from tests.documents import Document
from tests.world import Reports

NOW: Final = datetime(2026, 11, 1, 5, 0, 9, tzinfo=UTC)


def test_it_is_answered_with_its_apis_address_kept_nowhere_and_reported_once() -> None:
    reports = Reports()
    page = BookingPage(reporter=reports, clock=NOW.timestamp)
    request = Request("GET", "/api", {}, {}, b"", "https://api.example.com/api")

    answer = page.handle(request)

    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    body = Document(answer.body).one("body")
    assert body["data-api"] == "https://api.example.com/api"
    assert body["data-now"] == "2026-11-01T05:00:09Z"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert [outcome for outcome, *_ in reports.lines] == ["succeeded"]


def test_style_and_script_are_allowed_by_their_hashes_and_nothing_else_is() -> None:
    document = Document(render("", NOW))
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))

    for directive, tag, text in (("style-src", "style", STYLE), ("script-src", "script", SCRIPT)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy.pop(directive) == f"'sha256-{digest}'"
        assert "".join(document.texts[tag]) == text
    assert policy.pop("connect-src") == "'self'"
    assert set(policy) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}


def test_nothing_is_loaded_or_contradicts_the_policy_and_no_text_becomes_markup() -> None:
    for tag, attributes in Document(render("", NOW)).elements:
        assert tag not in {"link", "img", "iframe", "object"}
        assert not {name for name in attributes if name in {"style", "src"} or name[:2] == "on"}
    assert not re.search(r"url\(|@import", STYLE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", SCRIPT)

"""Requests are read as API Gateway hands them over; answers let the configured pages read them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from chalice.app import Request as ChaliceRequest

from chalicelib.meetings.http import Answer, Request, json_answer, preflight, to_chalice, with_cors
from tests.application import gateway_event

ORIGIN = "https://app.example.com"
ORIGINS = frozenset({ORIGIN, "https://other.example.com"})
METHODS = ("POST", "OPTIONS")
REQUEST = Request("POST", "/schedule", {"origin": ORIGIN}, {}, b"", "https://api.example.com")


def read(**members: Any) -> Request:  # noqa: ANN401
    """Read a request that Chalice made of API Gateway's event."""
    request = ChaliceRequest(gateway_event("POST", "/schedule", "/api/schedule", **members))
    return Request.of(request)


def test_a_request_is_read_as_it_was_sent() -> None:
    request = read(
        headers={"Host": "api.example.com", "X-Forwarded-Proto": "https", "AUTHorization": "x"},
        multiValueQueryStringParameters={"key": ["first", "last"]},
        body="Zoë",
    )

    assert (request.method, request.path) == ("POST", "/api/schedule")
    assert request.headers["authorization"] == "x"
    assert request.query == {"key": "last"}
    assert request.body == "Zoë".encode()
    assert request.base_url == "https://api.example.com/api"


def test_an_empty_request_is_read() -> None:
    request = read(headers=None)

    assert request == Request("POST", "/api/schedule", {}, {}, b"", "")


@pytest.mark.parametrize(
    ("members", "body"),
    [
        ({"body": "/w==", "isBase64Encoded": True}, b"\xff"),
        ({"body": "\ud800"}, b""),
        ({"body": "/", "isBase64Encoded": True}, b""),
    ],
    ids=["binary", "surrogate", "broken base64"],
)
def test_a_body_is_decoded_or_taken_as_missing(members: dict[str, Any], body: bytes) -> None:
    assert read(**members).body == body


ROUTE, JOIN, HOST = "/schedule", "/join/{meeting_id}/{role}", "api.example.com"


@pytest.mark.parametrize(
    ("host", "scheme", "route", "path", "base"),
    [
        (HOST, None, ROUTE, "/schedule", "https://api.example.com"),
        (HOST, None, ROUTE, "/v1/elephant/schedule/", "https://api.example.com/v1/elephant"),
        (HOST, None, JOIN, "/api/join/abc/teacher", "https://api.example.com/api"),
        (HOST, None, JOIN, "/join/abc/teacher", "https://api.example.com"),
        (HOST, None, JOIN, "/short", "https://api.example.com"),
        (HOST, None, ROUTE, "/api/schedule", "https://api.example.com/api"),
        (HOST, "https", ROUTE, "/api/schedule", "https://api.example.com/api"),
        (HOST, "http", ROUTE, "/api/schedule", "http://api.example.com/api"),
        (HOST, "gopher", ROUTE, "/api/schedule", "https://api.example.com/api"),
        ("localhost:8000", None, ROUTE, "/api/schedule", "http://localhost:8000/api"),
        ("127.0.0.1:8000", "https", ROUTE, "/api/schedule", "https://127.0.0.1:8000/api"),
        ("[::1]:8000", None, ROUTE, "/api/schedule", "http://[::1]:8000/api"),
        *(
            (host, "https", ROUTE, "/api/schedule", "")
            for host in ("", "evil.example/path", "user@evil.example", '"><script>', "a b")
        ),
    ],
)
def test_links_lead_where_the_request_was_sent(
    host: str, scheme: str | None, route: str, path: str, base: str
) -> None:
    """A custom domain has no stage in its paths, and may have a base path of its own."""
    context = {"httpMethod": "GET", "resourcePath": route, "path": path}
    headers = {"Host": host} | ({"X-Forwarded-Proto": scheme} if scheme else {})

    assert read(requestContext=context, headers=headers).base_url == base


def test_an_answer_is_json_that_no_cache_keeps() -> None:
    answer = json_answer(503, {"message": "Zoë"}, Retry_After="5")

    assert (answer.status, json.loads(answer.body)) == (503, {"message": "Zoë"})
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Retry-After"] == "5"


def test_a_configured_page_may_read_an_answer() -> None:
    answer = with_cors(json_answer(401, {}, Vary="Accept"), REQUEST, ORIGINS, METHODS)

    assert answer.status == 401
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert answer.headers["Vary"] == "Accept, Origin"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.com.evil.example", "null", "*", "", None],
)
def test_no_other_page_may_read_an_answer(origin: str | None) -> None:
    request = replace(REQUEST, headers={"origin": origin} if origin is not None else {})
    answer = with_cors(json_answer(200, {}), request, ORIGINS, METHODS)

    for each in (answer, preflight(request, ORIGINS, METHODS)):
        assert not [name for name in each.headers if name.startswith("Access-Control")]
        assert each.headers["Vary"] == "Origin", "a cache must not give it to another page"


def test_without_configured_pages_no_header_is_added() -> None:
    answer = json_answer(200, {})

    assert with_cors(answer, REQUEST, frozenset(), METHODS) == answer
    assert preflight(REQUEST, frozenset(), METHODS).headers == {}


def test_a_preflight_says_what_a_page_may_send() -> None:
    answer = preflight(REQUEST, ORIGINS, METHODS)

    assert (answer.status, answer.body) == (204, "")
    assert (
        answer.headers.items()
        >= {
            "Access-Control-Allow-Origin": ORIGIN,
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            "Access-Control-Allow-Headers": "authorization, content-type, idempotency-key",
            "Access-Control-Max-Age": "600",
        }.items()
    )


def test_chalice_takes_the_answer() -> None:
    answer = Answer(303, "<p>", "text/html; charset=utf-8", {"Location": "https://x.example"})

    made = to_chalice(answer).to_dict()

    assert (made["statusCode"], made["body"]) == (303, "<p>")
    headers = {"Content-Type": "text/html; charset=utf-8", "Location": "https://x.example"}
    assert made["headers"] == headers


def test_keys_are_never_shown() -> None:
    secret = "k3y"
    request = Request("GET", "/", {"authorization": secret}, {"key": secret}, b"k3y", "https://x")

    assert secret not in f"{request} {request!r}"
    assert secret not in repr(Answer(200, secret, headers={"Location": secret}))

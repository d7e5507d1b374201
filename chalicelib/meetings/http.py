"""API Gateway requests and responses, and CORS."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from chalice.app import Response

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_REMEMBERED: Final = "600"
"""Seconds for which a browser may cache a preflight answer."""


class GatewayRequest(Protocol):
    """What is read from Chalice's `app.current_request`."""

    @property
    def method(self) -> str:
        """The method, in upper case."""
        ...

    @property
    def path(self) -> str:
        """The route's own path, with its parameters by name: `/join/{meeting_id}/{role}`."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        ...

    @property
    def query_params(self) -> Mapping[str, str] | None:
        """The query's parameters, if there are any."""
        ...

    @property
    def context(self) -> Mapping[str, Any]:
        """API Gateway's `requestContext`."""
        ...

    @property
    def raw_body(self) -> str | bytes:
        """The body. Raises ValueError if it cannot be decoded."""
        ...


@dataclass(frozen=True)
class Request:
    """A request. Headers, query and body may contain keys, so none of these is ever shown.

    Header names are in lower case. `base_url` is the base address of the API's routes, without a
    trailing slash; it is empty if the request does not name its host.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    base_url: str
    caller_arn: str = ""
    """Who signed the request, on routes with IAM authorization."""

    @classmethod
    def of(cls, request: GatewayRequest) -> Request:
        """Read Chalice's request. A body that cannot be decoded is treated as missing.

        The path of API Gateway's context includes what precedes the route: the API's stage or the
        base path of a custom domain.
        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
        """
        path = str(request.context["path"])
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            raw = request.raw_body
            body = raw.encode() if isinstance(raw, str) else raw
        except ValueError:
            body = b""
        return cls(
            method=request.method,
            path=path,
            headers=headers,
            query=dict(request.query_params or {}),
            body=body,
            base_url=_base_url(headers, request.path, path),
            caller_arn=str(request.context.get("identity", {}).get("userArn") or ""),
        )


@dataclass(frozen=True)
class Answer:
    """An answer. Its body may contain join keys, so it is never shown."""

    status: int
    body: str = field(repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def json_answer(status: int, document: Mapping[str, Any], **headers: str) -> Answer:
    """Build an uncached JSON answer; `Retry_After="5"` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kept_nowhere = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Answer(status, json.dumps(document), headers=kept_nowhere | named)


def with_cors(
    answer: Answer, request: Request, allowed_origins: Collection[str], methods: tuple[str, ...]
) -> Answer:
    """Let pages of the given origins, and no others, read the answer.

    https://fetch.spec.whatwg.org/#http-cors-protocol
    """
    if not allowed_origins:
        return answer
    headers = dict(answer.headers)
    headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Origin")))
    origin = request.headers.get("origin", "")
    if origin in allowed_origins:
        headers |= {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Expose-Headers": "Retry-After",
        }
    return replace(answer, headers=headers)


def preflight(
    request: Request, allowed_origins: Collection[str], methods: tuple[str, ...]
) -> Answer:
    """Answer a browser's preflight request (OPTIONS)."""
    answer = with_cors(Answer(204, ""), request, allowed_origins, methods)
    if "Access-Control-Allow-Origin" not in answer.headers:
        return answer
    said = {
        "Access-Control-Allow-Headers": "authorization, content-type, idempotency-key",
        "Access-Control-Max-Age": _REMEMBERED,
    }
    return replace(answer, headers={**answer.headers, **said})


def to_chalice(answer: Answer) -> Response:
    """Convert the answer to Chalice's class."""
    headers: dict[str, str | list[str]] = {"Content-Type": answer.content_type, **answer.headers}
    return Response(body=answer.body, status_code=answer.status, headers=headers)


def _base_url(headers: Mapping[str, str], route: str, path: str) -> str:
    host = headers.get("host", "")
    if not _HOST.fullmatch(host):
        return ""
    scheme = headers.get("x-forwarded-proto", "")
    if scheme not in {"http", "https"}:  # API Gateway always sends it; only a local server does not
        scheme = "http" if urlsplit(f"//{host}").hostname in _LOOPBACK else "https"
    parts = path.rstrip("/").split("/")
    before = parts[: max(1, len(parts) - route.rstrip("/").count("/"))]
    return f"{scheme}://{host}{'/'.join(before)}"

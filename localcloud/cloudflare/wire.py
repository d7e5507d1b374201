"""Requests and answers as values, and the envelope every JSON answer has.

https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .errors import ApiError
    from .jsonvalue import Json, JsonObject
    from .listing import Query

BASE_PATH = "/client/v4"
JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Request:
    """What a client sent. `path` is the whole one, `client` the address it came from."""

    method: str
    path: str
    query: Query = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1"

    def header(self, name: str) -> str | None:
        """Return a header by its case-insensitive name, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)

    @property
    def api_path(self) -> str:
        """The path below the API's base, or the whole one when it is not below it."""
        return self.path.removeprefix(BASE_PATH) if self.path.startswith(BASE_PATH) else self.path


@dataclass(frozen=True)
class Response:
    """What is answered. The delays are the server's to carry out; nothing sleeps before it.

    `delay_before` lies before the call's execution, `delay_after` between that and the answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay_before: float = 0
    delay_after: float = 0

    def json(self) -> Mapping[str, Json]:
        """Return the body as the JSON object it is."""
        return cast("Mapping[str, Json]", json.loads(self.body))


@dataclass(frozen=True)
class Dropped:
    """No answer: the connection is closed."""

    delay_before: float = 0
    delay_after: float = 0


@dataclass(frozen=True)
class Call:
    """A call as it came in: path below the API's base, and the status (None: dropped).

    The body is only for inspection; two calls are equal even if their bodies differ.
    """

    method: str
    path: str
    query: Query
    status: int | None
    body: bytes = field(default=b"", compare=False, repr=False)


def json_response(status: int, content: Json, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that holds JSON."""
    return Response(
        status, {"Content-Type": JSON_TYPE, **(headers or {})}, json.dumps(content).encode()
    )


def success(
    result: Json, *, info: JsonObject | None = None, messages: Sequence[JsonObject] = ()
) -> Response:
    """Return a 200 with the envelope around a result."""
    envelope: dict[str, Json] = {
        "result": result,
        "success": True,
        "errors": [],
        "messages": list(messages),
    }
    if info is not None:
        envelope["result_info"] = info
    return json_response(200, envelope)


def failure(error: ApiError, *, status: int | None = None) -> Response:
    """Return the envelope of a refusal, with `Retry-After` where the error has one."""
    envelope: dict[str, Json] = {
        "result": None,
        "success": False,
        "errors": [error.as_json()],
        "messages": [],
    }
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return json_response(error.status if status is None else status, envelope, headers)

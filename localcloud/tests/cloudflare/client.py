"""A client of the API without sockets, and a clock that the test advances."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from localcloud.cloudflare import DEFAULT_TOKEN, DEFAULT_ZONE_ID, Api, Dropped, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.cloudflare.jsonvalue import Json, JsonObject

ZONE = f"/zones/{DEFAULT_ZONE_ID}"
RECORDS = f"{ZONE}/dns_records"
BATCH = f"{RECORDS}/batch"
HEADERS = {"Authorization": f"Bearer {DEFAULT_TOKEN}", "Content-Type": "application/json"}
OTHER_ID = "f" * 32


class Clock:
    """Seconds since 1970."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Client:
    """Calls an Api, with a valid token unless other headers are given."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def send(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str] = HEADERS,
        client: str = "127.0.0.1",
    ) -> Response | Dropped:
        path, _, query = path.partition("?")
        pairs = [pair.split("=", 1) for pair in query.split("&") if query]
        content = b"" if body is None else json.dumps(body).encode()
        return self.api.handle(
            Request(
                method,
                f"/client/v4{path}",
                tuple((name, value) for name, value in pairs),
                headers,
                content,
                client,
            ),
        )

    def call(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str] = HEADERS,
        client: str = "127.0.0.1",
    ) -> Response:
        """Send a call that is answered."""
        answer = self.send(method, path, body, headers=headers, client=client)
        assert isinstance(answer, Response)
        return answer

    def error(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str] = HEADERS,
        client: str = "127.0.0.1",
    ) -> tuple[int, int]:
        """Send a call that is refused; return status and code."""
        answer = self.call(method, path, body, headers=headers, client=client)
        assert answer.json()["success"] is False
        return answer.status, code_of(answer)

    def result(self, method: str, path: str, body: Json = None) -> JsonObject:
        """Send a call that succeeds; return the result, an object."""
        answer = self.call(method, path, body)
        assert answer.status == 200, answer.body
        return cast("JsonObject", answer.json()["result"])

    def results(self, path: str = RECORDS) -> list[JsonObject]:
        """Get a list."""
        return cast("list[JsonObject]", self.result("GET", path))

    def create(self, name: str, content: str = "198.51.100.4", **members: Json) -> str:
        """Create an A record and return its id."""
        return str(self.result("POST", RECORDS, a(name, content, **members))["id"])


def a(name: str, content: str = "198.51.100.4", **members: Json) -> dict[str, Json]:
    """Return the body of an A record."""
    return {"type": "A", "name": name, "content": content, **members}


def code_of(answer: Response) -> int:
    """Return the code of the only error in an envelope."""
    (error,) = cast("list[dict[str, int]]", answer.json()["errors"])
    return error["code"]

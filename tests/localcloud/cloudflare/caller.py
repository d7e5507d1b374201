"""A client of the API in-process, and a clock that stands still until it is moved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from localcloud.cloudflare import DEFAULT_TOKEN, DEFAULT_ZONE_ID, Api, Dropped, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.cloudflare.jsonvalue import Json, JsonObject

RECORDS = f"/zones/{DEFAULT_ZONE_ID}/dns_records"
BATCH = f"{RECORDS}/batch"
BEARER = f"Bearer {DEFAULT_TOKEN}"
MISSING_ID = "f" * 32


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Caller:
    """Calls an Api as a client would, with a good token unless told otherwise."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def send(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str] | None = None,
        client: str = "127.0.0.1",
    ) -> Response | Dropped:
        bare, _, query = path.partition("?")
        pairs = tuple((item.partition("=")[0], item.partition("=")[2]) for item in query.split("&"))
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"Authorization": BEARER, "Content-Type": "application/json"}
        return self.api.handle(
            Request(
                method,
                f"/client/v4{bare}",
                pairs if query else (),
                sent if headers is None else headers,
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
        headers: Mapping[str, str] | None = None,
        client: str = "127.0.0.1",
    ) -> Response:
        """Send a call that must be answered."""
        answer = self.send(method, path, body, headers=headers, client=client)
        assert isinstance(answer, Response)
        return answer

    def error(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str] | None = None,
        client: str = "127.0.0.1",
    ) -> tuple[int, int]:
        """Send a call that must be refused; return status and code."""
        answer = self.call(method, path, body, headers=headers, client=client)
        envelope = answer.json()
        assert envelope["success"] is False
        assert envelope["result"] is None
        return answer.status, code_of(answer)

    def result(self, method: str, path: str, body: Json = None) -> JsonObject:
        """Send a call that must succeed with an object; return that."""
        answer = self.call(method, path, body)
        assert answer.status == 200, answer.body
        return cast("JsonObject", answer.json()["result"])

    def results(self, path: str) -> list[JsonObject]:
        """Get a list."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer.body
        return cast("list[JsonObject]", answer.json()["result"])

    def create(self, name: str, content: str = "198.51.100.4", **members: Json) -> str:
        """Create an A record and return its id."""
        body = {"type": "A", "name": name, "content": content, **members}
        return str(self.result("POST", RECORDS, body)["id"])


def code_of(answer: Response) -> int:
    """Return the code of the one error in an envelope."""
    (error,) = cast("list[dict[str, int]]", answer.json()["errors"])
    return error["code"]

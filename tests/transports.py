"""Transports for tests: the real one, with something done to what passes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.cloudflare.transport import Response, Urllib3Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Tampering:
    """The real transport, with the answer's body changed on its way."""

    def __init__(self, tamper: Callable[[dict[str, Any]], None]) -> None:
        self._transport = Urllib3Transport()
        self._tamper = tamper

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        response = self._transport.request(method, url, headers, body, seconds)
        envelope = json.loads(response.body)
        self._tamper(envelope)
        return Response(response.status, response.headers, json.dumps(envelope).encode())


def storing(**members: object) -> Tampering:
    """Answer each change as if the record had been stored with these members."""

    def spoil(envelope: dict[str, Any]) -> None:
        if isinstance(envelope["result"], dict):
            envelope["result"].update(members)

    return Tampering(spoil)


class Noting:
    """The real transport; each call is noted with its method and the last part of its path.

    `before`, if given, is called with the note before the call goes out.
    """

    def __init__(self, calls: list[str], before: Callable[[str], None] = lambda _: None) -> None:
        self._calls = calls
        self._before = before
        self._transport = Urllib3Transport()

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        note = f"{method} {urlsplit(url).path.rpartition('/')[2]}"
        self._before(note)
        self._calls.append(note)
        return self._transport.request(method, url, headers, body, seconds)

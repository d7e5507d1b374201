"""HTTPS to Cloudflare: one request, one answer or a named failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_SECONDS: Final = 3.0


class NotSentError(Exception):
    """The request never reached the other side, so it may be made again, whatever it is."""


class NoAnswerError(Exception):
    """The request was sent and no whole answer came: whether it was carried out is unknown."""


@dataclass(frozen=True)
class Response:
    """An answer; header names are looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport(Protocol):
    """Makes one request, without retries and without following redirects."""

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        """Return the answer. Raises NotSentError or NoAnswerError."""
        ...


class Urllib3Transport:
    """The transport over urllib3; connections are kept for the next call."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        """Make the request within so many seconds."""
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds)
        try:
            answer = self._pool.request(
                method, url, headers=headers, body=body, timeout=timeout, redirect=False
            )
        except ConnectTimeoutError as error:  # and its kin: refused, no route, no such host
            raise NotSentError(str(error)) from error
        except HTTPError as error:
            raise NoAnswerError(str(error) or type(error).__name__) from error
        return Response(answer.status, answer.headers, answer.data)

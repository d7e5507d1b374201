"""HTTPS transport to Cloudflare: one request, one answer or a specific error."""

from __future__ import annotations

import http.client
import io
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProtocolError, SSLError

from chalicelib import trust
from chalicelib.deadline import require_time

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

CONNECT_SECONDS: Final = 3.0

LONGEST_BODY: Final = 16 * 1024 * 1024
"""Several times what a page of 5,000 records takes."""

_PART: Final = 64 * 1024


class NotSentError(Exception):
    """The request never reached the server, so it is always safe to retry."""


class _UntrustedError(NotSentError):
    """No root certificate in use verifies the server."""


class NoAnswerError(Exception):
    """The request was sent without a complete answer: whether it was carried out is unknown."""


@dataclass(frozen=True)
class Response:
    """An answer; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport(Protocol):
    """Makes one request, without retries and without following redirects."""

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        """Return the answer. Raises NotSentError or NoAnswerError.

        Raises OutOfTimeError if the current deadline passes before anything is sent.
        """
        ...


class Urllib3Transport:
    """The transport over urllib3, which reuses connections and their SSL context.

    A server that the roots of `trust.ssl_context` do not verify is tried once more with those of
    the system, which are then used for good: they may be newer, or have a proxy's.
    """

    def __init__(self) -> None:
        self._pool = _pool(trust.ssl_context())
        self._trusts_system = False

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        """Make the request; the seconds cover all of it, up to the last byte of the answer.

        A read is repeated at once if the server had closed a connection that was kept for reuse,
        as it does while Lambda freezes the environment.
        """
        begun = time.monotonic()
        try:
            return self._request(method, url, headers, body, seconds)
        except _UntrustedError:
            left = seconds - (time.monotonic() - begun)
            if self._trusts_system or left <= 0:
                raise
            self._pool, self._trusts_system = _pool(trust.ssl_context(of_system=True)), True
        except _ClosedError:
            left = seconds - (time.monotonic() - begun)
            if method != "GET" or left <= 0:
                raise
        return self._request(method, url, headers, body, left)

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds)
        try:
            answer = self._pool.request(
                method,
                url,
                headers=headers,
                body=body,
                timeout=timeout,
                redirect=False,
                preload_content=False,
                enforce_content_length=True,
            )
            content = _read(answer)
        except ConnectTimeoutError as error:  # and its subclasses: refused, no route, no such host
            raise NotSentError(str(error)) from error
        except SSLError as error:
            if isinstance(error.args[0], ssl.SSLCertVerificationError):
                raise _UntrustedError(str(error)) from error
            raise NoAnswerError(str(error)) from error
        except ProtocolError as error:
            if isinstance(error.args[-1], _ClosedError):
                raise error.args[-1] from error
            raise NoAnswerError(str(error) or type(error).__name__) from error
        except HTTPError as error:
            raise NoAnswerError(str(error) or type(error).__name__) from error
        return Response(answer.status, answer.headers, content)


def _pool(context: ssl.SSLContext) -> urllib3.PoolManager:
    pool = urllib3.PoolManager(retries=False, ssl_context=context)
    pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return pool


class _TimedReader(io.RawIOBase):
    """Reads from a socket within the timeout that the socket has when reading begins.

    A socket's own timeout restarts with every byte received, so an answer that trickles in would
    never reach it.
    """

    def __init__(self, source: socket.socket) -> None:
        super().__init__()
        self._source = source
        self._raw = source.makefile("rb", buffering=0)
        self._until = time.monotonic() + (source.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 (as inherited)
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._source.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSource:
    """A socket from which an answer is read."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._source))


class _Answer(http.client.HTTPResponse):
    """An answer whose headers and body together must arrive in the request's remaining time."""

    def __init__(self, sock: socket.socket, *arguments: Any, **more: Any) -> None:  # noqa: ANN401
        super().__init__(_TimedSource(sock), *arguments, **more)  # type: ignore[arg-type]


class _ClosedError(NoAnswerError, ConnectionError):
    """The server had closed a connection that was kept for reuse."""


class _Punctual(http.client.HTTPConnection):
    """A connection that sends nothing once the current deadline has passed.

    That may happen while the name is resolved, which has no timeout, or while connecting. If the
    server has closed a connection that has had an answer before, _ClosedError is raised.
    """

    response_class = _Answer
    _has_answered = False

    def send(self, data: Any) -> None:  # noqa: ANN401 (as inherited)
        if self.sock is None:
            self._has_answered = False
            self.connect()
        require_time("send the request")
        super().send(data)

    def getresponse(self) -> Any:  # noqa: ANN401 (as inherited)
        try:
            answer = super().getresponse()
        except ConnectionError as error:
            if self._has_answered:
                raise _ClosedError(str(error)) from error
            raise
        self._has_answered = True
        return answer


class _HttpConnection(_Punctual, urllib3.connection.HTTPConnection):
    pass


class _HttpsConnection(_Punctual, urllib3.connection.HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Read the body to its end. Raises NoAnswerError if it has none."""
    content = bytearray()
    for part in answer.stream(_PART):
        content += part
        if len(content) > LONGEST_BODY:
            answer.close()
            raise NoAnswerError(f"its body is longer than {LONGEST_BODY} bytes")
    return bytes(content)

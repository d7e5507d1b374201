"""A front to a server: speaks HTTPS, counts calls, makes each take longer by a known time."""

from __future__ import annotations

import re
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from localcloud.cloudflare.sockets import Running, TcpServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
_NOT_PASSED_ON = frozenset({"connection", "content-length", "server", "date", "transfer-encoding"})


class Front:
    """Serves at `url` what `upstream` serves, from entering the context until leaving it.

    A call takes `delay` seconds longer, and the first one of a connection `connecting` seconds
    more. `calls` has when and what was called, in order: AWS's operation, or else the method. An
    operation in `answers` is answered by what stands there, and not passed on.
    """

    def __init__(self, upstream: str, context: ssl.SSLContext) -> None:
        parts = urlsplit(upstream)
        self.context = context
        self.upstream = (parts.hostname or "", parts.port or 80)
        self._path = parts.path
        self.delay = 0.0
        self.connecting = 0.0
        self.calls: list[tuple[float, str]] = []
        self.answers: dict[str, Callable[[bytes], bytes]] = {}
        self._lock = Lock()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"https://127.0.0.1:{self._port}{self._path}"

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._port = int(self._server.server_address[1])
        self._running = Running(self._server, "front")
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.stop()

    def take_calls(self) -> list[tuple[float, str]]:
        """Return the calls since the last time, each with the moment at which it came."""
        with self._lock:
            taken, self.calls = self.calls, []
        return taken

    def disconnect(self) -> None:
        """Close all connections, as a server does with those that have been idle."""
        self._server.disconnect()

    def note_call(self, operation: str) -> None:
        """Count a call."""
        with self._lock:
            self.calls.append((time.monotonic(), operation))


class _Server(TcpServer):
    def __init__(self, front: Front) -> None:
        self.front = front
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = front.context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )


class _Handler(BaseHTTPRequestHandler):
    """Holds one connection to the upstream for each that it serves."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = HTTPConnection(*self.server.front.upstream)
        self._is_new = True

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def _serve(self) -> None:
        front = self.server.front
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation = self._operation(body)
        front.note_call(operation)
        time.sleep(front.delay + (front.connecting if self._is_new else 0.0))
        self._is_new = False
        made = front.answers.get(operation)
        if made:
            self._answer(200, {"Content-Type": "text/xml;charset=UTF-8"}, made(body))
            return
        self._upstream.request(self.command, self.path, body, dict(self.headers.items()))
        answer = self._upstream.getresponse()
        headers = {key: value for key, value in answer.getheaders() if _is_passed_on(key)}
        self._answer(answer.status, headers, answer.read())

    def _operation(self, body: bytes) -> str:
        target = self.headers.get("X-Amz-Target")
        if target:
            return target.rpartition(".")[2]
        found = _ACTION.search(body)
        return found[1].decode() if found else self.command

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    # The base class looks these names up.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Log nothing."""


def _is_passed_on(header: str) -> bool:
    return header.lower() not in _NOT_PASSED_ON

"""Lambda's Runtime API for one execution environment.

The HTTP interface between Lambda and the runtime client inside an environment, as documented in
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: the client asks for the next
invocation, and posts its response or error.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import SimpleQueue
from typing import Any, Literal

_PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Work:
    """An invocation to hand to the runtime client; its deadline in seconds since 1970."""

    request_id: str
    function_arn: str
    payload: bytes
    deadline: float


@dataclass(frozen=True)
class Message:
    """What the environment did: took its place for the next invocation, answered, or ended."""

    kind: Literal["ready", "response", "error", "init-error", "exit"]
    body: bytes = b""


class RuntimeApi:
    """Serves one environment, one request after another, until `close`.

    The environment's actions arrive in `messages`, in order.
    """

    def __init__(self) -> None:
        self.messages: SimpleQueue[Message] = SimpleQueue()
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._serve, name="runtime-api", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """The host and port for AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self._server.server_port}"

    def give(self, work: Work) -> None:
        """Answer the client's pending request for an invocation, or its next one."""
        self._work.put(work)

    def take(self) -> Work | None:
        """Return the next invocation; None when there will be none."""
        return self._work.get()

    def close(self) -> None:
        """Stop serving. The environment's process must have ended."""
        self._closing.set()
        self._work.put(None)
        # Wakes the thread if it waits for a connection.
        with socket.create_connection(("127.0.0.1", self._server.server_port)):
            pass
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._server.handle_request()


class _Server(HTTPServer):
    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Print nothing: a killed environment breaks its connection off."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Log nothing."""

    def do_GET(self) -> None:
        if self.path != _PREFIX + "invocation/next":
            self._reply(HTTPStatus.NOT_FOUND, b"{}")
            return
        self.server.api.messages.put(Message("ready"))
        work = self.server.api.take()
        if work is None:
            self.close_connection = True
            return
        self._reply(
            HTTPStatus.OK,
            work.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": work.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(work.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": work.function_arn,
                "Lambda-Runtime-Trace-Id": _trace_id(work.request_id),
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.removeprefix(_PREFIX)
        if path == "init/error":
            self.server.api.messages.put(Message("init-error", body))
        elif path.endswith("/response"):
            self.server.api.messages.put(Message("response", body))
        elif path.endswith("/error"):
            self.server.api.messages.put(Message("error", body))
        else:
            self._reply(HTTPStatus.NOT_FOUND, b"{}")
            return
        self._reply(HTTPStatus.ACCEPTED, b'{"status": "OK"}')

    def _reply(
        self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _trace_id(request_id: str) -> str:
    digits = request_id.replace("-", "").ljust(32, "0")
    return f"Root=1-{digits[:8]}-{digits[8:32]};Sampled=0"

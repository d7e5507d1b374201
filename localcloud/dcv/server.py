"""The server itself: HTTPS with the desktop's own certificate, and the sign-in with a token."""

from __future__ import annotations

import socket
import ssl
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from . import page, verifier
from .certificate import make_certificate
from .configuration import Configuration
from .sessions import CommandError, FullError, Sessions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class DcvServer:
    """The server of one desktop, whose files are below `root`; it does not run yet.

    It reads `/etc/dcv/dcv.conf` when it starts, with the certificate `dcv.pem` and its key
    `dcv.key` beside it; without them it makes its own, as DCV does, which nobody trusts.
    """

    def __init__(self, root: Path, whose: str, host: str = "127.0.0.1") -> None:
        self.whose = whose
        self.host = host
        self.sessions = Sessions()
        self.configuration = Configuration()
        self._directory = root / "etc/dcv"
        self._lock = threading.RLock()
        self._running: tuple[_Server, threading.Thread] | None = None

    def start(self) -> None:
        """Start it, unless it runs. Raises OSError or ValueError, also for a bad certificate."""
        with self._lock:
            if self._running is not None:
                return
            self.configuration = Configuration.read(self._directory / "dcv.conf")
            server = _Server((self.host, self.configuration.web_port), self, self._tls())
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="dcv")
            thread.start()
            self._running = server, thread

    def stop(self) -> None:
        """Stop it; all sessions end. May be called again."""
        with self._lock:
            if self._running is None:
                return
            (server, thread), self._running = self._running, None
            self.sessions.clear()
            server.shutdown()
            server.hang_up()
            server.server_close()
            thread.join()

    def restart(self) -> None:
        """Stop it and start it with what its files say now."""
        with self._lock:
            self.stop()
            self.start()

    def command(self, arguments: Sequence[str]) -> str:
        """Carry out what the command `dcv` is called with; return its output. CommandError."""
        if self._running is None:
            raise CommandError("Could not connect to the DCV server")
        return self.sessions.command(arguments)

    def _tls(self) -> ssl.SSLContext:
        certificate, key = self._directory / "dcv.pem", self._directory / "dcv.key"
        if not certificate.exists() and not key.exists():
            make_certificate(certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context


class _Server(ThreadingHTTPServer):
    """Ends its connections, and waits for its threads, when closed."""

    daemon_threads = False
    block_on_close = True
    allow_reuse_port = True

    def __init__(self, address: tuple[str, int], dcv: DcvServer, tls: ssl.SSLContext) -> None:
        self.dcv = dcv
        self._tls = tls
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Remember the connection."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Serve a connection, in its own thread."""
        try:
            with self._tls.wrap_socket(request, server_side=True) as connection:
                self._connections.add(connection)
                try:
                    super().finish_request(connection, client_address)
                finally:
                    self._connections.discard(connection)
        except OSError:
            return  # no TLS, or the client went away

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as inherited
        """Forget the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End all connections; who reads finds the end."""
        for connection in list(self._connections):
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended meanwhile


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "dcv"
    sys_version = ""

    def do_GET(self) -> None:
        """Show the screen to whoever has a token for it."""
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/screen":
            self._stay(query.get("connection", ""))
        elif parts.path == "/":
            self._sign_in(query.get("authToken", ""))
        else:
            self._say(HTTPStatus.NOT_FOUND, "There is nothing at this address.")

    def _sign_in(self, token: str) -> None:
        dcv = self.server.dcv
        session, url = dcv.sessions.only, dcv.configuration.auth_token_verifier
        if session is None:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "There is no session.")
            return
        if url is None or not token:
            self._say(HTTPStatus.UNAUTHORIZED, "Log in with a user name and a password.")
            return
        verdict = verifier.ask(url, session.id, token, str(self.client_address[0]))
        if verdict.username != session.owner:
            reason = verdict.message or f"{verdict.username} may not use this session."
            self._say(HTTPStatus.UNAUTHORIZED, reason)
            return
        try:
            connection = dcv.sessions.admit(session)
        except FullError:
            self._say(HTTPStatus.CONFLICT, "Somebody else is connected.")
            return
        self._send(HTTPStatus.OK, page.screen(dcv.whose, connection))

    def _stay(self, connection: str) -> None:
        """Stay connected until the client goes, or the server."""
        try:
            with self.server.dcv.sessions.open(connection):
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.flush()
                self.connection.recv(1)
        except (LookupError, FullError):
            self._say(HTTPStatus.CONFLICT, "There is no such connection.")

    def _say(self, status: HTTPStatus, reason: str) -> None:
        self._send(status, page.refusal(self.server.dcv.whose, reason))

    def _send(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: a token is part of the address."""

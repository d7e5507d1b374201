"""HTTP servers of tests, which speak TLS if wanted, with certificates of their own."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.authority import LIFE, certify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class QuietHandler(BaseHTTPRequestHandler):
    """Hands every request to `take`, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.take(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 (as above)

    def take(self, body: bytes) -> None:
        """Do with a request what the test says."""
        raise NotImplementedError

    def answer(self, status: int = 200, body: bytes = b"{}", **headers: str) -> None:
        """Send a whole answer; `_` in a header's name stands for a hyphen."""
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class QuietServer(ThreadingHTTPServer):
    """A server on this machine that says nothing of clients that went away."""

    def __init__(self, handler: type[QuietHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Log nothing."""


@contextmanager
def serving(server: QuietServer) -> Iterator[None]:
    """Serve while the test goes on."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate_for(host: str, directory: Path) -> Path:
    """Make a certificate, signed by itself, in a file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certify(key.public_key(), [host], datetime.now(UTC) + LIFE / 2, by=key)
    path = directory / f"{host}.pem"
    pem, unencrypted = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unencrypted)
    path.write_bytes(certificate.encode() + private)
    return path


def serve_tls(server: QuietServer, directory: Path) -> Path:
    """Have a server on localhost speak TLS; return the file with its certificate."""
    certificate = certificate_for("localhost", directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return certificate

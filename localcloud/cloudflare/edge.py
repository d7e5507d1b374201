"""The proxy in front of proxied names: HTTPS from visitors, HTTPS to the origin.

One port stands for one port of the edge, for every name; the TLS client says which name it
wants. What a record's address is on this machine, the caller says. A zone in mode `strict` takes
only certificates of the Origin CA for the right name, in mode `full` any. What cannot be passed on
is answered with Cloudflare's own statuses, such as 521.

https://developers.cloudflare.com/ssl/origin-configuration/ssl-modes/ and
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/

Unlike Cloudflare, it passes everything on as it is: it adds no headers, and caches nothing.
"""

from __future__ import annotations

import select
import socket
import ssl
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from socketserver import BaseRequestHandler
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self, cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from .edge_certificate import make_certificate
from .sockets import PortTakenError, Running, TcpServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .api import Api
    from .zone import ZoneStore

    Address = tuple[str, int]
    Origins = Callable[[str], Address | None]

_PATIENCE = 60.0
_CHUNK = 1 << 16


class _UnreachableError(Exception):
    """The edge answers this status itself."""


class Edge:
    """A running edge for the zones of an API, from entering the context until leaving it.

    Port 0 means any free port. Raises PortTakenError for another one that is not free.
    """

    def __init__(
        self, api: Callable[[], Api], origins: Origins, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._api = api
        self._origins = origins
        self._host = host
        self._port = port
        self._running: Running | None = None
        self.address: Address = (host, 0)
        self.certificate = ""
        """In PEM; visitors have to trust it."""

    @property
    def key_hash(self) -> str:
        """The hash of its public key, for Chromium's `--ignore-certificate-errors-spki-list`."""
        key = load_pem_x509_certificate(self.certificate.encode()).public_key()
        raw = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b64encode(sha256(raw).digest()).decode()

    def __enter__(self) -> Self:
        names = [store.zone.name for store in self._api().zones]
        self.certificate, key = make_certificate(names)
        try:
            server = _Server((self._host, self._port), self, self.certificate, key)
        except OSError as error:
            raise PortTakenError("the desktops", self._host, self._port, error) from error
        self.address = (self._host, int(server.server_address[1]))
        self._running = Running(server, "edge")
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def connect(self, name: str) -> ssl.SSLSocket:
        """Connect to the origin of a name. Raises _UnreachableError."""
        found = [
            (store, record.fields.content)
            for store in self._api().zones
            for record in store.named(name)
            if record.type == "A" and record.fields.proxied
        ]
        if not found:
            raise _UnreachableError(530)
        store, content = found[0]
        origin = self._origins(content)
        if origin is None:
            raise _UnreachableError(522)
        try:
            plain = socket.create_connection(origin, timeout=_PATIENCE)
        except OSError as error:
            raise _UnreachableError(521) from error
        try:
            return self._tls(store).wrap_socket(plain, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise _UnreachableError(526) from error
        except OSError as error:
            plain.close()
            raise _UnreachableError(525) from error

    def _tls(self, store: ZoneStore) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if store.zone.ssl == "strict":
            context.load_verify_locations(cadata=self._api().origin_ca.root)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class _Server(TcpServer):
    def __init__(self, address: Address, edge: Edge, certificate: str, key: str) -> None:
        self.edge = edge
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.sni_callback = _note_name
        with TemporaryDirectory() as directory:  # Python reads certificates from files only
            path = Path(directory, "edge.pem")
            path.write_text(certificate + key)
            self._context.load_cert_chain(path)
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        """Accept a connection; the handshake is for its thread."""
        plain, client = self.socket.accept()
        wrapped = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        return wrapped, client


def _note_name(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    cast("Any", connection).wanted = name


class _Handler(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Pass on what a visitor sends, and what the origin answers."""
        visitor: ssl.SSLSocket = self.request
        visitor.settimeout(_PATIENCE)
        visitor.do_handshake()
        name = getattr(visitor, "wanted", None) or ""
        try:
            origin = self.server.edge.connect(name.lower())
        except _UnreachableError as error:
            visitor.recv(_CHUNK)
            (status,) = error.args
            head = f"HTTP/1.1 {status} <none>\r\nServer: cloudflare\r\nConnection: close"
            text = f"error code: {status}\n"
            visitor.sendall(f"{head}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
            return
        with origin:
            _splice(visitor, origin)


def _splice(one: ssl.SSLSocket, other: ssl.SSLSocket) -> None:
    """Pass on in both directions until one side ends."""
    to = {one: other, other: one}
    while True:
        ready = [each for each in to if each.pending()]
        for each in ready or select.select(list(to), [], [])[0]:
            each.settimeout(0)
            try:
                data = each.recv(_CHUNK)
            except ssl.SSLWantReadError:
                continue  # TLS's own, or a part of a record
            finally:
                each.settimeout(_PATIENCE)
            if not data:
                return
            to[each].sendall(data)

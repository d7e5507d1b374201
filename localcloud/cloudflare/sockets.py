"""Servers with one thread per connection that can be stopped cleanly at any moment."""

from __future__ import annotations

import socketserver
import sys
from threading import Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

POLL_SECONDS = 0.05


class PortTakenError(OSError):
    """A requested port is not free; the message names it."""

    def __init__(self, what: str, host: str, port: int, error: OSError) -> None:
        super().__init__(
            error.errno,
            f"cannot serve {what} on {host} port {port}: {error.strerror or error}; "
            "free the port, or choose another one",
        )
        self.port = port


class TcpServer(socketserver.ThreadingTCPServer):
    """A TCP server that knows its open connections, so that stopping ends them."""

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]
    ) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_lock = Lock()
        super().__init__(address, handler)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Remember the connection while it is served."""
        assert not isinstance(request, tuple)  # noqa: S101 (TCP hands over sockets)
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Forget the connection, then close it."""
        assert not isinstance(request, tuple)  # noqa: S101 (TCP hands over sockets)
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Keep quiet about clients that went away; anything else is a defect worth seeing."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def disconnect(self) -> None:
        """End every open connection; its thread then finds nothing more to read."""
        with self._connections_lock:
            for connection in self._connections:
                _end(connection)


class UdpServer(socketserver.UDPServer):
    """A UDP server, one packet after the other."""

    max_packet_size = 65535


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(2)
    except OSError:
        return  # the client was quicker


class Running:
    """A server in a thread of its own, from construction to `stop`."""

    def __init__(self, server: TcpServer | UdpServer, name: str) -> None:
        self._server = server
        self._thread = Thread(
            target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, name=name
        )
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, end open connections, wait for every thread, close the socket."""
        self._server.shutdown()
        if isinstance(self._server, TcpServer):
            self._server.disconnect()
        self._server.server_close()
        self._thread.join()

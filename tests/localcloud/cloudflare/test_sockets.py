"""What a server of connections keeps to itself, and what it shows."""

import socket
from socketserver import BaseRequestHandler

import pytest

from localcloud.cloudflare.sockets import Running, TcpServer


@pytest.mark.parametrize(
    ("error", "is_shown"), [(ConnectionResetError("gone"), False), (ValueError("defect"), True)]
)
def test_a_client_that_goes_away_is_no_news_but_a_defect_is(
    capfd: pytest.CaptureFixture[str], error: Exception, *, is_shown: bool
) -> None:
    class Failing(BaseRequestHandler):
        def handle(self) -> None:
            raise error

    server = TcpServer(("127.0.0.1", 0), Failing)
    running = Running(server, "failing")
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=5) as client:
        assert client.recv(1) == b"", "the connection is closed either way"
    running.stop()
    assert ("ValueError: defect" in capfd.readouterr().err) is is_shown

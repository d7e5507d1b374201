"""A DCV server that lets people in by token."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from localcloud.dcv import CommandError, DcvServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

YES = "<auth result='yes'><username>{}</username></auth>"
NO = '<auth result="no"><message>too late</message></auth>'
CREATE = (
    *("create-session", "--type", "virtual", "--user", "elephant", "--owner", "elephant"),
    *("--max-concurrent-clients", "1", "elephant"),
)


class Verifier:
    """Answers what a DCV server asks: the token `good` is of `user`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.user = "elephant"
        self.status = 200
        verifier = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                question = parse_qs(self.rfile.read(length).decode())
                verifier.asked.append(question)
                good = question["authenticationToken"] == ["good"]
                answer = YES.format(verifier.user) if good else NO
                self.send_response(verifier.status)
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/dcv/i-1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    verifier = Verifier()
    yield verifier
    verifier.close()


@pytest.fixture
def dcv(verifier: Verifier, tmp_path: Path) -> Iterator[DcvServer]:
    """Return a server that runs, with a session."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "etc/dcv").mkdir(parents=True)
    (tmp_path / "etc/dcv/dcv.conf").write_text(
        f'[connectivity]\nweb-port={port}\n[security]\nauth-token-verifier="{verifier.url}"\n'
    )
    dcv = DcvServer(tmp_path, "the student's desktop")
    dcv.start()
    dcv.command(CREATE)
    yield dcv
    dcv.stop()


@contextmanager
def fetch(dcv: DcvServer, path: str) -> Iterator[tuple[int, str]]:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.load_verify_locations(dcv._directory / "dcv.pem")
    url = f"https://127.0.0.1:{dcv.configuration.web_port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=600, context=trusting) as answer:
            stays = answer.headers["Content-Type"] == "text/event-stream"
            yield answer.status, "" if stays else answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            yield error.code, error.read().decode()


def look(dcv: DcvServer, path: str) -> tuple[int, str]:
    with fetch(dcv, path) as answer:
        return answer


def connected(dcv: DcvServer) -> object:
    return json.loads(dcv.command(["describe-session", "elephant", "--json"]))["num-of-connections"]


def screen_of(text: str) -> str:
    found = re.search(r'EventSource\("([^"]+)"', text)
    assert found is not None
    return found[1]


def test_a_good_token_opens_the_desktop(dcv: DcvServer, verifier: Verifier) -> None:
    status, text = look(dcv, "/?authToken=good")
    assert status == 200
    assert "<h1>You are on the student&#x27;s desktop</h1>" in text
    assert verifier.asked == [
        {
            "sessionId": ["elephant"],
            "authenticationToken": ["good"],
            "clientAddress": ["127.0.0.1"],
        }
    ]


def test_another_token_opens_nothing_and_the_page_says_why(
    dcv: DcvServer, verifier: Verifier
) -> None:
    status, text = look(dcv, "/?authToken=other")
    assert (status, "too late" in text) == (401, True)
    assert look(dcv, "/")[0] == 401
    verifier.user = "root"
    assert look(dcv, "/?authToken=good")[0] == 401
    verifier.status = 500
    assert "the verifier answered 500" in look(dcv, "/?authToken=good")[1]
    verifier.user, verifier.status = "", 200
    assert look(dcv, "/?authToken=good")[0] == 401


def test_a_verifier_that_cannot_be_reached_lets_nobody_in(
    dcv: DcvServer, verifier: Verifier
) -> None:
    verifier.close()
    assert "cannot be reached" in look(dcv, "/?authToken=good")[1]


def test_one_client_at_a_time_for_as_long_as_the_page_is_open(dcv: DcvServer) -> None:
    screen = screen_of(look(dcv, "/?authToken=good")[1])
    assert connected(dcv) == 0
    with fetch(dcv, screen) as (status, _):
        assert (status, connected(dcv)) == (200, 1)
        assert json.loads(dcv.command(["list-connections", "elephant", "--json"])) != []
        assert look(dcv, "/?authToken=good")[0] == 409
        assert look(dcv, screen)[0] == 409
    assert look(dcv, "/screen?connection=guessed")[0] == 409


def test_a_restart_ends_sessions_and_connections(dcv: DcvServer) -> None:
    screen = screen_of(look(dcv, "/?authToken=good")[1])
    with fetch(dcv, screen):
        dcv.restart()
    assert look(dcv, "/?authToken=good")[0] == 503
    assert json.loads(dcv.command(["list-sessions", "--json"])) == []
    with pytest.raises(CommandError, match="Could not find the requested session"):
        dcv.command(["describe-session", "elephant"])
    dcv.command(CREATE)
    with pytest.raises(CommandError, match="exists"):
        dcv.command(CREATE)
    dcv.command(["close-session", "elephant"])
    dcv.stop()
    with pytest.raises(CommandError, match="Could not connect"):
        dcv.command(["list-sessions"])


def test_what_the_command_does_not_know_it_refuses(dcv: DcvServer) -> None:
    for arguments in (
        ["dance"],
        ["create-session", "--type", "virtual", "x"],
        ["list-sessions", "x"],
    ):
        with pytest.raises(CommandError):
            dcv.command(arguments)

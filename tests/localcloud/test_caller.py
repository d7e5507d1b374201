"""What people and programs that call the API see of its answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from localcloud.caller import Caller, Page

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = """<!doctype html><title>no</title>
<h1 id="headline">Your desktop
 is ready</h1><p id="message">Go &amp; see.</p><p>not this</p>
<p id="enter"><a id="open" href="?key=k&amp;enter=1">Open</a></p>"""


class _Handler(BaseHTTPRequestHandler):
    """Answers what it was asked; a page to a browser, and a redirect to one that enters."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = {name: self.headers[name] for name in ("Authorization", "Idempotency-Key")}
        self._answer(401, json.dumps({"path": self.path, "body": body, **asked}))

    def do_GET(self) -> None:
        if not self.headers["Accept"].startswith("text/html"):
            self._answer(200, json.dumps({"path": self.path}))
        elif "enter=1" in self.path:
            self._answer(303, "", Location=f"https://desktop.example{self.path}")
        else:
            self._answer(202, PAGE if "ready" in self.path else "<h1 id='headline'>Wait</h1>")

    def _answer(self, status: int, text: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Caller(f"http://127.0.0.1:{server.server_port}/api/")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_meeting_is_asked_for_with_key_and_token(caller: Caller) -> None:
    answer = caller.schedule({"a": "b"}, "secret", "once")
    assert answer.status == 401
    assert answer.document == {
        "path": "/api/schedule",
        "body": {"a": "b"},
        "Authorization": "Bearer secret",
        "Idempotency-Key": "once",
    }


def test_without_key_and_token_neither_is_sent(caller: Caller) -> None:
    asked = caller.schedule({}, None).document
    assert (asked["Authorization"], asked["Idempotency-Key"]) == (None, None)


def test_a_program_is_told_json(caller: Caller) -> None:
    answer = caller.ask(f"{caller.base_url}/join/m1/teacher?key=k")
    assert answer.document == {"path": "/api/join/m1/teacher?key=k"}
    assert "secret" not in repr(answer)


def test_a_visitor_reads_the_page_and_clicks(caller: Caller) -> None:
    link = f"{caller.base_url}/ready?key=k"
    page = caller.look(link)
    assert page == Page(202, "Your desktop is ready", "Go & see.", "?key=k&enter=1")
    assert caller.click(link, page) == "https://desktop.example/api/ready?key=k&enter=1"


def test_where_there_is_no_entrance_there_is_nothing_to_click(caller: Caller) -> None:
    link = f"{caller.base_url}/later"
    page = caller.look(link)
    assert page == Page(202, "Wait", "", None)
    assert caller.click(link, page) is None

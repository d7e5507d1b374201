"""One request gives one answer, or tells whether the other side may have carried it out."""

from __future__ import annotations

import errno
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.cloudflare import transport as transport_module
from chalicelib.cloudflare.transport import NoAnswerError, NotSentError, Response, Urllib3Transport
from chalicelib.deadline import Deadline, OutOfTimeError
from tests.tls import serve_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SECONDS = 20.0
"""Far more than anything here takes; a test of slowness gives less."""


@dataclass(frozen=True)
class Received:
    """A request as the server received it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """Keeps each request and does with it what the test says."""

    protocol_version = "HTTP/1.1"
    server: Server
    is_new = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.command, self.path, headers, body))
        self.server.behaviour(self)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 (as above)

    def answer(self, status: int = 200, body: bytes = b"{}", **headers: str) -> None:
        """Send a whole answer; `_` in a header's name stands for a hyphen."""
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        """Close the connection after this request."""
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """An HTTP server on this machine that counts connections and keeps requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour: Callable[[Handler], None] = Handler.answer
        self.received: list[Received] = []
        self.connections = 0
        self.hung_up = threading.Event()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        self.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        super().shutdown_request(request)
        self.hung_up.set()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Say nothing of clients that went away."""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve while the test goes on."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve; every request is answered with `{}`, until a test says otherwise."""
    with serving(Server()) as made:
        yield made


@pytest.fixture
def transport() -> Iterator[Urllib3Transport]:
    """Make a transport whose connections are closed when the test ends."""
    made = Urllib3Transport()
    yield made
    made._pool.clear()


def get(transport: Urllib3Transport, url: str, seconds: float = SECONDS) -> Response:
    """Make a request that asks for something."""
    return transport.request("GET", url, {}, None, seconds)


def post(transport: Urllib3Transport, url: str, seconds: float = SECONDS) -> Response:
    """Make a request that must not be made twice."""
    return transport.request("POST", url, {}, b'{"type": "A"}', seconds)


# An answer


def test_a_request_is_sent_as_it_is(server: Server, transport: Urllib3Transport) -> None:
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}

    transport.request("PATCH", f"{server.url}/zones/z?name=a.b&x=%2F", headers, b"{1}", SECONDS)

    (received,) = server.received
    assert (received.method, received.path) == ("PATCH", "/zones/z?name=a.b&x=%2F")
    assert received.body == b"{1}"
    assert received.headers["authorization"] == "Bearer token"
    assert received.headers["content-type"] == "application/json"


def test_a_request_without_a_body_has_none(server: Server, transport: Urllib3Transport) -> None:
    transport.request("DELETE", server.url, {}, None, SECONDS)

    (received,) = server.received
    assert (received.method, received.body) == ("DELETE", b"")


@pytest.mark.parametrize("status", [200, 400, 403, 429, 500, 503])
def test_an_answer_of_any_status_is_an_answer(
    server: Server, transport: Urllib3Transport, status: int
) -> None:
    server.behaviour = lambda handler: handler.answer(status, b"\xff body", cf_ray="abc")

    answer = get(transport, server.url)

    assert (answer.status, answer.body) == (status, b"\xff body")
    assert answer.headers["cf-ray"] == "abc"


@pytest.mark.parametrize("name", ["Ratelimit-Policy", "ratelimit-policy", "RATELIMIT-POLICY"])
def test_an_answers_headers_are_found_in_any_case(
    server: Server, transport: Urllib3Transport, name: str
) -> None:
    server.behaviour = lambda handler: handler.answer(rateLimit_Policy='"default";q=1200')

    assert get(transport, server.url).headers.get(name) == '"default";q=1200'


def test_an_answer_does_not_show_its_body_in_a_log() -> None:
    assert "secret" not in repr(Response(200, {}, b"secret"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(
    server: Server, transport: Urllib3Transport, status: int
) -> None:
    """The token must not be carried to wherever an answer points."""
    server.behaviour = lambda handler: handler.answer(status, Location=f"{server.url}/elsewhere")

    answer = post(transport, f"{server.url}/here")

    assert (answer.status, answer.headers["location"]) == (status, f"{server.url}/elsewhere")
    assert [received.path for received in server.received] == ["/here"]


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_request_is_not_repeated_by_itself(
    server: Server, transport: Urllib3Transport, status: int, method: str
) -> None:
    server.behaviour = lambda handler: handler.answer(status, Retry_After="0")

    answer = transport.request(method, server.url, {}, None, SECONDS)

    assert answer.status == status
    assert len(server.received) == 1


# Connections


def test_a_connection_is_kept_for_the_next_requests(
    server: Server, transport: Urllib3Transport
) -> None:
    for path in "abc":
        get(transport, f"{server.url}/{path}")
    post(transport, server.url)

    assert len(server.received) == 4
    assert server.connections == 1


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(
    server: Server, transport: Urllib3Transport
) -> None:
    """Lambda freezes an environment between runs, long enough for the other side to hang up."""

    # given a connection that the other side closed after its answer
    def answer_and_hang_up(handler: Handler) -> None:
        handler.answer()
        handler.hang_up()

    server.behaviour = answer_and_hang_up
    get(transport, server.url)
    assert server.hung_up.wait(SECONDS)

    # when the next request is made
    answer = post(transport, server.url)

    # then it goes over a new one, once
    assert answer.status == 200
    assert [received.method for received in server.received] == ["GET", "POST"]
    assert server.connections == 2


def closing_kept_connections(handler: Handler) -> None:
    """Answer the first request of a connection, and close it at the second."""
    if handler.is_new:
        handler.is_new = False
        handler.answer()
    else:
        handler.hang_up()


def test_a_read_on_a_kept_connection_that_was_closed_is_repeated_at_once(
    server: Server, transport: Urllib3Transport
) -> None:
    server.behaviour = closing_kept_connections
    get(transport, server.url)

    assert get(transport, server.url).status == 200
    assert (len(server.received), server.connections) == (3, 2)


def test_a_write_on_a_kept_connection_that_was_closed_is_not_repeated(
    server: Server, transport: Urllib3Transport
) -> None:
    server.behaviour = closing_kept_connections
    get(transport, server.url)

    with pytest.raises(NoAnswerError, match="closed"):
        post(transport, server.url)

    assert (len(server.received), server.connections) == (2, 1)


# Not sent


def unused_port() -> int:
    """Find a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_refused_connection_means_not_sent(transport: Urllib3Transport) -> None:
    with pytest.raises(NotSentError, match="refused") as caught:
        post(transport, f"http://127.0.0.1:{unused_port()}")

    assert caught.value.__cause__ is not None


def test_a_name_that_is_not_found_means_not_sent(
    transport: Urllib3Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(NotSentError, match="Name or service not known"):
        post(transport, "http://api.example.com")


def test_a_network_without_a_way_out_means_not_sent(
    transport: Urllib3Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)

    with pytest.raises(NotSentError, match="Network is unreachable"):
        post(transport, "http://127.0.0.1")


def test_what_is_connected_only_after_the_deadline_is_not_sent(
    server: Server, transport: Urllib3Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a name that takes until after the run's end to be resolved
    now = [0.0]
    resolve = socket.getaddrinfo

    def slowly(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        now[0] += 60
        return resolve(*arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)

    # when a write is on its way
    with Deadline(30, lambda: now[0]).in_force(), pytest.raises(OutOfTimeError, match="send"):
        post(transport, server.url)

    # then it never goes out
    assert post(transport, server.url).status == 200
    assert len(server.received) == 1


def test_after_the_deadline_nothing_is_sent_over_a_kept_connection(
    server: Server, transport: Urllib3Transport
) -> None:
    get(transport, server.url)

    with Deadline(30, lambda: 30.0).in_force(), pytest.raises(OutOfTimeError):
        post(transport, server.url)

    assert get(transport, server.url).status == 200
    assert [received.method for received in server.received] == ["GET", "GET"]


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """Keep for how long each connection is waited for, and let none come about."""
    kept: list[float | None] = []

    def connect(connecting: socket.socket, _: object) -> None:
        kept.append(connecting.gettimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return kept


@pytest.mark.parametrize(("seconds", "waited"), [(30.0, 3.0), (3.1, 3.0), (2.9, 2.9), (0.1, 0.1)])
def test_a_connection_that_does_not_come_about_in_time_means_not_sent(
    transport: Urllib3Transport, patience: list[float | None], seconds: float, waited: float
) -> None:
    """It is waited for three seconds at most, and never longer than the request has."""
    with pytest.raises(NotSentError, match="timed out"):
        post(transport, "http://127.0.0.1", seconds)

    assert transport_module.CONNECT_SECONDS == 3.0
    assert patience == [pytest.approx(waited, abs=0.05)]


# No answer


def test_a_connection_dropped_after_the_request_means_no_answer(
    server: Server, transport: Urllib3Transport
) -> None:
    server.behaviour = Handler.hang_up

    with pytest.raises(NoAnswerError) as caught:
        post(transport, server.url)

    assert str(caught.value)
    assert len(server.received) == 1
    assert server.connections == 1


def test_an_answer_that_breaks_off_means_no_answer(
    server: Server, transport: Urllib3Transport
) -> None:
    """Half a list of records must not pass for the whole."""

    def break_off(handler: Handler) -> None:
        handler.answer(body=b'{"success"', Content_Length="500")
        handler.hang_up()

    server.behaviour = break_off

    with pytest.raises(NoAnswerError):
        get(transport, server.url)

    assert len(server.received) == 1


def test_what_is_no_http_means_no_answer(server: Server, transport: Urllib3Transport) -> None:
    def babble(handler: Handler) -> None:
        handler.wfile.write(b"220 mail.example.com ESMTP\r\n\r\n")
        handler.hang_up()

    server.behaviour = babble

    with pytest.raises(NoAnswerError):
        post(transport, server.url)

    assert len(server.received) == 1


def wait_for_the_end(handler: Handler) -> None:
    """Answer only when the test is over."""
    handler.server.over.wait(SECONDS)
    handler.hang_up()


def test_an_answer_that_is_slower_than_the_seconds_given_means_no_answer(
    server: Server, transport: Urllib3Transport
) -> None:
    # given a server that takes the request and does not answer
    server.behaviour = wait_for_the_end
    begun = time.monotonic()

    # when the request has a twentieth of a second
    with pytest.raises(NoAnswerError, match="timed out"):
        post(transport, server.url, seconds=0.05)

    # then it is given up soon after, and was not made again
    assert 0.04 < time.monotonic() - begun < 5
    assert len(server.received) <= 1
    assert server.connections == 1


def test_a_body_that_is_slower_than_the_seconds_given_means_no_answer(
    server: Server, transport: Urllib3Transport
) -> None:
    def begin_only(handler: Handler) -> None:
        handler.answer(body=b'{"success"', Content_Length="500")
        wait_for_the_end(handler)

    server.behaviour = begin_only

    with pytest.raises(NoAnswerError, match="timed out"):
        get(transport, server.url, seconds=0.1)


def trickle(handler: Handler, data: bytes) -> None:
    """Send a byte at a time, each long before a socket's timeout, for four seconds at least."""
    for byte in data.ljust(200):
        handler.wfile.write(bytes([byte]))
        if handler.server.over.wait(0.02):
            break
    handler.hang_up()


@pytest.mark.parametrize("framing", ["Content-Length: 200", "Connection: close"])
def test_a_body_that_trickles_ends_with_the_seconds_given(
    server: Server, transport: Urllib3Transport, framing: str
) -> None:
    def trickle_the_body(handler: Handler) -> None:
        handler.wfile.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        trickle(handler, b"{}")

    server.behaviour = trickle_the_body

    with pytest.raises(NoAnswerError, match="timed out"):
        get(transport, server.url, seconds=0.3)


def test_headers_that_trickle_end_with_the_seconds_given(
    server: Server, transport: Urllib3Transport
) -> None:
    server.behaviour = lambda handler: trickle(handler, b"HTTP/1.1 200 OK\r\nX: ")

    with pytest.raises(NoAnswerError, match="timed out"):
        get(transport, server.url, seconds=0.3)


def test_once_the_time_is_over_not_even_what_has_come_is_read() -> None:
    """Bytes that come faster than a clock ticks must not go on for ever either."""
    near, far = socket.socketpair()
    with near, far:
        far.send(b"x")
        near.settimeout(0.01)
        reader = transport_module._TimedReader(near)
        time.sleep(0.02)

        with reader, pytest.raises(TimeoutError):
            reader.read(1)


def test_a_chunked_body_is_read_whole(server: Server, transport: Urllib3Transport) -> None:
    def answer_in_chunks(handler: Handler) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        handler.wfile.write(head + b'2\r\n{"\r\n4\r\na":1\r\n1\r\n}\r\n0\r\n\r\n')

    server.behaviour = answer_in_chunks

    assert get(transport, server.url).body == b'{"a":1}'


@pytest.mark.parametrize(("size", "is_read"), [(1000, True), (1001, False)])
def test_a_body_without_end_is_no_answer(
    server: Server,
    transport: Urllib3Transport,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    is_read: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(transport_module, "LONGEST_BODY", 1000)
    server.behaviour = lambda handler: handler.answer(body=b"x" * size)

    if is_read:
        assert len(get(transport, server.url).body) == size
    else:
        with pytest.raises(NoAnswerError, match="longer than 1000 bytes"):
            get(transport, server.url)

    # and the next request gets its own answer
    server.behaviour = Handler.answer
    assert get(transport, server.url).body == b"{}"


def test_a_request_without_an_answer_does_not_spoil_the_next(
    server: Server, transport: Urllib3Transport
) -> None:
    # given an answer that comes after its request was given up
    answered_late = threading.Event()

    def answer_late(handler: Handler) -> None:
        answered_late.wait(SECONDS)
        handler.answer(body=b"late")

    server.behaviour = answer_late
    with pytest.raises(NoAnswerError):
        get(transport, server.url, seconds=0.05)
    server.behaviour = Handler.answer
    answered_late.set()

    # then the next request gets its own
    assert get(transport, server.url).body == b"{}"


def test_over_tls_as_well_an_answer_that_trickles_ends_with_the_seconds_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a server that is trusted, and a connection to it that has answered once
    trusted = Server()
    monkeypatch.setenv("SSL_CERT_FILE", str(serve_tls(trusted, tmp_path)))
    transport = Urllib3Transport()
    with serving(trusted):
        url = f"https://localhost:{trusted.server_port}"
        assert get(transport, url).body == b"{}"

        # when the next answer trickles
        trusted.behaviour = lambda handler: trickle(handler, b"HTTP/1.1 200 OK\r\n\r\n")

        # then it is given up in time
        with pytest.raises(NoAnswerError, match="timed out"):
            get(transport, url, seconds=0.5)
        assert trusted.connections == 1
        transport._pool.clear()


def test_certificates_are_parsed_when_a_transport_is_made_and_never_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = Server()
    monkeypatch.setenv("SSL_CERT_FILE", str(serve_tls(trusted, tmp_path)))
    transport = Urllib3Transport()
    monkeypatch.delenv("SSL_CERT_FILE")

    def answer_and_hang_up(handler: Handler) -> None:
        handler.answer()
        handler.hang_up()

    trusted.behaviour = answer_and_hang_up
    with serving(trusted):
        for _ in range(2):
            assert get(transport, f"https://localhost:{trusted.server_port}").status == 200
        assert trusted.connections == 2
        transport._pool.clear()


def test_the_token_is_not_sent_to_whoever_has_no_valid_certificate(
    transport: Urllib3Transport, tmp_path: Path
) -> None:
    # given a server that only claims to be the one
    impostor = Server()
    serve_tls(impostor, tmp_path)

    # when a request is made to it
    with serving(impostor), pytest.raises((NoAnswerError, NotSentError), match="CERTIFICATE"):
        transport.request(
            "GET",
            f"https://localhost:{impostor.server_port}",
            {"Authorization": "Bearer token"},
            None,
            SECONDS,
        )

    # then it never saw the request
    assert impostor.received == []

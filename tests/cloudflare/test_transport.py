"""One request gives one answer, or an error that says whether it may have been carried out."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from cryptography import x509

from chalicelib import trust
from chalicelib.cloudflare import transport as transport_module
from chalicelib.cloudflare.transport import NoAnswerError, NotSentError, Response, Urllib3Transport
from chalicelib.deadline import Deadline, OutOfTimeError
from ops.roots import subject_hash
from tests.servers import QuietHandler, QuietServer, serve_tls, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SECONDS = 20.0
"""Far more than anything here takes; a test of slowness gives less."""


class Handler(QuietHandler):
    """Keeps each request and does with it what the test says."""

    server: Server
    is_new = True

    def take(self, body: bytes) -> None:
        self.server.received.append((self.command, self.path, body))
        self.server.headers = dict(self.headers.items())
        self.server.behaviour(self)

    def hang_up(self) -> None:
        """Close the connection after this request."""
        self.close_connection = True


class Server(QuietServer):
    """An HTTP server on this machine that counts connections and keeps requests; and its client."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.behaviour: Callable[[Handler], None] = Handler.answer
        self.received: list[tuple[str, str, bytes]] = []
        self.headers: Mapping[str, str] = {}
        self.connections = 0
        self.hung_up = threading.Event()
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.transport = Urllib3Transport()

    def get(self, seconds: float = SECONDS) -> Response:
        """Make a request that asks for something."""
        return self.transport.request("GET", self.url, {}, None, seconds)

    def post(self, seconds: float = SECONDS) -> Response:
        """Make a request that must not be made twice."""
        return self.transport.request("POST", self.url, {}, b'{"type": "A"}', seconds)

    def shutdown(self) -> None:
        """End what still waits, and the client's connections, too."""
        self.over.set()
        self.transport._pool.clear()
        super().shutdown()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        self.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        super().shutdown_request(request)
        self.hung_up.set()


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve; every request is answered with `{}`, until a test says otherwise."""
    made = Server()
    with serving(made):
        yield made


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve over TLS, with a certificate that is among the transport's roots and no others."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(trust, "ROOTS", tmp_path)
    server = Server()
    certificate = serve_tls(server, tmp_path)
    subject = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
    certificate.rename(tmp_path / f"{subject_hash(subject)}.0")
    server.url = f"https://localhost:{server.server_port}"
    server.transport = Urllib3Transport()
    with serving(server):
        yield server


# An answer


def test_a_request_is_sent_as_it_is(server: Server) -> None:
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}
    path = "/zones/z?name=a.b&x=%2F"

    server.transport.request("PATCH", f"{server.url}{path}", headers, b"{1}", SECONDS)
    assert server.received == [("PATCH", path, b"{1}")]
    assert headers.items() <= server.headers.items()

    server.transport.request("DELETE", server.url, {}, None, SECONDS)
    assert server.received[1:] == [("DELETE", "/", b"")]


@pytest.mark.parametrize("status", [200, 301, 302, 307, 403, 429, 503])
def test_any_status_is_an_answer_and_the_request_not_repeated(server: Server, status: int) -> None:
    """The token must not be carried to wherever a redirect points."""
    headers = {"cf_Ray": "abc", "Retry_After": "0", "Location": f"{server.url}/elsewhere"}
    server.behaviour = lambda handler: handler.answer(status, b"\xff body", **headers)

    answer = server.post()

    assert (answer.status, answer.body, len(server.received)) == (status, b"\xff body", 1)
    assert answer.headers["CF-Ray"] == answer.headers.get("cf-ray") == "abc"
    assert "body=" not in repr(answer)  # which a log might show


# Connections


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(server: Server) -> None:
    """Lambda freezes an environment between runs, long enough for the other side to hang up."""
    server.behaviour = answer_and_hang_up
    server.get()
    assert server.hung_up.wait(SECONDS)

    assert server.post().status == 200

    assert [method for method, _, _ in server.received] == ["GET", "POST"]
    assert server.connections == 2


def answer_and_hang_up(handler: Handler) -> None:
    handler.answer()
    handler.hang_up()


def closing_kept_connections(handler: Handler) -> None:
    """Answer the first request of a connection, and close it at the second."""
    if handler.is_new:
        handler.is_new = False
        handler.answer()
    else:
        handler.hang_up()


def test_on_a_kept_connection_that_was_closed_reads_alone_are_repeated(server: Server) -> None:
    server.behaviour = closing_kept_connections
    server.get()

    assert server.get().status == 200
    assert (len(server.received), server.connections) == (3, 2)
    with pytest.raises(NoAnswerError, match="closed"):
        server.post()
    assert (len(server.received), server.connections) == (4, 2)


# Not sent


def post(url: str, seconds: float = SECONDS) -> Response:
    return Urllib3Transport().request("POST", url, {}, b"{}", seconds)


def test_a_refused_connection_means_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(NotSentError, match="refused") as caught:
        post(f"http://127.0.0.1:{port}")

    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("place", "function", "error"),
    [
        (socket, "getaddrinfo", socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        (socket.socket, "connect", OSError(errno.ENETUNREACH, "Network is unreachable")),
    ],
)
def test_without_name_or_network_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, place: object, function: str, error: OSError
) -> None:
    monkeypatch.setattr(place, function, Mock(side_effect=error))

    with pytest.raises(NotSentError, match=str(error.strerror)):
        post("http://127.0.0.1")


def test_nothing_is_sent_after_the_deadline_over_a_new_connection_or_a_kept_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name may take until after the run's end to be resolved."""
    now = [0.0]
    resolve = socket.getaddrinfo

    def slowly(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        now[0] += 60
        return resolve(*arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)

    for attempt in (1, 2):
        with Deadline(30, lambda: now[0]).in_force(), pytest.raises(OutOfTimeError, match="send"):
            server.post()
        assert server.post().status == 200
        assert len(server.received) == attempt


@pytest.mark.parametrize(("seconds", "waited"), [(30.0, 3.0), (3.1, 3.0), (2.9, 2.9), (0.1, 0.1)])
def test_a_connection_is_waited_for_three_seconds_at_most_and_then_means_not_sent(
    monkeypatch: pytest.MonkeyPatch, seconds: float, waited: float
) -> None:
    timeouts: list[float | None] = []

    def connect(connecting: socket.socket, _: object) -> None:
        timeouts.append(connecting.gettimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)

    with pytest.raises(NotSentError, match="timed out"):
        post("http://127.0.0.1", seconds)

    assert transport_module.CONNECT_SECONDS == 3.0
    assert timeouts == [pytest.approx(waited)]


# No answer


def break_off(handler: Handler) -> None:
    """Send half an answer, which must not pass for the whole."""
    handler.answer(body=b'{"success"', Content_Length="500")
    handler.hang_up()


def babble(handler: Handler) -> None:
    """Send what is no HTTP."""
    handler.wfile.write(b"220 mail.example.com ESMTP\r\n\r\n")
    handler.hang_up()


def wait_for_the_end(handler: Handler) -> None:
    """Answer only when the test is over."""
    handler.server.over.wait(SECONDS)
    handler.hang_up()


def begin_only(handler: Handler) -> None:
    handler.answer(body=b'{"success"', Content_Length="500")
    wait_for_the_end(handler)


def trickle(head: bytes) -> Callable[[Handler], None]:
    """Send a byte at a time, each long before a socket's timeout, for four seconds at least."""

    def send(handler: Handler) -> None:
        handler.wfile.write(head)
        for _ in range(200):
            handler.wfile.write(b" ")
            if handler.server.over.wait(0.02):
                break
        handler.hang_up()

    return send


HEAD = b"HTTP/1.1 200 OK\r\n"


FLAWS: dict[str, tuple[Callable[[Handler], None], float, str]] = {
    "nothing": (Handler.hang_up, SECONDS, "."),
    "half a body": (break_off, SECONDS, "."),
    "no HTTP": (babble, SECONDS, "."),
    "nothing in time": (wait_for_the_end, 0.3, "timed out"),
    "half a body in time": (begin_only, 0.3, "timed out"),
    "a body of a length": (trickle(HEAD + b"Content-Length: 200\r\n\r\n"), 0.3, "timed out"),
    "a body to the end": (trickle(HEAD + b"Connection: close\r\n\r\n"), 0.3, "timed out"),
    "headers": (trickle(HEAD + b"X: "), 0.3, "timed out"),
}
"""What is answered; the last three too slowly."""


@pytest.mark.parametrize(("behaviour", "seconds", "said"), FLAWS.values(), ids=FLAWS)
def test_an_answer_that_is_not_whole_in_the_seconds_given_means_no_answer(
    server: Server, behaviour: Callable[[Handler], None], seconds: float, said: str
) -> None:
    server.get()  # on this connection, which the server has counted
    server.behaviour = behaviour

    with pytest.raises(NoAnswerError, match=said):
        server.post(seconds)

    assert len(server.received) <= 2
    assert server.connections == 1
    server.behaviour = Handler.answer
    assert server.get().body == b"{}"  # and not what may come late


def test_once_the_time_is_over_not_even_what_came_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that come faster than a clock ticks must not go on for ever either."""
    near, far = socket.socketpair()
    with near, far:
        far.send(b"x")
        near.settimeout(1)
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        reader = transport_module._TimedReader(near)
        monkeypatch.setattr(time, "monotonic", lambda: 101.0)

        with reader, pytest.raises(TimeoutError):
            reader.read(1)


def test_a_chunked_body_is_read_whole(server: Server) -> None:
    def answer_in_chunks(handler: Handler) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        handler.wfile.write(head + b'2\r\n{"\r\n4\r\na":1\r\n1\r\n}\r\n0\r\n\r\n')

    server.behaviour = answer_in_chunks

    assert server.get().body == b'{"a":1}'


def test_a_body_without_end_is_no_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "LONGEST_BODY", 1000)

    server.behaviour = lambda handler: handler.answer(body=b"x" * 1001)
    with pytest.raises(NoAnswerError, match="longer than 1000 bytes"):
        server.get()

    # and the next request gets its own answer
    server.behaviour = lambda handler: handler.answer(body=b"y" * 1000)
    assert server.get().body == b"y" * 1000


def test_over_tls_too_an_answer_that_trickles_ends_with_the_seconds_given(trusted: Server) -> None:
    assert trusted.get().body == b"{}"
    trusted.behaviour = trickle(HEAD + b"\r\n")

    with pytest.raises(NoAnswerError, match="timed out"):
        trusted.get(seconds=0.5)

    assert trusted.connections == 1


def test_of_all_roots_the_one_that_is_needed_is_read_once(
    trusted: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trusted.behaviour = answer_and_hang_up
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", pytest.fail)
    assert trust.ssl_context().cert_store_stats()["x509"] == 0

    assert trusted.get().status == 200
    for root in tmp_path.iterdir():
        root.unlink()
    assert trusted.get().status == 200

    assert trusted.connections == 2


@pytest.fixture
def untrusted(trusted: Server, tmp_path: Path) -> Path:  # noqa: ARG001 (it makes the root)
    """Have the server signed by none of the roots; return its certificate."""
    (root,) = tmp_path.iterdir()
    return root.rename(tmp_path / "elsewhere.pem")


def test_for_a_server_of_another_root_the_systems_are_used_from_then_on(
    trusted: Server, untrusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted.behaviour = answer_and_hang_up
    monkeypatch.setenv("SSL_CERT_FILE", str(untrusted))  # the system's, as OpenSSL finds them

    assert trusted.post().status == 200
    monkeypatch.setattr(trust, "ssl_context", pytest.fail)
    assert trusted.post().status == 200

    assert len(trusted.received) == 2


def test_a_user_who_names_certificates_gets_these_alone(
    trusted: Server, untrusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(untrusted))
    monkeypatch.setattr(trust, "ROOTS", "nowhere")

    assert Urllib3Transport().request("GET", trusted.url, {}, None, SECONDS).status == 200


@pytest.mark.usefixtures("untrusted")
def test_the_token_is_not_sent_to_a_server_without_a_valid_certificate(trusted: Server) -> None:
    headers = {"Authorization": "Bearer token"}

    for _ in range(2):
        with pytest.raises(NotSentError, match="CERTIFICATE"):
            trusted.transport.request("POST", trusted.url, headers, b"{}", SECONDS)

    assert trusted.received == []


def test_a_server_that_does_not_speak_tls_gives_no_answer(server: Server) -> None:
    server.url = server.url.replace("http", "https")

    with pytest.raises(NoAnswerError, match="SSL"):
        server.get()

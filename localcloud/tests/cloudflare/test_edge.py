"""The proxy in front of proxied names."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from localcloud.cloudflare import Api, Edge, Zone
from localcloud.cloudflare.edge_certificate import make_certificate
from localcloud.tests.cloudflare.client import a

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localcloud.cloudflare.jsonvalue import JsonObject

Origins = dict[str, tuple[str, int]]

ADDRESS = "198.51.100.5"


@pytest.fixture
def api() -> Api:
    api = Api([Zone(ssl="strict")])
    api.zones[0].create(a("desk", ADDRESS, proxied=True))
    api.zones[0].create(a("plain", ADDRESS))
    return api


@pytest.fixture
def origins() -> Origins:
    return {}


@pytest.fixture
def edge(api: Api, origins: Origins) -> Iterator[Edge]:
    with Edge(lambda: api, origins.get) as edge:
        yield edge


@contextmanager
def origin(origins: Origins, pem: str, tmp_path: Path) -> Iterator[None]:
    """Run a server that repeats what it receives, with this certificate and key."""
    path = tmp_path / "origin.pem"
    path.write_text(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origins[ADDRESS] = listener.getsockname()

        def serve() -> None:
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    while text := tls.recv(1000):
                        tls.sendall(b"heard " + text)
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def issued(api: Api, *names: str) -> str:
    """Return a certificate of the Origin CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    csr = request.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
    body: JsonObject = {"csr": csr, "hostnames": list(names), "request_type": "origin-ecc"}
    certificate = api.origin_ca.issue(body, [api.zones[0].zone]).as_json()["certificate"]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return f"{certificate}{pem}"


def visit(edge: Edge, name: str, *texts: str) -> list[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=edge.certificate)
    with (
        socket.create_connection(edge.address) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        heard = []
        for text in texts:
            connection.sendall(text.encode())
            heard.append(connection.recv(1000).decode())
        return heard


def test_what_visitors_and_the_origin_say_passes(
    api: Api, edge: Edge, origins: Origins, tmp_path: Path
) -> None:
    with origin(origins, issued(api, "*.example.com"), tmp_path):
        assert visit(edge, "desk.example.com", "one", "two") == ["heard one", "heard two"]


def test_an_origin_whose_certificate_is_wrong_is_refused(
    api: Api, edge: Edge, origins: Origins, tmp_path: Path
) -> None:
    for pem in (issued(api, "other.example.com"), "".join(make_certificate(["example.com"]))):
        with origin(origins, pem, tmp_path):
            assert visit(edge, "desk.example.com", "GET /")[0].startswith("HTTP/1.1 526 ")


def test_a_zone_that_is_not_strict_takes_any_certificate(origins: Origins, tmp_path: Path) -> None:
    api = Api([Zone(ssl="full")])
    api.zones[0].create(a("desk", ADDRESS, proxied=True))
    with (
        Edge(lambda: api, origins.get) as edge,
        origin(origins, "".join(make_certificate(["other.example"])), tmp_path),
    ):
        assert visit(edge, "desk.example.com", "one") == ["heard one"]


def test_what_cannot_be_reached_has_its_own_status(edge: Edge, origins: Origins) -> None:
    assert visit(edge, "desk.example.com", "GET /")[0].startswith("HTTP/1.1 522 ")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        origins[ADDRESS] = gone.getsockname()
    assert visit(edge, "desk.example.com", "GET /")[0].startswith("HTTP/1.1 521 ")
    for name in ("plain.example.com", "nobody.example.com"):
        assert visit(edge, name, "GET /")[0].startswith("HTTP/1.1 530 ")

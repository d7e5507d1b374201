"""The zones over real DNS, asked with dnspython."""

import errno
import socket
import struct
from collections.abc import Iterator
from socketserver import BaseRequestHandler
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.cloudflare import Api, Zone
from localcloud.cloudflare.nameserver import Nameserver
from localcloud.cloudflare.sockets import UdpServer
from localcloud.ports import PortTakenError
from tests.localcloud.cloudflare.caller import Clock

if TYPE_CHECKING:
    from localcloud.cloudflare.jsonvalue import Json

TIMEOUT = 5


@pytest.fixture
def api() -> Api:
    api = Api(clock=Clock())
    bodies: list[dict[str, Json]] = [
        {"type": "A", "name": "www", "content": "198.51.100.4", "ttl": 120},
        {"type": "A", "name": "i-abc", "content": "198.51.100.5", "proxied": True},
        {"type": "AAAA", "name": "www", "content": "2001:db8::4"},
        {"type": "CNAME", "name": "alias", "content": "www.example.com"},
        {"type": "MX", "name": "@", "content": "mail.example.net", "priority": 10},
        {"type": "TXT", "name": "quoted", "content": '"one \\"two\\"" "three"'},
        {"type": "TXT", "name": "long", "content": "x" * 300},
        {"type": "NS", "name": "sub", "content": "ns.example.net"},
        {"type": "SRV", "name": "_s._tcp", "content": "2 443 www.example.com", "priority": 1},
        {"type": "CAA", "name": "@", "content": '0 issue "letsencrypt.org"'},
        {"type": "URI", "name": "odd", "content": '10 "https://example.com/"', "priority": 1},
    ]
    for body in bodies:
        api.zone("example.com").create(body)
    for number in range(60):
        body = {"type": "A", "name": "many", "content": f"198.51.100.{number}"}
        api.zone("example.com").create(body)
    return api


@pytest.fixture
def nameserver(api: Api) -> Iterator[Nameserver]:
    server = Nameserver(api)
    yield server
    server.stop()


def udp(server: Nameserver, name: str, qtype: str = "A", **options: bool) -> dns.message.Message:
    host, port = server.address
    query = dns.message.make_query(name, qtype, **options)  # type: ignore[arg-type]
    return dns.query.udp(query, host, timeout=TIMEOUT, port=port)


def tcp(server: Nameserver, name: str, qtype: str = "A") -> dns.message.Message:
    host, port = server.address
    return dns.query.tcp(dns.message.make_query(name, qtype), host, timeout=TIMEOUT, port=port)


def texts(answer: dns.message.Message) -> list[str]:
    return [line for rrset in answer.answer for line in rrset.to_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "qtype", "expected"),
    [
        ("www.example.com", "A", ["www.example.com. 120 IN A 198.51.100.4"]),
        ("www.example.com", "AAAA", ["www.example.com. 300 IN AAAA 2001:db8::4"]),
        (
            "i-abc.example.com",
            "A",
            ["i-abc.example.com. 300 IN A 192.0.2.80", "i-abc.example.com. 300 IN A 192.0.2.81"],
        ),
        (
            "alias.example.com",
            "A",
            [
                "alias.example.com. 300 IN CNAME www.example.com.",
                "www.example.com. 120 IN A 198.51.100.4",
            ],
        ),
        ("example.com", "MX", ["example.com. 300 IN MX 10 mail.example.net."]),
        ("example.com", "CAA", ['example.com. 300 IN CAA 0 issue "letsencrypt.org"']),
        ("quoted.example.com", "TXT", ['quoted.example.com. 300 IN TXT "one \\"two\\"" "three"']),
        (
            "long.example.com",
            "TXT",
            [f'long.example.com. 300 IN TXT "{"x" * 255}" "{"x" * 45}"'],
        ),
        (
            "_s._tcp.example.com",
            "SRV",
            ["_s._tcp.example.com. 300 IN SRV 1 2 443 www.example.com."],
        ),
        (
            "example.com",
            "NS",
            [
                "example.com. 86400 IN NS ada.ns.cloudflare.com.",
                "example.com. 86400 IN NS bob.ns.cloudflare.com.",
            ],
        ),
    ],
)
def test_records_are_served_over_udp_and_tcp(
    nameserver: Nameserver, name: str, qtype: str, expected: list[str]
) -> None:
    for answer in (udp(nameserver, name, qtype), tcp(nameserver, name, qtype)):
        assert texts(answer) == expected
        assert answer.rcode() == dns.rcode.NOERROR
        assert answer.flags & dns.flags.AA
        assert not answer.flags & dns.flags.RA


def test_the_start_of_authority_is_served(nameserver: Nameserver) -> None:
    (line,) = texts(udp(nameserver, "example.com", "SOA"))
    assert line.startswith("example.com. 1800 IN SOA ada.ns.cloudflare.com. dns.cloudflare.com. ")


def test_names_are_found_whatever_their_case_and_answered_in_the_case_asked(
    nameserver: Nameserver,
) -> None:
    assert texts(udp(nameserver, "wWw.eXample.COM")) == ["wWw.eXample.COM. 120 IN A 198.51.100.4"]


def test_nothing_there_foreign_and_delegated_are_told_apart(nameserver: Nameserver) -> None:
    missing = udp(nameserver, "nope.example.com")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert missing.authority[0].rdtype == dns.rdatatype.SOA
    no_data = udp(nameserver, "www.example.com", "MX")
    assert (no_data.rcode(), no_data.answer) == (dns.rcode.NOERROR, [])
    foreign = udp(nameserver, "example.org")
    assert foreign.rcode() == dns.rcode.REFUSED
    assert not foreign.flags & dns.flags.AA
    referral = udp(nameserver, "www.sub.example.com")
    assert not referral.flags & dns.flags.AA
    assert referral.authority[0].to_text() == "sub.example.com. 300 IN NS ns.example.net."


def test_a_large_answer_is_cut_over_udp_and_whole_over_tcp(nameserver: Nameserver) -> None:
    cut = udp(nameserver, "many.example.com")
    assert cut.flags & dns.flags.TC
    assert cut.answer == []
    assert len(tcp(nameserver, "many.example.com").answer[0]) == 60


def test_a_client_that_takes_larger_packets_gets_them(nameserver: Nameserver) -> None:
    answer = udp(nameserver, "many.example.com", use_edns=True)
    assert not answer.flags & dns.flags.TC
    assert len(answer.answer[0]) == 60
    assert answer.edns == 0


def test_what_has_no_wire_form_here_is_a_server_failure(nameserver: Nameserver) -> None:
    assert udp(nameserver, "odd.example.com", "URI").rcode() == dns.rcode.SERVFAIL


def test_a_change_is_served_at_once(api: Api, nameserver: Nameserver) -> None:
    (record,) = (r for r in api.zones[0].named("www.example.com") if r.type == "A")
    api.zones[0].patch(record.id, {"content": "198.51.100.99"})
    assert texts(udp(nameserver, "www.example.com")) == ["www.example.com. 120 IN A 198.51.100.99"]


def test_several_questions_go_over_one_tcp_connection(nameserver: Nameserver) -> None:
    query = dns.message.make_query("www.example.com", "A").to_wire()
    with socket.create_connection(nameserver.address, timeout=TIMEOUT) as connection:
        for _ in range(3):
            connection.sendall(struct.pack("!H", len(query)) + query)
            (length,) = struct.unpack("!H", connection.recv(2))
            assert dns.message.from_wire(connection.recv(length)).answer


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(packet=st.binary(max_size=80))
def test_a_packet_that_is_no_question_gets_no_answer_and_does_no_harm(
    nameserver: Nameserver, packet: bytes
) -> None:
    with socket.create_connection(nameserver.address, timeout=TIMEOUT) as connection:
        connection.sendall(struct.pack("!H", len(packet)) + packet)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)
    assert texts(udp(nameserver, "www.example.com"))


def test_an_answer_is_no_question(nameserver: Nameserver) -> None:
    reply = dns.message.make_response(dns.message.make_query("www.example.com", "A")).to_wire()
    with socket.create_connection(nameserver.address, timeout=TIMEOUT) as connection:
        connection.sendall(struct.pack("!H", len(reply)) + reply)
        assert connection.recv(10) == b""


def test_over_udp_only_questions_are_answered(nameserver: Nameserver) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"junk", nameserver.address)
    assert texts(udp(nameserver, "www.example.com"))


def refuse_udp(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let so many attempts to bind UDP fail; return the numbers that are tried."""
    numbers: list[int] = []

    class Taken(UdpServer):
        def __init__(self, address: tuple[str, int], handler: type[BaseRequestHandler]) -> None:
            numbers.append(address[1])
            if len(numbers) <= times:
                raise OSError(errno.EADDRINUSE, "Address already in use")
            super().__init__(address, handler)

    monkeypatch.setattr("localcloud.cloudflare.nameserver.UdpServer", Taken)
    return numbers


def test_another_number_is_tried_when_udp_has_taken_the_one_of_tcp(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = refuse_udp(monkeypatch, times=2)
    server = Nameserver(api)
    try:
        assert server.address[1] == numbers[2]
        assert texts(udp(server, "www.example.com")) == texts(tcp(server, "www.example.com"))
    finally:
        server.stop()


def test_the_search_for_a_number_ends(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = refuse_udp(monkeypatch, times=100)
    with pytest.raises(PortTakenError, match="DNS over UDP"):
        Nameserver(api)
    assert len(numbers) == 20


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_taken_port_is_named(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"DNS .* port {port}: .*free the port") as error:
            Nameserver(Api([Zone()]), port=port)
    assert error.value.port == port

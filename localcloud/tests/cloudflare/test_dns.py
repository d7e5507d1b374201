"""The zones over DNS, asked with dnspython."""

import socket
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from localcloud.cloudflare import Api, PortTakenError, Zone
from localcloud.cloudflare.jsonvalue import Json
from localcloud.cloudflare.nameserver import Nameserver
from localcloud.tests.cloudflare.client import OTHER_ID, Clock, a

Ask = Callable[..., dns.message.Message]

SRV: Json = {"priority": 1, "weight": 2, "port": 443, "target": "www.example.com"}
BODIES: list[dict[str, Json]] = [
    a("www", ttl=120),
    a("i-abc", "198.51.100.5", proxied=True),
    a("i-abc", "198.51.100.6"),
    {"type": "TXT", "name": "i-abc", "content": "x"},
    {"type": "CNAME", "name": "edge", "content": "x.example.net", "proxied": True},
    {"type": "CNAME", "name": "alias", "content": "www.example.com"},
    {"type": "CNAME", "name": "away", "content": "www.example.net"},
    {"type": "CNAME", "name": "dead", "content": "gone.example.com"},
    {"type": "MX", "name": "@", "content": "mail.example.net", "priority": 10},
    {"type": "TXT", "name": "quoted", "content": '"one \\"two\\"" "three"'},
    {"type": "TXT", "name": "long", "content": "x" * 300},
    {"type": "SRV", "name": "_s._tcp", "data": SRV},
]


@pytest.fixture
def api() -> Api:
    zones = [Zone(), Zone(id=OTHER_ID, name="sub.example.com", status="pending")]
    api = Api(zones, clock=Clock())
    for body in BODIES:
        api.zones[0].create(body)
    api.zones[1].create(a("www", "198.51.100.7", proxied=True))
    return api


@pytest.fixture
def ask(api: Api) -> Iterator[Ask]:
    server = Nameserver(api)
    host, port = server.address
    yield lambda name, qtype="A": dns.query.udp(
        dns.message.make_query(name, qtype), host, port=port
    )
    server.stop()


@pytest.mark.parametrize(
    ("name", "qtype", "expected"),
    [
        ("www", "A", ["120 IN A 198.51.100.4"]),
        ("i-abc", "A", ["300 IN A 192.0.2.80", "300 IN A 192.0.2.81"]),
        ("i-abc", "AAAA", ["300 IN AAAA 2001:db8:cf::80", "300 IN AAAA 2001:db8:cf::81"]),
        ("i-abc", "TXT", ['300 IN TXT "x"']),
        ("edge", "A", ["300 IN A 192.0.2.80", "300 IN A 192.0.2.81"]),
        ("edge", "CNAME", []),
        ("alias", "A", ["300 IN CNAME www.example.com.", "120 IN A 198.51.100.4"]),
        ("away", "A", ["300 IN CNAME www.example.net."]),
        ("quoted", "TXT", ['300 IN TXT "one \\"two\\"" "three"']),
        ("long", "TXT", [f'300 IN TXT "{"x" * 255}" "{"x" * 45}"']),
        ("_s._tcp", "SRV", ["300 IN SRV 1 2 443 www.example.com."]),
        ("_tcp", "A", []),
        ("www.sub", "A", ["300 IN A 198.51.100.7"]),
    ],
)
def test_records_are_served(ask: Ask, name: str, qtype: str, expected: list[str]) -> None:
    answer = ask(f"{name}.example.com", qtype)
    lines = [line for rrset in answer.answer for line in rrset.to_text().splitlines()]
    assert [line.partition(" ")[2] for line in lines] == expected
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.AA
    assert not answer.flags & dns.flags.RA
    assert bool(answer.authority) == (not expected)


def test_the_apex_has_name_servers_mail_and_a_serial_that_grows(api: Api, ask: Ask) -> None:
    assert len(ask("example.com", "NS").answer[0]) == 2
    assert ask("example.com", "MX").answer[0].to_text().endswith("MX 10 mail.example.net.")

    def serial() -> int:
        return int(ask("example.com", "SOA").answer[0][0].serial)

    before = serial()
    api.zones[0].create(a("new"))
    assert serial() == before + 1


@pytest.mark.parametrize("name", ["nope.example.com", "dead.example.com"])
def test_a_name_without_records_does_not_exist(ask: Ask, name: str) -> None:
    missing = ask(name)
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert missing.authority[0].rdtype == dns.rdatatype.SOA


def test_a_name_of_another_domain_is_refused(ask: Ask) -> None:
    refused = ask("notexample.com")
    assert refused.rcode() == dns.rcode.REFUSED
    assert not refused.flags & dns.flags.AA


def test_the_case_of_the_question_is_kept(ask: Ask) -> None:
    assert str(ask("wWw.eXample.COM").answer[0].name) == "wWw.eXample.COM."


def test_a_change_is_served_at_once(api: Api, ask: Ask) -> None:
    (record,) = api.zones[0].named("www.example.com")
    api.zones[0].patch(record.id, {"content": "198.51.100.99"})
    assert ask("www.example.com").answer[0][0].to_text() == "198.51.100.99"
    api.zones[0].delete(record.id)
    assert ask("www.example.com").rcode() == dns.rcode.NXDOMAIN


def test_a_port_that_is_not_free_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"DNS .* port {port}: .*free the port") as error:
            Nameserver(Api([Zone()]), port=port)
    assert error.value.port == port

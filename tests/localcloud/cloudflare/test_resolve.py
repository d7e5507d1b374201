"""What a question is answered from the records of a zone."""

import pytest

from localcloud.cloudflare import Edge, Zone, ZoneStore
from localcloud.cloudflare.jsonvalue import Json
from localcloud.cloudflare.resolve import Answer, Rcode, resolve
from tests.localcloud.cloudflare.caller import Clock

EDGE = Edge()


def store_of(*bodies: dict[str, Json], zone: Zone | None = None) -> ZoneStore:
    store = ZoneStore(zone or Zone(), Clock())
    for body in bodies:
        store.create(body)
    return store


def a(name: str, content: str = "198.51.100.4", **members: Json) -> dict[str, Json]:
    return {"type": "A", "name": name, "content": content, **members}


def cname(name: str, content: str, **members: Json) -> dict[str, Json]:
    return {"type": "CNAME", "name": name, "content": content, **members}


def ask(store: ZoneStore, name: str, qtype: str = "A") -> Answer:
    return resolve([store], name, qtype, EDGE)


def contents(answer: Answer) -> list[tuple[str, str]]:
    return [(resource.type, resource.content) for resource in answer.answers]


def test_a_dns_only_record_answers_its_content_and_ttl() -> None:
    store = store_of(a("www", ttl=120), a("www", "198.51.100.5"))
    answer = ask(store, "www.example.com")
    assert [(item.content, item.ttl) for item in answer.answers] == [
        ("198.51.100.4", 120),
        ("198.51.100.5", 300),
    ]
    assert (answer.rcode, answer.authoritative) == (Rcode.NOERROR, True)


@pytest.mark.parametrize(("qtype", "addresses"), [("A", EDGE.ipv4), ("AAAA", EDGE.ipv6)])
@pytest.mark.parametrize(
    "body",
    [
        a("www", proxied=True),
        cname("www", "x.example.net", proxied=True),
        {"type": "AAAA", "name": "www", "content": "2001:db8::1", "proxied": True},
    ],
)
def test_a_proxied_name_answers_with_the_edge_whatever_its_type(
    body: dict[str, Json], qtype: str, addresses: tuple[str, ...]
) -> None:
    answer = ask(store_of(body), "www.example.com", qtype)
    assert [item.content for item in answer.answers] == list(addresses)
    assert {item.ttl for item in answer.answers} == {300}


def test_one_proxied_record_proxies_its_whole_name() -> None:
    store = store_of(a("www"), a("www", "198.51.100.5", proxied=True))
    assert contents(ask(store, "www.example.com")) == [("A", address) for address in EDGE.ipv4]


@pytest.mark.parametrize(
    ("setting", "v4", "v6"), [("ipv4_only", 2, 0), ("ipv6_only", 0, 2), ("other", 2, 2)]
)
def test_a_proxied_record_may_be_limited_to_one_protocol(setting: str, v4: int, v6: int) -> None:
    store = store_of(a("www", proxied=True, settings={setting: True}))
    assert len(ask(store, "www.example.com", "A").answers) == v4
    assert len(ask(store, "www.example.com", "AAAA").answers) == v6


def test_a_proxied_alias_is_not_seen() -> None:
    store = store_of(cname("www", "x.example.net", proxied=True))
    answer = ask(store, "www.example.com", "CNAME")
    assert answer.answers == ()
    assert answer.rcode is Rcode.NOERROR


def test_other_records_of_a_proxied_name_are_served_as_they_are() -> None:
    store = store_of(a("www", proxied=True), {"type": "TXT", "name": "www", "content": "x"})
    assert contents(ask(store, "www.example.com", "TXT")) == [("TXT", "x")]


@pytest.mark.parametrize("zone", [Zone(status="pending"), Zone(paused=True)])
def test_a_zone_that_is_not_active_serves_its_proxied_records_dns_only(zone: Zone) -> None:
    answer = ask(store_of(a("www", proxied=True), zone=zone), "www.example.com")
    assert contents(answer) == [("A", "198.51.100.4")]


def test_no_such_name_and_no_such_type_are_told_apart() -> None:
    store = store_of(a("www"), a("a.b"))
    missing = ask(store, "nope.example.com")
    assert missing.rcode is Rcode.NXDOMAIN
    for name, qtype in [("www.example.com", "TXT"), ("b.example.com", "A"), ("example.com", "A")]:
        answer = ask(store, name, qtype)
        assert (answer.rcode, answer.answers) == (Rcode.NOERROR, ())
        assert [item.type for item in answer.authority] == ["SOA"]
    assert [item.type for item in missing.authority] == ["SOA"]


def test_the_apex_has_a_soa_whose_serial_grows_and_name_servers() -> None:
    store = store_of()
    (before,) = ask(store, "example.com", "SOA").answers
    store.create(a("www"))
    (after,) = ask(store, "example.com", "SOA").answers
    assert int(after.content.split()[2]) == int(before.content.split()[2]) + 1
    assert contents(ask(store, "example.com", "NS")) == [
        ("NS", "ada.ns.cloudflare.com"),
        ("NS", "bob.ns.cloudflare.com"),
    ]


def test_a_foreign_name_is_refused() -> None:
    for name in ("example.org", "notexample.com", "com"):
        answer = ask(store_of(), name)
        assert (answer.rcode, answer.authoritative) == (Rcode.REFUSED, False)


def test_the_zone_that_matches_longest_answers() -> None:
    outer = store_of(a("www.sub", "198.51.100.1"))
    inner = store_of(a("www", "198.51.100.2"), zone=Zone(id="b" * 32, name="sub.example.com"))
    answer = resolve([outer, inner], "www.sub.example.com", "A", EDGE)
    assert contents(answer) == [("A", "198.51.100.2")]


def test_an_alias_is_followed_within_the_zone() -> None:
    store = store_of(cname("one", "two.example.com"), cname("two", "www.example.com"), a("www"))
    assert contents(ask(store, "one.example.com")) == [
        ("CNAME", "two.example.com"),
        ("CNAME", "www.example.com"),
        ("A", "198.51.100.4"),
    ]
    assert contents(ask(store, "one.example.com", "CNAME")) == [("CNAME", "two.example.com")]


def test_an_alias_out_of_the_zone_is_left_to_the_resolver() -> None:
    store = store_of(cname("one", "www.example.net"))
    assert contents(ask(store, "one.example.com")) == [("CNAME", "www.example.net")]


def test_an_alias_to_nothing_is_nxdomain_and_a_loop_ends() -> None:
    store = store_of(
        cname("dead", "gone.example.com"), cname("a", "b.example.com"), cname("b", "a.example.com")
    )
    assert ask(store, "dead.example.com").rcode is Rcode.NXDOMAIN
    assert len(ask(store, "a.example.com").answers) == 8


def test_a_wildcard_answers_for_names_that_are_not_there() -> None:
    store = store_of(a("*", "198.51.100.9"), a("www"), a("x.y"))
    assert contents(ask(store, "any.example.com")) == [("A", "198.51.100.9")]
    assert contents(ask(store, "a.b.c.example.com")) == [("A", "198.51.100.9")]
    assert contents(ask(store, "www.example.com")) == [("A", "198.51.100.4")]
    assert ask(store, "any.example.com", "TXT").rcode is Rcode.NOERROR
    # an existing name between hides it, even one without records of its own
    assert ask(store, "any.www.example.com").rcode is Rcode.NXDOMAIN
    assert ask(store, "any.y.example.com").rcode is Rcode.NXDOMAIN


def test_a_delegated_name_is_referred_to_its_servers() -> None:
    store = store_of(
        {"type": "NS", "name": "sub", "content": "ns.example.net"},
        cname("alias", "www.sub.example.com"),
    )
    for name in ("sub.example.com", "www.sub.example.com"):
        answer = ask(store, name)
        assert (answer.rcode, answer.authoritative, answer.answers) == (Rcode.NOERROR, False, ())
        assert [item.content for item in answer.authority] == ["ns.example.net"]
    followed = ask(store, "alias.example.com")
    assert followed.authoritative
    assert contents(followed) == [("CNAME", "www.sub.example.com")]

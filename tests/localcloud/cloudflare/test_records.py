"""What a record may hold, and the form it is stored and shown in."""

import re
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudflare import ApiError, Plan, Zone
from localcloud.cloudflare.content import ascii_name, name_in_zone
from localcloud.cloudflare.jsonvalue import Json
from localcloud.cloudflare.records import Fields, Record, parse, timestamp
from tests.localcloud.cloudflare.caller import RECORDS, Caller, Clock

A = {"type": "A", "name": "www", "content": "198.51.100.4"}


def fields(zone: Zone | None = None, **members: Json) -> Fields:
    return parse({**A, **members}, zone or Zone())


def code(zone: Zone | None = None, **members: Json) -> int:
    with pytest.raises(ApiError) as caught:
        fields(zone, **members)
    assert caught.value.status == 400
    return caught.value.code


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("www", "www.example.com"),
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM.", "www.example.com"),
        ("@", "example.com"),
        ("example.com", "example.com"),
        ("*", "*.example.com"),
        ("_acme-challenge.www", "_acme-challenge.www.example.com"),
        ("mail.other.org", "mail.other.org.example.com"),
        ("mail.other.org.", "mail.other.org.example.com"),
        ("notexample.com", "notexample.com.example.com"),
        ("bücher", "xn--bcher-kva.example.com"),
    ],
)
def test_a_name_is_stored_full_lower_case_and_in_the_zone(given_name: str, stored: str) -> None:
    assert fields(name=given_name).name == stored


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "-a", "a-", "a b", "w*", "a.*", "x" * 64, "a." * 127, "ü" * 64]
)
def test_a_name_that_dns_cannot_carry_is_refused(name: str) -> None:
    assert code(name=name) == 9000


@given(st.text(alphabet="ab-_.AB1ü*@", max_size=30))
def test_a_name_is_either_refused_or_stays_as_it_was_stored(text: str) -> None:
    try:
        stored = name_in_zone(text, "example.com")
    except ApiError:
        assert code(name=text) == 9000
        return
    assert stored == "example.com" or stored.endswith(".example.com")
    assert name_in_zone(stored, "example.com") == stored == ascii_name(stored)


@pytest.mark.parametrize(
    "content", ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "::1", "host.example.com", " "]
)
def test_an_a_record_needs_a_dotted_ipv4_address(content: str) -> None:
    assert code(content=content) == 9005


def test_an_aaaa_record_needs_an_ipv6_address_and_stores_its_short_form() -> None:
    assert code(type="AAAA", content="198.51.100.4") == 9006
    stored = fields(type="AAAA", content="2001:0DB8:0:0::0001")
    assert stored.content == "2001:db8::1"


def test_a_cname_needs_another_host_name() -> None:
    assert fields(type="CNAME", content="Target.Example.NET.").content == "target.example.net"
    assert code(type="CNAME", content="198.51.100.4") == 9007
    assert code(type="CNAME", content="a b") == 9007
    assert code(type="CNAME", content="www.example.com") == 9007


@pytest.mark.parametrize("record_type", ["ALIAS", "SOA", "", 5, None])
def test_a_type_that_cloudflare_does_not_have_is_refused(record_type: Json) -> None:
    assert code(type=record_type) == 9001


def test_content_beyond_4096_bytes_is_refused() -> None:
    assert fields(type="TXT", content="x" * 4096).content == "x" * 4096
    assert code(type="TXT", content="x" * 4097) == 9015


@pytest.mark.parametrize("ttl", [2, 30, 59, 86401, 0, -1])
def test_a_ttl_outside_the_range_is_refused(ttl: int) -> None:
    assert code(ttl=ttl) == 9021


@pytest.mark.parametrize("ttl", [1, 60, 300, 86400])
def test_a_ttl_in_the_range_or_automatic_is_kept(ttl: int) -> None:
    assert fields(ttl=ttl).ttl == ttl


def test_an_enterprise_zone_takes_shorter_ttls() -> None:
    enterprise = Zone(plan=Plan.ENTERPRISE)
    assert fields(enterprise, ttl=30).ttl == 30
    assert code(enterprise, ttl=29) == 9021


@pytest.mark.parametrize("ttl", ["300", True, [300]])
def test_a_ttl_must_be_a_json_number(ttl: Json) -> None:
    assert code(ttl=ttl) == 9207


def test_the_ttl_is_automatic_by_default_and_whenever_proxied() -> None:
    assert fields().ttl == 1
    assert fields(proxied=True, ttl=300).ttl == 1
    assert fields(proxied=False, ttl=300).ttl == 300


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 (an address like any other here)
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_a_private_address_may_be_stored_but_not_proxied(address: str) -> None:
    assert fields(content=address).content == address
    assert code(content=address, proxied=True) == 9003


def test_a_private_ipv6_address_may_not_be_proxied() -> None:
    assert code(type="AAAA", content="fd00::1", proxied=True) == 9003
    assert fields(type="AAAA", content="2001:db8::1", proxied=True).proxied


@pytest.mark.parametrize("address", ["192.0.2.1", "198.51.100.4", "203.0.113.9", "8.8.8.8"])
def test_a_public_or_documentation_address_may_be_proxied(address: str) -> None:
    assert fields(content=address, proxied=True).proxied


def test_only_addresses_and_aliases_may_be_proxied() -> None:
    assert code(type="TXT", content="x", proxied=True) == 9004
    assert fields(type="CNAME", content="a.example.net", proxied=True).proxied


def test_a_comment_has_up_to_100_characters_on_free_and_500_on_paid_plans() -> None:
    assert fields(comment="x" * 100).comment == "x" * 100
    assert code(comment="x" * 101) == 9313
    assert fields(Zone(plan=Plan.PRO), comment="x" * 500).comment == "x" * 500
    assert code(Zone(plan=Plan.PRO), comment="x" * 501) == 9313


def test_the_refusal_of_a_comment_names_the_limit() -> None:
    with pytest.raises(ApiError, match="maximum length of 100 characters"):
        fields(comment="x" * 101)


@pytest.mark.parametrize("comment", ["two\nlines", "two\rlines"])
def test_a_comment_has_one_line(comment: str) -> None:
    assert code(comment=comment) == 9314


def test_no_comment_and_an_empty_one_are_null() -> None:
    assert fields().comment is None
    assert fields(comment=None).comment is None
    assert fields(comment="").comment is None


def test_tags_need_a_paid_plan() -> None:
    paid = Zone(plan=Plan.PRO)
    assert code(tags=["a:b"]) == 9300
    assert fields(tags=[]).tags == ()
    assert fields(paid, tags=["a:b", "c"]).tags == ("a:b", "c")
    assert code(paid, tags=[f"t{n}" for n in range(21)]) == 9300
    assert code(paid, tags=["no good:x"]) == 9301
    assert code(paid, tags=["x:" + "v" * 101]) == 9301
    assert code(paid, tags=[7]) == 9301


def test_the_refusal_of_tags_names_their_number_and_the_quota() -> None:
    with pytest.raises(ApiError, match="has 1 tags, exceeding the quota of 0"):
        fields(tags=["a"])


@pytest.mark.parametrize(
    "member",
    [
        {"name": None},
        {"content": 5},
        {"proxied": "yes"},
        {"settings": []},
        {"comment": 5},
        {"tags": "a"},
        {"data": 1},
    ],
)
def test_a_member_of_another_kind_is_refused(member: dict[str, Json]) -> None:
    assert code(None, **member) == 9207


def test_unknown_members_are_ignored() -> None:
    assert fields(locked=True, zone_name="x", meta={"a": 1}) == fields()


def test_mx_needs_a_priority() -> None:
    assert code(type="MX", content="mail.example.com") == 9207
    assert code(type="MX", content="mail.example.com", priority=65536) == 9207
    assert code(type="MX", content="mail.example.com", priority="10") == 9207
    stored = fields(type="MX", content="Mail.Example.com.", priority=10)
    assert (stored.content, stored.priority) == ("mail.example.com", 10)


def test_a_priority_says_nothing_on_other_types() -> None:
    assert fields(priority=5).priority is None


def test_srv_and_caa_are_taken_as_text_or_as_components() -> None:
    components: Json = {"priority": 1, "weight": 2, "port": 443, "target": "a.example.com"}
    by_data = parse({"type": "SRV", "name": "_x._tcp", "data": components}, Zone())
    by_text = parse(
        {"type": "SRV", "name": "_x._tcp", "content": "2 443 a.example.com.", "priority": 1},
        Zone(),
    )
    assert by_data.content == by_text.content == "2 443 a.example.com"
    assert by_data.priority == by_text.priority == 1
    assert by_text.data == components

    caa: Json = {"flags": 0, "tag": "issue", "value": "letsencrypt.org"}
    by_data = parse({"type": "CAA", "name": "@", "data": caa}, Zone())
    by_text = parse({"type": "CAA", "name": "@", "content": by_data.content}, Zone())
    assert by_data.content == '0 issue "letsencrypt.org"'
    assert by_text.data == caa


def test_srv_takes_its_priority_in_the_text_too() -> None:
    stored = parse({"type": "SRV", "name": "_x._tcp", "content": "1 2 443 a.net."}, Zone())
    assert (stored.priority, stored.content) == (1, "2 443 a.net")


def test_an_mx_may_say_that_there_is_no_mail() -> None:
    assert fields(type="MX", content=".", priority=0).content == "."


def test_private_routing_is_kept_where_given(clock: Clock) -> None:
    record = Record("0" * 32, 1, fields(private_routing=True), clock(), clock())
    assert record.as_json()["private_routing"] is True


@pytest.mark.parametrize(
    ("record_type", "content"), [("SRV", "1 2"), ("SRV", "a b c"), ("CAA", "x"), ("TXT", " ")]
)
def test_text_that_a_type_cannot_hold_is_refused(record_type: str, content: str) -> None:
    assert code(type=record_type, content=content) == 9007


def test_a_record_given_by_components_of_another_type_is_their_text() -> None:
    data: Json = {"algorithm": 1, "type": 2, "fingerprint": "ab"}
    stored = parse({"type": "SSHFP", "name": "@", "data": data}, Zone())
    assert stored.content == "1 2 ab"
    assert stored.data == data


def test_a_record_is_shown_as_the_api_shows_it(clock: Clock) -> None:
    now = clock()
    record = Record("0" * 32, 1, fields(comment="c", proxied=True), now, now, now)
    assert record.as_json() == {
        "id": "0" * 32,
        "name": "www.example.com",
        "type": "A",
        "content": "198.51.100.4",
        "proxiable": True,
        "proxied": True,
        "ttl": 1,
        "settings": {},
        "meta": {},
        "comment": "c",
        "tags": [],
        "created_on": "2025-06-15T15:06:40.000000Z",
        "modified_on": "2025-06-15T15:06:40.000000Z",
        "comment_modified_on": "2025-06-15T15:06:40.000000Z",
    }


def test_what_cannot_be_proxied_is_shown_as_not_proxiable() -> None:
    def shown(member: Fields) -> Json:
        return Record("0" * 32, 1, member, 0, 0).as_json()["proxiable"]

    assert shown(fields(content="10.0.0.1")) is False
    assert shown(fields(type="TXT", content="x")) is False
    assert shown(fields(type="CNAME", content="x.example.net")) is True


def test_times_are_rfc_3339_in_utc_with_microseconds() -> None:
    assert timestamp(0.25) == "1970-01-01T00:00:00.250000Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", timestamp(1.7e9))


def test_a_put_returns_what_it_omits_to_the_default(caller: Caller) -> None:
    record_id = caller.create("www", ttl=300, comment="mine")
    stored = caller.result("PUT", f"{RECORDS}/{record_id}", cast("Json", A))
    assert (stored["ttl"], stored["comment"], stored["proxied"]) == (1, None, False)
    assert "comment_modified_on" not in stored


def test_a_patch_keeps_what_it_omits(caller: Caller, clock: Clock) -> None:
    record_id = caller.create("www", ttl=300, comment="mine")
    clock.advance(5)
    stored = caller.result("PATCH", f"{RECORDS}/{record_id}", {"content": "198.51.100.5"})
    assert (stored["ttl"], stored["comment"]) == (300, "mine")
    assert stored["content"] == "198.51.100.5"
    assert stored["modified_on"] == timestamp(clock())
    assert stored["created_on"] == stored["comment_modified_on"] == timestamp(clock() - 5)


def test_a_patch_with_an_empty_comment_clears_it(caller: Caller) -> None:
    record_id = caller.create("www", comment="mine")
    assert caller.result("PATCH", f"{RECORDS}/{record_id}", {"comment": ""})["comment"] is None


def test_a_patch_of_components_replaces_the_content_and_the_reverse(caller: Caller) -> None:
    srv: Json = {"type": "SRV", "name": "_x._tcp", "content": "2 443 a.net", "priority": 1}
    path = f"{RECORDS}/{caller.result('POST', RECORDS, srv)['id']}"
    data: Json = {"priority": 9, "weight": 8, "port": 7, "target": "b.net"}
    changed = caller.result("PATCH", path, {"data": data})
    assert (changed["content"], changed["priority"]) == ("8 7 b.net", 9)
    changed = caller.result("PATCH", path, {"content": "3 4 c.net"})
    assert changed["data"] == {"priority": 9, "weight": 3, "port": 4, "target": "c.net"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_type_cannot_be_changed_in_place(caller: Caller, method: str) -> None:
    record_id = caller.create("www")
    body: Json = {"type": "TXT", "name": "www", "content": "text"}
    assert caller.error(method, f"{RECORDS}/{record_id}", body) == (400, 9040)
    assert caller.result("GET", f"{RECORDS}/{record_id}")["type"] == "A"

"""Which records are accepted, and how they are stored and shown."""

import pytest

from localcloud.cloudflare import Api, Plan, Zone
from localcloud.cloudflare.jsonvalue import Json
from localcloud.tests.cloudflare.client import HEADERS, OTHER_ID, RECORDS, Client, Clock, a

PRO, ENTERPRISE = Zone(plan=Plan.PRO), Zone(plan=Plan.ENTERPRISE)
SRV: Json = {"priority": 1, "weight": 2, "port": 443, "target": "a.example.com."}
CAA: Json = {"flags": 0, "tag": "issue", "value": "letsencrypt.org"}
TYPES: dict[str, dict[str, Json]] = {
    "A": {"type": "A", "content": "198.51.100.9"},
    "AAAA": {"type": "AAAA", "content": "2001:db8::9"},
    "CNAME": {"type": "CNAME", "content": "target.example.net"},
    "TXT": {"type": "TXT", "content": '"text"'},
    "MX": {"type": "MX", "content": "mail.example.net", "priority": 10},
    "NS": {"type": "NS", "content": "ns.example.net"},
}


def client_of(zone: Zone) -> Client:
    return Client(Api([zone], clock=Clock()))


@pytest.mark.parametrize(
    ("member", "given", "stored"),
    [
        ("name", "www", "www.example.com"),
        ("name", "WWW.Example.COM.", "www.example.com"),
        ("name", "@", "example.com"),
        ("name", "*", "*.example.com"),
        ("name", "_acme-challenge.www", "_acme-challenge.www.example.com"),
        ("name", "mail.other.org.", "mail.other.org.example.com"),
        ("name", "notexample.com", "notexample.com.example.com"),
        ("name", "bücher", "xn--bcher-kva.example.com"),
        ("ttl", None, 1),
        ("ttl", 60, 60),
        ("ttl", 86400, 86400),
        ("comment", "x" * 100, "x" * 100),
        ("comment", "", None),
        ("tags", [], []),
        ("settings", {"ipv4_only": True}, {"ipv4_only": True}),
    ],
)
def test_a_member_is_stored_in_its_normal_form(
    client: Client, member: str, given: Json, stored: Json
) -> None:
    record = client.result("POST", RECORDS, {**a("host"), member: given})
    assert record[member] == stored


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        ({"type": "AAAA", "content": "2001:0DB8:0:0::0001"}, "2001:db8::1"),
        ({"type": "CNAME", "content": "Target.Example.NET."}, "target.example.net"),
        ({"type": "MX", "content": "Mail.Example.com.", "priority": 10}, "mail.example.com"),
        ({"type": "MX", "content": ".", "priority": 0}, "."),
        ({"type": "SRV", "data": SRV}, "2 443 a.example.com"),
        ({"type": "CAA", "data": CAA}, '0 issue "letsencrypt.org"'),
        ({"type": "TXT", "content": "x" * 4096}, "x" * 4096),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_content_is_stored_in_its_normal_form(
    client: Client, body: dict[str, Json], stored: str
) -> None:
    record = client.result("POST", RECORDS, {"name": "host", **body})
    assert record["content"] == stored
    assert record.get("data") == body.get("data")


@pytest.mark.parametrize(
    ("code", "members"),
    [
        *((9000, {"name": name}) for name in ("", "a..b", "-a", "a b", "a.*", "x" * 64, "ü" * 64)),
        *((9001, {"type": kind}) for kind in ("ALIAS", "SOA", "", None)),
        *((9005, {"content": text}) for text in ("", "1.2.3", "01.2.3.4", "1.2.3.256", "::1")),
        (9006, {"type": "AAAA"}),
        (9007, {"type": "CNAME"}),
        (9007, {"type": "CNAME", "content": "www.example.com"}),
        (9007, {"type": "TXT", "content": " "}),
        (9015, {"type": "TXT", "content": "x" * 4097}),
        *((9021, {"ttl": ttl}) for ttl in (0, 2, 59, 86401)),
        (9207, {"ttl": "300"}),
        (9207, {"proxied": "yes"}),
        (9207, {"comment": 5}),
        (9207, {"type": "MX", "content": "mail.example.net"}),
        (9207, {"type": "MX", "content": "mail.example.net", "priority": 65536}),
        (9207, {"type": "SRV", "content": "2 443 a.example.com"}),
        (9300, {"tags": ["a:b"]}),
        (9313, {"comment": "x" * 101}),
        (9314, {"comment": "two\nlines"}),
        (9004, {"type": "TXT", "proxied": True}),
        *((9003, {"content": each, "proxied": True}) for each in ("10.1.2.3", "127.0.0.1")),
        (9003, {"type": "AAAA", "content": "fd00::1", "proxied": True}),
    ],
)
def test_what_cannot_be_stored_is_refused(
    client: Client, code: int, members: dict[str, Json]
) -> None:
    assert client.error("POST", RECORDS, {**a("www"), **members}) == (400, code)
    assert client.results() == []


@pytest.mark.parametrize(
    ("zone", "members", "code"),
    [
        (PRO, {"comment": "x" * 500}, 0),
        (PRO, {"comment": "x" * 501}, 9313),
        (PRO, {"tags": ["a:b", "c"]}, 0),
        (PRO, {"tags": ["no good:x"]}, 9301),
        (PRO, {"tags": [f"t{number}" for number in range(21)]}, 9300),
        (PRO, {"ttl": 30}, 9021),
        (ENTERPRISE, {"ttl": 30}, 0),
    ],
)
def test_the_plan_sets_the_limits(zone: Zone, members: dict[str, Json], code: int) -> None:
    answer = client_of(zone).call("POST", RECORDS, {**a("www"), **members})
    assert f'"code": {code}'.encode() in answer.body or (code, answer.status) == (0, 200)


def test_a_proxied_record_has_the_automatic_ttl(client: Client) -> None:
    assert client.result("POST", RECORDS, a("www", proxied=True, ttl=300))["ttl"] == 1


def test_a_record_is_shown_as_the_api_shows_it(client: Client) -> None:
    record = client.result("POST", RECORDS, a("www", comment="c", proxied=True))
    assert client.result("GET", f"{RECORDS}/{record['id']}") == record
    assert record == {
        "id": record["id"],
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
    }


def test_a_put_resets_what_it_omits_and_a_patch_keeps_it(client: Client, clock: Clock) -> None:
    path = f"{RECORDS}/{client.create('www', ttl=300, comment='mine')}"
    clock.now += 5
    patched = client.result("PATCH", path, {"content": "198.51.100.5"})
    assert (patched["content"], patched["ttl"], patched["comment"]) == ("198.51.100.5", 300, "mine")
    assert patched["created_on"] == "2025-06-15T15:06:40.000000Z"
    assert patched["modified_on"] == "2025-06-15T15:06:45.000000Z"
    put = client.result("PUT", path, a("www"))
    assert (put["content"], put["ttl"], put["comment"]) == ("198.51.100.4", 1, None)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_type_cannot_be_changed_in_place(client: Client, method: str) -> None:
    path = f"{RECORDS}/{client.create('www')}"
    body: Json = {"type": "TXT", "name": "www", "content": "text"}
    assert client.error(method, path, body) == (400, 9040)
    assert client.result("GET", path)["type"] == "A"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_record_that_does_not_exist_is_404(client: Client, method: str) -> None:
    assert client.error(method, f"{RECORDS}/{OTHER_ID}", a("www")) == (404, 81044)


def test_a_delete_answers_with_the_id_alone(client: Client) -> None:
    record_id = client.create("www")
    assert client.result("DELETE", f"{RECORDS}/{record_id}") == {"id": record_id}
    assert client.results() == []


@pytest.mark.parametrize(
    ("present", "added", "code"),
    [
        ("A", "CNAME", 81053),
        ("AAAA", "CNAME", 81053),
        ("CNAME", "A", 81054),
        ("CNAME", "AAAA", 81054),
        ("NS", "A", 81056),
        ("TXT", "NS", 81056),
        *((kind, kind, 81058) for kind in TYPES),
        ("A", "AAAA", 0),
        ("A", "TXT", 0),
        ("CNAME", "TXT", 0),
        ("MX", "CNAME", 0),
    ],
)
def test_which_records_may_share_a_name(
    client: Client, present: str, added: str, code: int
) -> None:
    client.result("POST", RECORDS, {**TYPES[present], "name": "host"})
    body = {**TYPES[added], "name": "HOST.example.com", "ttl": 300, "comment": "other"}
    if code:
        assert client.error("POST", RECORDS, body) == (400, code)
    else:
        client.result("POST", RECORDS, body)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_change_must_not_make_two_records_equal(client: Client, method: str) -> None:
    client.create("host", "198.51.100.1")
    path = f"{RECORDS}/{client.create('host', '198.51.100.2')}"
    assert client.error(method, path, a("host", "198.51.100.1")) == (400, 81058)
    assert client.result("GET", path)["content"] == "198.51.100.2"
    assert client.result(method, path, a("host", "198.51.100.2", comment="new"))["comment"] == "new"


def test_the_records_of_a_name_and_type_hold_8192_characters_together(client: Client) -> None:
    for character in "ab":
        text: Json = {"type": "TXT", "name": "host", "content": character * 4096}
        client.result("POST", RECORDS, text)
    body: Json = {"type": "TXT", "name": "host", "content": "c"}
    assert client.error("POST", RECORDS, body) == (400, 83011)


@pytest.mark.parametrize(
    ("zone", "quota"), [(Zone(), 200), (PRO, 3500), (ENTERPRISE, None), (Zone(record_quota=1), 1)]
)
def test_usage_shows_the_number_of_records_and_the_quota(zone: Zone, quota: int | None) -> None:
    client = client_of(zone)
    client.create("www")
    usage = client.result("GET", f"{RECORDS}/usage")
    assert usage == {"record_usage": 1, "record_quota": quota}


def test_a_full_zone_refuses_one_more_record(clock: Clock) -> None:
    client = Client(Api([Zone(record_quota=1)], clock=clock))
    first = client.create("a")
    assert client.error("POST", RECORDS, a("b")) == (400, 81045)
    client.result("DELETE", f"{RECORDS}/{first}")
    client.create("b")


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({**HEADERS, "Content-Type": "text/plain"}, {}, 9207),
        (HEADERS, [], 9207),
        (HEADERS, None, 6007),
    ],
)
def test_a_body_must_be_a_json_object(
    client: Client, headers: dict[str, str], body: Json, code: int
) -> None:
    assert client.error("POST", RECORDS, body, headers=headers) == (400, code)

"""The API in-process: routing, bodies, the record of calls, and threads."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from localcloud.cloudflare import DEFAULT_ZONE_ID, Api, Call, Request, Response, Zone
from tests.localcloud.cloudflare.caller import BATCH, BEARER, RECORDS, Caller, Clock

if TYPE_CHECKING:
    from localcloud.cloudflare.jsonvalue import Json

ZONE = f"/zones/{DEFAULT_ZONE_ID}"
HEADERS = {"Authorization": BEARER, "Content-Type": "application/json"}


@pytest.mark.parametrize(
    "path",
    [
        "/zones/example.com/dns_records",
        "/zones//dns_records",
        "/zones/dns_records",
        f"/zones/{DEFAULT_ZONE_ID.upper()}/dns_records",
        f"{RECORDS}/645577699",
        f"{RECORDS}/",
        "/zones/example.com",
        "/zones/example.com/settings/ssl",
    ],
)
def test_an_id_that_is_not_32_hexadecimal_digits_leads_nowhere(caller: Caller, path: str) -> None:
    answer = caller.call("GET", path)
    assert answer.status == 404
    assert answer.json()["errors"] == [
        {
            "code": 7003,
            "message": f"Could not route to /client/v4{path}, "
            "perhaps your object identifier is invalid?",
        },
    ]


def test_a_path_that_is_not_there_is_404(caller: Caller, api: Api) -> None:
    assert caller.error("GET", "/nothing") == (404, 7000)
    assert caller.error("GET", f"{ZONE}/dns_records/{'0' * 32}/more") == (404, 7000)
    elsewhere = api.handle(Request("GET", "/client/v3/zones", headers=HEADERS))
    assert isinstance(elsewhere, Response)
    assert elsewhere.status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", RECORDS),
        ("GET", BATCH),
        ("POST", f"{RECORDS}/usage"),
        ("DELETE", "/zones"),
        ("HEAD", RECORDS),
    ],
)
def test_a_method_that_a_path_does_not_take_is_405(caller: Caller, method: str, path: str) -> None:
    assert caller.error(method, path, {}) == (405, 10405)


def test_every_json_answer_has_the_envelope_and_a_ray_of_its_own(caller: Caller) -> None:
    answers = [caller.call("GET", path) for path in (RECORDS, "/zones", ZONE, "/nothing")]
    for answer in answers:
        assert {"result", "success", "errors", "messages"} <= answer.json().keys()
        assert answer.headers["Content-Type"] == "application/json"
    assert len({answer.headers["cf-ray"] for answer in answers}) == len(answers)


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"Authorization": BEARER}, b"{}", 9207),
        ({**HEADERS, "Content-Type": "text/plain"}, b"{}", 9207),
        (HEADERS, b"{", 6007),
        (HEADERS, b"", 6007),
        (HEADERS, b"\xff", 6007),
        (HEADERS, b"[]", 9207),
    ],
)
def test_a_body_must_be_a_json_object_and_say_so(
    api: Api, headers: dict[str, str], body: bytes, code: int
) -> None:
    answer = api.handle(Request("POST", f"/client/v4{RECORDS}", (), headers, body))
    assert isinstance(answer, Response)
    assert answer.status == 400
    assert f'"code": {code}'.encode() in answer.body


def test_a_content_type_may_have_parameters(api: Api) -> None:
    headers = {"Authorization": BEARER, "content-type": "Application/JSON; charset=utf-8"}
    body = b'{"type": "A", "name": "www", "content": "192.0.2.1"}'
    answer = api.handle(Request("POST", f"/client/v4{RECORDS}", (), headers, body))
    assert isinstance(answer, Response)
    assert answer.status == 200


def test_calls_are_recorded_in_order_with_query_and_status(api: Api, caller: Caller) -> None:
    record_id = caller.create("www")
    caller.call("GET", f"{RECORDS}?name.exact=www.example.com&type=A")
    caller.call("DELETE", f"{RECORDS}/{record_id}")
    caller.call("DELETE", f"{RECORDS}/{record_id}")
    assert api.calls == (
        Call("POST", RECORDS, (), 200),
        Call("GET", RECORDS, (("name.exact", "www.example.com"), ("type", "A")), 200),
        Call("DELETE", f"{RECORDS}/{record_id}", (), 200),
        Call("DELETE", f"{RECORDS}/{record_id}", (), 404),
    )
    assert b"198.51.100.4" in api.calls[0].body
    api.clear_calls()
    assert not api.calls[:]


def test_a_store_is_found_by_name_and_id(api: Api) -> None:
    assert api.zone("example.com") is api.zone(DEFAULT_ZONE_ID)
    with pytest.raises(KeyError):
        api.zone("example.org")


def test_zones_are_apart(clock: Clock) -> None:
    other = Zone(id="b" * 32, name="example.org")
    caller = Caller(Api([Zone(), other], clock=clock))
    record_id = caller.create("www")
    assert caller.results(f"/zones/{other.id}/dns_records") == []
    assert caller.error("GET", f"/zones/{other.id}/dns_records/{record_id}") == (404, 81044)


@pytest.mark.parametrize("tld", ["cf", "ga", "gq", "ml", "tk"])
def test_the_free_top_level_domains_are_not_served(clock: Clock, tld: str) -> None:
    caller = Caller(Api([Zone(name=f"example.{tld}")], clock=clock))
    assert caller.error("GET", RECORDS) == (403, 1038)
    assert caller.call("GET", ZONE).status == 200


def test_the_tls_mode_of_a_zone_is_told(clock: Clock) -> None:
    caller = Caller(Api([Zone(ssl="strict")], clock=clock))
    setting = caller.result("GET", f"{ZONE}/settings/ssl")
    assert (setting["id"], setting["value"], setting["editable"]) == ("ssl", "strict", True)


def test_a_zone_has_no_page_rules(caller: Caller) -> None:
    assert caller.results(f"{ZONE}/pagerules?status=active") == []


def test_the_export_is_a_zone_file(caller: Caller) -> None:
    records: list[Json] = [
        {"type": "A", "name": "www", "content": "192.0.2.1", "comment": "mine", "proxied": True},
        {"type": "MX", "name": "@", "content": "mail.example.net", "priority": 10},
        {"type": "TXT", "name": "@", "content": "text", "ttl": 60},
    ]
    caller.result("POST", BATCH, {"posts": records})
    answer = caller.call("GET", f"{RECORDS}/export")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.body.decode().splitlines()[3:] == [
        "www.example.com.\t1\tIN\tA\t192.0.2.1 ; mine cf_tags=cf-proxied:true",
        "example.com.\t1\tIN\tMX\t10 mail.example.net. ; cf_tags=cf-proxied:false",
        'example.com.\t60\tIN\tTXT\t"text" ; cf_tags=cf-proxied:false',
    ]


def test_threads_take_turns_and_lose_nothing(api: Api, caller: Caller) -> None:
    pairs = itertools.product(range(8), range(20))
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda pair: caller.create(f"h{pair[0]}-{pair[1]}"), pairs))
    assert len({*ids}) == 160
    assert len(api.calls) == 160
    assert caller.call("GET", RECORDS).headers["Ratelimit"] == '"default";r=1039;t=300'

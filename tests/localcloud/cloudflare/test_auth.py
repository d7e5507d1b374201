"""Who is refused, with which status and code."""

from typing import TYPE_CHECKING, cast

import pytest

from localcloud.cloudflare import DEFAULT_TOKEN, DEFAULT_ZONE_ID, Api, Permission, Token, Zone
from tests.localcloud.cloudflare.caller import BATCH, BEARER, MISSING_ID, RECORDS, Caller, Clock

if TYPE_CHECKING:
    from localcloud.cloudflare.jsonvalue import JsonObject

ZONE = f"/zones/{DEFAULT_ZONE_ID}"
ACCOUNT_VERIFY = f"/accounts/{'0' * 32}/tokens/verify"
UNKNOWN = {"Authorization": f"Bearer {'u' * 40}"}
ACCOUNT_TOKEN = f"cfat_{'a' * 48}"
KEY = "144c9defac04969c7bfad8efaa8ea1940123a"


def only(*permissions: Permission, **members: object) -> Caller:
    token = Token(permissions=frozenset(permissions), **members)  # type: ignore[arg-type]
    return Caller(Api(tokens=[token], clock=Clock()))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer short",
        f"bearer {DEFAULT_TOKEN}",
        f"Token {DEFAULT_TOKEN}",
        DEFAULT_TOKEN,
        f'Bearer "{DEFAULT_TOKEN}"',
        f"Bearer {DEFAULT_TOKEN}\n",
        f"Bearer  {DEFAULT_TOKEN}",
        f"Bearer {'x' * 300}",
    ],
)
@pytest.mark.parametrize("path", ["/zones", RECORDS, "/user/tokens/verify"])
def test_a_malformed_header_is_400_with_the_cause_in_the_chain(
    caller: Caller, header: str, path: str
) -> None:
    answer = caller.call("GET", path, headers={"Authorization": header})
    assert answer.status == 400
    assert answer.json()["errors"] == [
        {
            "code": 6003,
            "message": "Invalid request headers",
            "error_chain": [{"code": 6111, "message": "Invalid format for Authorization header"}],
        },
    ]


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/zones", (403, 9109)),
        (ZONE, (403, 9109)),
        (f"{ZONE}/settings/ssl", (403, 9109)),
        (RECORDS, (401, 10000)),
        (ACCOUNT_VERIFY, (401, 10000)),
        ("/user/tokens/verify", (401, 1000)),
    ],
)
def test_an_unknown_token_is_refused_in_the_words_of_the_endpoint(
    caller: Caller, path: str, refusal: tuple[int, int]
) -> None:
    assert caller.error("GET", path, headers=UNKNOWN) == refusal


@pytest.mark.parametrize(
    ("path", "code"), [("/zones", 9106), (RECORDS, 9106), ("/user/tokens/verify", 1001)]
)
def test_no_credentials_at_all_is_400(caller: Caller, path: str, code: int) -> None:
    assert caller.error("GET", path, headers={}) == (400, code)
    assert caller.error("GET", path, headers={"X-Auth-User-Service-Key": "v1.0-x"}) == (400, code)


def test_headers_are_found_whatever_their_case(caller: Caller) -> None:
    assert caller.call("GET", RECORDS, headers={"authorization": BEARER}).status == 200


@pytest.mark.parametrize(
    "token", [Token(disabled=True), Token(expires_on=1.0), Token(not_before=9e9)]
)
def test_a_token_out_of_use_is_refused(token: Token) -> None:
    caller = Caller(Api(tokens=[token], clock=Clock()))
    assert caller.error("GET", RECORDS) == (403, 9109)


def test_reading_needs_a_dns_permission_and_writing_the_one_to_write() -> None:
    reader, writer = only(Permission.DNS_READ), only(Permission.DNS_WRITE)
    for caller in (reader, writer):
        assert caller.call("GET", RECORDS).status == 200
        assert caller.call("GET", ZONE).status == 200
    writer.create("www")
    for method, path in [
        ("POST", RECORDS),
        ("POST", BATCH),
        ("PUT", f"{RECORDS}/{MISSING_ID}"),
        ("PATCH", f"{RECORDS}/{MISSING_ID}"),
        ("DELETE", f"{RECORDS}/{MISSING_ID}"),
    ]:
        assert reader.error(method, path, {}) == (403, 10000)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        (RECORDS, (403, 10000)),
        (f"{RECORDS}/usage", (403, 10000)),
        (f"{RECORDS}/export", (403, 10000)),
        (ZONE, (403, 9109)),
        (f"{ZONE}/settings/ssl", (403, 9109)),
        (f"{ZONE}/pagerules", (403, 9109)),
    ],
)
@pytest.mark.parametrize(
    "token", [Token(permissions=frozenset()), Token(zones=frozenset({MISSING_ID}))]
)
def test_a_token_without_the_permission_or_the_zone_is_refused(
    path: str, refusal: tuple[int, int], token: Token
) -> None:
    assert Caller(Api(tokens=[token], clock=Clock())).error("GET", path) == refusal


def test_a_zone_nobody_has_is_refused_like_a_foreign_one(caller: Caller) -> None:
    assert caller.error("GET", f"/zones/{MISSING_ID}/dns_records") == (403, 10000)
    assert caller.error("GET", f"/zones/{MISSING_ID}") == (403, 9109)


def test_listing_zones_needs_zone_read_and_says_so_with_code_0() -> None:
    assert only(Permission.DNS_WRITE).error("GET", "/zones") == (403, 0)


def test_a_token_lists_the_zones_it_is_limited_to() -> None:
    other = Zone(id=MISSING_ID, name="example.org")
    token = Token(zones=frozenset({MISSING_ID}))
    caller = Caller(Api([Zone(), other], [token], clock=Clock()))
    assert [zone["name"] for zone in caller.results("/zones")] == ["example.org"]


def test_a_token_limited_to_addresses_is_refused_elsewhere() -> None:
    caller = only(Permission.DNS_READ, allowed_ips=frozenset({"192.0.2.7"}))
    assert caller.call("GET", RECORDS, client="192.0.2.7").status == 200
    answer = caller.call("GET", RECORDS, client="192.0.2.8")
    assert answer.status == 403
    assert b"Cannot use the access token from location: 192.0.2.8" in answer.body


def test_verify_needs_no_permission_and_answers_with_a_message_of_success() -> None:
    answer = only().call("GET", "/user/tokens/verify")
    assert answer.status == 200
    envelope = answer.json()
    assert envelope["success"] is True
    assert envelope["errors"] == []
    assert envelope["result"] == {"id": Token().id, "status": "active"}
    assert envelope["messages"] == [
        {"code": 10000, "message": "This API Token is valid and active", "type": None},
    ]


def test_verify_tells_of_a_token_out_of_use(clock: Clock) -> None:
    token = Token(not_before=0, expires_on=clock() - 1)
    envelope = Caller(Api(tokens=[token], clock=clock)).call("GET", "/user/tokens/verify").json()
    assert cast("JsonObject", envelope["result"]) == {
        "id": token.id,
        "status": "expired",
        "not_before": "1970-01-01T00:00:00.000000Z",
        "expires_on": "2025-06-15T15:06:39.000000Z",
    }
    assert envelope["messages"] == []


def test_each_verify_knows_its_own_kind_of_token() -> None:
    caller = Caller(Api(tokens=[Token(), Token(ACCOUNT_TOKEN)], clock=Clock()))
    account = {"Authorization": f"Bearer {ACCOUNT_TOKEN}"}
    assert caller.error("GET", "/user/tokens/verify", headers=account) == (401, 1000)
    assert caller.call("GET", ACCOUNT_VERIFY, headers=account).status == 200
    assert caller.error("GET", ACCOUNT_VERIFY) == (401, 1000)


def test_the_legacy_key_works_with_its_address_only() -> None:
    caller = Caller(Api(tokens=[Token(KEY, email="a@example.com")], clock=Clock()))

    def with_key(key: str, email: str) -> dict[str, str]:
        return {"X-Auth-Key": key, "X-Auth-Email": email}

    assert caller.call("GET", RECORDS, headers=with_key(KEY, "a@example.com")).status == 200
    assert caller.error("GET", RECORDS, headers=with_key(KEY, "b@example.com")) == (403, 9103)
    assert caller.error("GET", RECORDS, headers=with_key("short", "a@example.com")) == (400, 6003)
    assert caller.error("GET", RECORDS, headers={"X-Auth-Key": KEY}) == (400, 9106)
    bearer = {"Authorization": f"Bearer {KEY}"}
    assert caller.error("GET", RECORDS, headers=bearer) == (401, 10000)


def test_many_refusals_lock_an_address_out_even_with_the_right_token(clock: Clock) -> None:
    caller = Caller(Api(clock=clock, auth_failure_limit=3))
    for _ in range(3):
        assert caller.error("GET", "/zones", headers=UNKNOWN) == (403, 9109)
    locked = caller.call("GET", "/zones")
    assert locked.status == 403
    assert b"Max auth failures reached" in locked.body
    assert caller.call("GET", "/zones", client="192.0.2.9").status == 200
    clock.advance(300)
    assert caller.call("GET", "/zones").status == 200

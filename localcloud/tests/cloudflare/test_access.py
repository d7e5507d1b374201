"""Which tokens are refused, with which status and code."""

import pytest

from localcloud.cloudflare import DEFAULT_TOKEN, DEFAULT_ZONE_ID, Api, Permission, Token, Zone
from localcloud.tests.cloudflare.client import BATCH, OTHER_ID, RECORDS, ZONE, Client, Clock

VERIFY = "/user/tokens/verify"
ACCOUNT_VERIFY = f"/accounts/{'0' * 32}/tokens/verify"
UNKNOWN = {"Authorization": f"Bearer {'u' * 40}"}
ACCOUNT_TOKEN = f"cfat_{'a' * 48}"
NOTHING = Token(permissions=frozenset())
OTHER_ZONES = Token(zones=frozenset({OTHER_ID}))


def client_with(token: Token) -> Client:
    return Client(Api(tokens=[token], clock=Clock()))


def may(*permissions: Permission) -> Client:
    return client_with(Token(permissions=frozenset(permissions)))


@pytest.mark.parametrize("value", ["", "short", f'"{DEFAULT_TOKEN}"', f"{DEFAULT_TOKEN}\n"])
@pytest.mark.parametrize("path", ["/zones", RECORDS, VERIFY])
def test_a_malformed_token_is_refused_with_the_cause(client: Client, value: str, path: str) -> None:
    answer = client.call("GET", path, headers={"Authorization": f"Bearer {value}"})
    assert answer.status == 400
    assert answer.json()["errors"] == [
        {
            "code": 6003,
            "message": "Invalid request headers",
            "error_chain": [{"code": 6111, "message": "Invalid format for Authorization header"}],
        },
    ]


@pytest.mark.parametrize(
    ("path", "unknown", "missing"),
    [
        ("/zones", (403, 9109), (400, 9106)),
        (ZONE, (403, 9109), (400, 9106)),
        (RECORDS, (401, 10000), (400, 9106)),
        ("/certificates", (401, 10000), (400, 9106)),
        (ACCOUNT_VERIFY, (401, 10000), (400, 9106)),
        (VERIFY, (401, 1000), (400, 1001)),
    ],
)
def test_an_unknown_or_missing_token_is_refused_as_the_endpoint_does(
    client: Client, path: str, unknown: tuple[int, int], missing: tuple[int, int]
) -> None:
    assert client.error("GET", path, headers=UNKNOWN) == unknown
    assert client.error("GET", path, headers={}) == missing


@pytest.mark.parametrize("token", [Token(disabled=True), Token(expires_on=1.0)])
def test_a_disabled_or_expired_token_is_refused(token: Token) -> None:
    assert client_with(token).error("GET", RECORDS) == (403, 9109)


def test_a_token_limited_to_addresses_is_refused_from_others() -> None:
    client = client_with(Token(allowed_ips=frozenset({"192.0.2.7"})))
    assert client.call("GET", RECORDS, client="192.0.2.7").status == 200
    assert client.error("GET", RECORDS, client="192.0.2.8") == (403, 9109)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        (RECORDS, (403, 10000)),
        (f"{RECORDS}/usage", (403, 10000)),
        (ZONE, (403, 9109)),
        (f"{ZONE}/settings/ssl", (403, 9109)),
        (f"{ZONE}/pagerules", (403, 9109)),
    ],
)
@pytest.mark.parametrize("token", [NOTHING, OTHER_ZONES], ids=["no permission", "other zones"])
def test_a_token_without_the_permission_or_the_zone_is_refused(
    path: str, refusal: tuple[int, int], token: Token
) -> None:
    assert client_with(token).error("GET", path) == refusal


def test_writing_needs_the_permission_to_write_and_includes_reading() -> None:
    reader, writer = may(Permission.DNS_READ), may(Permission.DNS_WRITE)
    for client in (reader, writer):
        assert client.call("GET", RECORDS).status == 200
        assert client.call("GET", ZONE).status == 200
    record = f"{RECORDS}/{writer.create('www')}"
    calls = [("POST", RECORDS), ("POST", BATCH)]
    calls += [(method, record) for method in ("PUT", "PATCH", "DELETE")]
    assert {reader.error(method, path, {}) for method, path in calls} == {(403, 10000)}


def test_a_token_lists_the_zones_that_it_is_limited_to() -> None:
    zones = [Zone(), Zone(id=OTHER_ID, name="example.org")]
    client = Client(Api(zones, [OTHER_ZONES], clock=Clock()))
    assert [zone["name"] for zone in client.results("/zones")] == ["example.org"]
    assert client.results("/zones?name=example.com") == []
    assert may(Permission.DNS_WRITE).error("GET", "/zones") == (403, 0)


def test_verifying_needs_no_permission_and_shows_the_status() -> None:
    active = client_with(NOTHING).call("GET", VERIFY).json()
    assert active["result"] == {"id": NOTHING.id, "status": "active"}
    assert active["messages"] == [
        {"code": 10000, "message": "This API Token is valid and active", "type": None},
    ]
    expired = Token(expires_on=1.0)
    assert client_with(expired).result("GET", VERIFY) == {
        "id": expired.id,
        "status": "expired",
        "expires_on": "1970-01-01T00:00:01.000000Z",
    }


def test_an_accounts_token_is_verified_at_its_account_only() -> None:
    client = Client(Api(tokens=[Token(), Token(ACCOUNT_TOKEN)], clock=Clock()))
    account = {"Authorization": f"Bearer {ACCOUNT_TOKEN}"}
    assert client.error("GET", VERIFY, headers=account) == (401, 1000)
    assert client.call("GET", ACCOUNT_VERIFY, headers=account).status == 200
    assert client.error("GET", ACCOUNT_VERIFY) == (401, 1000)


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "/nothing", (404, 7000)),
        ("GET", "/zones/example.com/dns_records", (404, 7003)),
        ("GET", f"/zones/{DEFAULT_ZONE_ID.upper()}/dns_records", (404, 7003)),
        ("GET", f"{RECORDS}/645577699", (404, 7003)),
        ("PUT", RECORDS, (405, 10405)),
        ("GET", BATCH, (405, 10405)),
        ("DELETE", "/zones", (405, 10405)),
        ("GET", f"/zones/{OTHER_ID}/dns_records", (403, 10000)),
        ("GET", f"/zones/{OTHER_ID}", (403, 9109)),
    ],
)
def test_a_path_that_does_not_exist_is_refused(
    client: Client, method: str, path: str, refusal: tuple[int, int]
) -> None:
    assert client.error(method, path, {}) == refusal

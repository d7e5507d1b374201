"""Zones as they are listed."""

from typing import TYPE_CHECKING, cast

import pytest

from localcloud.cloudflare import DEFAULT_ZONE_ID, Api, Plan, Zone
from tests.localcloud.cloudflare.caller import Caller, Clock

if TYPE_CHECKING:
    from localcloud.cloudflare.jsonvalue import JsonObject


@pytest.fixture
def caller(clock: Clock) -> Caller:
    zones = [
        Zone(),
        Zone(id="b" * 32, name="example.org", status="pending", plan=Plan.PRO),
        Zone(id="c" * 32, name="sub.example.com", account_id="9" * 32, account_name="Other"),
    ]
    return Caller(Api(zones, clock=clock))


def names(caller: Caller, query: str) -> list[object]:
    return [zone["name"] for zone in caller.results(f"/zones?{query}")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["example.com", "example.org", "sub.example.com"]),
        ("name=example.com", ["example.com"]),
        ("name=EXAMPLE.com", ["example.com"]),
        ("name=equal:example.com", ["example.com"]),
        ("name=not_equal:example.com", ["example.org", "sub.example.com"]),
        ("name=contains:example.c", ["example.com", "sub.example.com"]),
        ("name=starts_with:sub", ["sub.example.com"]),
        ("name=ends_with:.org", ["example.org"]),
        ("name=contains_case_sensitive:EXAMPLE", []),
        ("name=nowhere.net", []),
        ("status=pending", ["example.org"]),
        ("status=active&name=example.org", []),
        ("status=pending&name=example.com&match=any", ["example.com", "example.org"]),
        ("type=full,partial", ["example.com", "example.org", "sub.example.com"]),
        ("account.id=99999999999999999999999999999999", ["sub.example.com"]),
        ("account.name=contains:oth", ["sub.example.com"]),
        ("order=status&direction=desc", ["example.org", "example.com", "sub.example.com"]),
    ],
)
def test_zones_are_found_by_what_they_are(caller: Caller, query: str, found: list[str]) -> None:
    assert names(caller, query) == found


def test_zones_come_in_pages_of_5_to_50(caller: Caller) -> None:
    info = cast("JsonObject", caller.call("GET", "/zones").json()["result_info"])
    expected = {"page": 1, "per_page": 20, "count": 3, "total_count": 3, "total_pages": 1}
    assert info == expected
    assert names(caller, "page=2") == []
    assert caller.error("GET", "/zones?per_page=4") == (400, 1004)
    assert caller.error("GET", "/zones?per_page=51") == (400, 1004)
    assert caller.error("GET", "/zones?order=colour") == (400, 1004)


def test_a_zone_tells_what_a_client_looks_for(caller: Caller) -> None:
    zone = caller.result("GET", f"/zones/{DEFAULT_ZONE_ID}")
    assert (zone["id"], zone["name"], zone["status"]) == (DEFAULT_ZONE_ID, "example.com", "active")
    assert (zone["type"], zone["paused"]) == ("full", False)
    assert cast("JsonObject", zone["plan"])["legacy_id"] == "free"
    assert zone["name_servers"] == ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"]
    pending = caller.result("GET", f"/zones/{'b' * 32}")
    assert (pending["status"], pending["activated_on"]) == ("pending", None)

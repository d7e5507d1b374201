"""What a stand-in may be set up with."""

import pytest

from localcloud.cloudflare import DEFAULT_TOKEN, Permission, Plan, Token, Zone


@pytest.mark.parametrize("zone_id", ["example.com", "", "0" * 31, "X" * 32])
def test_a_zone_id_that_the_api_could_not_route_to_is_refused(zone_id: str) -> None:
    with pytest.raises(ValueError, match="32 lower-case hexadecimal digits"):
        Zone(id=zone_id)


@pytest.mark.parametrize("name", ["Example.com", "example.com.", ""])
def test_a_zone_name_must_be_in_its_normal_form(name: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        Zone(name=name)


@pytest.mark.parametrize("value", ["short", "a" * 34, f'"{"a" * 40}"', "ü" * 40])
def test_a_token_that_the_api_would_call_malformed_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="a token's value"):
        Token(value)


def test_the_error_about_a_token_does_not_show_it() -> None:
    with pytest.raises(ValueError, match="this one has 9") as caught:
        Token("s3cret-xy")
    assert "s3cret" not in str(caught.value)


def test_limits_follow_the_plan_and_what_the_zone_replaces() -> None:
    assert Zone().limits.records == 200
    assert Zone().limits.batch == 200
    assert Zone(plan=Plan.PRO).limits.records == 3500
    assert Zone(plan=Plan.PRO).limits.batch == 3500
    assert Zone(plan=Plan.ENTERPRISE).limits.records is None
    assert Zone(plan=Plan.ENTERPRISE).limits.min_ttl == 30
    assert Zone(record_quota=5, batch_limit=2).limits.records == 5
    assert Zone(record_quota=5, batch_limit=2).limits.batch == 2


@pytest.mark.parametrize(
    ("zone", "is_proxying"),
    [(Zone(), True), (Zone(status="pending"), False), (Zone(paused=True), False)],
)
def test_only_an_active_zone_that_is_not_paused_proxies(zone: Zone, *, is_proxying: bool) -> None:
    assert zone.is_proxying is is_proxying


def test_a_token_has_an_id_that_is_not_its_value() -> None:
    assert len(Token().id) == 32
    assert Token().id not in DEFAULT_TOKEN


def test_a_token_works_from_its_first_to_its_last_second() -> None:
    token = Token(not_before=100, expires_on=200)
    assert not token.works(99)
    assert token.works(100)
    assert token.status(199) == "active"
    assert token.status(200) == "expired"
    assert not token.works(200)
    assert Token(disabled=True).status(0) == "disabled"


def test_a_token_may_do_what_its_permissions_and_zones_allow() -> None:
    token = Token(permissions=frozenset({Permission.DNS_READ}), zones=frozenset({"a"}))
    assert token.may("a", Permission.DNS_READ, Permission.DNS_WRITE)
    assert not token.may("a", Permission.DNS_WRITE)
    assert not token.may("b", Permission.DNS_READ)

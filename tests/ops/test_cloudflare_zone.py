"""What the operator learns of a zone with a token, and that a proof leaves nothing behind."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.cloudflare.client import Call, TokenRefusedError, _parse
from chalicelib.dns.provider import (
    DnsError,
    RateLimitedError,
    RejectedError,
    UnavailableError,
    UnconfirmedError,
    WrongZoneError,
)
from localcloud.cloudflare import (
    DEFAULT_TOKEN,
    DEFAULT_ZONE_ID,
    CloudflareStandIn,
    Fault,
    FaultKind,
    Permission,
    Plan,
    Token,
    When,
    Zone,
)
from ops.cloudflare_zone import (
    RecordsRemainError,
    Usage,
    ZoneView,
    find_zone,
)
from ops.token_view import AmbiguousZoneError, TokenView, ZoneDetails, details_in, member_in
from ops.write_check import Leftover, Step, WriteCheckError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from localcloud.cloudflare import Record

OWNER = "elephant:test/us-west-2"
DOMAIN = "desktops.example.com"
OTHER_ZONE_ID = "b" * 32
RECORDS = f"/zones/{DEFAULT_ZONE_ID}/dns_records"
MAKE = {"method": "POST", "path": RECORDS}
REMOVE = {"method": "DELETE", "path": f"{RECORDS}/*"}
LIST = {"method": "GET", "path": RECORDS}
ACCOUNT_TOKEN = "cfat_" + "a" * 48


class Site:
    """Cloudflare with a zone, and a view of it through one token."""

    def __init__(self, cloudflare: CloudflareStandIn) -> None:
        self.cloudflare = cloudflare
        self.pauses: list[float] = []
        self.said: list[str] = []

    def view(self, token: str = DEFAULT_TOKEN, zone_id: str = DEFAULT_ZONE_ID) -> ZoneView:
        return ZoneView(self.cloudflare.url, token, zone_id, sleep=self.pauses.append)

    def put(
        self,
        label: str,
        comment: str | None,
        *,
        zone: str = DEFAULT_ZONE_ID,
        **members: Any,  # noqa: ANN401
    ) -> Record:
        """Make a record by hand."""
        body = {"type": "A", "name": f"{label}.{DOMAIN}", "content": "192.0.2.9"} | members
        return self.cloudflare.api.zone(zone).create({**body, "comment": comment})

    def fault(self, kind: FaultKind, where: dict[str, str], **members: Any) -> None:  # noqa: ANN401
        self.cloudflare.faults.add(Fault(kind, **where, **members))  # type: ignore[arg-type]

    def names(self, zone: str = DEFAULT_ZONE_ID) -> list[str]:
        return [record.name for record in self.cloudflare.api.zone(zone).records]

    def ever(self, zone: str = DEFAULT_ZONE_ID) -> int:
        """Count how many changes the zone has seen."""
        return len(self.cloudflare.api.zone(zone).history)

    @property
    def calls(self) -> list[str]:
        """Every call, a record's id left out."""
        calls = ((call.method, call.path) for call in self.cloudflare.calls)
        return [
            f"{method} {path.rpartition('/')[0]}/ID" if method == "DELETE" else f"{method} {path}"
            for method, path in calls
        ]


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    """Make sites from zones and tokens, and end them."""
    running: list[CloudflareStandIn] = []

    def make(*tokens: Token, zones: tuple[Zone, ...] = (Zone(record_quota=1000),)) -> Site:
        cloudflare = CloudflareStandIn(zones, tokens or (Token(),), dns_port=None).start()
        running.append(cloudflare)
        return Site(cloudflare)

    yield make
    for cloudflare in running:
        cloudflare.stop()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


def may(*permissions: Permission, **members: Any) -> Token:  # noqa: ANN401
    return Token(permissions=frozenset(permissions), **members)


def failure(prove: Callable[[], object]) -> WriteCheckError:
    with pytest.raises(WriteCheckError) as caught:
        prove()
    return caught.value


def everything_said_by(error: BaseException) -> str:
    """Spell all that a terminal or an error tracker may show of an error and those behind it."""
    said = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind:
        said += f"{behind!r} {behind} {behind.args!r} {vars(behind)!r}"
        behind = behind.__cause__ or behind.__context__
    return said


def answer_first(monkeypatch: pytest.MonkeyPatch, result: object) -> None:
    """Let the first call's answer hold something else, which no stand-in answers."""
    pending = [{"success": True, "result": result}]

    def read(body: bytes) -> Mapping[str, object]:
        return pending.pop() if pending else _parse(body)

    monkeypatch.setattr("chalicelib.cloudflare.client._parse", read)


# What the zone is


def test_the_zone_is_described_in_one_call(make_site: Callable[..., Site]) -> None:
    site = make_site(may(Permission.DNS_WRITE), zones=(Zone(plan=Plan.PRO),))
    assert site.view().details() == ZoneDetails(
        id=DEFAULT_ZONE_ID,
        name="example.com",
        status="active",
        type="full",
        paused=False,
        plan="pro",
        account="Stand-in",
    )
    assert site.calls == [f"GET /zones/{DEFAULT_ZONE_ID}"]


@pytest.mark.parametrize(
    ("zone", "is_active", "is_full"),
    [
        (Zone(), True, True),
        (Zone(paused=True), False, True),
        (Zone(status="pending", type="partial"), False, False),
    ],
)
def test_a_zone_tells_whether_it_is_served_and_whole(
    make_site: Callable[..., Site],
    zone: Zone,
    is_active: bool,  # noqa: FBT001
    is_full: bool,  # noqa: FBT001
) -> None:
    details = make_site(zones=(zone,)).view().details()
    assert (details.is_active, details.is_full) == (is_active, is_full)


def test_what_the_api_may_leave_out_of_a_zone_is_none() -> None:
    call = Call("GET", "/zones/z")
    bare = {"id": "z", "name": "Example.com", "status": "active", "type": "full"}
    assert details_in(call, bare) == ZoneDetails(
        "z", "example.com", "active", "full", paused=False, plan=None, account=None
    )
    with pytest.raises(UnavailableError, match="GET /zones/z: the answer's status is missing"):
        details_in(call, {"id": "z", "name": "example.com"})
    with pytest.raises(UnavailableError, match="the answer holds no object"):
        member_in(call, None, "id", str)


def test_a_zone_the_token_has_no_right_on_is_said_with_what_it_needs(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(Token(zones=frozenset({OTHER_ZONE_ID})))
    with pytest.raises(TokenRefusedError) as caught:
        site.view().details()
    assert "9109 Unauthorized to access requested resource" in str(caught.value)
    assert "it needs DNS Write (Zone > DNS > Edit) on this very zone" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert site.calls == [f"GET /zones/{DEFAULT_ZONE_ID}"]


def test_the_ssl_mode_is_told_or_none_if_the_token_may_not_know(
    make_site: Callable[..., Site],
) -> None:
    zones = (Zone(ssl="strict"),)
    assert make_site(may(Permission.ZONE_SETTINGS_READ), zones=zones).view().ssl_mode() == "strict"
    site = make_site(may(Permission.DNS_WRITE), zones=zones)
    assert site.view().ssl_mode() is None
    assert site.calls == [f"GET /zones/{DEFAULT_ZONE_ID}/settings/ssl"]


@pytest.mark.parametrize(
    ("plan", "usage", "left"),
    [(Plan.FREE, Usage(1, 200), 199), (Plan.ENTERPRISE, Usage(1, None), None)],
)
def test_the_use_of_records_is_told(
    make_site: Callable[..., Site], plan: Plan, usage: Usage, left: int | None
) -> None:
    site = make_site(may(Permission.DNS_READ), zones=(Zone(plan=plan),))
    site.put("www", None)
    assert site.view().usage() == usage
    assert usage.left == left
    assert site.calls == [f"GET {RECORDS}/usage"]


def test_more_records_than_there_may_be_leave_none() -> None:
    assert Usage(1001, 1000).left == 0


def test_an_unwell_cloudflare_is_asked_three_times_and_passed_on(site: Site) -> None:
    site.fault(FaultKind.EDGE_ERROR, {}, times=None)
    with pytest.raises(UnavailableError):
        site.view().usage()
    assert site.calls == [f"GET {RECORDS}/usage"] * 3
    assert len(site.pauses) == 2


def test_a_block_is_passed_on(site: Site) -> None:
    site.fault(FaultKind.RATE_LIMITED, {}, seconds=77)
    view = site.view()
    with pytest.raises(RateLimitedError, match="no calls for 77 s"):
        view.ssl_mode()
    assert view.quota.remaining == 0


# Finding the zone


def test_the_zone_is_the_closest_parent(make_site: Callable[..., Site]) -> None:
    zones = (Zone(), Zone(id=OTHER_ZONE_ID, name="b.example.com"))
    site = make_site(may(Permission.ZONE_READ), zones=zones)
    assert find_zone(site.cloudflare.url, DEFAULT_TOKEN, "a.b.example.com") == OTHER_ZONE_ID
    assert [dict(call.query) for call in site.cloudflare.calls] == [
        {"name": "a.b.example.com"},
        {"name": "b.example.com"},
    ]
    assert site.view().zone_for("Example.com.") == DEFAULT_ZONE_ID


def test_the_zone_of_a_foreign_domain_is_not_found(site: Site) -> None:
    assert site.view().zone_for("desktops.example.org") is None
    assert site.calls == ["GET /zones"] * 2


def test_a_token_without_zone_read_finds_no_zone(make_site: Callable[..., Site]) -> None:
    site = make_site(may(Permission.DNS_WRITE))
    assert site.view().zone_for(DOMAIN) is None
    assert site.calls == ["GET /zones"]


def test_zones_of_one_name_in_several_accounts_are_for_a_person_to_choose(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(zones=(Zone(), Zone(id=OTHER_ZONE_ID, status="moved", account_name="Old")))
    with pytest.raises(AmbiguousZoneError) as caught:
        site.view().zone_for(DOMAIN)
    assert str(caught.value) == (
        f"the token sees 2 zones named example.com: {DEFAULT_ZONE_ID} (active, account Stand-in), "
        f"{OTHER_ZONE_ID} (moved, account Old); give the zone's id itself, or a token for only "
        "one of them"
    )


def test_a_list_of_zones_that_is_none_is_an_error(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_first(monkeypatch, None)
    with pytest.raises(UnavailableError, match="holds no list of zones"):
        site.view().zone_for(DOMAIN)


# Proving that the token can write


def test_the_proof_makes_a_record_as_the_application_does_and_removes_it(site: Site) -> None:
    proof = site.view().prove_write(DOMAIN, OWNER)

    assert site.names() == []
    assert site.calls == [
        f"POST {RECORDS}",
        f"GET {RECORDS}",
        f"DELETE {RECORDS}/ID",
        f"GET {RECORDS}",
    ]
    assert json.loads(site.cloudflare.calls[0].body) == {
        "type": "A",
        "name": proof.name,
        "content": "192.0.2.1",
        "proxied": True,
        "ttl": 1,
        "comment": f"{OWNER} check",
    }
    label, _, domain = proof.name.partition(".")
    assert label.removeprefix("elephant-check-") != label
    assert domain == DOMAIN
    assert site.cloudflare.calls[2].path == f"{RECORDS}/{proof.record_id}"
    assert site.pauses == []


def test_each_proof_has_a_name_of_its_own(site: Site) -> None:
    view = site.view()
    assert view.prove_write(DOMAIN, OWNER).name != view.prove_write(DOMAIN, OWNER).name


def test_the_record_is_as_the_settings_want_it(site: Site) -> None:
    site.view().prove_write(DOMAIN, OWNER, proxied=False, ttl=300)
    body = json.loads(site.cloudflare.calls[0].body)
    assert (body["proxied"], body["ttl"]) == (False, 300)


@pytest.mark.parametrize("token", [DEFAULT_TOKEN, ACCOUNT_TOKEN])
def test_the_right_to_write_alone_is_enough_for_either_kind_of_token(
    make_site: Callable[..., Site], token: str
) -> None:
    site = make_site(may(Permission.DNS_WRITE, value=token, zones=frozenset({DEFAULT_ZONE_ID})))
    site.view(token).prove_write(DOMAIN, OWNER)
    assert not [call for call in site.calls if "verify" in call]
    assert site.names() == []


REFUSED = {
    "only reads": may(*(frozenset(Permission) - {Permission.DNS_WRITE})),
    "has no right": may(),
    "is another zone's": Token(zones=frozenset({OTHER_ZONE_ID})),
    "is disabled": Token(disabled=True),
    "is expired": Token(expires_on=1.0),
    "is limited to other addresses": Token(allowed_ips=frozenset({"192.0.2.7"})),
    "is an account's that only reads": may(Permission.DNS_READ, value=ACCOUNT_TOKEN),
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
def test_a_token_that_may_not_write_is_refused_by_one_call(
    make_site: Callable[..., Site], token: Token
) -> None:
    site = make_site(token)
    error = failure(lambda: site.view(token.value).prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.CREATE, None)
    assert isinstance(error.__cause__, TokenRefusedError)
    assert str(error).startswith("the test of the token failed: could not create it (elephant-")
    assert str(error).endswith("nothing was left behind")
    assert site.calls == [f"POST {RECORDS}"]
    assert token.value not in everything_said_by(error)


def test_a_token_that_nobody_knows_is_refused_and_not_shown(site: Site) -> None:
    token = "cfut_" + "u" * 48
    error = failure(lambda: site.view(token).prove_write(DOMAIN, OWNER))
    assert isinstance(error.__cause__, TokenRefusedError)
    assert site.calls == [f"POST {RECORDS}"]
    assert token not in everything_said_by(error)


@pytest.mark.parametrize("token", ["two words", "nl\n", "", "quoted'"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(TokenRefusedError) as caught:
        TokenView("http://127.0.0.1:1", token)
    assert str(caught.value) == "the token has characters that are not valid in Cloudflare tokens"


def test_a_view_does_not_show_its_token(site: Site) -> None:
    view = site.view()
    assert DEFAULT_TOKEN not in repr(view) + repr(vars(view)) + repr(vars(view._api))


def test_the_record_of_a_wrong_zone_is_detected_and_removed(
    make_site: Callable[..., Site],
) -> None:
    other = Zone(id=OTHER_ZONE_ID, name="example.org")
    site = make_site(zones=(Zone(), other))
    error = failure(lambda: site.view(zone_id=OTHER_ZONE_ID).prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.CREATE, None)
    assert isinstance(error.__cause__, WrongZoneError)
    assert f"zone {OTHER_ZONE_ID} is not the zone of elephant-check-" in str(error)
    assert f".{DOMAIN}.example.org" in str(error)
    assert site.names(OTHER_ZONE_ID) == []
    path = f"/zones/{OTHER_ZONE_ID}/dns_records"
    assert site.calls == [f"POST {path}", f"DELETE {path}/ID"]


def test_the_record_of_a_wrong_zone_is_removed_even_if_the_answer_was_lost(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(zones=(Zone(name="example.org"),))
    site.fault(FaultKind.DROP, MAKE, when=When.AFTER)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert isinstance(error.__cause__, WrongZoneError)
    assert (site.names(), site.ever()) == ([], 2)


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.EDGE_ERROR, FaultKind.UNSUCCESSFUL])
def test_a_record_made_without_an_answer_is_found_and_proves_as_much(
    site: Site, kind: FaultKind
) -> None:
    site.fault(kind, MAKE, when=When.AFTER)
    site.view().prove_write(DOMAIN, OWNER)
    assert (site.names(), site.ever()) == ([], 2)
    assert site.calls == [
        f"POST {RECORDS}",
        f"GET {RECORDS}",
        f"GET {RECORDS}",
        f"DELETE {RECORDS}/ID",
        f"GET {RECORDS}",
    ]


def test_an_answer_about_another_record_is_not_believed(site: Site) -> None:
    site.fault(FaultKind.WRONG_NAME, MAKE, name="www.example.com")
    site.view().prove_write(DOMAIN, OWNER)
    assert (site.names(), site.ever()) == ([], 2)


@pytest.mark.parametrize("result", ["done", {"id": "1"}])
def test_an_answer_that_holds_no_record_is_not_believed(
    site: Site, monkeypatch: pytest.MonkeyPatch, result: object
) -> None:
    answer_first(monkeypatch, result)
    site.view().prove_write(DOMAIN, OWNER)
    assert (site.names(), site.ever()) == ([], 2)


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.EDGE_ERROR])
def test_a_record_that_was_not_made_is_looked_for_three_times(site: Site, kind: FaultKind) -> None:
    site.fault(kind, MAKE)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.CREATE, None)
    assert isinstance(error.__cause__, UnconfirmedError)
    assert site.calls == [f"POST {RECORDS}", *[f"GET {RECORDS}"] * 3]
    assert site.pauses == [1.0, 1.0]


def test_a_full_zone_is_said(make_site: Callable[..., Site]) -> None:
    site = make_site(zones=(Zone(record_quota=0),))
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert isinstance(error.__cause__, RejectedError)
    assert "81045" in str(error)
    assert "the zone is full" in str(error)
    assert site.calls == [f"POST {RECORDS}"]


def test_where_it_cannot_be_known_what_was_made_its_name_is_told(site: Site) -> None:
    site.fault(FaultKind.DROP, MAKE, when=When.AFTER)
    site.fault(FaultKind.EDGE_ERROR, LIST, times=None)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    (name,) = site.names()
    assert error.leftover == Leftover(name, None)
    assert error.step is Step.CREATE
    assert str(error).endswith(f"it may exist: look for {name} and remove it by hand")


def test_what_was_made_unseen_is_removed_when_the_zone_can_be_read_again(site: Site) -> None:
    site.fault(FaultKind.DROP, MAKE, when=When.AFTER)
    site.fault(FaultKind.EDGE_ERROR, LIST, times=3)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.CREATE, None)
    assert (site.names(), site.ever()) == ([], 2)


def test_what_was_not_made_unseen_leaves_nothing(site: Site) -> None:
    site.fault(FaultKind.DROP, MAKE)
    site.fault(FaultKind.EDGE_ERROR, LIST, times=3)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.CREATE, None)
    assert site.calls == [f"POST {RECORDS}", *[f"GET {RECORDS}"] * 4]


def test_a_record_that_the_zone_does_not_show_is_removed_by_its_id(site: Site) -> None:
    site.fault(FaultKind.STALE, LIST, changes=1, times=3)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.FIND, None)
    assert "was created, but the zone does not show it" in str(error)
    assert (site.names(), site.ever()) == ([], 2)
    assert site.calls == [f"POST {RECORDS}", *[f"GET {RECORDS}"] * 3, f"DELETE {RECORDS}/ID"]


def test_a_zone_that_shows_a_change_late_is_asked_again(site: Site) -> None:
    site.fault(FaultKind.STALE, LIST, changes=1, times=2)
    site.view().prove_write(DOMAIN, OWNER)
    assert (site.names(), site.pauses) == ([], [1.0, 1.0])


def test_a_zone_that_cannot_be_read_fails_to_show_the_record(site: Site) -> None:
    site.fault(FaultKind.EDGE_ERROR, LIST, times=3)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.FIND, None)
    assert isinstance(error.__cause__, UnavailableError)
    assert (site.names(), site.ever()) == ([], 2)


def test_a_record_that_stands_otherwise_than_asked_proves_nothing(site: Site) -> None:
    # A stand-in that keeps to the API cannot be asked for it: proxied records have TTL 1.
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER, ttl=300))
    assert (error.step, error.leftover) == (Step.FIND, None)
    assert "ttl=300" in str(error)
    assert "ttl=1" in str(error)
    assert site.names() == []


def test_a_lost_answer_to_the_removal_is_asked_for_again(site: Site) -> None:
    site.fault(FaultKind.DROP, REMOVE, when=When.AFTER)
    site.view().prove_write(DOMAIN, OWNER)
    assert site.calls[2:] == [*[f"DELETE {RECORDS}/ID"] * 2, f"GET {RECORDS}"]
    assert site.names() == []


def test_a_record_that_cannot_be_removed_is_told_with_its_id_and_name(site: Site) -> None:
    site.fault(FaultKind.EDGE_ERROR, REMOVE, times=None)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    (record,) = site.cloudflare.api.zone(DEFAULT_ZONE_ID).records
    assert error.leftover == Leftover(record.name, record.id)
    assert error.step is Step.DELETE
    assert str(error).endswith(
        f"it may still exist: remove record {record.id} ({record.name}) by hand"
    )
    assert site.calls[2:] == [f"DELETE {RECORDS}/ID"] * 2


def test_a_removal_that_is_refused_is_not_tried_again(site: Site) -> None:
    site.fault(FaultKind.REFUSED, REMOVE)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert error.step is Step.DELETE
    assert error.leftover is not None
    assert site.calls[2:] == [f"DELETE {RECORDS}/ID"]


def test_an_undetected_record_that_cannot_be_removed_is_told_as_well(site: Site) -> None:
    site.fault(FaultKind.EDGE_ERROR, LIST, times=3)
    site.fault(FaultKind.EDGE_ERROR, REMOVE, times=None)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    (record,) = site.cloudflare.api.zone(DEFAULT_ZONE_ID).records
    assert error.step is Step.FIND
    assert error.leftover == Leftover(record.name, record.id)


def test_a_record_that_is_still_shown_is_removed_once_more(site: Site) -> None:
    site.fault(FaultKind.STALE, LIST, skip=1, changes=1, times=3)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.MISS, None)
    assert "was removed, but the zone still shows it" in str(error)
    assert site.calls[2:] == [
        f"DELETE {RECORDS}/ID",
        *[f"GET {RECORDS}"] * 3,
        f"DELETE {RECORDS}/ID",
    ]


def test_a_zone_that_cannot_be_read_after_the_removal_has_nothing_left(site: Site) -> None:
    site.fault(FaultKind.EDGE_ERROR, LIST, skip=1, times=None)
    error = failure(lambda: site.view().prove_write(DOMAIN, OWNER))
    assert (error.step, error.leftover) == (Step.MISS, None)
    assert site.names() == []


class Interrupted:
    """Sleeps as a person does who presses Ctrl-C at the first pause."""

    def __call__(self, seconds: float) -> None:
        raise KeyboardInterrupt(seconds)


def test_an_interruption_leaves_nothing_behind(site: Site) -> None:
    site.fault(FaultKind.STALE, LIST, changes=1)
    view = ZoneView(site.cloudflare.url, DEFAULT_TOKEN, DEFAULT_ZONE_ID, sleep=Interrupted())
    with pytest.raises(KeyboardInterrupt) as caught:
        view.prove_write(DOMAIN, OWNER)
    assert (site.names(), site.ever()) == ([], 2)
    assert not hasattr(caught.value, "__notes__")


def test_an_interruption_tells_what_it_could_not_remove(site: Site) -> None:
    site.fault(FaultKind.STALE, LIST, changes=1)
    site.fault(FaultKind.REFUSED, REMOVE)
    view = ZoneView(site.cloudflare.url, DEFAULT_TOKEN, DEFAULT_ZONE_ID, sleep=Interrupted())
    with pytest.raises(KeyboardInterrupt) as caught:
        view.prove_write(DOMAIN, OWNER)
    (record,) = site.cloudflare.api.zone(DEFAULT_ZONE_ID).records
    assert caught.value.__notes__ == [str(Leftover(record.name, record.id))]


def test_nothing_else_in_the_zone_is_touched(site: Site) -> None:
    site.put("www", None)
    site.put("i-0123456789abcdef0", f"{OWNER} m=m1 r=teacher")
    before = site.cloudflare.api.zone(DEFAULT_ZONE_ID).records
    site.view().prove_write(DOMAIN, OWNER)
    assert site.cloudflare.api.zone(DEFAULT_ZONE_ID).records == before


# Whose records there are


def populate(site: Site) -> None:
    site.put("www", None)
    site.put("mail", "the elephant: in the room")
    site.put("i-1", f"{OWNER} managed by Elephant")
    site.put("i-2", f"{OWNER} m=m1 r=teacher")
    site.put("i-3", f"{OWNER}1 managed by Elephant")
    site.put("i-4", "elephant:other/eu-west-1 m=m1 r=teacher", name="i-4.lab.example.com")
    site.put("i-5", f"{OWNER} managed by Elephant", name="i-5.lab.example.com")
    site.put("i-6", "ELEPHANT:TEST/US-WEST-2 shouting")
    site.put("txt", f"{OWNER} note", type="TXT", content="hello")


def test_our_records_are_those_with_exactly_our_marker(site: Site) -> None:
    populate(site)
    ours = site.view().our_records(OWNER)
    assert [record.name for record in ours] == [
        f"i-1.{DOMAIN}",
        f"i-2.{DOMAIN}",
        "i-5.lab.example.com",
    ]
    assert site.calls == [f"GET {RECORDS}"]


def test_every_page_is_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.cloudflare.zone.PAGE_SIZE", 2)
    for number in range(5):
        site.put(f"i-{number}", f"{OWNER} managed by Elephant")
    assert len(site.view().our_records(OWNER)) == 5
    assert site.calls == [f"GET {RECORDS}"] * 3


# Removing our records


def test_our_records_are_removed_in_batches_and_no_others(site: Site) -> None:
    populate(site)
    for number in range(400):
        site.put(f"i-9{number:03}", f"{OWNER} managed by Elephant")
    kept = {f"www.{DOMAIN}", f"mail.{DOMAIN}", f"i-3.{DOMAIN}", "i-4.lab.example.com"}
    kept |= {f"i-6.{DOMAIN}", f"txt.{DOMAIN}"}

    assert site.view().remove_all(OWNER, site.said.append) == 403

    assert set(site.names()) == kept
    assert site.calls == [
        f"GET {RECORDS}",
        *[f"POST {RECORDS}/batch"] * 3,
        f"GET {RECORDS}",
    ]
    assert site.said == [
        "removed 200 of 403 records",
        "removed 400 of 403 records",
        "removed 403 of 403 records",
    ]


def test_nothing_to_remove_is_one_call(site: Site) -> None:
    assert site.view().remove_all(OWNER, site.said.append) == 0
    assert (site.calls, site.said) == ([f"GET {RECORDS}"], [])


def test_a_lost_answer_to_a_batch_is_looked_up(site: Site) -> None:
    for number in range(3):
        site.put(f"i-{number}", f"{OWNER} managed by Elephant")
    site.fault(FaultKind.DROP, {"method": "POST", "path": f"{RECORDS}/batch"}, when=When.AFTER)
    assert site.view().remove_all(OWNER, site.said.append) == 3
    assert site.names() == []
    assert site.calls == [f"GET {RECORDS}", f"POST {RECORDS}/batch", f"GET {RECORDS}"]


def test_a_record_that_went_meanwhile_does_not_keep_the_others(site: Site) -> None:
    for number in range(3):
        site.put(f"i-{number}", f"{OWNER} managed by Elephant")
    gone = site.cloudflare.api.zone(DEFAULT_ZONE_ID).records[0]
    site.cloudflare.api.zone(DEFAULT_ZONE_ID).delete(gone.id)
    site.fault(FaultKind.STALE, LIST, changes=1)
    assert site.view().remove_all(OWNER, site.said.append) == 3
    assert site.names() == []
    assert site.said == [
        "2 records are left: trying again",
        "removed 2 of 2 records",
    ]
    assert site.pauses == [1.0]


def test_a_removal_that_never_succeeds_is_given_up_with_its_reason(site: Site) -> None:
    site.put("i-1", f"{OWNER} managed by Elephant")
    site.fault(FaultKind.DROP, REMOVE, times=None)
    with pytest.raises(RecordsRemainError) as caught:
        site.view().remove_all(OWNER, site.said.append)
    assert f"{OWNER} has records in zone {DEFAULT_ZONE_ID} after 5 rounds, such as i-1." in str(
        caught.value
    )
    assert isinstance(caught.value.__cause__, UnconfirmedError)
    assert len(site.calls) == 10


def test_records_that_keep_coming_are_given_up(site: Site) -> None:
    def make_another(_: str) -> None:
        site.put(f"i-{len(site.calls)}", f"{OWNER} managed by Elephant")

    make_another("")
    with pytest.raises(RecordsRemainError, match="stop what keeps creating them"):
        site.view().remove_all(OWNER, make_another)


def test_a_token_that_only_reads_removes_nothing_and_is_told(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(may(Permission.DNS_READ))
    site.put("i-1", f"{OWNER} managed by Elephant")
    with pytest.raises(TokenRefusedError):
        site.view().remove_all(OWNER, site.said.append)
    assert (len(site.names()), site.said) == (1, [])
    assert site.calls == [f"GET {RECORDS}", f"DELETE {RECORDS}/ID"]


def test_every_error_is_one_of_cloudflares() -> None:
    for error in (AmbiguousZoneError, RecordsRemainError, WriteCheckError):
        assert issubclass(error, DnsError)

"""What the operator learns of a zone with a token, and that a proof leaves nothing behind."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.cloudflare.client import Call, TokenRefusedError, _parse
from chalicelib.dns.provider import DnsError, UnavailableError, UnconfirmedError, WrongZoneError
from localcloud.cloudflare import (
    DEFAULT_TOKEN,
    DEFAULT_ZONE_ID,
    Api,
    Fault,
    FaultKind,
    Permission,
    Token,
    When,
    Zone,
)
from ops.cloudflare_zone import RecordsRemainError, ZoneView, find_zone
from ops.token_view import AmbiguousZoneError, TokenView, ZoneDetails, details_in, member_in
from ops.write_check import Leftover, Step, WriteCheckError
from tests.ops.secrecy import everything_said_by
from tests.world import DOMAIN, OWNER, RECORDS

if TYPE_CHECKING:
    from tests.world import World

    Cause = tuple[type[DnsError], str]

OURS = f"{OWNER} managed by Elephant"
OTHER_ZONE_ID = "b" * 32
DROP, STALE, EDGE_ERROR = FaultKind.DROP, FaultKind.STALE, FaultKind.EDGE_ERROR
ACCOUNT_TOKEN = "cfat_" + "a" * 48


def serve(world: World, *tokens: Token, zones: tuple[Zone, ...] = (Zone(),)) -> None:
    """Let Cloudflare have other tokens, or other zones."""
    world.cloudflare.serve(Api(zones, tokens or (Token(),)))


def view(world: World, token: str = DEFAULT_TOKEN) -> ZoneView:
    return ZoneView(world.cloudflare.url, token, DEFAULT_ZONE_ID, sleep=world.pauses.append)


def failure(world: World, token: str = DEFAULT_TOKEN, ttl: int = 1) -> WriteCheckError:
    """Return how the test of the token fails."""
    with pytest.raises(DnsError) as caught:
        view(world, token).prove_write(DOMAIN, OWNER, ttl=ttl)
    assert isinstance(caught.value, WriteCheckError)
    return caught.value


def put(world: World, label: str, comment: str | None = OURS, **members: str) -> None:
    world.put_record(f"{label}.{DOMAIN}", comment=comment, **members)


def verbs_in(world: World) -> str:
    """Return the calls by their methods' initials: P for POST, G for GET, D for DELETE."""
    return "".join(method[0] for method, _ in world.dns_calls)


def changes(world: World) -> int:
    """Count how many changes the zone has seen."""
    return len(world.cloudflare.api.zone(DEFAULT_ZONE_ID).history)


def may(*permissions: Permission, **members: Any) -> Token:  # noqa: ANN401
    return Token(permissions=frozenset(permissions), **members)


def makes(kind: FaultKind, **members: Any) -> Fault:  # noqa: ANN401 (the fault's)
    return Fault(kind, method="POST", path=RECORDS, **members)


def lists(kind: FaultKind, **members: Any) -> Fault:  # noqa: ANN401 (the fault's)
    return Fault(kind, method="GET", path=RECORDS, **members)


def removes(kind: FaultKind, **members: Any) -> Fault:  # noqa: ANN401 (the fault's)
    return Fault(kind, method="DELETE", path=f"{RECORDS}/*", **members)


# What the zone is


def test_what_the_api_may_leave_out_of_a_zone_is_none() -> None:
    call = Call("GET", "/zones/z")
    bare = {"id": "z", "name": "Example.com", "status": "active", "type": "full"}
    assert details_in(call, bare) == ZoneDetails(
        "z", "example.com", "active", "full", paused=False, account=None
    )
    with pytest.raises(UnavailableError, match="GET /zones/z: the answer's status is missing"):
        details_in(call, {"id": "z", "name": "example.com"})
    with pytest.raises(UnavailableError, match="the answer holds no object"):
        member_in(call, None, "id", str)


# Finding the zone


def test_the_zone_is_the_closest_parent(world: World) -> None:
    zones = (Zone(), Zone(id=OTHER_ZONE_ID, name="b.example.com"))
    serve(world, may(Permission.ZONE_READ), zones=zones)
    assert find_zone(world.cloudflare.url, DEFAULT_TOKEN, "a.b.example.com") == OTHER_ZONE_ID
    asked = [dict(call.query)["name"] for call in world.cloudflare.calls]
    assert asked == ["a.b.example.com", "b.example.com"]
    assert view(world).zone_for("Example.com.") == DEFAULT_ZONE_ID


@pytest.mark.parametrize(
    ("token", "domain", "calls"),
    [(Token(), "desktops.example.org", 2), (may(Permission.DNS_WRITE), DOMAIN, 1)],
)
def test_a_zone_that_the_token_does_not_see_is_not_found(
    world: World, token: Token, domain: str, calls: int
) -> None:
    serve(world, token)
    assert view(world).zone_for(domain) is None
    assert world.dns_calls == [("GET", "/zones")] * calls


def test_zones_of_one_name_in_several_accounts_are_for_a_person_to_choose(
    world: World,
) -> None:
    serve(world, zones=(Zone(), Zone(id=OTHER_ZONE_ID, status="moved", account_name="Old")))
    with pytest.raises(DnsError) as caught:
        view(world).zone_for(DOMAIN)
    assert isinstance(caught.value, AmbiguousZoneError)
    named = f"{DEFAULT_ZONE_ID} (active, account Stand-in), {OTHER_ZONE_ID} (moved, account Old)"
    assert f"2 zones named example.com: {named}; give the zone's id itself" in str(caught.value)


# Proving that the token can write


@pytest.mark.parametrize("token", [DEFAULT_TOKEN, ACCOUNT_TOKEN])
def test_the_proof_makes_a_record_as_the_application_does_and_removes_it_alone(
    world: World, token: str
) -> None:
    serve(world, may(Permission.DNS_WRITE, value=token, zones=frozenset({DEFAULT_ZONE_ID})))
    put(world, "www", None)
    put(world, "i-0123456789abcdef0", f"{OWNER} m=m1 r=teacher")
    before = world.records()

    proof = view(world, token).prove_write(DOMAIN, OWNER)

    read, removed = ("GET", RECORDS), ("DELETE", f"{RECORDS}/{proof.record_id}")
    assert world.dns_calls == [("POST", RECORDS), read, removed, read]
    assert world.pauses == []
    assert world.records() == before
    assert json.loads(world.cloudflare.calls[0].body) == {
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
    viewed = view(world, token)
    assert viewed.prove_write(DOMAIN, OWNER).name != proof.name
    assert token not in repr(viewed) + repr(vars(viewed)) + repr(vars(viewed._api))


REFUSED = {
    "only reads": may(*(frozenset(Permission) - {Permission.DNS_WRITE})),
    "is another zone's": Token(zones=frozenset({OTHER_ZONE_ID})),
    "is an account's that only reads": may(Permission.DNS_READ, value=ACCOUNT_TOKEN),
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
def test_a_token_that_may_not_write_is_refused_by_one_call(world: World, token: Token) -> None:
    serve(world, token)
    error = failure(world, token.value)
    assert (error.step, error.leftover) == (Step.CREATE, None)
    assert isinstance(error.__cause__, TokenRefusedError)
    assert str(error).startswith("the test of the token failed: could not create it (elephant-")
    assert str(error).endswith("nothing was left behind")
    needs = r"\): POST .* \d+ \w+.*: it needs DNS Write \(Zone > DNS > Edit\) on this very zone"
    assert re.search(needs, str(error))
    assert world.dns_calls == [("POST", RECORDS)]
    assert token.value not in everything_said_by(error)


@pytest.mark.parametrize("token", ["two words", "nl\n", "", "quoted'"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(TokenRefusedError) as caught:
        TokenView("http://127.0.0.1:1", token)
    assert str(caught.value) == "the token has characters that are not valid in Cloudflare tokens"


OVERCOME = {
    "made, but the answer is lost": (makes(DROP, when=When.AFTER), "PGGDG"),
    "answered with another record": (makes(FaultKind.WRONG_NAME, name="www.example.com"), "PGGDG"),
    "shown late": (lists(STALE, changes=1, times=2), "PGGGDG"),
    "removed, but the answer is lost": (removes(DROP, when=When.AFTER), "PGDDG"),
}


@pytest.mark.parametrize(("fault", "verbs"), OVERCOME.values(), ids=OVERCOME)
def test_a_fault_that_hides_the_outcome_is_overcome_by_looking(
    world: World, fault: Fault, verbs: str
) -> None:
    world.cloudflare.faults.add(fault)
    view(world).prove_write(DOMAIN, OWNER)
    assert (world.records(), changes(world), verbs_in(world)) == ((), 2, verbs)
    assert world.pauses == [1.0] * (verbs.count("GGG") * 2)


@pytest.mark.parametrize("result", ["done", {"id": "1"}, None])
def test_an_answer_that_holds_something_else_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch, result: object
) -> None:
    pending = [{"success": True, "result": result}]
    read = "chalicelib.cloudflare.client._parse"
    monkeypatch.setattr(read, lambda body: pending.pop() if pending else _parse(body))
    if result:
        view(world).prove_write(DOMAIN, OWNER)
        assert (world.records(), changes(world)) == ((), 2)
    else:
        with pytest.raises(UnavailableError, match="holds no list of zones"):
            view(world).zone_for(DOMAIN)


LOST = makes(DROP, when=When.AFTER)
UNREADABLE, UNREADABLE_LATER = lists(EDGE_ERROR, times=3), lists(EDGE_ERROR, skip=1, times=None)
UNREMOVABLE = removes(EDGE_ERROR, times=None)
UNSURE: Cause = (UnconfirmedError, "could not create it")
UNREAD: Cause = (UnavailableError, "HTTP 502")
UNKNOWN: Cause = (UnconfirmedError, "could not confirm DELETE")
UNSHOWN: Cause = (UnconfirmedError, "was created, but the zone does not show it")
SHOWN: Cause = (UnconfirmedError, "was removed, but the zone still shows it")
FAILING: dict[str, tuple[list[Fault], Step, Cause, str]] = {
    "not made": ([makes(DROP)], Step.CREATE, UNSURE, "PGGG"),
    "made unseen": ([LOST, UNREADABLE], Step.CREATE, UNREAD, "PGGGGD"),
    "not made, unseen": ([makes(DROP), UNREADABLE], Step.CREATE, UNREAD, "PGGGG"),
    "not shown": ([lists(STALE, changes=1, times=3)], Step.FIND, UNSHOWN, "PGGGD"),
    "not readable": ([UNREADABLE], Step.FIND, UNREAD, "PGGGD"),
    "still shown": ([lists(STALE, skip=1, changes=1, times=3)], Step.MISS, SHOWN, "PGDGGGD"),
    "not readable afterwards": ([UNREADABLE_LATER], Step.MISS, UNREAD, "PGDGGG"),
    "cannot be removed": ([UNREMOVABLE], Step.DELETE, UNKNOWN, "PGDD!"),
    "refused": ([removes(FaultKind.REFUSED)], Step.DELETE, (TokenRefusedError, ""), "PGD!"),
    "not found either": ([UNREADABLE, UNREMOVABLE], Step.FIND, UNREAD, "PGGGDD!"),
    "never seen": ([LOST, lists(EDGE_ERROR, times=None)], Step.CREATE, UNREAD, "PGGGGGG?"),
}
"""With the calls that are made; "!" if the record stays, "?" if its id is not known either."""


@pytest.mark.parametrize(("faults", "step", "cause", "verbs"), FAILING.values(), ids=FAILING)
def test_a_proof_that_fails_leaves_nothing_behind_or_says_what(
    world: World, faults: list[Fault], step: Step, cause: Cause, verbs: str
) -> None:
    world.cloudflare.faults.add(*faults)
    error = failure(world)
    assert (error.step, verbs_in(world)) == (step, verbs.rstrip("!?"))
    assert isinstance(error.__cause__, cause[0])
    assert cause[1] in str(error)
    left, end = None, "nothing was left behind"
    for record in world.records():
        left = Leftover(record.name, record.id if "!" in verbs else None)
        end = f"it may exist: look for {record.name} and remove it by hand"
        if left.record_id:
            end = f"it may still exist: remove record {record.id} ({record.name}) by hand"
    assert (error.leftover, bool(left)) == (left, verbs[-1] in "!?")
    assert str(error).endswith(end)


@pytest.mark.parametrize(("faults", "verbs"), [([], "PD"), ([LOST], "PGD")])
def test_the_record_of_a_wrong_zone_is_detected_and_removed(
    world: World, faults: list[Fault], verbs: str
) -> None:
    serve(world, zones=(Zone(name="example.org"),))
    world.cloudflare.faults.add(*faults)
    error = failure(world)
    assert (error.step, error.leftover, verbs_in(world)) == (Step.CREATE, None, verbs)
    assert isinstance(error.__cause__, WrongZoneError)
    assert f"zone {DEFAULT_ZONE_ID} is not the zone of elephant-check-" in str(error)
    assert f".{DOMAIN}.example.org" in str(error)
    assert (world.records(), changes(world)) == ((), 2)


def test_a_record_that_is_stored_otherwise_than_asked_proves_nothing(world: World) -> None:
    # A stand-in that keeps to the API cannot be asked for it: proxied records have TTL 1.
    error = failure(world, ttl=300)
    assert (error.step, error.leftover, world.records()) == (Step.FIND, None, ())
    assert "ttl=300" in str(error)
    assert "ttl=1" in str(error)


@pytest.mark.parametrize("removable", [True, False])
def test_an_interruption_leaves_nothing_behind_or_says_what(
    world: World, *, removable: bool
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt(seconds)

    world.cloudflare.faults.add(lists(STALE, changes=1))
    if not removable:
        world.cloudflare.faults.add(removes(FaultKind.REFUSED))
    interrupted = ZoneView(world.cloudflare.url, DEFAULT_TOKEN, DEFAULT_ZONE_ID, sleep=interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted.prove_write(DOMAIN, OWNER)
    left = [str(Leftover(record.name, record.id)) for record in world.records()]
    assert getattr(caught.value, "__notes__", []) == left
    assert (len(left), changes(world)) == ((0, 2) if removable else (1, 1))


# Removing our records


def test_our_records_are_removed_in_batches_and_no_others(world: World, said: list[str]) -> None:
    put(world, "www", None)
    put(world, "mail", "the elephant: in the room")
    put(world, "i-1", f"{OWNER}1 managed by Elephant")
    world.put_record("i-2.lab.example.com", comment="elephant:other/eu-west-1 m=m1 r=teacher")
    put(world, "i-3", "ELEPHANT:TEST/US-WEST-2 shouting")
    put(world, "txt", f"{OWNER} note", kind="TXT", content="hello")
    others = world.records()
    put(world, "i-4", f"{OWNER} m=m1 r=teacher")
    world.put_record("i-5.lab.example.com", comment=OURS)
    for number in range(401):
        put(world, f"i-9{number:03}")

    assert view(world).remove_all(OWNER, said.append) == 403

    assert world.records() == others
    read, batch = ("GET", RECORDS), ("POST", f"{RECORDS}/batch")
    assert world.dns_calls == [read, batch, batch, batch, read]
    assert said == [f"removed {done} of 403 records" for done in (200, 400, 403)]
    world.cloudflare.api.clear_calls()
    assert view(world).remove_all(OWNER, said.append) == 0
    assert (world.dns_calls, len(said)) == ([read], 3)


def test_neither_a_lost_answer_nor_a_record_that_went_meanwhile_keeps_others(
    world: World, said: list[str]
) -> None:
    for number in range(2):
        put(world, f"i-{number}")
    world.cloudflare.faults.add(Fault(DROP, When.AFTER, method="POST", path=f"{RECORDS}/batch"))
    assert view(world).remove_all(OWNER, said.append) == 2
    assert (world.records(), verbs_in(world)) == ((), "GPG")

    said.clear()
    for number in range(3):
        put(world, f"i-{number}")
    world.cloudflare.api.zone(DEFAULT_ZONE_ID).delete(world.records()[0].id)
    world.cloudflare.faults.add(lists(STALE, changes=1))
    assert view(world).remove_all(OWNER, said.append) == 3
    assert (world.records(), world.pauses) == ((), [1.0])
    assert said == ["2 records are left: trying again", "removed 2 of 2 records"]


def test_a_removal_that_never_succeeds_is_given_up_with_its_reason(
    world: World, said: list[str]
) -> None:
    def make_another(_: str) -> None:
        put(world, f"i-{len(world.dns_calls)}")

    make_another("")
    world.cloudflare.faults.add(removes(DROP, times=None))
    remain = f"{OWNER} has records in zone {DEFAULT_ZONE_ID} after 5 rounds, such as i-0."
    with pytest.raises(DnsError, match=remain) as caught:
        view(world).remove_all(OWNER, said.append)
    assert isinstance(caught.value.__cause__, UnconfirmedError)
    assert len(world.dns_calls) == 10
    world.cloudflare.faults.clear()
    with pytest.raises(RecordsRemainError, match="stop what keeps creating them"):
        view(world).remove_all(OWNER, make_another)


def test_a_token_that_only_reads_removes_nothing_and_is_told(world: World, said: list[str]) -> None:
    serve(world, may(Permission.DNS_READ))
    put(world, "i-1")
    with pytest.raises(TokenRefusedError):
        view(world).remove_all(OWNER, said.append)
    (left,) = world.records()
    assert said == []
    assert world.dns_calls == [("GET", RECORDS), ("DELETE", f"{RECORDS}/{left.id}")]

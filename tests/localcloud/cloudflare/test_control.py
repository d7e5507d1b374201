"""The switches for another process."""

import json

import pytest

from localcloud.cloudflare import Api, Dropped, Fault, FaultKind, Quota, Request
from localcloud.cloudflare.control import Control
from localcloud.cloudflare.jsonvalue import Json
from tests.localcloud.cloudflare.caller import RECORDS, Caller


@pytest.fixture
def control(api: Api) -> Control:
    return Control(api)


def ask(control: Control, method: str, name: str, body: Json = None) -> tuple[int, Json]:
    content = b"" if body is None else json.dumps(body).encode()
    answer = control.handle(Request(method, f"/__standin__/{name}", body=content))
    assert answer is not None
    return answer.status, json.loads(answer.body)


def test_faults_are_switched_on_listed_and_switched_off(
    control: Control, api: Api, caller: Caller
) -> None:
    status, listed = ask(control, "POST", "faults", {"kind": "drop", "times": None})
    assert status == 200
    assert isinstance(listed, list)
    assert api.faults.faults == (Fault(FaultKind.DROP, times=None),)
    assert caller.send("GET", RECORDS) == Dropped()
    assert ask(control, "GET", "faults") == (200, listed)
    assert ask(control, "DELETE", "faults") == (200, [])
    assert caller.call("GET", RECORDS).status == 200


def test_several_faults_are_switched_on_at_once_or_none(control: Control, api: Api) -> None:
    assert ask(control, "POST", "faults", [{"kind": "drop"}, {"kind": "refused"}])[0] == 200
    assert len(api.faults) == 2
    status, _ = ask(control, "POST", "faults", [{"kind": "drop"}, {"kind": "?"}])
    assert (status, len(api.faults)) == (400, 2)


def test_calls_are_listed_and_forgotten(control: Control, api: Api, caller: Caller) -> None:
    caller.call("GET", f"{RECORDS}?type=A")
    expected = {"method": "GET", "path": RECORDS, "query": [["type", "A"]], "status": 200}
    assert ask(control, "GET", "calls") == (200, [expected])
    assert ask(control, "DELETE", "calls") == (200, [])
    assert api.calls == ()


def test_the_quota_is_shown_and_set_in_part(control: Control, api: Api) -> None:
    assert ask(control, "GET", "quota") == (200, {"calls": 1200, "window": 300, "block": 300})
    assert ask(control, "PUT", "quota", {"calls": 5})[0] == 200
    assert api.limiter.quota == Quota(calls=5)


def test_zones_are_shown_with_their_records(control: Control, caller: Caller) -> None:
    caller.create("www")
    status, zones = ask(control, "GET", "zones")
    assert status == 200
    assert isinstance(zones, list)
    assert isinstance(zones[0], dict)
    assert zones[0]["name"] == "example.com"
    assert zones[0]["records"] == list(caller.results(RECORDS))


@pytest.mark.parametrize(
    ("method", "name", "body"),
    [
        ("POST", "faults", {"kind": "unheard-of"}),
        ("POST", "faults", "drop"),
        ("PUT", "quota", {"calls": "many"}),
        ("PUT", "quota", {"calls": 0}),
        ("PUT", "quota", {"colour": 1}),
        ("PUT", "quota", None),
    ],
)
def test_what_makes_no_sense_is_400_with_the_reason(
    control: Control, method: str, name: str, body: Json
) -> None:
    status, answer = ask(control, method, name, body)
    assert status == 400
    assert isinstance(answer, dict)
    assert answer["error"]


def test_a_body_that_is_no_json_is_400(control: Control) -> None:
    answer = control.handle(Request("POST", "/__standin__/faults", body=b"{"))
    assert answer is not None
    assert answer.status == 400


def test_an_unknown_switch_lists_those_there_are(control: Control) -> None:
    status, answer = ask(control, "POST", "calls")
    assert status == 404
    assert "PUT quota" in str(answer)


def test_other_paths_are_not_for_the_control(control: Control) -> None:
    assert control.handle(Request("GET", "/client/v4/zones")) is None


def test_controlling_is_no_call_and_costs_no_quota(
    control: Control, api: Api, caller: Caller
) -> None:
    ask(control, "GET", "calls")
    assert api.calls == ()
    assert caller.call("GET", RECORDS).headers["Ratelimit"] == '"default";r=1199;t=300'

"""What each fault does, when, and to which calls."""

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudflare import Api, Dropped, Fault, FaultKind, FaultPlan, Response, When
from localcloud.cloudflare.jsonvalue import Json, JsonObject
from tests.localcloud.cloudflare.caller import RECORDS, Caller, Clock, code_of

A: Json = {"type": "A", "name": "www", "content": "198.51.100.4"}
REPLACING = [
    FaultKind.EDGE_ERROR,
    FaultKind.DROP,
    FaultKind.RATE_LIMITED,
    FaultKind.REFUSED,
    FaultKind.UNSUCCESSFUL,
]


def status_of(answer: Response | Dropped) -> int | None:
    return answer.status if isinstance(answer, Response) else None


@pytest.mark.parametrize("kind", REPLACING)
@pytest.mark.parametrize("when", list(When))
def test_a_fault_strikes_before_or_after_the_work_is_done(
    api: Api, caller: Caller, kind: FaultKind, when: When
) -> None:
    api.faults.add(Fault(kind, when))
    answer = caller.send("POST", RECORDS, A)
    assert not (isinstance(answer, Response) and answer.body.startswith(b'{"result": {'))
    assert len(api.zones[0].records) == (when is When.AFTER)
    assert [call.status for call in api.calls] == [status_of(answer)]
    assert caller.call("GET", RECORDS).status == 200, "it strikes once unless told otherwise"


@pytest.mark.parametrize("status", [502, 520, 524, 599])
def test_the_edge_answers_html_without_the_headers_of_the_api(
    api: Api, caller: Caller, status: int
) -> None:
    api.faults.add(Fault(FaultKind.EDGE_ERROR, status=status))
    answer = caller.call("GET", RECORDS)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert str(status) in answer.body.decode()
    assert "cf-ray" in answer.headers
    assert "Ratelimit" not in answer.headers


def test_a_dropped_connection_has_no_answer(api: Api, caller: Caller) -> None:
    api.faults.add(Fault(FaultKind.DROP))
    assert caller.send("GET", RECORDS) == Dropped()
    assert api.calls[0].status is None


@pytest.mark.parametrize(("when", "delays"), [(When.BEFORE, (2.5, 0)), (When.AFTER, (0, 2.5))])
def test_a_delay_stands_in_the_answer_for_the_server_to_carry_out(
    api: Api, caller: Caller, when: When, delays: tuple[float, float]
) -> None:
    api.faults.add(Fault(FaultKind.DELAY, when, seconds=2.5))
    answer = caller.call("POST", RECORDS, A)
    assert answer.status == 200
    assert (answer.delay_before, answer.delay_after) == delays


def test_a_429_tells_when_to_come_back(api: Api, caller: Caller) -> None:
    api.faults.add(Fault(FaultKind.RATE_LIMITED), Fault(FaultKind.RATE_LIMITED, seconds=6.2))
    answer = caller.call("GET", RECORDS)
    assert (answer.status, code_of(answer)) == (429, 971)
    assert answer.headers["Retry-After"] == "300"
    assert answer.headers["Ratelimit"] == '"default";r=0;t=300'
    assert caller.call("GET", RECORDS).headers["Retry-After"] == "7"


def test_a_429_may_have_no_body(api: Api, caller: Caller) -> None:
    api.faults.add(Fault(FaultKind.RATE_LIMITED, body=False))
    answer = caller.call("GET", RECORDS)
    assert (answer.status, answer.body) == (429, b"")
    assert answer.headers["Retry-After"] == "300"


def test_success_false_can_come_with_200(api: Api, caller: Caller) -> None:
    api.faults.add(Fault(FaultKind.UNSUCCESSFUL))
    answer = caller.call("GET", RECORDS)
    assert answer.status == 200
    assert answer.json()["success"] is False
    assert code_of(answer) == 10013


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(FaultKind.REFUSED), 403, 9109),
        (Fault(FaultKind.REFUSED, status=401), 401, 10000),
        (Fault(FaultKind.REFUSED, status=403, code=10000), 403, 10000),
        (Fault(FaultKind.REFUSED, status=500), 500, 10013),
        (Fault(FaultKind.REFUSED, status=400, code=1004, message="DNS"), 400, 1004),
        (Fault(FaultKind.REFUSED, status=403, code=0), 403, 0),
    ],
)
def test_a_refusal_has_the_code_of_its_status_or_the_one_given(
    api: Api, caller: Caller, fault: Fault, status: int, code: int
) -> None:
    api.faults.add(fault)
    assert caller.error("GET", RECORDS) == (status, code)


def test_a_stale_list_answers_what_was_before_the_last_changes(api: Api, caller: Caller) -> None:
    first = caller.create("a")
    caller.create("b")
    caller.result("DELETE", f"{RECORDS}/{first}")
    api.faults.add(*(Fault(FaultKind.STALE, changes=count) for count in (1, 2, 3)))
    seen = [[item["name"] for item in caller.results(RECORDS)] for _ in range(4)]
    assert seen == [["a.example.com", "b.example.com"], ["a.example.com"], [], ["b.example.com"]]


def test_a_stale_list_answers_what_was_some_seconds_ago(
    api: Api, caller: Caller, clock: Clock
) -> None:
    caller.create("a")
    clock.advance(10)
    caller.create("b")
    clock.advance(2)
    api.faults.add(Fault(FaultKind.STALE, seconds=5))
    assert [item["name"] for item in caller.results(RECORDS)] == ["a.example.com"]
    assert len(caller.results(RECORDS)) == 2


def test_a_stale_list_still_filters(api: Api, caller: Caller) -> None:
    caller.create("a")
    caller.create("b")
    api.faults.add(Fault(FaultKind.STALE, changes=1, times=None))
    assert caller.results(f"{RECORDS}?name=b.example.com") == []
    assert len(caller.results(f"{RECORDS}?name=a.example.com")) == 1


def test_only_lists_of_records_can_be_stale(api: Api, caller: Caller) -> None:
    record_id = caller.create("a")
    api.faults.add(Fault(FaultKind.STALE, changes=1))
    assert caller.result("GET", f"{RECORDS}/{record_id}")
    caller.call("GET", "/zones")
    assert caller.results(RECORDS) == []


def test_the_answer_may_bear_another_name(api: Api, caller: Caller) -> None:
    api.faults.add(Fault(FaultKind.WRONG_NAME, name="www.example.com.example.com", times=2))
    assert caller.result("POST", RECORDS, A)["name"] == "www.example.com.example.com"
    batch = caller.result("POST", f"{RECORDS}/batch", {"posts": [{**A, "name": "other"}]})  # type: ignore[dict-item]
    (posted,) = cast("list[JsonObject]", batch["posts"])
    assert posted["name"] == "www.example.com.example.com"
    assert [item["name"] for item in caller.results(RECORDS)] == [
        "www.example.com",
        "other.example.com",
    ]


def test_another_name_changes_nothing_in_an_answer_that_is_no_json(
    api: Api, caller: Caller
) -> None:
    caller.create("a")
    api.faults.add(Fault(FaultKind.WRONG_NAME, name="x"))
    assert b"a.example.com." in caller.call("GET", f"{RECORDS}/export").body


def test_a_fault_before_the_work_costs_no_quota_and_one_after_it_does(
    api: Api, caller: Caller
) -> None:
    api.faults.add(Fault(FaultKind.DROP), Fault(FaultKind.DROP, When.AFTER))
    caller.send("GET", RECORDS)
    caller.send("GET", RECORDS)
    assert caller.call("GET", RECORDS).headers["Ratelimit"] == '"default";r=1198;t=300'


def test_a_fault_strikes_only_the_method_and_path_it_names() -> None:
    plan = FaultPlan([Fault(FaultKind.DROP, method="POST", path="/zones/*/dns_records")])
    assert plan.pick("GET", "/zones/a/dns_records") is None
    assert plan.pick("POST", "/zones/a/dns_records/batch") is None
    assert plan.pick("POST", "/zones/a/dns_records") is not None
    assert len(plan) == 0


def test_the_first_fault_that_applies_strikes_and_the_next_one_follows() -> None:
    first, second = Fault(FaultKind.DROP, skip=1), Fault(FaultKind.REFUSED, times=2)
    plan = FaultPlan([first, second])
    assert [plan.pick("GET", "/x") for _ in range(4)] == [second, first, second, None]


def test_a_fault_without_a_limit_strikes_until_it_is_switched_off() -> None:
    plan = FaultPlan([Fault(FaultKind.DROP, times=None)])
    assert all(plan.pick("GET", "/x") for _ in range(50))
    plan.clear()
    assert plan.pick("GET", "/x") is None


@given(skip=st.integers(0, 5), times=st.integers(1, 5), calls=st.integers(0, 15))
def test_a_fault_skips_then_strikes_then_is_over(skip: int, times: int, calls: int) -> None:
    plan = FaultPlan([Fault(FaultKind.DROP, skip=skip, times=times)])
    struck = [plan.pick("GET", "/x") is not None for _ in range(calls)]
    assert struck == [skip <= number < skip + times for number in range(calls)]
    assert plan.faults == (() if calls >= skip + times else (plan.faults[0],))


@pytest.mark.parametrize(
    "members",
    [
        {"kind": FaultKind.DROP, "times": 0},
        {"kind": FaultKind.WRONG_NAME},
        {"kind": FaultKind.DELAY},
        {"kind": FaultKind.STALE},
    ],
)
def test_a_fault_that_lacks_what_it_needs_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="fault"):
        Fault(**members)  # type: ignore[arg-type]


FAULTS = st.builds(
    Fault,
    kind=st.sampled_from([*REPLACING]),
    when=st.sampled_from(When),
    times=st.none() | st.integers(1, 9),
    skip=st.integers(0, 9),
    method=st.none() | st.just("GET"),
    path=st.just("*") | st.just("/zones/*"),
    status=st.none() | st.integers(400, 599),
    code=st.none() | st.integers(0, 99999),
    message=st.none() | st.text(),
    seconds=st.none() | st.floats(0, 1e6),
    changes=st.integers(0, 9),
    name=st.none() | st.text(),
    body=st.booleans(),
)


@given(FAULTS)
def test_a_fault_survives_being_written_as_json(fault: Fault) -> None:
    assert Fault.from_json(json.loads(json.dumps(fault.as_json()))) == fault


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "unheard-of"},
        {"kind": "drop", "when": "never"},
        {"kind": "drop", "colour": "red"},
        {"kind": 5},
        {"kind": "drop", "times": "2"},
        {"kind": "drop", "times": 1.5},
        {"kind": "delay", "seconds": True},
        {"kind": "drop", "path": ["x"]},
    ],
)
def test_json_that_is_no_fault_is_refused(content: JsonObject) -> None:
    with pytest.raises(ValueError, match=r"."):
        Fault.from_json(content)

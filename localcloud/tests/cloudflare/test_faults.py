"""The effect of each fault, and the calls that it hits."""

from typing import cast

import pytest

from localcloud.cloudflare import Api, Dropped, Fault, FaultKind, Quota, Response, When
from localcloud.cloudflare.jsonvalue import JsonObject
from localcloud.tests.cloudflare.client import BATCH, RECORDS, Client, Clock, a, code_of

REPLACING = [
    FaultKind.EDGE_ERROR,
    FaultKind.DROP,
    FaultKind.RATE_LIMITED,
    FaultKind.REFUSED,
    FaultKind.UNSUCCESSFUL,
]


@pytest.mark.parametrize("kind", REPLACING)
@pytest.mark.parametrize("when", list(When))
def test_a_fault_strikes_before_or_after_the_work_is_done(
    api: Api, client: Client, kind: FaultKind, when: When
) -> None:
    api.limiter.quota = Quota(calls=10)
    api.faults.add(Fault(kind, when))
    answer = client.send("POST", RECORDS, a("www"))
    status = answer.status if isinstance(answer, Response) else None
    assert len(api.zones[0].records) == (when is When.AFTER)
    assert [call.status for call in api.calls] == [status]
    left = 9 - (when is When.AFTER)  # what does not reach the API costs no quota
    assert client.call("GET", RECORDS).headers["Ratelimit"] == f'"default";r={left};t=300'


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(FaultKind.REFUSED), 403, 9109),
        (Fault(FaultKind.REFUSED, status=401), 401, 10000),
        (Fault(FaultKind.REFUSED, status=500), 500, 10013),
        (Fault(FaultKind.REFUSED, status=400, code=1004, message="DNS"), 400, 1004),
        (Fault(FaultKind.UNSUCCESSFUL), 200, 10013),
        (Fault(FaultKind.RATE_LIMITED), 429, 971),
    ],
)
def test_a_refusal_has_the_usual_code_or_the_given_one(
    api: Api, client: Client, fault: Fault, status: int, code: int
) -> None:
    api.faults.add(fault)
    assert client.error("GET", RECORDS) == (status, code)


@pytest.mark.parametrize("status", [502, 520, 524])
def test_the_edge_answers_html_without_the_headers_of_the_api(
    api: Api, client: Client, status: int
) -> None:
    api.faults.add(Fault(FaultKind.EDGE_ERROR, status=status))
    answer = client.call("GET", RECORDS)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "cf-ray" in answer.headers
    assert "Ratelimit" not in answer.headers


def test_a_429_says_when_to_retry_and_may_have_no_body(api: Api, client: Client) -> None:
    api.faults.add(Fault(FaultKind.RATE_LIMITED, seconds=6.2, body=False))
    answer = client.call("GET", RECORDS)
    assert (answer.status, answer.body) == (429, b"")
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["Ratelimit"] == '"default";r=0;t=7'


@pytest.mark.parametrize(("when", "delays"), [(When.BEFORE, (2.5, 0)), (When.AFTER, (0, 2.5))])
def test_a_delay_is_part_of_the_answer_and_the_servers_to_carry_out(
    api: Api, client: Client, when: When, delays: tuple[float, float]
) -> None:
    api.faults.add(Fault(FaultKind.DELAY, when, seconds=2.5))
    answer = client.call("POST", RECORDS, a("www"))
    assert answer.status == 200
    assert (answer.delay_before, answer.delay_after) == delays


def test_a_stale_list_shows_the_records_of_earlier(api: Api, client: Client, clock: Clock) -> None:
    first = client.create("a")
    clock.now += 10
    client.create("b")
    clock.now += 2
    client.result("DELETE", f"{RECORDS}/{first}")
    api.faults.add(*(Fault(FaultKind.STALE, changes=count) for count in (1, 2, 3)))
    api.faults.add(Fault(FaultKind.STALE, seconds=5))
    client.result("GET", "/zones")  # only lists of records can be stale
    seen = [[str(item["name"])[0] for item in client.results()] for _ in range(5)]
    assert seen == [["a", "b"], ["a"], [], ["a"], ["b"]]


def test_an_answer_may_have_another_name(api: Api, client: Client) -> None:
    api.faults.add(Fault(FaultKind.WRONG_NAME, name="wrong", times=2))
    assert client.result("POST", RECORDS, a("www"))["name"] == "wrong"
    done = client.result("POST", BATCH, {"posts": [a("other")]})
    (posted,) = cast("list[JsonObject]", done["posts"])
    assert posted["name"] == "wrong"
    assert [item["name"] for item in client.results()] == ["www.example.com", "other.example.com"]


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Fault(FaultKind.DROP), "x--"),
        (Fault(FaultKind.DROP, times=2), "xx-"),
        (Fault(FaultKind.DROP, times=None), "xxx"),
        (Fault(FaultKind.DROP, skip=1), "-x-"),
        (Fault(FaultKind.DROP, method="POST"), "---"),
        (Fault(FaultKind.DROP, path="/zones/*/dns_records"), "x--"),
        (Fault(FaultKind.DROP, path="/zones/*/dns_records/batch"), "---"),
    ],
)
def test_a_fault_strikes_the_calls_that_it_names(
    api: Api, client: Client, fault: Fault, struck: str
) -> None:
    api.faults.add(fault)
    answers = [client.send("GET", RECORDS) for _ in range(3)]
    assert "".join("x" if answer == Dropped() else "-" for answer in answers) == struck
    api.faults.clear()
    assert client.call("GET", RECORDS).status == 200


def test_the_first_fault_that_applies_strikes(api: Api, client: Client) -> None:
    api.faults.add(Fault(FaultKind.UNSUCCESSFUL, skip=1), Fault(FaultKind.REFUSED, times=2))
    codes = [code_of(client.call("GET", RECORDS)) for _ in range(3)]
    assert codes == [9109, 10013, 9109]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "unknown"},
        {"kind": "drop", "when": "never"},
        {"kind": "drop", "colour": "red"},
        {"kind": "drop", "times": "2"},
        {"kind": "drop", "times": 0},
        {"kind": "delay"},
        {"kind": "delay", "seconds": True},
        {"kind": "stale"},
        {"kind": "wrong-name"},
    ],
)
def test_json_that_is_no_fault_is_refused(content: JsonObject) -> None:
    with pytest.raises(ValueError, match=r"."):
        Fault.from_json(content)

"""Whoever may not schedule, and whatever cannot be scheduled, is told so; nothing is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from chalicelib.meetings.authorizer import FRESH
from chalicelib.meetings.http import Request
from tests.meetings.front_desk import BASE, BODY, KEY, ORIGIN, FrontDesk, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session


@pytest.fixture(scope="module")
def shared(session: Session) -> Iterator[FrontDesk]:
    """One desk for all requests that are refused."""
    with mock_aws():
        yield FrontDesk(session)


# Who may


@pytest.mark.parametrize("authorization", [None, f"Basic {KEY}", "Bearer wrong-0123456789abcdef"])
def test_nobody_else_can_schedule(shared: FrontDesk, authorization: str | None) -> None:
    shared.now += FRESH
    headers = {} if authorization is None else {"authorization": authorization}

    answer = shared.post(b"no JSON", bearer=None, **headers)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert set(read(answer)) == {"message"}
    assert set(shared.calls) <= {"GetSecretValue"}
    assert (shared.rows(), shared.schedules()) == ({}, set())
    assert shared.reports.lines[-1][2] == {"Ignored": 1}


def test_nothing_is_told_to_who_may_not_schedule(shared: FrontDesk) -> None:
    """Whatever else is wrong with the request."""
    refused = shared.post(bearer="wrong-0123456789abcdef")

    for body in (b"x" * 10_000, {}, BODY):
        assert shared.post(body, bearer="wrong-0123456789abcdef", key="\n").body == refused.body


# What is wrong with a request


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "send a JSON object"),
        ({}, 400, "is missing"),
        (BODY | {"meet_time": "2026-11-21T15:30:00"}, 400, "needs its offset"),
        (BODY | {"meet_time": "2026-11-21T11:59:59Z"}, 400, "has passed"),
        (b" " * 8193, 413, "larger than 8192 bytes"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    shared: FrontDesk, body: object, status: int, said: str
) -> None:
    answer = shared.post(body)

    assert answer.status == status
    read(answer)
    assert said in answer.body
    assert (shared.rows(), shared.schedules()) == ({}, set())
    assert shared.reports.lines[-1][1]["action"] == "refused"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "k\u00e9y", "a\tb", "\ud800"])
def test_a_wrong_idempotency_key_is_told_beside_what_else_is_wrong(
    shared: FrontDesk, key: str
) -> None:
    answer = shared.post(BODY | {"student_name": "", "meet_time": "2020-01-01T00:00Z"}, key=key)

    assert answer.status == 400
    assert sorted(read(answer)["errors"]) == ["Idempotency-Key", "meet_time", "student_name"]
    late = shared.post(BODY | {"meet_time": "2020-01-01T00:00Z"}, key=key)
    assert sorted(read(late)["errors"]) == ["Idempotency-Key", "meet_time"]
    assert list(read(shared.post(key=key))["errors"]) == ["Idempotency-Key"]


def test_a_key_may_be_as_long_as_255(shared: FrontDesk) -> None:
    answer = shared.post(key="~" * 255)

    assert answer.status == 201
    shared.forget(read(answer)["meeting_id"])


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_what_is_not_sent_as_json_is_refused(shared: FrontDesk, kind: str) -> None:
    answer = shared.post(content_type=kind)

    assert answer.status == 415
    assert "Content-Type: application/json" in read(answer)["message"]


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"]
)
def test_what_is_sent_as_json_is_read(shared: FrontDesk, kind: str) -> None:
    assert shared.post({}, content_type=kind).status == 400


def test_without_a_host_there_is_no_link_to_give(shared: FrontDesk) -> None:
    headers = {"authorization": f"Bearer {KEY}", "origin": ORIGIN}
    body = json.dumps(BODY).encode()

    answer = shared.send(Request("POST", "/schedule", headers, {}, body, ""))

    assert answer.status == 400
    assert "Host" in read(answer)["message"]
    assert shared.rows() == {}


def test_a_browser_may_ask_first(shared: FrontDesk) -> None:
    answer = shared.send(Request("OPTIONS", "/schedule", {"origin": ORIGIN}, {}, b"", BASE))

    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert shared.calls == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BODIES = (
    st.binary(max_size=200)
    | VALUES
    | st.fixed_dictionaries({}, optional=dict.fromkeys(BODY, VALUES))
    | st.builds(lambda name, value: BODY | {name: value}, st.sampled_from(list(BODY)), VALUES)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, key=st.none() | st.text(max_size=20), bearer=st.sampled_from([KEY, "x"]))
def test_a_request_of_any_shape_has_an_answer(
    shared: FrontDesk, body: object, key: str | None, bearer: str
) -> None:
    answer = shared.post(body, key=key, bearer=bearer)

    assert answer.status in {200, 201, 400, 401, 409, 413}
    read(answer)
    assert KEY not in str(shared.reports.lines)
    if answer.status == 201:
        shared.forget(read(answer)["meeting_id"])

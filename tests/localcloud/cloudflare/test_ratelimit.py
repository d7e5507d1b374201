"""The quota, its headers and the block."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudflare import DEFAULT_TOKEN, Api, Quota, Token
from localcloud.cloudflare.ratelimit import RateLimiter
from tests.localcloud.cloudflare.caller import RECORDS, Caller, Clock, code_of

QUOTA = Quota(calls=3, window=60, block=300)
OTHER = "standin_11111111111111111111111111111111"


@pytest.fixture
def api(clock: Clock) -> Api:
    tokens = [Token(owner="ann"), Token(OTHER, owner="ann"), Token("s" * 40)]
    return Api(tokens=tokens, quota=QUOTA, clock=clock)


def test_every_answer_says_what_is_left_and_until_when(caller: Caller, clock: Clock) -> None:
    first = caller.call("GET", RECORDS)
    assert first.headers["Ratelimit"] == '"default";r=2;t=60'
    assert first.headers["Ratelimit-Policy"] == '"default";q=3;w=60'
    clock.advance(10.5)
    refused = caller.call("GET", f"{RECORDS}/{'0' * 32}")
    assert refused.status == 404
    assert refused.headers["Ratelimit"] == '"default";r=1;t=50'
    assert "Retry-After" not in refused.headers


def test_the_default_is_1200_calls_in_five_minutes() -> None:
    answer = Caller(Api(clock=Clock())).call("GET", RECORDS)
    assert answer.headers["Ratelimit"] == '"default";r=1199;t=300'
    assert answer.headers["Ratelimit-Policy"] == '"default";q=1200;w=300'


def test_after_the_last_call_everything_is_refused_for_the_block_period(
    caller: Caller, clock: Clock
) -> None:
    for _ in range(3):
        assert caller.call("GET", RECORDS).status == 200
    clock.advance(30)
    blocked = caller.call("GET", "/user/tokens/verify")
    assert (blocked.status, code_of(blocked)) == (429, 971)
    assert blocked.headers["Retry-After"] == "300"
    assert blocked.headers["Ratelimit"] == '"default";r=0;t=300'

    # the block outlasts the window, and calls during it do not prolong it
    clock.advance(299.5)
    assert caller.call("POST", RECORDS, {}).headers["Retry-After"] == "1"
    clock.advance(0.5)
    answer = caller.call("GET", RECORDS)
    assert answer.status == 200
    assert answer.headers["Ratelimit"] == '"default";r=2;t=60'


def test_figures_are_whole_seconds_rounded_up_whatever_the_scale(clock: Clock) -> None:
    caller = Caller(Api(quota=Quota(calls=1, window=2.5, block=1.25), clock=clock))
    passed, blocked = caller.call("GET", RECORDS), caller.call("GET", RECORDS)
    assert passed.headers["Ratelimit"] == '"default";r=0;t=3'
    assert passed.headers["Ratelimit-Policy"] == '"default";q=1;w=3'
    assert blocked.headers["Retry-After"] == "2"
    assert blocked.headers["Ratelimit"] == '"default";r=0;t=2'
    clock.advance(1.25)
    assert caller.call("GET", RECORDS).status == 200


def test_using_up_the_quota_without_exceeding_it_blocks_nothing(
    caller: Caller, clock: Clock
) -> None:
    for _ in range(3):
        caller.call("GET", RECORDS)
    clock.advance(60)
    assert caller.call("GET", RECORDS).status == 200


def test_a_blocked_write_is_not_executed(caller: Caller, api: Api) -> None:
    for _ in range(3):
        caller.call("GET", RECORDS)
    body = {"type": "A", "name": "www", "content": "198.51.100.4"}
    assert caller.call("POST", RECORDS, body).status == 429
    assert api.zones[0].records == ()


def test_tokens_of_one_owner_share_a_quota_and_others_have_their_own(caller: Caller) -> None:
    def remaining(token: str) -> str:
        headers = {"Authorization": f"Bearer {token}"}
        return caller.call("GET", RECORDS, headers=headers).headers["Ratelimit"]

    assert remaining(DEFAULT_TOKEN) == '"default";r=2;t=60'
    assert remaining(OTHER) == '"default";r=1;t=60'
    assert remaining("s" * 40) == '"default";r=2;t=60'


def test_calls_without_a_known_token_count_against_their_address(caller: Caller) -> None:
    answers = [caller.call("GET", RECORDS, headers={}) for _ in range(4)]
    assert [answer.status for answer in answers] == [400, 400, 400, 429]
    assert caller.call("GET", RECORDS).status == 200


def test_a_new_quota_forgets_what_was_spent(caller: Caller, api: Api) -> None:
    for _ in range(4):
        caller.call("GET", RECORDS)
    api.limiter.quota = Quota(calls=10)
    assert caller.call("GET", RECORDS).headers["Ratelimit"] == '"default";r=9;t=300'


@pytest.mark.parametrize(("calls", "window", "block"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_quota_that_could_never_work_is_refused(calls: int, window: float, block: float) -> None:
    with pytest.raises(ValueError, match="a quota needs"):
        Quota(calls, window, block)


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=60))
def test_whatever_the_pace_the_figures_stay_within_the_quota(pauses: list[float]) -> None:
    clock = Clock(0.0)
    limiter = RateLimiter(QUOTA, clock)
    passed: list[float] = []
    for pause in pauses:
        clock.advance(pause)
        peeked = limiter.peek("key")
        verdict = limiter.spend("key")
        if verdict.retry_after is None:
            assert verdict.remaining == peeked.remaining - 1
            passed.append(clock())
        else:
            assert 1 <= verdict.retry_after <= math.ceil(QUOTA.block)
        window_starts = [moment for moment in passed if moment > clock() - QUOTA.window]
        assert len(window_starts) <= 2 * QUOTA.calls
        assert 0 <= verdict.remaining < QUOTA.calls

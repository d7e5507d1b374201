"""The request quota, its headers and the block."""

import pytest

from localcloud.cloudflare import DEFAULT_TOKEN, Api, Quota, Token
from localcloud.tests.cloudflare.client import RECORDS, Client, Clock, a, code_of

OTHER = "standin_11111111111111111111111111111111"


@pytest.fixture
def api(clock: Clock) -> Api:
    tokens = [Token(owner="ann"), Token(OTHER, owner="ann"), Token("s" * 40)]
    return Api(tokens=tokens, quota=Quota(calls=3, window=60, block=300), clock=clock)


def test_every_answer_shows_what_is_left_and_until_when(client: Client, clock: Clock) -> None:
    first = client.call("GET", RECORDS)
    assert first.headers["Ratelimit"] == '"default";r=2;t=60'
    assert first.headers["Ratelimit-Policy"] == '"default";q=3;w=60'
    clock.now += 10.5
    refused = client.call("GET", f"{RECORDS}/{'0' * 32}")
    assert refused.status == 404
    assert refused.headers["Ratelimit"] == '"default";r=1;t=50'
    assert "Retry-After" not in refused.headers


def test_the_default_is_1200_calls_in_five_minutes() -> None:
    answer = Client(Api(clock=Clock())).call("GET", RECORDS)
    assert answer.headers["Ratelimit"] == '"default";r=1199;t=300'
    assert answer.headers["Ratelimit-Policy"] == '"default";q=1200;w=300'


def test_beyond_the_quota_every_call_is_refused_for_the_block_period(
    client: Client, api: Api, clock: Clock
) -> None:
    for _ in range(3):
        assert client.call("GET", RECORDS).status == 200
    clock.now += 30
    blocked = client.call("POST", RECORDS, a("www"))
    assert (blocked.status, code_of(blocked)) == (429, 971)
    assert blocked.headers["Retry-After"] == "300"
    assert blocked.headers["Ratelimit"] == '"default";r=0;t=300'
    assert api.zones[0].records == ()

    # The block outlasts the window, and calls during it do not prolong it.
    clock.now += 299.5
    assert client.call("GET", RECORDS).headers["Retry-After"] == "1"
    clock.now += 0.5
    assert client.call("GET", RECORDS).headers["Ratelimit"] == '"default";r=2;t=60'


def test_using_up_the_quota_without_exceeding_it_blocks_nothing(
    client: Client, clock: Clock
) -> None:
    for _ in range(3):
        client.call("GET", RECORDS)
    clock.now += 60
    assert client.call("GET", RECORDS).status == 200


def test_tokens_of_one_owner_share_a_quota_and_others_have_their_own(client: Client) -> None:
    headers = [{"Authorization": f"Bearer {token}"} for token in (DEFAULT_TOKEN, OTHER, "s" * 40)]
    answers = [client.call("GET", RECORDS, headers=each) for each in headers]
    assert [answer.headers["Ratelimit"][10:13] for answer in answers] == ["r=2", "r=1", "r=2"]


def test_calls_without_a_known_token_count_against_their_address(client: Client) -> None:
    answers = [client.call("GET", RECORDS, headers={}) for _ in range(4)]
    assert [answer.status for answer in answers] == [400, 400, 400, 429]
    assert client.call("GET", RECORDS).status == 200

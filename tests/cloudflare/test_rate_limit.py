"""Half of Cloudflare's quota is left to others, and its word on when to come back is kept."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.cloudflare.rate_limit import KEPT_BY_EVENTS, KEPT_BY_SWEEPS, Quota
from chalicelib.dns.provider import QuotaSpentError
from tests.simulation.clock import Clock

POLICY = '"default";q=1200;w=300'
SPENT, LEFT = True, False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quota(clock: Clock) -> Quota:
    return Quota(clock)


def headers(state: str, policy: str | None = POLICY) -> dict[str, str]:
    return {"Ratelimit": state} | ({} if policy is None else {"Ratelimit-Policy": policy})


def remaining(calls: int) -> dict[str, str]:
    return headers(f'"default";r={calls};t=30')


@pytest.mark.parametrize(
    ("policy", "left", "spent"),
    [
        (POLICY, 600, LEFT),
        (POLICY, 599, SPENT),
        (POLICY, 0, SPENT),
        ('"default";q=1201;w=300', 601, LEFT),
        ('"default";q=1201;w=300', 600, SPENT),
        ('"default";q=1;w=300', 1, LEFT),
        ('"default";q=1;w=300', 0, SPENT),
        # a single policy is meant even if it has another name
        ('"burst";q=100;w=60', 50, LEFT),
        ('"burst";q=100;w=60', 49, SPENT),
        # a quota that is not named is 1200
        *(
            (policy, left, spent)
            for policy in (
                None,
                '"default";w=300',
                '"a";q=10;w=60, "b";q=9000;w=86400',
                "gibberish",
            )
            for left, spent in ((600, LEFT), (599, SPENT))
        ),
    ],
)
def test_the_quota_is_spent_once_less_than_half_of_it_is_left(
    quota: Quota, policy: str | None, left: int, *, spent: bool
) -> None:
    quota.note(remaining(10))  # an earlier answer, which no longer counts
    quota.note(headers(f'"default";r={left};t=30', policy))

    assert quota.is_spent is spent
    assert (quota.remaining, quota.is_low) == (left, spent)
    assert quota.seconds_to_wait == (30 if spent else 0)


@pytest.mark.parametrize(("left", "spent"), [(480, LEFT), (479, SPENT)])
def test_sweeps_may_spend_what_events_leave(clock: Clock, left: int, *, spent: bool) -> None:
    quotas = Quota(clock, KEPT_BY_EVENTS), Quota(clock, KEPT_BY_SWEEPS)

    for quota in quotas:
        quota.note(remaining(left))

    assert [quota.is_spent for quota in quotas] == [True, spent]


@pytest.mark.parametrize(
    "state",
    [
        '"default"; r=10; t=30',
        "default;r=10;t=30",
        '"default";t=30;r=10',
        '"default";r=10;pk=:dXNlcg==:;t=30',
        '  "default";r=10;t=30  ',
        '"default";r=10',
    ],
)
def test_the_header_is_read_in_every_form_of_its_standard(quota: Quota, state: str) -> None:
    """One that names no reset is waited for as long as Cloudflare blocks a user."""
    quota.note(headers(state))

    assert (quota.remaining, quota.seconds_to_wait) == (10, 30 if "t=" in state else 300)


@pytest.mark.parametrize("state", ['"default"', '"default";t=30', "", '"default";r=few;t=30', None])
def test_a_header_without_what_is_left_says_nothing(quota: Quota, state: str | None) -> None:
    """A gateway's error page carries no such header."""
    answer = {"Content-Type": "text/html"} if state is None else headers(state)
    quota.note(answer)
    quota.require()
    assert (quota.remaining, quota.is_spent, quota.seconds_to_wait) == (None, False, 0)

    quota.note(remaining(10))
    quota.note(answer)
    assert (quota.remaining, quota.seconds_to_wait) == (10, 30)


@pytest.mark.parametrize(
    ("burst", "default", "seconds"),
    [(100, 1200, 0), (49, 1200, 5), (100, 599, 200), (49, 599, 200)],
)
def test_of_several_policies_each_must_leave_its_half(
    quota: Quota, burst: int, default: int, seconds: float
) -> None:
    state = f'"burst";r={burst};t=5, "default";r={default};t=200'
    quota.note(headers(state, '"burst";q=100;w=60, "default";q=1200;w=300'))

    assert quota.seconds_to_wait == seconds


def test_a_refusal_lasts_for_as_long_as_cloudflare_says(quota: Quota, clock: Clock) -> None:
    assert quota.note_refusal("17") == 17

    assert (quota.remaining, quota.seconds_to_wait) == (0, 17)
    clock.now += 16.5
    assert quota.seconds_to_wait == 0.5
    clock.now += 0.5
    assert quota.seconds_to_wait == 0


@pytest.mark.parametrize(
    "retry_after", [None, "Fri, 20 Nov 2026 11:00:00 GMT", "-5", "1.5", "²", "9" * 400, "301"]
)
def test_a_refusal_that_names_no_seconds_or_too_many_lasts_five_minutes(
    quota: Quota, retry_after: str | None
) -> None:
    assert quota.note_refusal(retry_after) == quota.seconds_to_wait == 300


@pytest.mark.parametrize(
    ("state", "seconds"), [('"default";r=1100;t=10', 60), ('"default";r=0;t=90', 90)]
)
def test_no_late_answer_shortens_a_refusal(quota: Quota, state: str, seconds: float) -> None:
    quota.note_refusal("60")
    quota.note(headers(state))

    assert quota.seconds_to_wait == seconds


def test_the_clock_is_the_time_of_day_by_default() -> None:
    quota = Quota()

    quota.note(remaining(0))

    assert 0 < quota.seconds_to_wait <= 30


def test_an_error_says_how_long_the_quota_is_kept_for_others(quota: Quota, clock: Clock) -> None:
    quota.note(remaining(599))

    with pytest.raises(QuotaSpentError) as raised:
        quota.require()

    assert str(raised.value) == (
        "Cloudflare's quota is kept for others for another 30 s (599 calls left)"
    )
    clock.now += 29.5
    assert (quota.seconds_to_wait, quota.is_spent) == (0.5, True)
    clock.now += 0.5
    quota.require()


HEADER = st.text() | st.from_regex(
    r'"?[a-z]*"?\s?(;\s?[a-z]=[0-9.x-]{0,12}){0,3},?', fullmatch=True
)


@given(state=HEADER, policy=HEADER)
@example(state='"default";r=1;t=' + "9" * 400, policy="")
@example(state='"default";r=' + "9" * 5000, policy="")
@example(state='"default";r=1;t=1', policy='"default";q=' + "9" * 5000)
def test_no_header_is_an_error_or_stops_an_environment_for_more_than_five_minutes(
    state: str, policy: str
) -> None:
    quota = Quota(Clock())

    quota.note({"Ratelimit": state, "Ratelimit-Policy": policy})

    assert quota.remaining is None or quota.remaining >= 0
    assert 0 <= quota.seconds_to_wait <= 300

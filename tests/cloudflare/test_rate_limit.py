"""Half of Cloudflare's quota is left to others, and its word on when to come back is kept."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.cloudflare.rate_limit import KEPT_BY_EVENTS, KEPT_BY_SWEEPS, Quota
from chalicelib.dns.provider import QuotaSpentError

POLICY = '"default";q=1200;w=300'


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Make a clock that stands still."""
    return Clock()


@pytest.fixture
def quota(clock: Clock) -> Quota:
    """Make a quota of which nothing is known."""
    return Quota(clock)


def headers(state: str, policy: str | None = POLICY) -> dict[str, str]:
    """Make an answer's headers."""
    return {"Ratelimit": state} | ({} if policy is None else {"Ratelimit-Policy": policy})


def test_calls_may_be_made_while_nothing_is_known(quota: Quota) -> None:
    assert quota.remaining is None
    assert not quota.is_spent
    assert quota.seconds_to_wait == 0


@pytest.mark.parametrize(
    ("limit", "left", "spent"),
    [
        (1200, 1200, False),
        (1200, 601, False),
        (1200, 600, False),
        (1200, 599, True),
        (1200, 0, True),
        (1201, 601, False),
        (1201, 600, True),
        (100, 50, False),
        (100, 49, True),
        (1, 1, False),
        (1, 0, True),
    ],
)
def test_the_quota_is_spent_once_less_than_half_of_it_is_left(
    quota: Quota,
    limit: int,
    left: int,
    spent: bool,  # noqa: FBT001
) -> None:
    quota.note(headers(f'"default";r={left};t=30', f'"default";q={limit};w=300'))

    assert quota.is_spent is spent
    assert quota.seconds_to_wait == (30 if spent else 0)
    assert quota.remaining == left


@pytest.mark.parametrize(("left", "spent"), [(480, False), (479, True)])
def test_sweeps_may_spend_what_events_leave_to_them(
    clock: Clock,
    left: int,
    spent: bool,  # noqa: FBT001
) -> None:
    quotas = Quota(clock, KEPT_BY_EVENTS), Quota(clock, KEPT_BY_SWEEPS)

    for quota in quotas:
        quota.note(headers(f'"default";r={left};t=30'))

    assert [quota.is_spent for quota in quotas] == [True, spent]


@pytest.mark.parametrize(
    "policy",
    [
        None,
        "",
        '"default"',
        '"default";w=300',
        '"burst";q=100;w=60, "daily";q=9000;w=86400',
        "gibberish",
    ],
    ids=["no header", "empty", "no numbers", "no quota", "others", "gibberish"],
)
@pytest.mark.parametrize(("left", "spent"), [(600, False), (599, True)])
def test_a_quota_that_is_not_named_is_1200(
    quota: Quota,
    policy: str | None,
    left: int,
    spent: bool,  # noqa: FBT001
) -> None:
    quota.note(headers(f'"default";r={left};t=30', policy))

    assert quota.is_spent is spent


@pytest.mark.parametrize(("left", "spent"), [(50, False), (49, True)])
def test_a_single_policy_is_meant_even_if_it_has_another_name(
    quota: Quota, left: int, *, spent: bool
) -> None:
    quota.note(headers(f'"default";r={left};t=30', '"burst";q=100;w=60'))

    assert quota.is_spent is spent


@pytest.mark.parametrize(
    "state",
    [
        '"default";r=10;t=30',
        '"default"; r=10; t=30',
        "default;r=10;t=30",
        '"default";t=30;r=10',
        '"default";r=10;pk=:dXNlcg==:;t=30',
        '  "default";r=10;t=30  ',
    ],
)
def test_the_header_is_read_in_every_form_of_its_standard(quota: Quota, state: str) -> None:
    quota.note(headers(state))

    assert quota.remaining == 10
    assert quota.seconds_to_wait == 30


@pytest.mark.parametrize("state", ['"default"', '"default";t=30', "", '"default";r=few;t=30'])
def test_a_header_that_does_not_say_what_is_left_says_nothing(quota: Quota, state: str) -> None:
    quota.note(headers(state))

    assert quota.remaining is None
    assert not quota.is_spent


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        ('"burst";r=100;t=5, "default";r=1200;t=200', 0),
        ('"burst";r=49;t=5, "default";r=1200;t=200', 5),
        ('"burst";r=100;t=5, "default";r=599;t=200', 200),
        ('"burst";r=49;t=5, "default";r=599;t=200', 200),
        ('"default";r=599;t=200, "burst";r=49;t=5', 200),
    ],
)
def test_of_several_policies_each_must_leave_its_half(
    quota: Quota, state: str, seconds: float
) -> None:
    quota.note(headers(state, '"burst";q=100;w=60, "default";q=1200;w=300'))

    assert quota.seconds_to_wait == seconds


def test_a_spent_quota_without_a_reset_is_waited_for_five_minutes(quota: Quota) -> None:
    quota.note(headers('"default";r=0'))

    assert quota.seconds_to_wait == 300


def test_calls_may_be_made_again_when_the_quota_is_reset(quota: Quota, clock: Clock) -> None:
    # given a quota that is reset in 30 seconds
    quota.note(headers('"default";r=10;t=30'))

    # then it is spent just until then
    waits = []
    for seconds in (29.5, 0.5, 100):
        clock.now += seconds
        waits.append((quota.seconds_to_wait, quota.is_spent))
    assert waits == [(0.5, True), (0, False), (0, False)]


def test_the_last_answer_counts(quota: Quota) -> None:
    quota.note(headers('"default";r=10;t=200'))
    quota.note(headers('"default";r=1100;t=299'))

    assert not quota.is_spent
    assert quota.remaining == 1100


def test_an_answer_that_does_not_mention_the_quota_changes_nothing(quota: Quota) -> None:
    """A gateway's error page carries no such header, and tells nothing of the quota."""
    quota.note(headers('"default";r=10;t=200'))

    quota.note({"Content-Type": "text/html"})

    assert quota.remaining == 10
    assert quota.seconds_to_wait == 200


@pytest.mark.parametrize(("retry_after", "seconds"), [("1", 1), ("17", 17), ("300", 300)])
def test_after_a_refusal_no_call_is_made_for_as_long_as_cloudflare_says(
    quota: Quota, clock: Clock, retry_after: str, seconds: float
) -> None:
    assert quota.note_refusal(retry_after) == seconds

    assert quota.seconds_to_wait == seconds
    assert quota.remaining == 0
    clock.now += seconds - 0.5
    assert quota.seconds_to_wait == 0.5
    clock.now += 0.5
    assert quota.seconds_to_wait == 0


@pytest.mark.parametrize(
    "retry_after", [None, "", "Fri, 20 Nov 2026 11:00:00 GMT", "soon", "-5", "1.5", "²", "9" * 400]
)
def test_a_refusal_that_names_no_seconds_lasts_five_minutes(
    quota: Quota, retry_after: str | None
) -> None:
    assert quota.note_refusal(retry_after) == 300
    assert quota.seconds_to_wait == 300


@pytest.mark.parametrize("seconds", ["301", "86400", "999999999"])
def test_no_header_silences_an_environment_for_more_than_five_minutes(
    quota: Quota, clock: Clock, seconds: str
) -> None:
    assert quota.note_refusal(seconds) == 300
    assert quota.seconds_to_wait == 300
    clock.now += 300
    assert not quota.is_spent

    quota.note(headers(f'"default";r=0;t={seconds}'))

    assert quota.seconds_to_wait == 300


def test_a_refusal_is_not_lifted_by_an_answer_that_comes_late(quota: Quota) -> None:
    # given a refusal, and the answer to a call that was made side by side with the refused one
    quota.note_refusal("60")
    quota.note(headers('"default";r=1100;t=10'))

    # then the refusal stands
    assert quota.seconds_to_wait == 60


def test_the_longer_of_refusal_and_reset_is_waited_for(quota: Quota) -> None:
    quota.note_refusal("60")
    quota.note(headers('"default";r=0;t=90'))

    assert quota.seconds_to_wait == 90


def test_the_clock_is_the_time_of_day_unless_another_is_given() -> None:
    quota = Quota()

    quota.note(headers('"default";r=0;t=60'))

    assert 0 < quota.seconds_to_wait <= 60


def test_what_needs_the_quota_goes_on_while_our_half_lasts(quota: Quota) -> None:
    quota.require()
    quota.note(headers('"default";r=600;t=30'))
    quota.require()


def test_what_needs_the_quota_is_told_how_long_it_is_kept_for_others(
    quota: Quota, clock: Clock
) -> None:
    quota.note(headers('"default";r=599;t=30'))

    with pytest.raises(QuotaSpentError) as raised:
        quota.require()

    assert str(raised.value) == (
        "Cloudflare's quota is kept for others for another 30 s (599 calls left)"
    )
    clock.now += 30
    quota.require()


def test_after_a_refusal_nothing_that_needs_the_quota_goes_on(quota: Quota) -> None:
    quota.note_refusal("120")

    with pytest.raises(QuotaSpentError, match=r"another 120 s \(0 calls left\)"):
        quota.require()


HEADER = st.text() | st.from_regex(
    r'"?[a-z]*"?\s?(;\s?[a-z]=[0-9.x-]{0,12}){0,3},?', fullmatch=True
)


@given(state=HEADER, policy=HEADER)
@example(state='"default";r=1;t=' + "9" * 400, policy="")
@example(state='"default";r=' + "9" * 5000, policy="")
@example(state='"default";r=1;t=1', policy='"default";q=' + "9" * 5000)
def test_no_header_is_an_error(state: str, policy: str) -> None:
    quota = Quota(Clock())

    quota.note({"Ratelimit": state, "Ratelimit-Policy": policy})

    assert quota.remaining is None or quota.remaining >= 0
    assert 0 <= quota.seconds_to_wait < math.inf


@given(st.none() | st.text() | st.from_regex(r"[0-9.]{1,6}", fullmatch=True))
def test_no_refusal_is_an_error(retry_after: str | None) -> None:
    quota = Quota(Clock())

    seconds = quota.note_refusal(retry_after)

    assert 0 <= seconds < math.inf
    assert quota.seconds_to_wait == pytest.approx(seconds)

"""The event path under pressure: many starts or ends at once, and a quota others need too."""

from __future__ import annotations

import pytest

from tests.simulation.burst import Burst


def test_two_thousand_desktops_at_once_all_resolve_within_the_quota() -> None:
    figures = Burst(desktops=2000, concurrency=20, quota=1200).run()

    assert not figures.problems
    assert len(figures.resolved) == 2000
    assert figures.refused == 0
    assert figures.least_left > 480
    assert figures.calls < 750
    assert "failed" not in figures.runs
    assert figures.resolved[0] < 1
    assert figures.resolved[-1] < 120


def test_330_desktops_that_end_within_a_minute_leave_nothing_and_need_nobody() -> None:
    """More than the limit on deletions, and more than events alone may spend of the quota."""
    figures = Burst(desktops=330, concurrency=20, quota=1200).end()

    assert not figures.problems
    assert len(figures.removed) == 330
    assert figures.refused == 0
    assert figures.least_left > 480
    assert "failed" not in figures.runs
    assert figures.runs["deferred"] > 0
    assert figures.removed[-1] < 120


@pytest.mark.parametrize(
    ("desktops", "concurrency", "quota"), [(1, 1, 1200), (100, 1, 60), (500, 100, 600)]
)
def test_bursts_of_other_sizes(desktops: int, concurrency: int, quota: int) -> None:
    figures = Burst(desktops, concurrency, quota).run()

    assert not figures.problems
    assert len(figures.resolved) == desktops
    assert figures.refused == 0
    assert figures.least_left > 0


def test_below_the_reserve_nothing_is_asked_of_cloudflare() -> None:
    """Runs that are deferred cost no calls, but for those that were under way."""
    figures = Burst(desktops=300, concurrency=5, quota=100).run()

    assert figures.runs["deferred"] > 200
    assert figures.calls < 100
    assert not figures.problems


def test_more_runs_at_a_time_than_the_reserve_allows_exhaust_the_quota() -> None:
    """Why concurrency is limited: every environment has to learn of the quota by itself."""
    figures = Burst(desktops=500, concurrency=200, quota=300).run()

    assert figures.refused > 0
    assert not figures.problems

"""What makes batches fail is remembered over the runs, found in the end, and holds up nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dns.batches import SPLIT_CALLS, Applied, Batches
from chalicelib.dns.provider import RateLimitedError, UnavailableError, UnconfirmedError
from chalicelib.dns.suspects import PROBES
from tests.changes import STEPS, accounted, create, creates, names, refusing
from tests.memory_dns import MemoryZone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.dns.change import Change
    from tests.memory_dns import Failure

UNCLEAR = UnconfirmedError("could not confirm: HTTP 502")


def failing(*numbers: int) -> Failure:
    return refusing(*map(create, numbers), error=UNCLEAR)


class Runs:
    """The runs of one environment, and the zone that fails them."""

    def __init__(self, fail: Failure, size: int = 10) -> None:
        self.zone = MemoryZone(fail, size=size)
        self.applied = Applied()
        self._batches = Batches(self.zone)

    def run(self, changes: Sequence[Change]) -> list[int]:
        """Make what is still to be made, as a sweep does that has read the zone again.

        Returns the sizes of the calls.
        """
        self.zone.calls.clear()
        made = set(self.zone.carried_out)
        to_do = [change for change in changes if change not in made]
        self.applied = self._batches.apply(to_do, STEPS)
        accounted(self.applied, to_do)
        return self.zone.sizes

    def run_anew(self, changes: Sequence[Change]) -> list[int]:
        """Run when the zone has lost everything that was made."""
        self.zone.carried_out.clear()
        self.zone.records.clear()
        return self.run(changes)


# Refused


@pytest.fixture
def refused() -> Runs:
    """Make runs of which the first has found the second of twenty changes to be refused."""
    runs = Runs(refusing(create(1)))
    runs.run(creates(20))
    return runs


def test_what_was_refused_alone_is_tried_last_and_by_itself_until_taken(refused: Runs) -> None:
    assert refused.run_anew(creates(20)) == [10, 9, 1]
    assert refused.zone.calls[-1] == [create(1)]
    assert names(refused.applied.refused) == [create(1)]

    refused.zone.fail.clear()
    assert refused.run_anew(creates(20)) == [10, 9, 1]
    assert refused.applied.left == []
    assert refused.run_anew(creates(20)) == [10, 10]


def test_what_was_refused_is_remembered_over_a_run_that_did_not_get_to_it(refused: Runs) -> None:
    refused.zone.fail.insert(0, lambda _: RateLimitedError("HTTP 429", 300))
    refused.run_anew(creates(20))
    del refused.zone.fail[0]

    assert refused.run_anew(creates(20)) == [10, 9, 1]


# Without a clear answer


def test_a_change_that_makes_batches_fail_is_alone_in_the_fifth_run() -> None:
    runs = Runs(failing(137), size=200)

    sizes = [runs.run(creates(200)) for _ in range(6)]

    assert sizes == [[200], [200], [25] * 8, [3] * 8 + [1], [1] * 3, [1]]
    assert runs.applied.left == [(create(137), str(UNCLEAR))]


def test_new_changes_go_first_and_in_whole_batches() -> None:
    runs = Runs(failing(0))
    for more in range(3):
        runs.run(creates(10 + 10 * more))

        first = runs.zone.calls[0]
        assert len(first) == 10
        assert create(0) not in first or more == 0


def test_what_was_never_sent_makes_nothing_suspect() -> None:
    runs = Runs(refusing(create(0), error=UnavailableError("could not reach Cloudflare")))

    assert [runs.run(creates(10)) for _ in range(4)] == [[10]] * 4


def test_an_outage_costs_few_calls_and_afterwards_everything_is_made_at_once() -> None:
    runs = Runs(lambda _: UNCLEAR, size=100)
    sizes = [runs.run(creates(1000)) for _ in range(12)]
    assert [len(each) for each in sizes[2:]] == [3] * 10
    runs.zone.fail.clear()

    assert len(runs.run(creates(1000))) <= PROBES
    assert runs.applied.left == []


def test_a_run_that_is_cut_short_clears_nobody() -> None:
    runs = Runs(failing(0))
    for _ in range(2):
        runs.run(creates(10))
    runs.zone.fail.insert(0, lambda _: RateLimitedError("HTTP 429", 300))
    runs.run(creates(10))
    del runs.zone.fail[0]

    assert runs.run(creates(10)) == [1] * 10


def test_what_no_longer_makes_a_batch_fail_goes_with_the_others_again() -> None:
    runs = Runs(failing(0))
    for _ in range(3):
        runs.run(creates(10))
    runs.zone.fail.clear()
    runs.run(creates(10))

    assert runs.run_anew(creates(10)) == [10]


def test_a_run_spends_no_more_than_so_many_calls_on_suspects() -> None:
    runs = Runs(failing(*range(0, 400, 10)), size=200)
    for _ in range(12):
        sizes = runs.run([*creates(400), create(1000 + len(runs.zone.carried_out))])
        assert len(sizes) <= 1 + 1 + PROBES


@given(
    count=st.integers(1, 400),
    size=st.integers(1, 200),
    bad=st.sets(st.integers(0, 399), max_size=5),
)
def test_what_is_not_bad_is_made_within_a_few_runs_and_nothing_is_tried_twice_in_one(
    count: int, size: int, bad: set[int]
) -> None:
    runs = Runs(failing(*bad), size=size)
    wrong = [create(number) for number in sorted(bad) if number < count]

    for _ in range(9):
        assert len(runs.run(creates(count))) <= 2 + -(-count // size) + SPLIT_CALLS
        tried = [change for call in runs.zone.calls for change in call]
        assert len(tried) == len(set(tried))

    assert sorted(map(str, names(runs.applied.left))) == sorted(map(str, wrong))

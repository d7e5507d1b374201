"""What makes batches fail without a clear answer is found over the runs, and holds up nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dns.batches import SPLIT_CALLS, Batches
from chalicelib.dns.provider import RateLimitedError, UnavailableError, UnconfirmedError
from chalicelib.dns.suspects import PROBES
from tests.changes import STEPS, accounted, create, creates, names, refusing
from tests.memory_dns import MemoryZone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.dns.batches import Applied
    from chalicelib.dns.change import Change
    from tests.memory_dns import Failure

UNCLEAR = UnconfirmedError("could not confirm: HTTP 502")


def failing(*numbers: int) -> Failure:
    return refusing(*map(create, numbers), error=UNCLEAR)


def everything(_: Sequence[Change]) -> Exception:
    return UNCLEAR


def run(batches: Batches, zone: MemoryZone, changes: Sequence[Change]) -> Applied:
    """Make what is still to be made, as a sweep would after it has looked again."""
    zone.calls.clear()
    made = set(zone.carried_out)
    to_do = [change for change in changes if change not in made]
    applied = batches.apply(to_do, STEPS)
    accounted(applied, to_do)
    return applied


def test_a_change_that_makes_batches_fail_is_alone_in_the_fifth_run() -> None:
    zone = MemoryZone(failing(137))
    batches, changes = Batches(zone), creates(200)

    sizes = []
    for _ in range(6):
        applied = run(batches, zone, changes)
        sizes.append(zone.sizes)

    assert sizes[:2] == [[200], [200]]
    assert sizes[2] == [25] * 8
    assert sizes[3] == [3] * 8 + [1]
    assert sizes[4:] == [[1] * 3, [1]]
    assert applied.left == [(create(137), str(UNCLEAR))]


def test_a_batch_of_unknown_outcome_is_not_repeated_before_the_zone_is_read_again() -> None:
    zone = MemoryZone(failing(0), size=10)
    batches = Batches(zone)

    for _ in range(4):
        run(batches, zone, creates(10))

        tried = [change for call in zone.calls for change in call]
        assert len(tried) == len(set(tried))


def test_new_changes_go_first_and_in_whole_batches() -> None:
    zone = MemoryZone(failing(0), size=10)
    batches = Batches(zone)
    for more in range(3):
        run(batches, zone, creates(10 + 10 * more))

        assert len(zone.calls[0]) == 10
        assert create(0) not in zone.calls[0] or more == 0


def test_what_was_never_sent_makes_nothing_suspect() -> None:
    zone = MemoryZone(
        refusing(create(0), error=UnavailableError("could not reach Cloudflare")), size=10
    )
    batches = Batches(zone)

    for _ in range(4):
        run(batches, zone, creates(10))

        assert zone.sizes == [10]


def test_an_outage_costs_few_calls_and_afterwards_everything_is_made_at_once() -> None:
    zone = MemoryZone(everything, size=100)
    batches = Batches(zone)
    for _ in range(2):
        run(batches, zone, creates(1000))
    for _ in range(10):
        run(batches, zone, creates(1000))
        assert len(zone.calls) == 3
    zone.fail.clear()

    applied = run(batches, zone, creates(1000))

    assert applied.left == []
    assert len(zone.calls) <= PROBES


def test_a_run_that_is_cut_short_clears_nobody() -> None:
    zone = MemoryZone(failing(0), size=10)
    batches = Batches(zone)
    for _ in range(2):
        run(batches, zone, creates(10))
    zone.fail.insert(0, lambda _: RateLimitedError("HTTP 429", 300))
    run(batches, zone, creates(10))
    del zone.fail[0]

    run(batches, zone, creates(10))

    assert zone.sizes == [1] * 10


def test_what_no_longer_makes_a_batch_fail_goes_with_the_others_again() -> None:
    zone = MemoryZone(failing(0), size=10)
    batches = Batches(zone)
    for _ in range(3):
        run(batches, zone, creates(10))
    zone.fail.clear()
    run(batches, zone, creates(10))
    zone.carried_out.clear()
    zone.records.clear()

    run(batches, zone, creates(10))

    assert zone.sizes == [10]


def test_a_run_spends_no_more_than_so_many_calls_on_suspects() -> None:
    bad = range(0, 400, 10)
    zone = MemoryZone(failing(*bad))
    batches = Batches(zone)

    for _ in range(12):
        run(batches, zone, [*creates(400), create(1000 + len(zone.carried_out))])
        assert len(zone.calls) <= 1 + 1 + PROBES


@given(
    count=st.integers(1, 400),
    size=st.integers(1, 200),
    bad=st.sets(st.integers(0, 399), max_size=5),
)
def test_what_is_not_bad_is_made_within_a_few_runs(count: int, size: int, bad: set[int]) -> None:
    zone = MemoryZone(failing(*bad), size=size)
    batches, changes = Batches(zone), creates(count)
    wrong = [create(number) for number in sorted(bad) if number < count]

    for _ in range(9):
        applied = run(batches, zone, changes)
        assert len(zone.calls) <= 2 + -(-count // size) + SPLIT_CALLS

    assert sorted(map(str, names(applied.left))) == sorted(map(str, wrong))

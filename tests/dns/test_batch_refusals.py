"""What a batch does not take: a full zone, what is remembered, and that nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.batches import SPLIT_CALLS, Batches
from chalicelib.dns.provider import (
    NameOccupiedError,
    QuotaSpentError,
    RateLimitedError,
    RecordExistsError,
    RecordNotFoundError,
    RejectedError,
    UnavailableError,
    UnconfirmedError,
    ZoneFullError,
)
from tests.changes import (
    STEPS,
    apply,
    at_call,
    create,
    creates,
    delete,
    names,
    refusing,
    update,
)
from tests.memory_dns import MemoryZone

if TYPE_CHECKING:
    from chalicelib.dns.change import Change

# A zone that is full


def test_a_full_zone_takes_what_it_can_and_refuses_once() -> None:
    """A person has to act; one call for each record would tell nothing more."""
    zone = MemoryZone(room=30)

    applied = apply(zone, creates(600))

    assert applied.done == creates(30)
    assert applied.refused == [(create(30), "the zone is full")]
    assert {why for _, why in applied.left} == {"the zone is full"}
    assert len(zone.calls) < 25


def test_a_full_zone_does_not_keep_deletions_and_updates_back() -> None:
    zone = MemoryZone(size=4, room=1)
    changes: list[Change] = [delete(1), update(2), create(3), create(4), create(5), create(6)]

    applied = apply(zone, changes)

    assert applied.done == changes[:2]
    assert not {delete(1), update(2)} & {*names(applied.left), *names(applied.refused)}


# The next runs of the same environment


def test_what_was_refused_alone_is_tried_last_and_by_itself() -> None:
    zone = MemoryZone(refusing(create(1)), size=10)
    batches = Batches(zone)
    batches.apply(creates(20), STEPS)
    zone.records.clear()
    zone.calls.clear()

    applied = batches.apply(creates(20), STEPS)

    assert zone.calls[-1] == [create(1)]
    assert zone.sizes == [10, 9, 1]
    assert names(applied.refused) == [create(1)]


def test_what_was_refused_once_is_done_when_it_is_taken() -> None:
    zone = MemoryZone(refusing(create(1)), size=10)
    batches = Batches(zone)
    batches.apply(creates(20), STEPS)
    zone.fail.clear()
    zone.records.clear()

    assert batches.apply(creates(20), STEPS).left == []
    zone.records.clear()
    zone.calls.clear()
    batches.apply(creates(20), STEPS)

    assert zone.sizes == [10, 10]


def test_what_was_refused_is_remembered_over_a_run_that_did_not_get_to_it() -> None:
    zone = MemoryZone(refusing(create(1)), size=10)
    batches = Batches(zone)
    batches.apply(creates(20), STEPS)
    zone.fail.insert(0, lambda _: RateLimitedError("HTTP 429", 300))
    batches.apply(creates(20), STEPS)
    del zone.fail[0]
    zone.records.clear()
    zone.calls.clear()

    batches.apply(creates(20), STEPS)

    assert zone.sizes == [10, 9, 1]


# Whatever happens


PASSING = [
    UnavailableError("HTTP 502"),
    UnconfirmedError("HTTP 524"),
    RateLimitedError("HTTP 429", 300),
    OutOfTimeError("no time left"),
    QuotaSpentError("kept for others"),
]
REFUSALS = [
    RejectedError("9003"),
    NameOccupiedError("a CNAME"),
    RecordExistsError("81058"),
    RecordNotFoundError("81044"),
    ZoneFullError("81045"),
]


@given(
    count=st.integers(0, 60),
    size=st.integers(1, 20),
    bad=st.dictionaries(st.integers(0, 59), st.sampled_from(REFUSALS), max_size=8),
    passing=st.dictionaries(st.integers(1, 30), st.sampled_from(PASSING), max_size=3),
)
def test_every_change_is_accounted_for_whatever_fails(
    count: int, size: int, bad: dict[int, Exception], passing: dict[int, Exception]
) -> None:
    fails = [at_call(number, error) for number, error in passing.items()]
    fails += [refusing(create(number), error=error) for number, error in bad.items()]
    zone = MemoryZone(*fails, size=size)

    applied = apply(zone, creates(count))

    assert set(names(applied.refused)) <= {create(number) for number in bad}
    assert not set(applied.done) & {create(number) for number in bad}
    assert len(zone.calls) <= -(-count // size) + SPLIT_CALLS


@given(
    count=st.integers(1, 400),
    size=st.integers(50, 200),
    bad=st.sets(st.integers(0, 399), max_size=3),
)
def test_what_is_not_bad_goes_through_beside_a_few_that_are(
    count: int, size: int, bad: set[int]
) -> None:
    wrong = [create(number) for number in sorted(bad) if number < count]
    zone = MemoryZone(refusing(*wrong), size=size)

    applied = apply(zone, creates(count))

    assert applied.left == []
    assert sorted(map(str, names(applied.refused))) == sorted(map(str, wrong))

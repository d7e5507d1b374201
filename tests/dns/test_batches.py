"""Many changes in few calls: what is refused stands alone and holds nothing up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.deadline import Deadline, OutOfTimeError
from chalicelib.dns.batches import SPLIT_CALLS, Applied, Batches
from chalicelib.dns.provider import (
    NameOccupiedError,
    QuotaSpentError,
    RateLimitedError,
    RecordExistsError,
    RecordNotFoundError,
    RejectedError,
    UnavailableError,
    UnconfirmedError,
    WrongZoneError,
    ZoneFullError,
)
from chalicelib.secrets import SecretError
from chalicelib.step import Steps
from tests.changes import (
    STEPS,
    Hanging,
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


UNCLEAR = [UnavailableError("HTTP 502"), UnconfirmedError("HTTP 524")]
NO_MORE_CALLS = [RateLimitedError("HTTP 429", 300), OutOfTimeError("no time left")]

# Without a failure


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(0, 200, []), (200, 200, [200]), (201, 200, [200, 1]), (450, 3500, [450]), (3, 1, [1, 1, 1])],
)
def test_many_changes_are_as_few_calls_as_can_be(count: int, size: int, sizes: list[int]) -> None:
    zone = MemoryZone(size=size)

    applied = apply(zone, creates(count))

    assert applied == Applied(creates(count), [], [])
    assert zone.sizes == sizes


def test_changes_are_made_in_the_order_in_which_they_come() -> None:
    changes: list[Change] = [delete(1), delete(2), update(3), create(4), create(5)]
    zone = MemoryZone(size=2)

    apply(zone, changes)

    assert zone.calls == [changes[:2], changes[2:4], changes[4:]]


# What fails in passing


@pytest.mark.parametrize("error", UNCLEAR)
def test_a_batch_that_fails_in_passing_is_left_and_the_others_go_on(error: Exception) -> None:
    zone = MemoryZone(at_call(2, error), size=10)

    applied = apply(zone, creates(30))

    assert applied.left == [(change, str(error)) for change in creates(30)[10:20]]
    assert applied.done == creates(30)[:10] + creates(30)[20:]
    assert zone.sizes == [10, 10, 10]


@pytest.mark.parametrize("error", NO_MORE_CALLS)
def test_after_a_refusal_of_every_call_none_is_made(error: Exception) -> None:
    zone = MemoryZone(at_call(2, error), size=10)

    applied = apply(zone, creates(50))

    assert applied.done == creates(50)[:10]
    assert applied.left == [(change, str(error)) for change in creates(50)[10:]]
    assert zone.sizes == [10, 10]


@pytest.mark.parametrize(
    "error",
    [TokenRefusedError("no"), WrongZoneError("no"), SecretError("no"), ValueError("a mistake")],
)
def test_what_a_person_has_to_fix_is_raised_at_once(error: Exception) -> None:
    zone = MemoryZone(at_call(2, error), size=10)

    with pytest.raises(type(error)):
        Batches(zone).apply(creates(50), STEPS)

    assert zone.sizes == [10, 10]


# What the caller holds back


@pytest.mark.parametrize(("calls", "done"), [(0, 0), (1, 0), (2, 10)])
def test_once_nothing_may_be_written_everything_not_yet_done_is_left(calls: int, done: int) -> None:
    """Asked before each call, those that split a refused batch as well."""
    zone = MemoryZone(refusing(create(0)), size=10)
    too_old = "what was read is too old"

    applied = Batches(zone).apply(
        creates(20), STEPS, may_write=lambda: too_old if len(zone.calls) >= calls else ""
    )

    assert len(zone.calls) == calls
    assert {why for _, why in applied.left} == {too_old}
    assert (applied.refused, len(applied.done)) == ([], done)


def test_a_batch_that_hangs_is_left_at_the_deadline_and_the_others_with_it() -> None:
    """A resolver may take longer than any time-out of the request."""
    zone = MemoryZone(size=10)
    steps = Steps(Hanging(), Deadline(0.2, lambda: 0))

    applied = Batches(zone).apply(creates(20), steps)

    reason = "no time left while waiting to write 10 records; its outcome is unknown"
    assert applied.left == [(change, reason) for change in creates(20)]


# What is refused


@pytest.mark.parametrize(
    ("count", "bad", "calls"),
    [
        (1, [0], 1),
        (200, [199], 17),  # 200, then two halves for each of 8 halvings
        (200, [0, 1, 199], 31),  # the first two share all halvings but the last
    ],
)
def test_what_is_bad_is_found_alone_and_the_others_go_through(
    count: int, bad: list[int], calls: int
) -> None:
    zone = MemoryZone(refusing(*map(create, bad)))

    applied = apply(zone, creates(count))

    assert applied.refused == [(create(number), "no such thing") for number in bad]
    assert applied.left == []
    assert len(zone.calls) == calls


def test_every_other_batch_goes_first() -> None:
    """What is wrong with one must not use up the time or the quota of the others."""
    zone = MemoryZone(refusing(create(3)), size=10)

    apply(zone, creates(30))

    assert zone.sizes[:3] == [10, 10, 10]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (create(1), RecordExistsError("81058 identical")),
        (update(1), RecordNotFoundError("81044 gone")),
    ],
)
def test_a_zone_that_changed_is_left_to_the_next_run(change: Change, error: Exception) -> None:
    """An event or another sweep was faster, which is nobody's fault."""
    zone = MemoryZone(refusing(change, error=error))

    applied = apply(zone, [change, create(2), create(3)])

    assert applied.left == [(change, f"the zone has changed since it was read ({error})")]
    assert applied.done == [create(2), create(3)]
    assert applied.refused == []


def test_however_much_is_refused_a_run_spends_no_more_than_so_many_calls_on_it() -> None:
    everything = creates(1000)
    zone = MemoryZone(refusing(*everything))

    applied = apply(zone, everything)

    assert len(zone.calls) == 5 + SPLIT_CALLS
    assert applied.done == []
    assert len(applied.refused) > 0
    reason = "rejected together with others (no such thing)"
    assert {why for _, why in applied.left} == {reason}


@pytest.mark.parametrize("error", NO_MORE_CALLS)
def test_a_search_that_is_cut_short_leaves_the_rest(error: Exception) -> None:
    zone = MemoryZone(at_call(4, error), refusing(create(0)), size=16)

    applied = apply(zone, creates(32))

    assert len(zone.calls) == 4
    assert applied.done == creates(32)[16:]
    assert applied.left == [(change, str(error)) for change in creates(16)]


# A zone that is full


def test_a_full_zone_takes_what_it_can_and_refuses_once() -> None:
    """A person has to act; one call for each record would reveal nothing more."""
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


# Any failures


PASSING = [*UNCLEAR, *NO_MORE_CALLS, QuotaSpentError("kept for others")]
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

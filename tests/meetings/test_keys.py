"""A meeting's id and its keys, one for each role, can be derived again and not be guessed."""

from __future__ import annotations

import hmac
import random
import re
from collections import Counter
from unittest.mock import Mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.meeting_row.meeting import ROLES
from chalicelib.meetings.keys import Seed, hash_of, join_keys, opens

SECRET = b"the stage's secret"


def derived(key: str, caller: str = "front end", secret: bytes = SECRET) -> Seed:
    return Seed.derived(secret, caller, key)


def test_ids_and_keys_are_unique_and_long_enough_not_to_be_guessed() -> None:
    seeds = [Seed.random() for _ in range(300)]

    ids = {each.meeting_id for each in seeds}
    keys = {key for each in ids for key in join_keys(SECRET, each).values()}
    assert all(re.fullmatch("[a-z0-9]{16}", each) for each in ids)
    assert all(re.fullmatch("[A-Za-z0-9_-]{24}", each) for each in keys)
    assert (len(ids), len(keys)) == (300, 600)


def test_ids_come_from_no_generator_that_can_be_predicted() -> None:
    """The guide's came from the module random, whose numbers reveal the next ones."""
    state = random.getstate()
    ids = set()
    for _ in range(2):
        random.seed(7)
        ids.add(Seed.random().meeting_id)
    random.setstate(state)

    assert len(ids) == 2


def test_every_letter_and_digit_occurs_about_as_often() -> None:
    """Fewer than 36 of them, or some that are rare, would make ids easier to guess."""
    letters = Counter("".join(derived(str(n)).meeting_id for n in range(1000)))

    assert len(letters) == 36
    assert max(letters.values()) < 1.5 * min(letters.values())


SAME = ("order 1", "front end", SECRET)


@given(st.tuples(st.text(max_size=40), st.text(max_size=40), st.binary(min_size=1, max_size=40)))
@example(SAME)
@example(("order 1", "front end", b"another"))
@example(("1", "front end order", SECRET))
@example(('1", "x', "front end", SECRET))
def test_the_same_request_of_the_same_caller_gives_the_same_id_and_no_other_does(
    other: tuple[str, str, bytes],
) -> None:
    one, another = derived(*SAME), derived(*other)

    assert (one.meeting_id == another.meeting_id) == (other == SAME)


@given(st.text(max_size=20), st.binary(min_size=1, max_size=40))
@example("abc", SECRET)
@example("abd", SECRET)
@example("abc", b"another")
def test_the_keys_of_a_meeting_are_always_the_same_and_of_no_other_one(
    meeting_id: str, secret: bytes
) -> None:
    one, another = join_keys(SECRET, "abc"), join_keys(secret, meeting_id)

    assert one["teacher"] != one["student"]
    for role in ROLES:
        assert (one[role] == another[role]) == ((meeting_id, secret) == ("abc", SECRET))


def test_no_caller_can_repeat_a_request_of_another_by_choosing_names() -> None:
    whose = [("a", "bc"), ("ab", "c"), ("a b", "c"), ("a", "b c"), ('a", "b', "c"), ("a", 'b", "c')]

    assert len({derived(key, caller).meeting_id for caller, key in whose}) == len(whose)


def test_each_attempt_has_its_own_id() -> None:
    seed = derived("order 1")
    attempts = [seed.attempt(number) for number in range(10)]

    assert attempts[0] == seed
    assert len({each.meeting_id for each in attempts}) == 10
    assert seed.attempt(3) == seed.attempt(3)


@pytest.mark.parametrize("key", [None, "", "wrong", "\ud800", "k\u00e9y"])
@pytest.mark.parametrize("key_hash", ["", hash_of("right"), "n\u00f6 hash", "\ud800"])
def test_no_other_key_opens_a_link(key: str | None, key_hash: str) -> None:
    assert not opens(key, key_hash)
    assert not opens(None, hash_of(""))


@pytest.mark.parametrize("key", [None, "", "x", "wrong", "right"])
def test_the_time_of_a_comparison_reveals_nothing(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only this function of Python's library takes as long wherever the texts differ."""
    compare = Mock(wraps=hmac.compare_digest)
    monkeypatch.setattr(hmac, "compare_digest", compare)

    assert opens(key, hash_of("right")) == (key == "right")

    ((shown, stored),) = [call.args for call in compare.call_args_list]
    assert len(shown) == len(stored) == 64


def test_a_seed_is_never_shown() -> None:
    seed = Seed(b"very secret material")

    assert "secret" not in f"{seed} {seed!r}"

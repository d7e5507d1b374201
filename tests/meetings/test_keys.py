"""A seed gives an id and two keys that nobody can guess, and the same seed the same ones."""

from __future__ import annotations

import hmac
import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.meeting_row.meeting import ROLES
from chalicelib.meetings.keys import Seed, hash_of, key_hash_attribute, opens

SECRET = b"the stage's secret"


def derived(key: str, caller: str = "front end", secret: bytes = SECRET) -> Seed:
    return Seed.derived(secret, caller, key)


def test_an_id_is_16_letters_and_digits_as_the_table_has_them() -> None:
    ids = [Seed.random().meeting_id for _ in range(300)]

    assert all(re.fullmatch("[a-z0-9]{16}", each) for each in ids)
    assert len(set(ids)) == 300


def test_ids_come_from_no_generator_that_can_be_foreseen() -> None:
    """The guide's came from the module random, whose numbers tell the next ones."""
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


def test_a_key_stands_in_an_address_as_it_is_and_is_long_enough_not_to_be_guessed() -> None:
    for role in ROLES:
        assert re.fullmatch(r"[A-Za-z0-9_-]{24}", Seed.random().join_key(role))


def test_the_same_request_gives_the_same_id_and_keys() -> None:
    first, again = derived("order 1"), derived("order 1")

    assert first.meeting_id == again.meeting_id
    assert first.join_key("teacher") == again.join_key("teacher")


@given(st.text(max_size=40), st.text(max_size=40))
def test_other_requests_give_other_ids_and_keys(one: str, other: str) -> None:
    seeds = derived(one), derived(other)

    assert (seeds[0].meeting_id == seeds[1].meeting_id) == (one == other)
    assert (seeds[0].join_key("student") == seeds[1].join_key("student")) == (one == other)


def test_two_callers_requests_are_two_whatever_they_are_called() -> None:
    whose = [("a", "bc"), ("ab", "c"), ("a b", "c"), ("a", "b c"), ('a", "b', "c"), ("a", 'b", "c')]

    assert len({derived(key, caller).meeting_id for caller, key in whose}) == len(whose)


def test_nobody_without_the_secret_finds_the_keys_of_a_request() -> None:
    seeds = derived("order 1"), derived("order 1", secret=b"another")

    assert seeds[0].meeting_id != seeds[1].meeting_id
    assert seeds[0].join_key("teacher") != seeds[1].join_key("teacher")


def test_a_link_is_good_for_its_role_only() -> None:
    seed = Seed.random()
    teacher, student = seed.join_key("teacher"), seed.join_key("student")

    assert opens(teacher, hash_of(teacher))
    assert not opens(teacher, hash_of(student))
    assert not opens(student, hash_of(teacher))


def test_each_attempt_has_an_id_and_keys_of_its_own() -> None:
    seed = derived("order 1")
    attempts = [seed.attempt(number) for number in range(10)]

    assert attempts[0] == seed
    assert len({each.meeting_id for each in attempts}) == 10
    assert len({each.join_key("teacher") for each in attempts}) == 10
    assert seed.attempt(3) == seed.attempt(3)


@pytest.mark.parametrize("key", [None, "", "wrong", "\ud800", "k\u00e9y"])
@pytest.mark.parametrize("key_hash", ["", hash_of("right"), "n\u00f6 hash", "\ud800"])
def test_what_is_no_key_opens_nothing(key: str | None, key_hash: str) -> None:
    assert not opens(key, key_hash)


@pytest.mark.parametrize("key", [None, "", "x", "wrong", "right"])
def test_the_time_of_a_comparison_tells_nothing(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only this function of Python's library takes as long for whatever differs where."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def noting(shown: bytes, stored: bytes) -> bool:
        compared.append((shown, stored))
        return compare(shown, stored)

    monkeypatch.setattr(hmac, "compare_digest", noting)

    assert opens(key, hash_of("right")) == (key == "right")

    ((shown, stored),) = compared
    assert len(shown) == len(stored) == 64


def test_no_key_is_no_empty_key() -> None:
    assert not opens(None, hash_of(""))


def test_the_row_has_an_attribute_for_each_roles_hash() -> None:
    assert [key_hash_attribute(role) for role in ROLES] == [
        "teacher_key_hash",
        "student_key_hash",
    ]


def test_a_seed_is_never_shown() -> None:
    seed = Seed(b"very secret material")

    assert "secret" not in f"{seed} {seed!r}"

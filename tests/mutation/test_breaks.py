"""The list of breaks does not rot: each applies to the code as it is, and changes it."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.mutation.breaks import BREAKS
from tests.mutation.broken import Break, Rule, StaleBreakError

PROJECT = Path(__file__).parents[2]


@cache
def source(path: str) -> str:
    return (PROJECT / path).read_text()


@cache
def meaning(text: str) -> str:
    """Spell what a source says, without its layout and comments."""
    return ast.dump(ast.parse(text))


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.name)
def test_a_break_makes_other_python_of_the_code_as_it_is(each: Break) -> None:
    before = source(each.path)

    after = each.apply(before)

    compile(after, each.path, "exec")
    assert meaning(after) != meaning(before)


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.name)
def test_a_breaks_tests_are_there(each: Break) -> None:
    assert each.tests
    assert [name for name in each.tests if not (PROJECT / "tests" / name).is_file()] == []


def test_no_two_breaks_are_the_same() -> None:
    assert len({each.name for each in BREAKS}) == len(BREAKS)
    assert len({(each.path, each.apply(source(each.path))) for each in BREAKS}) == len(BREAKS)


def test_every_rule_is_broken_several_times() -> None:
    counts = Counter(each.rule for each in BREAKS)

    assert set(counts) == set(Rule)
    assert min(counts.values()) >= 5
    assert len(BREAKS) >= 60


@pytest.mark.parametrize("source_text", ["", "x = 1; x = 1"])
def test_a_break_applies_to_one_place_only(source_text: str) -> None:
    stale = Break("stale", Rule.ROW, "row", old="x = 1", new="x = 2", tests=("test_row.py",))

    with pytest.raises(StaleBreakError, match=r"stale: chalicelib/row\.py has its text [02] times"):
        stale.apply(source_text)

"""The check itself, on a project of one module: what it says of a break is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mutation.broken import Break, Rule, StaleBreakError
from tests.mutation.check import BaselineError, Judged, check, report
from tests.mutation.workshop import Fate, Verdict

if TYPE_CHECKING:
    from pathlib import Path

MODULE = (
    "def double(number):\n    return number * 2\n\n\ndef half(number):\n    return number / 2\n"
)
DOUBLE = "from chalicelib.row import double\n\n\ndef test_double():\n    assert double(3) == 6\n"
HALF = "from chalicelib.row import half\n\n\ndef test_half():\n    assert half(0) == 0\n"


def make_break(old: str, new: str) -> Break:
    return Break(f"{old} is {new}", Rule.ROW, "row", old, new, ("test_double.py",))


WRONG = make_break("number * 2", "number * 3")
ELSEWHERE = make_break("number / 2", "number + 2")
UNNOTICED = make_break("number / 2", "number / 3")
SENSELESS = make_break("def double", "def twice")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project, whose tests need none of pytest's plugins."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    directory = tmp_path / "project"
    files = {
        "chalicelib/row.py": MODULE,
        "tests/test_double.py": DOUBLE,
        "tests/simulation/test_half.py": HALF,
    }
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def test_every_break_gets_its_verdict_and_the_project_is_left_as_it_is(
    project: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    breaks = (WRONG, ELSEWHERE, UNNOTICED, SENSELESS)

    judged = check(project, tmp_path / "copies", breaks, 2, said.append)

    assert [each.mistake for each in judged] == list(breaks)
    assert [each.verdict.fate for each in judged] == [
        Fate.CAUGHT,
        Fate.CAUGHT,
        Fate.SURVIVED,
        Fate.UNCLEAR,
    ]
    assert judged[0].verdict.told_by == "test_double.py::test_double"
    assert judged[1].verdict.told_by == "simulation/test_half.py::test_half"
    assert (project / "chalicelib/row.py").read_text() == MODULE
    assert len(said) == 6


def test_nothing_is_judged_by_a_suite_that_fails_anyway(project: Path, tmp_path: Path) -> None:
    (project / "tests/test_double.py").write_text("def test_it():\n    raise ValueError\n")

    with pytest.raises(BaselineError, match=r"without any break: test_double\.py::test_it"):
        check(project, tmp_path / "copies", [WRONG], 1, print)


def test_nothing_is_judged_when_a_break_does_not_apply(project: Path, tmp_path: Path) -> None:
    with pytest.raises(StaleBreakError):
        check(project, tmp_path / "copies", [WRONG, make_break("no", "yes")], 1, print)


def test_a_report_has_a_line_for_each_break_and_a_summary() -> None:
    judged = [
        Judged(WRONG, Verdict(Fate.CAUGHT, "test_double.py::test_double")),
        Judged(UNNOTICED, Verdict(Fate.SURVIVED)),
    ]

    assert report(judged, 90.0).splitlines() == [
        "",
        Rule.ROW.value,
        "  caught    row: number * 2 is number * 3  test_double.py::test_double",
        "  SURVIVED  row: number / 2 is number / 3",
        "",
        "2 breaks: 1 caught, 1 SURVIVED; 1.5 minutes",
    ]

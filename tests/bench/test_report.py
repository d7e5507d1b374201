"""The table: a row for each figure, with ratio and limit, and the same as JSON."""

from pathlib import Path

import pytest

from bench import machine, report
from bench.figure import Figure, Limit, Spread

TRIPS = Figure("One event", "round trips", "", Spread.exact(3), Spread.exact(5), "guide", Limit(3))
CPU = Figure(
    "Cold start", "CPU", "ms", Spread(310.2, 300, 320, 9), Spread(300, 300, 300, 9), "guide",
    Limit(0.8, of_other=True),
)  # fmt: skip
LAST = Figure("Burst", "time until the last", "s", Spread.exact(361), None, "guide")
NEVER = Figure("Burst", "time until ours", "s", None, limit=Limit(400))
ZIP = Figure("Cold start", "zip", "MiB", Spread.exact(1.09), note="as deployed")
MONTH = Figure("Cost", "a month", "$", Spread.exact(5.456))


def cells(name: str) -> list[str]:
    table = report.to_markdown([TRIPS, CPU, ZIP, LAST, NEVER, MONTH], {"python": "3.13"})
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_row_has_both_sides_their_ratio_and_the_limit() -> None:
    assert cells("round trips") == ["3", "5", "guide", "0.60", "3", "kept"]
    both = ["310 ms (300-320)", "300 ms", "guide"]
    assert cells("CPU") == [*both, "1.03", "ratio 0.8", "**BROKEN**"]
    assert cells("zip") == ["1.09 MiB", "", "", "", "", ""]
    assert cells("a month") == ["$5.46", "", "", "", "", ""]


def test_what_never_ends_is_said_and_over_every_limit() -> None:
    assert cells("time until the last") == ["361 s", "never", "guide", "", "", ""]
    assert cells("time until ours") == ["never", "", "", "", "400 s", "**BROKEN**"]


def test_every_line_of_the_table_is_as_long_and_notes_and_machine_follow() -> None:
    lines = report.to_markdown([TRIPS, CPU, ZIP], machine.describe()).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    assert "- zip: as deployed" in lines
    assert any(line.startswith("- python: 3.") for line in lines)


def test_a_spread_has_quartiles_or_the_extremes_of_a_few() -> None:
    assert Spread.of([3, 1, 2]) == Spread(2, 1, 3, 3)
    assert Spread.of([1, 2, 3, 4, 5, 6, 7]) == Spread(4, 2, 6, 7)
    assert Spread.of([1, 2, 3]).scaled(1000) == Spread(2000, 1000, 3000, 3)


def test_the_table_takes_its_place_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.embed(page, "| new |\n")
    report.embed(page, "| newer |\n")
    assert page.read_text() == f"before\n{report.BEGIN}\n\n| newer |\n\n{report.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="has no"):
        report.embed(page, "| new |\n")

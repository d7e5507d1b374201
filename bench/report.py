"""The table of all figures, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.figure import Figure, Limit, Spread

HEADER: Final = ("figure", "ours", "other", "who", "ratio", "limit", "")
BEGIN: Final = "<!-- what make bench measured -->"
END: Final = "<!-- end -->"
_RIGHT = {1, 2, 4, 5}
_LARGE, _SMALL, _TENTH = 100, 10, 0.1
_SHARE_OF_SPREAD = 0.005


def to_markdown(figures: Sequence[Figure], machine: Mapping[str, str]) -> str:
    """Write one table, a row for each figure, and below it what was measured on what."""
    rows: list[tuple[str, ...]] = [HEADER]
    group = ""
    for figure in figures:
        if figure.group != group:
            group = figure.group
            rows.append((f"**{group}**", *[""] * (len(HEADER) - 1)))
        rows.append(_row(figure))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    ruler = ["-" * (width - 1) + (":" if i in _RIGHT else "-") for i, width in enumerate(widths)]
    lines = [_line(rows[0], widths), _line(ruler, widths)]
    lines += [_line(row, widths) for row in rows[1:]]
    notes = dict.fromkeys(f"- {each.name}: {each.note}" for each in figures if each.note)
    about = [f"- {name}: {value}" for name, value in machine.items()]
    return "\n".join([*lines, "", *notes, "", "Measured on:", "", *about, ""])


def embed(page: Path, text: str) -> None:
    """Put the text between the page's two marks. Raises ValueError if it has none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")


def amount(spread: Spread | None, unit: str) -> str:
    """Write a median with its unit, and with its quartiles where they differ from it."""
    if spread is None:
        return "never"
    if unit == "$":
        return f"${spread.middle:,.2f}"
    text = f"{_number(spread.middle)} {unit}".rstrip()
    if max(spread.high - spread.middle, spread.middle - spread.low) <= (
        abs(spread.middle) * _SHARE_OF_SPREAD
    ):
        return text
    return f"{text} ({_number(spread.low)}-{_number(spread.high)})"


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        amount(figure.ours, figure.unit),
        amount(figure.other, figure.unit) if figure.other_name else "",
        figure.other_name,
        _ratio(figure.ratio),
        _limit(figure.limit, figure.unit),
        {None: "", True: "kept", False: "**BROKEN**"}[figure.is_kept],
    )


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio >= _TENTH or not ratio else f"{ratio:.2g}"


def _limit(limit: Limit | None, unit: str) -> str:
    if limit is None:
        return ""
    return f"ratio {limit.most:g}" if limit.of_other else f"{limit.most:,g} {unit}".rstrip()


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= _LARGE:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= _SMALL else f"{value:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if column in _RIGHT else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"

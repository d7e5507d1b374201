"""Lists for a terminal of any width, in which nothing that one copies is broken."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ops.console import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_GAP: Final = "  "
_HEADER: Final = "bold"
_NARROWEST: Final = 20


class Said(NamedTuple):
    """A text, and the style in which it is shown where colours are."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Item:
    """One thing of a list: a cell for each column, and sentences about it."""

    cells: tuple[Said, ...]
    notes: tuple[Said, ...] = ()


def listing(columns: Sequence[str], items: Sequence[Item], width: int) -> Iterator[Text]:
    """Yield the lines of a list: each item on one line if they fit, else on several.

    The columns that do not fit follow below, named; so does what follows a few names that are too
    long. Lines break at spaces only, and a longer word is left to the terminal. What would control
    the terminal is not printed.
    """
    items = [replace(item, cells=tuple(map(_printable, item.cells))) for item in items]
    widths = [
        max(map(cell_len, (name, *(item.cells[number].text for item in items))))
        for number, name in enumerate(columns)
    ]
    lengths = [cell_len(item.cells[0].text) for item in items]
    widths[0] = max(cell_len(columns[0]), _usual(lengths, widths, width))
    fitting = _fitting(widths, width)
    yield _line([Said(name, _HEADER) for name in columns[:fitting]], widths)
    for item in items:
        name, *others = item.cells[:fitting]
        if cell_len(name.text) > widths[0]:
            yield Text(name.text, name.style)
            name = Said("")
        yield _line([name, *others], widths)
        below = [
            Said(f"{name}: {cell.text.strip()}", cell.style)
            for name, cell in zip(columns[fitting:], item.cells[fitting:], strict=True)
            if cell.text.strip()
        ]
        for said in (*_joined(below, width - len(_GAP)), *item.notes):
            yield from sentence(said, width, indent=_GAP)


def sentence(said: Said, width: int, indent: str = "") -> Iterator[Text]:
    """Yield the lines of a text; it breaks at spaces only."""
    for line in said.text.splitlines() or [""]:
        wrapped = textwrap.wrap(
            printable(line),
            width,
            initial_indent=indent,
            subsequent_indent=f"{indent}{_GAP}",
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from (Text(each, said.style) for each in wrapped)


def fields(pairs: Sequence[tuple[str, str]], width: int) -> Iterator[Text]:
    """Yield the lines of names and their values."""
    longest = max((cell_len(name) for name, _ in pairs), default=0)
    indent = " " * longest + _GAP
    for name, value in pairs:
        wrapped = textwrap.wrap(
            printable(value),
            max(width - len(indent), 1),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for number, line in enumerate(wrapped):
            yield Text.assemble((indent if number else name.ljust(len(indent)), _HEADER), line)


def show(lines: Iterable[Text]) -> None:
    """Print lines as they are; colours only on a terminal, and not with NO_COLOR."""
    console = Console(highlight=False, width=width_here())
    for line in lines:
        console.print(line, soft_wrap=True)


def width_here() -> int:
    """Return the width of the terminal, or of COLUMNS, or else 80; at least 20."""
    return max(Console().width, _NARROWEST)


def counted(count: int, what: str, several: str = "") -> str:
    """Format a number of things, such as "1 record" and "2 records"."""
    return f"{count:,} {what if count == 1 else several or f'{what}s'}"


def _printable(said: Said) -> Said:
    return said._replace(text=printable(said.text))


def _usual(lengths: Sequence[int], widths: Sequence[int], width: int) -> int:
    """Return the width of the first column: that of most names, if all columns fit then."""
    room = width - sum(widths[1:]) - len(_GAP) * len(widths[1:])
    short = [length for length in lengths if length <= room]
    return max(short) if widths[0] > room and len(short) * 2 > len(lengths) else widths[0]


def _fitting(widths: Sequence[int], width: int) -> int:
    """Count the columns that fit on one line, the first one always."""
    used = 0
    for number, each in enumerate(widths):
        used += each + (len(_GAP) if number else 0)
        if used > width and number:
            return number
    return len(widths)


def _line(cells: Sequence[Said], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=False):
        line.append(cell.text, cell.style)
        line.append(" " * (width - cell_len(cell.text)) + _GAP)
    line.rstrip()
    return line


def _joined(below: Sequence[Said], width: int) -> Iterator[Said]:
    """Put as many short ones as fit on one line; one with a style stays alone."""
    plain = ""
    for said in below:
        longer = f"{plain}{_GAP}{said.text}" if plain else said.text
        if said.style or cell_len(longer) > width:
            if plain:
                yield Said(plain)
            plain = ""
            if said.style:
                yield said
                continue
            longer = said.text
        plain = longer
    if plain:
        yield Said(plain)

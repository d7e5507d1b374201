"""Draw where the instructions of a new environment go, from the table in docs/performance.md."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

from bench.instructions import BOTH, GROUP, PARTS, TLS

DOCS: Final = Path(__file__).parent.parent / "docs"
PAGE: Final = DOCS / "performance.md"
PICTURE: Final = DOCS / "pictures" / "first-event.svg"

BEFORE: Final = (117, 259, 337, 117, 524, 900)
"""Millions of ours when each connection parsed a whole bundle of certificates, and the zip had no
byte code and imported everything: in the order of COLOURS, as measured at commit 5d3d5e1."""
COLOURS: Final = {
    "interpreter, Lambda's client": "#8c959f",
    "urllib3": "#54aeff",
    "botocore": "#0969da",
    "chalice": "#d4a72c",
    "own modules, clients, the event": "#4ac26b",
    "TLS": "#cf222e",
}
_FONT: Final = 'font-family="Helvetica, Arial, sans-serif" font-size="13"'
_LEFT, _TOP, _HEIGHT, _STEP, _WIDTH, _PER_MILLION = 130, 20, 34, 52, 800, 0.22


def parse(page: str) -> dict[str, tuple[int, ...]] | None:
    """Read the bars, each as long as COLOURS, from the page's table; None if they are not there."""
    _, _, rest = page.partition(f"| **{GROUP}**")
    cells = [[cell.strip() for cell in line.split("|")] for line in rest.splitlines()]
    rows = {cell[1]: cell[2:4] for cell in cells if len(cell) > 3}  # noqa: PLR2004
    if f"of it {TLS}" not in rows:
        return None

    def millions(name: str, side: int) -> int:
        text = rows[name][side].removesuffix(" M").replace(",", "")
        return round(float(text)) if text else 0

    bars = {}
    for who, side in (("the guide", 1), ("Elephant now", 0)):
        *imports, _ = (millions(f"of it {words}", side) for words in PARTS.values())
        tls = millions(f"of it {TLS}", side)
        rest_of_it = millions(BOTH, side) - sum(imports) - tls
        bars[who] = (*imports, rest_of_it, tls)
    return {"the guide": bars["the guide"], "Elephant before": BEFORE, **bars}


def draw(bars: dict[str, tuple[int, ...]]) -> str:
    """Draw one horizontal bar below the other, and what the colours mean."""
    height = _TOP + _STEP * len(bars) + 60
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, (who, parts) in enumerate(bars.items()):
        y, x = _TOP + number * _STEP, float(_LEFT)
        lines.append(f'<text x="{_LEFT - 10}" y="{y + 22}" text-anchor="end">{escape(who)}</text>')
        for millions, (name, colour) in zip(parts, COLOURS.items(), strict=True):
            width = millions * _PER_MILLION
            lines.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_HEIGHT}" '
                f'fill="{colour}"><title>{escape(name)}: {millions:,} M</title></rect>'
            )
            x += width
        lines.append(f'<text x="{x + 8:.1f}" y="{y + 22}">{sum(parts):,} M</text>')
    for number, (name, colour) in enumerate(COLOURS.items()):
        x, y = _LEFT + number % 3 * 220, height - 46 + number // 3 * 22
        lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="{y + 11}">{escape(name)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """Draw the picture, unless the table has no instructions."""
    bars = parse(PAGE.read_text())
    if bars:
        PICTURE.write_text(draw(bars))


if __name__ == "__main__":
    main()

"""The tables of settings in docs/, written by `python -m ops.settings_page`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.features import CORE_SETTINGS, MEETINGS, NOTIFICATIONS, SETTINGS_OF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chalicelib.settings.parsing import Setting

PROJECT: Final = Path(__file__).parent.parent

_PAGES: Final = {
    "docs/settings.md": CORE_SETTINGS,
    "docs/meetings.md": SETTINGS_OF[MEETINGS],
    "docs/notifications.md": SETTINGS_OF[NOTIFICATIONS],
}
_HEADING: Final = "| variable | option | default | meaning |"
_TABLE: Final = re.compile(rf"^{re.escape(_HEADING)}\n(?:\|.*\n)+", re.MULTILINE)


def pages() -> Iterator[tuple[Path, str]]:
    """Return each page that has a table of settings, with the table of this code."""
    for name, settings in _PAGES.items():
        path = PROJECT / name
        before, after = _TABLE.split(path.read_text())
        yield path, f"{before}{_table(settings)}{after}"


def _table(settings: Iterable[Setting]) -> str:
    rows = (
        f"| `{each.variable}` | {_option(each)} | {_default(each)} | {each.meaning} |"
        for each in settings
    )
    return "".join(f"{line}\n" for line in (_HEADING, "|---|---|---|---|", *rows))


def _option(setting: Setting) -> str:
    return f"`--{setting.option}`" if setting.option else ""


def _default(setting: Setting) -> str:
    if setting.default is None:
        return "required"
    return f"`{setting.default}`" if setting.default else "none"


if __name__ == "__main__":
    for page, text in pages():
        page.write_text(text)

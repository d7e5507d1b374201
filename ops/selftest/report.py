"""What the self-test prints, and its report for others, which names nothing of the stage."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ops.selftest.promises import Outcome

_PATTERNS: Final = (
    (re.compile(r"\b(i|subnet|sg|vpc|ami|eni|vol|rtb|igw)-[0-9a-f]{8,17}\b"), r"\1-…"),
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), "KEY"),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "E-MAIL"),
    (re.compile(r"\b[\w.-]+\.amazonaws\.com\b"), "HOST"),
    (re.compile(r"\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}\b"), "ADDRESS"),
    (re.compile(r"\barn:\S+"), "arn:…"),
    (re.compile(r"\b\d{12}\b"), "ACCOUNT"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"https?://\S+"), "URL"),
)


def redacted(text: str, names: Mapping[str, str]) -> str:
    """Replace names of the stage by what they are, and all ids, addresses and ARNs.

    Longer names go first, so that none remains as a part of another.
    """
    for name in sorted(filter(None, names), key=len, reverse=True):
        alone = rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
        text = re.sub(alone, names[name], text, flags=re.IGNORECASE)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def document(
    outcomes: Iterable[Outcome],
    facts: Mapping[str, str],
    about: Mapping[str, str],
    names: Mapping[str, str],
    *,
    is_whole: bool,
) -> dict[str, Any]:
    """Build the report: promises with their times, what was open, and about which software.

    `is_whole` says that the run was neither interrupted nor refused.
    """
    listed = [asdict(each) | {"seconds": round(each.seconds, 1)} for each in outcomes]
    return {
        "about": _clean(about, names),
        "kept": is_whole and all(each["is_kept"] for each in listed),
        "promises": [_clean(each, names) for each in listed],
        "facts": _clean(facts, names),
    }


def table(outcomes: Iterable[Outcome]) -> Table:
    """Show promises with their times; of one that was not kept, what was found and the remedy."""
    made = Table(box=None, pad_edge=False, show_header=False, expand=True)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold", ratio=1)
    made.add_column(justify="right", no_wrap=True)
    for each in outcomes:
        said = Text(each.promise)
        if not each.is_kept:
            said.append(f"\n{each.found}", style="red")
            said.append(f"\nlook at: {each.remedy}", style="dim")
        mark = Text("✓", style="green") if each.is_kept else Text("✗", style="red bold")
        made.add_row(mark, said, f"{each.seconds:.0f} s")
    return made


def _clean(texts: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {
        redacted(key, names): redacted(value, names) if isinstance(value, str) else value
        for key, value in texts.items()
    }

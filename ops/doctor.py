"""The examination of a stage: every check, in order."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ops import (
    checks_api,
    checks_aws,
    checks_certificate,
    checks_cloudflare,
    checks_code,
    checks_function,
    checks_invitations,
    checks_meetings,
    checks_neighbours,
    checks_network,
    checks_notifications,
    checks_rule,
    checks_secrets,
    checks_stage,
    checks_tags,
)
from ops.check import Level, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ops.check import Check, Context, Question

QUESTIONS: Final[tuple[Question, ...]] = (
    *checks_stage.QUESTIONS,
    *checks_neighbours.OF_THE_PROJECT,
    *checks_aws.ACCOUNT,
    *checks_cloudflare.QUESTIONS,
    *checks_certificate.QUESTIONS,
    *checks_aws.SUPPORT,
    *checks_function.QUESTIONS,
    *checks_code.QUESTIONS,
    *checks_rule.QUESTIONS,
    *checks_meetings.QUESTIONS,
    *checks_network.QUESTIONS,
    *checks_tags.QUESTIONS,
    *checks_secrets.QUESTIONS,
    *checks_neighbours.OF_THE_ACCOUNT,
    *checks_notifications.QUESTIONS,
    *checks_invitations.QUESTIONS,
    *checks_api.QUESTIONS,
    *checks_aws.WATCH,
)

_WORST_FIRST: Final = (Level.FAILURE, Level.WARNING, Level.SKIPPED, Level.OK)
_URGENT: Final = (Level.FAILURE, Level.WARNING)
_STYLES: Final = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.FAILURE: "bold red",
    Level.SKIPPED: "dim",
}


def examine(
    context: Context, on_check: Callable[[Check], None] = lambda _: None
) -> tuple[Check, ...]:
    """Run all checks; `on_check` gets each result at once. Only `prove` changes anything."""
    return run(QUESTIONS, context, on_check)


def worst(checks: Sequence[Check]) -> int:
    """Return the exit status: 1 if anything failed, 0 if there are at most warnings."""
    return int(any(check.level is Level.FAILURE for check in checks))


def render(checks: Sequence[Check], stage: str, *, every: bool = False) -> Group:
    """Format what needs attention, each remedy below what was found, and count the rest.

    `every` shows all checks.
    """
    listed = [each for each in checks if every or each.level in _URGENT]
    parts: list[Table | Text] = [_table(listed)] if listed else []
    said = Text(summary(checks))
    if not every and len(listed) < len(checks):
        said.append(f"; all of them: elephant doctor {stage} --all", "dim")
    return Group(*parts, said)


def summary(checks: Sequence[Check]) -> str:
    """Count the results by their level, the worst first."""
    counts = Counter(check.level for check in checks)
    return ", ".join(
        f"{counts[level]} {level}{'s' if level in _URGENT and counts[level] > 1 else ''}"
        for level in _WORST_FIRST
        if counts[level]
    )


def _table(checks: Sequence[Check]) -> Table:
    table = Table()
    table.add_column("check", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("found, and what to do", overflow="fold")
    for check in sorted(checks, key=lambda each: _WORST_FIRST.index(each.level)):
        style = _STYLES[check.level]
        text = escape(check.found)
        if check.remedy:
            text += f"\n[{'dim' if check.level is Level.SKIPPED else 'cyan'}]→ "
            text += f"{escape(check.remedy)}[/]"
        table.add_row(escape(check.name), f"[{style}]{check.level}[/]", text)
    return table


def as_json(checks: Sequence[Check], stage: str) -> str:
    """Format the checks of a stage as JSON."""
    document = {
        "stage": stage,
        "status": "failure" if worst(checks) else "ok",
        "checks": [asdict(check) for check in checks],
    }
    return json.dumps(document, indent=2)

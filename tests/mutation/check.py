"""The mutation check: every break is judged, several at a time, and what survived is told."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tests.mutation.workshop import Fate, Verdict, Workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.mutation.broken import Break


class BaselineError(Exception):
    """The suite fails on the code as it is, so that what it says of breaks means nothing."""


@dataclass(frozen=True)
class Judged:
    """A break and what became of it."""

    mistake: Break
    verdict: Verdict


def check(
    project: Path, directory: Path, breaks: Sequence[Break], jobs: int, say: Callable[[str], None]
) -> list[Judged]:
    """Judge the breaks in copies of the project below `directory`, in the order given.

    Every copy is of the project as it was when the check began. Raises BaselineError and
    StaleBreakError before any break is judged.
    """
    whole = Workshop(project, directory / "0")
    for mistake in breaks:
        mistake.apply((directory / "0" / mistake.path).read_text())
    workshops: SimpleQueue[Workshop] = SimpleQueue()
    for number in range(1, jobs + 1):
        workshops.put(Workshop(directory / "0", directory / str(number)))
    say("running the whole fast suite on the code as it is")
    begun = time.monotonic()
    verdict = whole.try_all()
    if verdict.fate is not Fate.SURVIVED:
        raise BaselineError(f"the suite fails without any break: {verdict.told_by}")
    say(f"it passes, in {time.monotonic() - begun:.0f} s; {len(breaks)} breaks, {jobs} at a time")

    def judge(mistake: Break) -> Verdict:
        workshop = workshops.get()
        try:
            return workshop.judge(mistake)
        finally:
            workshops.put(workshop)

    with ThreadPoolExecutor(max_workers=jobs) as executor:
        futures = {executor.submit(judge, mistake): mistake for mistake in breaks}
        for number, future in enumerate(as_completed(futures), start=1):
            judged = Judged(futures[future], future.result())
            say(f"[{number:3}/{len(breaks)}] {_line(judged)} ({judged.verdict.seconds:.0f} s)")
    verdicts = {mistake.name: future.result() for future, mistake in futures.items()}
    return [Judged(mistake, verdicts[mistake.name]) for mistake in breaks]


def report(judged: Sequence[Judged], seconds: float) -> str:
    """Spell a table by rule, and a summary; `seconds` is how long it took."""
    lines: list[str] = []
    rule = None
    for each in judged:
        if each.mistake.rule is not rule:
            rule = each.mistake.rule
            lines += ["", rule.value]
        lines.append(f"  {_line(each)}")
    counts = Counter(each.verdict.fate for each in judged)
    fates = ", ".join(f"{counts[fate]} {fate.value}" for fate in Fate if counts[fate])
    lines += ["", f"{len(judged)} breaks: {fates}; {seconds / 60:.1f} minutes"]
    return "\n".join(lines)


def _line(judged: Judged) -> str:
    mistake, verdict = judged.mistake, judged.verdict
    told_by = f"  {verdict.told_by}" if verdict.told_by else ""
    return f"{verdict.fate.value:8}  {mistake.module}: {mistake.name}{told_by}"

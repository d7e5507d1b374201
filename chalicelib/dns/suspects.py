"""Suspects: changes that may make batches fail without a clear answer, tracked across runs.

A batch is applied as a whole or not at all, and its error does not say which change caused it. A
batch whose outcome is unknown is never retried before the zone has been read again, so the next
run tries its changes in smaller batches, until the faulty change is isolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from chalicelib.dns.change import Change

PROBES: Final = 30
"""The approximate maximum of batches into which suspects are divided in one run."""

_ENOUGH: Final = 2
"""How often a batch must fail before it is divided: a single failure may be transient."""

_PARTS: Final = 8


@dataclass(frozen=True)
class Suspicion:
    """How often batches with a change have failed, and the size of its next one."""

    failures: int
    size: int


Suspicions = dict[str, Suspicion]
"""By record name."""


def suspect(before: Suspicions, unclear: Mapping[str, int], left: Collection[str]) -> Suspicions:
    """Update after a run: `unclear` has, by record name, the size of the batch that failed.

    Changes deferred without being tried remain as suspect as before; all others are cleared.
    """
    after = {name: suspicion for name, suspicion in before.items() if name in left}
    for name, size in unclear.items():
        failures = before[name].failures + 1 if name in before else 1
        after[name] = Suspicion(failures, size if failures < _ENOUGH else max(1, size // _PARTS))
    return after


def arrange(
    changes: Sequence[Change], suspicions: Suspicions, size: int
) -> tuple[list[list[Change]], list[list[Change]]]:
    """Divide changes into batches: full ones that go first, and those of suspects.

    Changes that have failed once get a batch of their own, so that they affect no others. Among
    suspects, those that failed in the largest batches go first, then those that failed least
    often, so that each gets its turn even if a run does not reach all of them.
    """
    failures = {name: suspicion.failures for name, suspicion in suspicions.items()}
    firm = [each for each in changes if each.name not in failures]
    once = [each for each in changes if 0 < failures.get(each.name, 0) < _ENOUGH]
    suspects = sorted(
        (each for each in changes if failures.get(each.name, 0) >= _ENOUGH),
        key=lambda each: (-suspicions[each.name].size, failures[each.name]),
    )
    least = -(-len(suspects) // PROBES)
    probes = []
    for share, group in groupby(suspects, lambda each: suspicions[each.name].size):
        probes += chunks(list(group), min(size, max(share, least)))
    return chunks(firm, size) + chunks(once, size), probes


def chunks(changes: Sequence[Change], size: int) -> list[list[Change]]:
    """Divide changes, in order, into batches of the given size."""
    return [list(changes[start : start + size]) for start in range(0, len(changes), size)]

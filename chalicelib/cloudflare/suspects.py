"""Changes suspected of making batches fail without a clear answer, from run to run.

Cloudflare carries a batch out whole or not at all, and does not say at which change it failed. A
batch whose outcome is unknown is never repeated before the zone has been read again, so it is the
next run that tries its changes in smaller batches, until what makes them fail is alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from chalicelib.dns.change import Change

PROBES: Final = 30
"""Into how many batches, at about the most, suspects are divided in one run."""

_ENOUGH: Final = 2
"""How often a batch fails before it is divided: once may be anything."""

_PARTS: Final = 8


@dataclass(frozen=True)
class Suspicion:
    """How often batches with a change have failed, and how many should share its next one."""

    failures: int
    size: int


Suspicions = dict[str, Suspicion]
"""By the name of the record."""


def suspect(before: Suspicions, unclear: Mapping[str, int], left: Collection[str]) -> Suspicions:
    """Learn from a run: `unclear` has how large the batch was that failed with a name.

    What was left without being tried stays as suspect as it was; all else is cleared.
    """
    after = {name: suspicion for name, suspicion in before.items() if name in left}
    for name, size in unclear.items():
        failures = before[name].failures + 1 if name in before else 1
        after[name] = Suspicion(failures, size if failures < _ENOUGH else max(1, size // _PARTS))
    return after


def arrange(
    changes: Sequence[Change], suspicions: Suspicions, size: int
) -> tuple[list[list[Change]], list[list[Change]]]:
    """Divide changes into batches: those that go first and whole, and those of suspects.

    What has failed once has a batch of its own, so that it takes nothing else along. Of the
    suspects those go first that have failed in the largest batches, and then the least often, so
    that each has its turn even if a run does not get to all of them.
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
    """Divide changes, in their order, into batches of so many."""
    return [list(changes[start : start + size]) for start in range(0, len(changes), size)]

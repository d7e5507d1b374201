"""Applying changes to the zone in batches; a rejected change does not block the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.change import Create
from chalicelib.dns.provider import (
    NoCallsError,
    RecordExistsError,
    RecordNotFoundError,
    RejectedError,
    StoredOtherwiseError,
    UnavailableError,
    UnconfirmedError,
    WrongZoneError,
    ZoneFullError,
)
from chalicelib.dns.suspects import PROBES, arrange, chunks, suspect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.dns.change import Change
    from chalicelib.dns.provider import Zone
    from chalicelib.dns.suspects import Suspicions
    from chalicelib.step import Steps

SPLIT_CALLS: Final = 60
"""The most calls that one run spends on isolating changes that the provider rejects or fails on."""

_OUTAGE: Final = 3
"""After this many unclear answers and nothing done, the changes are not to blame."""

_LOOK_AGAIN = (RecordExistsError, RecordNotFoundError)


@dataclass
class Applied:
    """The result for each change: confirmed, deferred to the next run or rejected, and why.

    What was `stored_otherwise` has its name and address, but a wrong TTL, comment or proxying.
    """

    done: list[Change] = field(default_factory=list)
    left: list[tuple[Change, str]] = field(default_factory=list)
    refused: list[tuple[Change, str]] = field(default_factory=list)
    stored_otherwise: list[tuple[Change, str]] = field(default_factory=list)


class Batches:
    """Applies changes in batches, in the given order.

    Changes that were rejected by themselves, and those in batches that failed twice without
    a clear answer, are remembered for the life of the environment and tried last, the latter in
    smaller and smaller batches, so that neither blocks the rest for good.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._refused: frozenset[str] = frozenset()
        self._suspicions: Suspicions = {}

    def apply(
        self,
        changes: Sequence[Change],
        steps: Steps,
        progress: Callable[[int], None] = lambda _: None,
        *,
        may_write: Callable[[], str] = lambda: "",
        applied: Applied | None = None,
    ) -> Applied:
        """Apply as many changes as possible; `progress` is called with the count of each batch.

        The result is added to `applied`, which has it also if this raises, and returned.

        A batch with a transient failure is deferred. A rejected one is split until the faulty
        change is isolated. `may_write` is called before each of these calls: once it returns an
        objection, everything that is not done yet is deferred. Raises WrongZoneError, and what else
        the provider raises that somebody has to fix.
        """
        applied = Applied() if applied is None else applied
        run = _Run(self._zone, steps, progress, may_write, applied)
        size = self._zone.batch_size
        others = [change for change in changes if change.name not in self._refused]
        refused_before = [change for change in changes if change.name in self._refused]
        batches, probes = arrange(others, self._suspicions, size)
        failed = [(chunk, error) for chunk in batches if (error := run.attempt(chunk))]
        failed += [(chunk, error) for chunk in probes if (error := run.probe(chunk))]
        last = chunks(refused_before, size)
        failed += [(chunk, error) for chunk in last if (error := run.attempt(chunk))]
        for chunk, error in failed:
            run.split(chunk, error)
        refused = {
            change.name for change, _ in (*run.applied.refused, *run.applied.stored_otherwise)
        }
        left = {change.name for change, _ in run.applied.left}
        self._refused = frozenset(refused | (self._refused & left))
        self._suspicions = suspect(self._suspicions, run.unclear, left)
        return run.applied


@dataclass
class _Run:
    zone: Zone
    steps: Steps
    progress: Callable[[int], None]
    may_write: Callable[[], str]
    applied: Applied
    calls_left: int = SPLIT_CALLS
    stopped: str = ""
    full: str = ""
    unclear: dict[str, int] = field(default_factory=dict)
    unclear_calls: int = 0

    def attempt(self, chunk: Sequence[Change]) -> RejectedError | None:
        """Try a batch; return the error for which it is to be split."""
        self.stopped = self.stopped or self.may_write()
        reason = self.stopped or (self.full if all(map(_is_create, chunk)) else "")
        if reason:
            self.leave(chunk, reason)
            return None
        try:
            self.zone.require_quota()
            # A step: nothing, not even a resolver, may keep the run past its deadline.
            what, deadline = f"write {len(chunk)} records", self.steps.deadline
            self.steps.begin(what, self.zone.apply, chunk, deadline, self.may_write).result()
        except (NoCallsError, OutOfTimeError) as error:
            self.stopped = str(error)
            self.leave(chunk, self.stopped)
        except UnavailableError as error:  # never sent, so not caused by its changes
            self.leave(chunk, str(error))
        except UnconfirmedError as error:
            self.unclear |= dict.fromkeys((change.name for change in chunk), len(chunk))
            self.unclear_calls += 1
            self.leave(chunk, str(error))
        except WrongZoneError:
            raise
        except StoredOtherwiseError as error:
            self.finish([change for change in chunk if change not in error.changes])
            self.applied.stored_otherwise.extend(error.changes.items())
            self.progress(len(error.changes))
        except RejectedError as error:
            return error
        else:
            self.finish(chunk)
        return None

    def finish(self, chunk: Sequence[Change]) -> None:
        """Record that changes are done."""
        self.applied.done.extend(chunk)
        self.progress(len(chunk))

    def probe(self, chunk: Sequence[Change]) -> RejectedError | None:
        """Try a batch of suspects, unless the provider fails for everything."""
        is_outage = self.unclear_calls >= _OUTAGE and not self.applied.done
        if is_outage or self.calls_left <= SPLIT_CALLS - PROBES:
            self.leave(chunk, "earlier batches with it got no clear answer")
            return None
        self.calls_left -= 1
        return self.attempt(chunk)

    def split(self, chunk: Sequence[Change], error: RejectedError) -> None:
        """Isolate the faulty changes of a rejected batch, and apply the rest."""
        if len(chunk) == 1:
            self.refuse(chunk[0], error)
            return
        middle = len(chunk) // 2
        for half in (chunk[:middle], chunk[middle:]):
            if not self.calls_left:
                self.leave(half, f"rejected together with others ({error})")
                continue
            self.calls_left -= 1
            refusal = self.attempt(half)
            if refusal:
                self.split(half, refusal)

    def refuse(self, change: Change, error: RejectedError) -> None:
        """Record that a change is rejected by itself."""
        if isinstance(error, _LOOK_AGAIN):
            self.leave([change], f"the zone has changed since it was read ({error})")
            return
        if isinstance(error, ZoneFullError):
            self.full = str(error)
        self.applied.refused.append((change, str(error)))
        self.progress(1)

    def leave(self, chunk: Sequence[Change], reason: str) -> None:
        """Defer changes to the next run."""
        self.applied.left.extend((change, reason) for change in chunk)
        self.progress(len(chunk))


def _is_create(change: Change) -> bool:
    return isinstance(change, Create)

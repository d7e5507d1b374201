"""Many changes to the zone in batches, of which a refused one does not keep back the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from chalicelib.change import Create
from chalicelib.cloudflare import (
    RateLimitedError,
    RecordExistsError,
    RecordNotFoundError,
    RejectedError,
    UnavailableError,
    UnconfirmedError,
    ZoneFullError,
)
from chalicelib.deadline import OutOfTimeError
from chalicelib.quota import QuotaSpentError
from chalicelib.zone import WrongZoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.change import Change
    from chalicelib.deadline import Deadline
    from chalicelib.zone import Zone

SPLIT_CALLS: Final = 60
"""The most calls that one run spends on finding what Cloudflare refuses."""

_LOOK_AGAIN = (RecordExistsError, RecordNotFoundError)


@dataclass
class Applied:
    """What became of the changes: confirmed, left to the next run, or refused, and why."""

    done: list[Change] = field(default_factory=list)
    left: list[tuple[Change, str]] = field(default_factory=list)
    refused: list[tuple[Change, str]] = field(default_factory=list)


class Batches:
    """Applies changes in batches, in the order in which they come.

    What Cloudflare refused alone is remembered for the life of the environment and tried last, so
    that it holds up nothing for good.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._refused: frozenset[str] = frozenset()

    def apply(
        self,
        changes: Sequence[Change],
        deadline: Deadline,
        progress: Callable[[int], None] = lambda _: None,
        *,
        may_write: Callable[[], str] = lambda: "",
    ) -> Applied:
        """Apply as many of the changes as can be; `progress` is told how many after each batch.

        `may_write` says before each call why nothing more may be written; empty if it may.

        A batch that fails passingly is left. One that is refused is split until what is wrong is
        alone. Raises WrongZoneError, TokenRefusedError and SecretError: a person has to act.
        """
        run = _Run(self._zone, deadline, progress, may_write)
        chunks = [
            chunk
            for group in (
                [change for change in changes if change.name not in self._refused],
                [change for change in changes if change.name in self._refused],
            )
            for chunk in _chunks(group, self._zone.batch_size)
        ]
        failed = [(chunk, error) for chunk in chunks if (error := run.attempt(chunk))]
        for chunk, error in failed:
            run.split(chunk, error)
        refused = {change.name for change, _ in run.applied.refused}
        left = {change.name for change, _ in run.applied.left}
        self._refused = frozenset(refused | (self._refused & left))
        return run.applied


@dataclass
class _Run:
    zone: Zone
    deadline: Deadline
    progress: Callable[[int], None]
    may_write: Callable[[], str]
    applied: Applied = field(default_factory=Applied)
    calls_left: int = SPLIT_CALLS
    stopped: str = ""
    full: str = ""

    def attempt(self, chunk: Sequence[Change]) -> RejectedError | None:
        """Try a batch; return what is to be split it for."""
        self.stopped = self.stopped or self.may_write()
        reason = self.stopped or (self.full if all(map(_is_create, chunk)) else "")
        if reason:
            self.leave(chunk, reason)
            return None
        try:
            self.zone.quota.require()
            self.zone.apply(chunk, self.deadline)
        except (QuotaSpentError, RateLimitedError, OutOfTimeError) as error:
            self.stopped = str(error)
            self.leave(chunk, self.stopped)
        except (UnavailableError, UnconfirmedError) as error:
            self.leave(chunk, str(error))
        except WrongZoneError:
            raise
        except RejectedError as error:
            return error
        else:
            self.applied.done.extend(chunk)
            self.progress(len(chunk))
        return None

    def split(self, chunk: Sequence[Change], error: RejectedError) -> None:
        """Find out what of a refused batch is refused, and apply the rest."""
        if len(chunk) == 1:
            self.refuse(chunk[0], error)
            return
        middle = len(chunk) // 2
        for half in (chunk[:middle], chunk[middle:]):
            if not self.calls_left:
                self.leave(half, f"refused together with others ({error})")
                continue
            self.calls_left -= 1
            refusal = self.attempt(half)
            if refusal:
                self.split(half, refusal)

    def refuse(self, change: Change, error: RejectedError) -> None:
        """Note that a change is refused by itself."""
        if isinstance(error, _LOOK_AGAIN):
            self.leave([change], f"the zone has changed since it was read ({error})")
            return
        if isinstance(error, ZoneFullError):
            self.full = str(error)
        self.applied.refused.append((change, str(error)))
        self.progress(1)

    def leave(self, chunk: Sequence[Change], reason: str) -> None:
        """Leave changes to the next run."""
        self.applied.left.extend((change, reason) for change in chunk)
        self.progress(len(chunk))


def _chunks(changes: list[Change], size: int) -> list[list[Change]]:
    return [changes[start : start + size] for start in range(0, len(changes), size)]


def _is_create(change: Change) -> bool:
    return isinstance(change, Create)

"""Promises that are waited for, each with a time limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dns.exception import DNSException
from urllib3.exceptions import HTTPError

from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.provider import DnsError
from ops.account import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable

    Look = Callable[[], str]
    """Returns what is not as promised yet; empty if everything is."""

PAUSE: Final = 3.0
"""Seconds between two looks."""

_TRANSIENT: Final = (AwsError, DnsError, DNSException, HTTPError, OSError, OutOfTimeError)


@dataclass(frozen=True)
class Outcome:
    """One promise: whether it was kept, after how many seconds, and what to look at otherwise."""

    promise: str
    is_kept: bool
    seconds: float
    found: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Pace:
    """A clock in seconds, and a way to let time pass."""

    now: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass
class Promises:
    """Waits for promises, one after the other, and notes how each ended.

    `waiting` is called with a promise when it is first looked at, `ended` with its outcome.
    """

    pace: Pace
    waiting: Callable[[str], None]
    ended: Callable[[Outcome], None]
    outcomes: list[Outcome] = field(default_factory=list)

    def wait(self, promise: str, look: Look, limit: float, remedy: str) -> bool:
        """Look until the promise is kept, at most for `limit` seconds; return whether it is.

        A look that fails for AWS, Cloudflare, DNS or HTTP is repeated as well.
        """
        self.waiting(promise)
        began = self.pace.now()
        while True:
            missing = _looked(look)
            seconds = self.pace.now() - began
            if not missing or seconds >= limit:
                break
            self.pace.sleep(min(PAUSE, limit - seconds))
        return self._note(
            Outcome(promise, not missing, seconds, missing, remedy if missing else "")
        )

    def judge(self, promise: str, missing: str, remedy: str) -> bool:
        """Note a promise that is known by now."""
        return self._note(Outcome(promise, not missing, 0.0, missing, remedy if missing else ""))

    @property
    def all_kept(self) -> bool:
        """Whether there are promises, and all were kept."""
        return bool(self.outcomes) and all(each.is_kept for each in self.outcomes)

    def _note(self, outcome: Outcome) -> bool:
        self.outcomes.append(outcome)
        self.ended(outcome)
        return outcome.is_kept


def _looked(look: Look) -> str:
    try:
        return look()
    except _TRANSIENT as error:
        return str(error) or type(error).__name__

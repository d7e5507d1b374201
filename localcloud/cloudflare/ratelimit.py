"""The request quota and its headers.

https://developers.cloudflare.com/fundamentals/api/reference/limits/
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Quota:
    """So many calls in a window; beyond them every call is refused for the block period."""

    calls: int = 1200
    window: float = 300
    block: float = 300

    def __post_init__(self) -> None:
        """Refuse a quota that would never let a call through, or never end."""
        if self.calls < 1 or self.window <= 0 or self.block <= 0:
            raise ValueError(f"a quota needs at least one call and positive times, not {self}")


@dataclass(frozen=True)
class Verdict:
    """Whether a call may pass, and what is left. `retry_after` is set when it may not."""

    quota: Quota
    remaining: int
    reset: int
    retry_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers every answer carries: what is left of the quota, and the quota itself."""
        return {
            "Ratelimit": f'"default";r={self.remaining};t={self.reset}',
            "Ratelimit-Policy": f'"default";q={self.quota.calls};w={math.ceil(self.quota.window)}',
        }


@dataclass
class _Bucket:
    window_ends: float
    spent: int = 0
    blocked_until: float | None = None


class RateLimiter:
    """Counts calls by key in windows that begin with a first call."""

    def __init__(self, quota: Quota, clock: Callable[[], float]) -> None:
        self._quota = quota
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    @property
    def quota(self) -> Quota:
        """The quota in force; setting one forgets all that was spent and every block."""
        return self._quota

    @quota.setter
    def quota(self, quota: Quota) -> None:
        self._quota = quota
        self._buckets.clear()

    def spend(self, key: str) -> Verdict:
        """Count one call. The call after the last one allowed begins the block."""
        now = self._clock()
        bucket = self._bucket(key, now)
        if bucket.blocked_until is None and bucket.spent >= self._quota.calls:
            bucket.blocked_until = now + self._quota.block
        if bucket.blocked_until is None:
            bucket.spent += 1
        return self._verdict(bucket, now)

    def peek(self, key: str) -> Verdict:
        """Return what is left, and count nothing."""
        now = self._clock()
        return self._verdict(self._bucket(key, now), now)

    def _bucket(self, key: str, now: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None or now >= (bucket.blocked_until or bucket.window_ends):
            bucket = _Bucket(window_ends=now + self._quota.window)
            self._buckets[key] = bucket
        return bucket

    def _verdict(self, bucket: _Bucket, now: float) -> Verdict:
        if bucket.blocked_until is not None:
            seconds = _whole_seconds(bucket.blocked_until - now)
            return Verdict(self._quota, remaining=0, reset=seconds, retry_after=seconds)
        remaining = self._quota.calls - bucket.spent
        return Verdict(self._quota, remaining, reset=_whole_seconds(bucket.window_ends - now))


def _whole_seconds(seconds: float) -> int:
    # Rounded up; the noise of subtracting two clock readings must not make one second more.
    return math.ceil(round(seconds, 6))

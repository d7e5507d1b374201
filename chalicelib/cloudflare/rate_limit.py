"""Cloudflare's rate limit, as reported in its answers.

https://developers.cloudflare.com/fundamentals/api/reference/limits/
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from chalicelib.dns.provider import QuotaSpentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_LIMIT: Final = 1200
"""Requests per five minutes and user, if an answer does not name its policy."""

LOW: Final = 0.5
"""The share below which the calls that are left are worth reporting."""

KEPT_BY_EVENTS: Final = 0.5
"""The share of the quota that events keep for others: the dashboard, other programs, the sweep."""

KEPT_BY_SWEEPS: Final = 0.4
"""The share that sweeps keep. The difference is for the batches that events had to defer."""

BLOCK_SECONDS: Final = 300.0
"""How long Cloudflare rejects a user who exceeded the limit: the longest pause between calls,
regardless of any header. A wrong one would otherwise silence an environment for good."""

_POLICY = re.compile(r'"?(?P<name>[^";,\s]+)"?\s*(?P<parameters>(?:;\s*[a-z]+=[^;,\s]*)+)')
_PARAMETER = re.compile(r";\s*(?P<key>[a-z]+)=(?P<number>\d{1,9})\b")


class Quota:
    """The remaining quota, from the last answer that this environment has seen.

    The share `kept` belongs to others: with less than that left, the quota counts as spent.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, kept: float = KEPT_BY_EVENTS
    ) -> None:
        self._clock = clock
        self._kept = kept
        self._spent_until = float("-inf")
        self._refused_until = float("-inf")
        self.remaining: int | None = None
        self.is_low = False
        """Whether less than half of the quota is left, as far as is known."""

    @property
    def is_spent(self) -> bool:
        """Whether no more calls should be made for now."""
        return self.seconds_to_wait > 0

    @property
    def seconds_to_wait(self) -> float:
        """Seconds until calls may be made again; 0 when they may be now."""
        return max(0.0, max(self._spent_until, self._refused_until) - self._clock())

    def require(self) -> None:
        """Raise QuotaSpentError if less of the quota is left than is kept for others."""
        if self.is_spent:
            raise QuotaSpentError(
                f"Cloudflare's quota is kept for others for another {self.seconds_to_wait:.0f} s "
                f"({self.remaining} calls left)"
            )

    def note(self, headers: Mapping[str, str]) -> None:
        """Update from the `Ratelimit` and `Ratelimit-Policy` headers of an answer."""
        limits = _parse(headers.get("Ratelimit-Policy", ""))
        states = _parse(headers.get("Ratelimit", ""))
        known = {name: state for name, state in states.items() if "r" in state}
        if not known:
            return  # an edge server's own page, for example, has no quota headers
        self.remaining = min(state["r"] for state in known.values())
        self.is_low = any(state["r"] < _limit(limits, name) * LOW for name, state in known.items())
        self._spent_until = max(
            (
                self._clock() + _bounded(state.get("t", BLOCK_SECONDS))
                for name, state in known.items()
                if state["r"] < _limit(limits, name) * self._kept
            ),
            default=float("-inf"),
        )

    def note_refusal(self, retry_after: str | None) -> float:
        """Update from a 429, and return for how many seconds to make no call."""
        seconds = BLOCK_SECONDS
        if retry_after and re.fullmatch(r"[0-9]{1,9}", retry_after):
            seconds = float(retry_after)
        seconds = _bounded(seconds)
        self.remaining, self.is_low = 0, True
        self._refused_until = self._clock() + seconds
        return seconds


def _bounded(seconds: float) -> float:
    return min(seconds, BLOCK_SECONDS)


def _limit(limits: Mapping[str, Mapping[str, int]], name: str) -> int:
    """Return the policy's quota; a single one is taken even if it has another name."""
    policy = limits.get(name)
    if policy is None and len(limits) == 1:
        (policy,) = limits.values()
    return (policy or {}).get("q", DEFAULT_LIMIT)


def _parse(header: str) -> dict[str, dict[str, int]]:
    """Parse a list such as `"default";r=50;t=30`; anything malformed is ignored."""
    return {
        policy["name"]: {
            found["key"]: int(found["number"])
            for found in _PARAMETER.finditer(policy["parameters"])
        }
        for policy in _POLICY.finditer(header)
    }

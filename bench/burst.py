"""Very many starts at once against Cloudflare's real quota, on simulated time.

Ours is the real code in the tests' simulation: 20 environments of the watchdog at once, as many as
are reserved for it, and a sweep a minute. The guide's own code runs against the same quota in the
order that is best for it: one start after the other, without any delay, so that none spends calls
that another one needs to end. What fails there is tried again as Lambda does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.figure import Figure, Limit, Spread
from bench.guides_world import GuidesWorld, load_guide
from tests.simulation.burst import DESKTOPS, QUOTA, Burst
from tests.world import make_event

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP: Final = "Burst of starts, simulated"
AGAIN_AFTER: Final = (60.0, 120.0)
"""Seconds after which Lambda tries a failed asynchronous run again, and then once more:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""


@dataclass(frozen=True)
class Found:
    """What came of a burst; `seconds` is None if not all of them ever resolved."""

    resolved: int
    seconds: float | None
    calls: int
    refused: int
    used: int
    """The most of the quota that was ever used."""


def guides_burst(starts: int) -> Found:
    """Let the guide's code handle so many starts at once."""
    guide: Any = load_guide()
    world = GuidesWorld()
    guide.ec2 = guide.secrets = guide.http = world
    begun = world.clock.now
    waiting = [f"i-{number:017x}" for number in range(starts)]
    for pause in (0.0, *AGAIN_AFTER):
        world.clock.advance(pause)
        waiting = [each for each in waiting if not _handles(guide, each)]
    seconds = None if waiting else world.clock.now - begun
    used = world.calls - world.refused
    return Found(len(world.api.zones[0].records), seconds, world.calls, world.refused, used)


def our_burst(starts: int) -> Found:
    """Let our code handle so many starts at once."""
    figures = Burst(starts).run()
    resolved = len(figures.resolved)
    return Found(
        resolved=resolved,
        seconds=figures.resolved[-1] if resolved == starts else None,
        calls=figures.calls,
        refused=figures.refused,
        used=figures.quota - figures.least_left,
    )


def measure(*, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Let both handle the burst."""
    starts = DESKTOPS // 5 if quick else DESKTOPS
    say("the guide's")
    guide = guides_burst(starts)
    say("ours")
    ours = our_burst(starts)
    return [
        _figure(
            f"never resolved of {starts:,}", starts - ours.resolved, starts - guide.resolved, 0
        ),
        Figure(
            GROUP,
            f"time until the last of {starts:,} resolves",
            "s",
            None if ours.seconds is None else Spread.exact(ours.seconds),
            None if guide.seconds is None else Spread.exact(guide.seconds),
            "guide",
        ),
        _figure(f"calls to Cloudflare for {starts:,}", ours.calls, guide.calls),
        _figure(f"quota used at most for {starts:,}", ours.used, guide.used, QUOTA - 1),
        _figure(f"refused calls for {starts:,}", ours.refused, guide.refused, 0),
    ]


def _figure(name: str, ours: int, guide: int, most: int | None = None) -> Figure:
    limit = None if most is None else Limit(most)
    return Figure(GROUP, name, "", Spread.exact(ours), Spread.exact(guide), "guide", limit)


def _handles(guide: Any, instance_id: str) -> bool:  # noqa: ANN401
    try:
        guide.handler(make_event(instance_id), None)
    except RuntimeError:
        return False
    return True

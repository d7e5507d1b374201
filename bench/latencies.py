"""From event to record and to row, in ms, at latencies that are assumed of AWS and Cloudflare.

Which calls an event makes, and which of them at the same time, was measured. Each takes a random
time of a log-normal distribution; calls at the same time take as long as the longest of them.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final

from bench.figure import Figure, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GROUP: Final = "One event, at assumed latencies"
MEDIANS: Final = {
    "DescribeInstances": 100.0,
    "GetSecretValue": 25.0,
    "GetItem": 6.0,
    "UpdateItem": 6.0,
    "GET": 110.0,
    "POST": 230.0,
}
"""Milliseconds: of EC2, Secrets Manager, DynamoDB and Cloudflare."""
TAIL: Final = 4.0
"""The 99th percentile of each, in medians."""
MEMORY: Final = 256
FULL_PROCESSOR: Final = 1769
"""MB of memory with which a function has one processor; with less, that share of one:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
NOTE: Final = (
    "medians of EC2 100, Cloudflare's GET 110 and POST 230, DynamoDB 6, Secrets Manager 25 ms, "
    f"each with a 99th percentile {TAIL:g} times that, and the measured CPU on {MEMORY} MB's share"
)

_RECORD: Final = "POST"
_SAMPLES: Final = 20_000
_SIGMA: Final = math.log(TAIL) / 2.3263  # the normal distribution's 99th percentile

Rounds = tuple[tuple[str, ...], ...]
"""The calls of an event, those made at the same time together."""


def measure(
    rounds: Mapping[str, Rounds], cpu: Mapping[str, float], other: str = "guide"
) -> list[Figure]:
    """Work out the rows of ours and of the other from their calls and CPU seconds."""
    samples = {name: sample(rounds[name], cpu[name]) for name in ("ours", other)}
    figures = []
    for index, end in enumerate(("record", "row")):
        for percent in (50, 99):
            mine, theirs = (
                Spread.exact(_percentile([each[index] for each in samples[name]], percent))
                for name in samples
            )
            name = f"event to {end}, {percent} % of events within"
            figures.append(Figure(GROUP, name, "ms", mine, theirs, other, note=NOTE))
    return figures


def sample(rounds: Rounds, cpu: float) -> list[tuple[float, float]]:
    """Draw milliseconds until the record is written, and until all is done."""
    draw = random.Random(0)  # noqa: S311 (the same ones each time)
    share = 1000 * cpu * FULL_PROCESSOR / MEMORY
    last = next(index for index, calls in enumerate(rounds) if _RECORD in calls)
    found = []
    for _ in range(_SAMPLES):
        took = [
            max(MEDIANS[call] * math.exp(draw.gauss(0, _SIGMA)) for call in calls)
            for calls in rounds
        ]
        found.append((share + sum(took[: last + 1]), share + sum(took)))
    return found


def rounds_of(calls: Sequence[tuple[float, str]], delay: float) -> Rounds:
    """Group an event's calls by when they came; each was made to take `delay` seconds longer."""
    rounds: list[list[str]] = []
    begun = -math.inf
    for moment, name in sorted(calls):
        if moment - begun > delay / 2:
            rounds.append([])
            begun = moment
        rounds[-1].append(name)
    return tuple(tuple(sorted(names)) for names in rounds)


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]

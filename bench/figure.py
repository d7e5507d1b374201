"""A figure of the table: what it is for us, for the other, and what it may be."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENOUGH = 4


@dataclass(frozen=True)
class Spread:
    """The median of what was measured, with the lower and the upper quartile."""

    middle: float
    low: float
    high: float
    count: int = 1

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Take the spread of measured values; the extremes where there are few."""
        if len(values) < _ENOUGH:
            return cls(median(values), min(values), max(values), len(values))
        low, _, high = quantiles(values, n=4)
        return cls(median(values), low, high, len(values))

    @classmethod
    def exact(cls, value: float) -> Spread:
        """Make one of a number that is counted, not measured."""
        return cls(value, value, value)

    def scaled(self, factor: float) -> Spread:
        """Express it in another unit."""
        return Spread(self.middle * factor, self.low * factor, self.high * factor, self.count)


@dataclass(frozen=True)
class Limit:
    """The most that our figure may be: in its own unit, or as a share of the other's."""

    most: float
    of_other: bool = False


@dataclass(frozen=True)
class Figure:
    """A row of the table: us, None where what is measured never ends, and `other` likewise.

    `other_name` is empty if there is nothing to compare with.
    """

    group: str
    name: str
    unit: str
    ours: Spread | None
    other: Spread | None = None
    other_name: str = ""
    limit: Limit | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """What other figures call it."""
        return f"{self.group}: {self.name}"

    @property
    def ratio(self) -> float | None:
        """Our share of the other's."""
        if self.ours is None or self.other is None or not self.other.middle:
            return None
        return self.ours.middle / self.other.middle

    @property
    def is_kept(self) -> bool | None:
        """Whether the limit is kept; None if there is none."""
        if self.limit is None:
            return None
        value = self.ratio if self.limit.of_other else self._middle
        return value is not None and round(value, 9) <= self.limit.most

    @property
    def _middle(self) -> float | None:
        return None if self.ours is None else self.ours.middle

"""JSON as Python values: the type of every body of the stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, TypeGuard

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = Mapping[str, Json]


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a JSON number; Python counts true and false as numbers too."""
    return isinstance(value, int | float) and not isinstance(value, bool)

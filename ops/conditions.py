"""Code that only some stages have: the branches of `if settings.FEATURE:`."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.settings.stage import FEATURES

if TYPE_CHECKING:
    from chalicelib.settings.stage import Settings

_QUESTIONS: Final = frozenset({"is_local", *FEATURES})
"""What of the settings decides which code a stage has."""

_HOLDERS: Final = frozenset({"settings", "_settings"})


@dataclass(frozen=True)
class Condition:
    """A condition on a stage's settings for code to exist: `settings.NAME`, or its negation."""

    name: str
    wanted: bool

    def holds(self, settings: Settings | None) -> bool:
        """Tell whether it is so; without settings everything may be."""
        return settings is None or bool(getattr(settings, self.name)) is self.wanted


Conditions = tuple[Condition, ...]


def conditions_of(test: ast.expr, *, wanted: bool) -> Conditions:
    """Return what must be so for such a test to come out as wanted; nothing if it is not known.

    Known are `settings.FEATURE` and `settings.is_local`, of a name or attribute called `settings`
    or `_settings`, and `not` before them.
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return conditions_of(test.operand, wanted=not wanted)
    if not (isinstance(test, ast.Attribute) and test.attr in _QUESTIONS):
        return ()
    holder = test.value
    name = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", None)
    return (Condition(test.attr, wanted),) if name in _HOLDERS else ()


def all_hold(conditions: Conditions, settings: Settings | None) -> bool:
    """Tell whether a stage with these settings has code under such conditions."""
    return all(each.holds(settings) for each in conditions)

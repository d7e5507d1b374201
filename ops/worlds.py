"""Kinds of stages, by the settings that decide which code a stage has, and conditions on them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from chalicelib.settings.stage import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.settings.stage import Settings

INVITES: Final = "invites"
QUESTIONS: Final = ("is_local", *FEATURES, INVITES)

Conditions = frozenset[tuple[str, bool]]
"""What must be so for a stage to have some code: settings, and whether each is wanted."""

World = frozenset[str]
"""The settings that a stage has."""

_EVERY: Final = [
    frozenset(name for name, is_on in zip(QUESTIONS, some, strict=True) if is_on)
    for some in product((False, True), repeat=len(QUESTIONS))
]
WORLDS: Final = [each for each in _EVERY if INVITES not in each or each.issuperset(FEATURES)]
"""Invitations need both features."""


def world_of(settings: Settings) -> World:
    """Return the world of a stage with these settings."""
    return frozenset(name for name in QUESTIONS if getattr(settings, name))


def hold(conditions: Conditions, world: World) -> bool:
    """Tell whether all of the conditions hold."""
    return all((name in world) is wanted for name, wanted in conditions)


def condition(worlds: Iterable[World]) -> str:
    """Say what must be so for a stage to be one of these, as `A and not B or C`."""
    found = set(worlds)
    terms = [((), ((name, True),), ((name, False),)) for name in QUESTIONS]
    every = [frozenset(sum(some, ())) for some in product(*terms)]
    meant: dict[Conditions, frozenset[World]] = {
        each: frozenset(world for world in WORLDS if hold(each, world)) for each in every
    }
    fitting = [each for each in every if meant[each] and meant[each] <= found]
    widest = [each for each in fitting if not any(meant[each] < meant[o] for o in fitting)]
    shortest = [
        each
        for each in widest
        if not any(meant[other] == meant[each] and other < each for other in widest)
    ]
    texts = (
        " and ".join(name if wanted else f"not {name}" for name, wanted in sorted(each))
        for each in shortest
    )
    return " or ".join(sorted(texts)) or "always"


def holds(text: str, world: World) -> bool:
    """Tell whether such a condition holds."""
    alternatives = [each.split(" and ") for each in text.split(" or ")]
    return text == "always" or any(
        all((each.removeprefix("not ") in world) is not each.startswith("not ") for each in terms)
        for terms in alternatives
    )

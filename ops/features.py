"""The features of a stage, and the variables that belong to them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from chalicelib.settings.parsing import declared
from chalicelib.settings.stage import FEATURES, Settings, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.settings.parsing import Setting

MEETINGS: Final = "meetings"
NOTIFICATIONS: Final = "notifications"

CORE_SETTINGS: Final = tuple(declared(Settings).values())
"""The settings of every stage."""

SETTINGS_OF: Final[Mapping[str, tuple[Setting, ...]]] = {
    feature: tuple(declared(settings_of(feature)).values()) for feature in FEATURES
}
"""The settings that a stage has only with the feature."""

SETTINGS: Final[Mapping[str, Setting]] = {
    each.variable: each for each in (*CORE_SETTINGS, *chain(*SETTINGS_OF.values()))
}
"""Every setting that a stage may have, by its variable."""

STREAM_VARIABLE: Final = "TABLE_STREAM_ARN"
"""Variables for Chalice's process during a deployment only, which a stage does not keep."""

FEATURES_VARIABLE: Final = "FEATURES"


def capitalized(meaning: str) -> str:
    """Return a setting's meaning as the beginning of a sentence."""
    return meaning[0].upper() + meaning[1:]


def features_in(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Read the features in a stage's variables, in any order."""
    found = {each.strip() for each in variables.get(FEATURES_VARIABLE, "").split(",")}
    return tuple(sorted(found - {""}))


def with_features(
    variables: Mapping[str, str], added: Iterable[str], removed: Iterable[str]
) -> dict[str, str]:
    """Add and remove features; variables of removed features are dropped."""
    wanted = sorted({*features_in(variables), *added} - set(removed))
    gone = {
        each.variable
        for feature, settings in SETTINGS_OF.items()
        if feature not in wanted
        for each in settings
    }
    kept = {name: value for name, value in variables.items() if name not in gone}
    kept.pop(FEATURES_VARIABLE, None)
    return kept | ({FEATURES_VARIABLE: ",".join(wanted)} if wanted else {})

"""The features of a stage, and the variables that belong to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chalicelib.settings.meetings import VARIABLES as MEETINGS_VARIABLES
from chalicelib.settings.notifications import VARIABLES as NOTIFICATIONS_VARIABLES
from chalicelib.settings.stage import FEATURES
from chalicelib.settings.stage import VARIABLES as PLAIN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MEETINGS: Final = "meetings"
NOTIFICATIONS: Final = "notifications"

VARIABLES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    MEETINGS: MEETINGS_VARIABLES,
    NOTIFICATIONS: NOTIFICATIONS_VARIABLES,
}
"""The variables that a stage has only with the feature."""

VARIABLES: Final = (*PLAIN_VARIABLES, *MEETINGS_VARIABLES, *NOTIFICATIONS_VARIABLES)
"""Every variable that a stage may have."""

STREAM_VARIABLE: Final = "TABLE_STREAM_ARN"
"""Variables for Chalice's process during a deployment only, which a stage does not keep."""

FEATURES_VARIABLE: Final = "FEATURES"


def features_in(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Read the features in a stage's variables, in any order."""
    found = {each.strip() for each in variables.get(FEATURES_VARIABLE, "").split(",")}
    return tuple(sorted(found - {""}))


def with_features(
    variables: Mapping[str, str], added: Iterable[str], removed: Iterable[str]
) -> dict[str, str]:
    """Add and remove features; variables of removed features are dropped."""
    wanted = sorted({*features_in(variables), *added} - set(removed))
    gone = {name for each in FEATURES if each not in wanted for name in VARIABLES_OF[each]}
    kept = {name: value for name, value in variables.items() if name not in gone}
    kept.pop(FEATURES_VARIABLE, None)
    return kept | ({FEATURES_VARIABLE: ",".join(wanted)} if wanted else {})

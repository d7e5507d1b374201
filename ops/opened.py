"""A stage with meetings, opened with the credentials of its account."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ops.account import Account
from ops.deployment import Deployment
from ops.stages import ConfigError, ConfigFile

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.settings.meetings import MeetingsSettings
    from ops.stages import Stage


class Opened(NamedTuple):
    """A stage with meetings, its settings of those, and its account."""

    stage: Stage
    settings: MeetingsSettings
    account: Account


def open_meetings(directory: Path, name: str) -> Opened:
    """Open a stage with meetings. Raises ConfigError, SettingsError and AwsError.

    In another account its names would be another stage's.
    """
    config_file = ConfigFile(directory.resolve())
    stage = config_file.stage(name)
    settings = stage.settings.meetings
    if settings is None:
        raise ConfigError(
            f"stage {name!r} has no meetings: turn them on with `elephant stage {name} --with "
            "meetings …`"
        )
    account = Account(stage.region)
    Deployment(config_file, stage, account).check_account()
    return Opened(stage, settings, account)

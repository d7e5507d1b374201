"""The stage that a command works on, with credentials for its account."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from chalicelib.secrets import Token
from ops.account import Account, AwsError, readable_errors
from ops.assemble import ADDRESS_VARIABLE
from ops.cloudflare_zone import ZoneView
from ops.stages import ConfigError, ConfigFile

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.settings.meetings import MeetingsSettings
    from ops.account import Identity
    from ops.stages import Stage


def open_stage(directory: Path, name: str) -> tuple[Stage, Account]:
    """Return the stage and its account; in another account, it would seem to be empty.

    Raises ConfigError and AwsError.
    """
    stage = ConfigFile(directory.resolve()).stage(name)
    account = Account(stage.region)
    check_account(stage, account)
    return stage, account


def open_meetings(directory: Path, name: str) -> tuple[Stage, Account, MeetingsSettings]:
    """Return the same, and the settings of its meetings; raises ConfigError also without any."""
    stage, account = open_stage(directory, name)
    settings = stage.settings.meetings
    if settings is None:
        raise ConfigError(
            f"stage {name!r} has no meetings: turn them on with `elephant stage {name} --with "
            "meetings`"
        )
    return stage, account, settings


def check_account(stage: Stage, account: Account) -> Identity:
    """Return whose credentials these are. Raises AwsError unless the stage is in their account.

    Raises ConfigError if the environment and the stage name different addresses of Cloudflare: of
    a local cloud's environment, nothing is to leave the machine.
    """
    address = os.environ.get(ADDRESS_VARIABLE, "")
    if address and address.rstrip("/") != stage.settings.cloudflare_api_url:
        raise ConfigError(
            f"stage {stage.name!r} is at {stage.settings.cloudflare_api_url}, but "
            f"{ADDRESS_VARIABLE} is {address}: unset it, or `elephant stage {stage.name} "
            f"--cloudflare-api-url {address}`"
        )
    identity = account.identity()
    if identity.account != stage.account:
        raise AwsError(
            f"stage {stage.name!r} is in account {stage.account}, but these credentials "
            f"({identity.arn}) are for {identity.account}: use others, or `elephant stage "
            f"{stage.name} --account {identity.account}`"
        )
    return identity


def open_zone(stage: Stage, account: Account) -> ZoneView:
    """Return the stage's zone as its token sees it. Raises AwsError, SecretError."""
    settings = stage.settings
    client = account.client("secretsmanager")
    with readable_errors(f"read the token in secret {settings.secret_id!r}"):
        token = Token(client, settings.secret_id).value()
    return ZoneView(settings.cloudflare_api_url, token, settings.zone_id)

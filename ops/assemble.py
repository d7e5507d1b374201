"""Putting a stage together: from what is given, written so far, known, and asked for."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import click

from chalicelib.cloudflare import CloudflareError
from chalicelib.settings import Settings
from ops.account import Account
from ops.cloudflare_zone import find_zone
from ops.configure import read_variables
from ops.stages import OWN_KEY, Stage, check_region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.stages import ConfigFile

TOKEN_VARIABLE: Final = "CLOUDFLARE_API_TOKEN"  # noqa: S105 (the variable's name)
_ANY_ZONE: Final = "0" * 32


def assemble(config_file: ConfigFile, name: str, options: Mapping[str, str | None]) -> Stage:
    """Put the stage together and check it; on a terminal, ask for what is missing.

    Raises ConfigError, SettingsError, AwsError, and click's UsageError without a terminal.
    """
    written = config_file.values(name)
    own = written.get(OWN_KEY, {})
    account = Account(options["region"] or own.get("region"))
    region = account.region or _ask("Region", "--region")
    check_region(region)
    account_id = options["account"] or own.get("account") or Account(region).identity().account
    variables = read_variables(
        {
            "DOMAIN_ROOT": options["domain_root"],
            "ZONE_ID": options["zone_id"],
            "SECRET_ARN": options["secret"],
            "OWNER": options["owner"],
            "TABLE_NAME": options["table"],
            "PROJECT_TAG": options["project_tag"],
            "DCV_PORT": options["dcv_port"],
            "PROXIED": options["proxied"],
            "TTL": options["ttl"],
            "EVENT_TAGS": options["event_tags"],
            "SWEEP_SCHEDULE": options["sweep_schedule"],
            "SWEEP_BATCH_SIZE": options["sweep_batch_size"],
            "SWEEP_DELETE_LIMIT": options["sweep_delete_limit"],
            "SWEEP_DELETE_PERCENT": options["sweep_delete_percent"],
            "GRACE_MINUTES": options["grace_minutes"],
            "CLOUDFLARE_API_URL": options["cloudflare_api_url"],
        },
        written.get("environment_variables", {}),
    )
    if "DOMAIN_ROOT" not in variables:
        variables["DOMAIN_ROOT"] = _ask("Domain under which instances get names", "--domain-root")
    variables.setdefault("SECRET_ARN", f"elephant/{name}/cloudflare")
    variables.setdefault("OWNER", f"elephant:{name}/{region}")
    if "ZONE_ID" not in variables:
        # All else is checked before the token is sent anywhere.
        settings = Settings.parse(variables | {"ZONE_ID": _ANY_ZONE})
        variables["ZONE_ID"] = _find_zone(settings) or _ask("Cloudflare zone id", "--zone-id")
    email = options["alarm_email"]
    return Stage(
        name,
        account_id,
        region,
        variables,
        own.get("alarm_email", "") if email is None else email,
    )


def _find_zone(settings: Settings) -> str | None:
    """Look the zone up if a token is at hand; if that fails, say why, and a person is asked."""
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        return None
    try:
        return find_zone(settings.cloudflare_api_url, token, settings.domain_root)
    except CloudflareError as error:
        click.echo(f"The zone could not be looked up: {error}", err=True)
        return None


def _ask(what: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{option} is missing")
    return str(click.prompt(what))

"""Build the stage config from CLI options, config.json, AWS defaults and prompts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from chalicelib.dns.provider import DnsError
from chalicelib.settings.stage import Settings
from ops.account import Account
from ops.cloudflare_zone import find_zone
from ops.configure import read_variables
from ops.features import MEETINGS, NOTIFICATIONS, VARIABLES_OF, features_in, with_features
from ops.neighbours import default_owner, default_table
from ops.stages import OWN_KEY, Stage, check_region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.stages import ConfigFile

TOKEN_VARIABLE: Final = "CLOUDFLARE_API_TOKEN"  # noqa: S105 (the variable's name)
ADDRESS_VARIABLE: Final = "CLOUDFLARE_BASE_URL"
"""The variable for the address of that token's API, as read by Cloudflare's own clients."""

VARIABLE_OF: Final[Mapping[str, str]] = {
    "domain_root": "DOMAIN_ROOT",
    "zone_id": "ZONE_ID",
    "secret": "SECRET_ARN",
    "owner": "OWNER",
    "table": "TABLE_NAME",
    "project_tag": "PROJECT_TAG",
    "dcv_port": "DCV_PORT",
    "proxied": "PROXIED",
    "ttl": "TTL",
    "event_tags": "EVENT_TAGS",
    "sweep_schedule": "SWEEP_SCHEDULE",
    "sweep_batch_size": "SWEEP_BATCH_SIZE",
    "sweep_delete_limit": "SWEEP_DELETE_LIMIT",
    "sweep_delete_percent": "SWEEP_DELETE_PERCENT",
    "grace_minutes": "GRACE_MINUTES",
    "cloudflare_api_url": "CLOUDFLARE_API_URL",
    "ami": "AMI_ID",
    "security_groups": "SECURITY_GROUP_IDS",
    "instance_type": "INSTANCE_TYPE",
    "key_name": "KEY_NAME",
    "vpc": "VPC_ID",
    "volume_gb": "VOLUME_GB",
    "allowed_origins": "ALLOWED_ORIGINS",
    "join_keys": "JOIN_KEYS",
    "max_meeting_minutes": "MAX_MEETING_MINUTES",
    "mail_from": "MAIL_FROM",
    "mail_to": "MAIL_TO",
    "auto_scaling_groups": "AUTO_SCALING_GROUPS",
    "termination_causes": "TERMINATION_CAUSES",
    "codedeploy_applications": "CODEDEPLOY_APPLICATIONS",
    "deployment_states": "DEPLOYMENT_STATES",
    "address_minutes": "ADDRESS_MINUTES",
}
"""The variable that each option of `elephant stage` sets."""

_ANY_ZONE: Final = "0" * 32
_ASKED_FOR: Final = {
    MEETINGS: (
        ("AMI_ID", "Image of the desktops (ami-…)", "--ami"),
        (
            "SECURITY_GROUP_IDS",
            "Their security groups (sg-…, separated by commas)",
            "--security-groups",
        ),
    ),
    NOTIFICATIONS: (
        ("MAIL_FROM", "Sender of e-mails", "--mail-from"),
        ("MAIL_TO", "Recipients of e-mails (separated by commas)", "--mail-to"),
    ),
}
"""Required settings of each feature that have no default."""


@dataclass(frozen=True)
class Features:
    """Features to add to the stage and to remove from it."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def assemble(
    config_file: ConfigFile,
    name: str,
    options: Mapping[str, str | None],
    features: Features = Features(),
) -> Stage:
    """Build the stage and check it; on a terminal, ask for what is missing.

    Raises ConfigError, SettingsError, AwsError, and click's UsageError without a terminal.
    """
    written = config_file.values(name)
    own = written.get(OWN_KEY, {})
    account = Account(options["region"] or own.get("region"))
    region = account.region or _ask("Region", "--region")
    check_region(region)
    account_id = options["account"] or own.get("account") or Account(region).identity().account
    given = {variable: options[option] for option, variable in VARIABLE_OF.items()}
    if not written:  # else a stage on AWS would change with where it is looked at from
        given["CLOUDFLARE_API_URL"] = options["cloudflare_api_url"] or os.environ.get(
            ADDRESS_VARIABLE
        )
    variables = read_variables(given, written.get("environment_variables", {}))
    variables = _with_features(variables, given, features)
    if "DOMAIN_ROOT" not in variables:
        variables["DOMAIN_ROOT"] = _ask("Domain under which instances get names", "--domain-root")
    variables.setdefault("SECRET_ARN", f"elephant/{name}/cloudflare")
    variables.setdefault("OWNER", default_owner(name, account_id, region))
    if not written:  # one that is there without a name has the table of the settings' default
        variables.setdefault("TABLE_NAME", default_table(name))
    if "ZONE_ID" not in variables:
        # Everything else is checked before the token is sent anywhere.
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


def _with_features(
    variables: Mapping[str, str], given: Mapping[str, str | None], features: Features
) -> dict[str, str]:
    """Turn features on and off; ask for what one needs, refuse settings of others."""
    both = set(features.added) & set(features.removed)
    if both:
        raise click.UsageError(
            f"--with and --without {', '.join(sorted(both))} contradict each other"
        )
    changed = with_features(variables, features.added, features.removed)
    for feature, names in VARIABLES_OF.items():
        if feature in features_in(changed):
            for name, what, option in _ASKED_FOR[feature]:
                if name not in changed:
                    changed[name] = _ask(what, option)
            continue
        stray = [name for name in names if given[name] is not None]
        if stray:
            options = [
                f"--{key.replace('_', '-')}" for key, it in VARIABLE_OF.items() if it in stray
            ]
            raise click.UsageError(
                f"{', '.join(options)}: only for a stage with {feature}; turn it on with "
                f"--with {feature}"
            )
    return changed


def _find_zone(settings: Settings) -> str | None:
    """Look up the zone if a token is available; if that fails, print why and return None."""
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        return None
    try:
        return find_zone(settings.cloudflare_api_url, token, settings.domain_root)
    except DnsError as error:
        click.echo(f"The zone could not be looked up: {error}", err=True)
        return None


def _ask(what: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{option} is missing")
    return str(click.prompt(what))

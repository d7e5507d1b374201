"""Build the stage config from CLI options, config.json, AWS defaults and prompts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from chalicelib.dns.provider import DnsError
from chalicelib.settings.stage import FEATURES, Settings
from ops.account import Account
from ops.cloudflare_zone import find_zone
from ops.configure import read_variables
from ops.features import SETTINGS, SETTINGS_OF, capitalized, features_in, with_features
from ops.found import suggestion
from ops.neighbours import default_owner, default_table
from ops.prompts import Prompts
from ops.stages import ARCHITECTURE, OWN_KEY, Stage, check_region
from ops.tags import TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.settings.parsing import Setting
    from ops.stages import ConfigFile

TOKEN_VARIABLE: Final = "CLOUDFLARE_API_TOKEN"  # noqa: S105 (the variable's name)
ADDRESS_VARIABLE: Final = "CLOUDFLARE_BASE_URL"
"""The variable for the address of that token's API, as read by Cloudflare's own clients."""

_ANY_ZONE: Final = "0" * 32


@dataclass(frozen=True)
class Tags:
    """Tags to set on the stage, `Key=Value`, and keys of those to remove."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def changed(self, before: Mapping[str, str], shared: Mapping[str, str]) -> dict[str, str]:
        """Return the stage's tags after the change. Raises click's UsageError."""
        after = dict(before)
        for each in self.added:
            key, equals, value = each.partition("=")
            if not (key and equals and value):
                raise click.UsageError(f"--tag {each!r}: give a key and a value, Key=Value")
            after[key] = value
        for key in self.removed:
            if key in shared:
                raise click.UsageError(
                    f"--untag {key}: all stages have it; remove it from 'tags' in config.json"
                )
            if after.pop(key, None) is None:
                raise click.UsageError(f"--untag {key}: the stage has no such tag")
        return after


@dataclass(frozen=True)
class Features:
    """Features to add to the stage and to remove from it."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def assemble(  # noqa: PLR0913 (what a stage is made of)
    config_file: ConfigFile,
    name: str,
    options: Mapping[str, str | None],
    features: Features = Features(),
    tags: Tags = Tags(),
    *,
    prompts: Prompts | None = None,
) -> Stage:
    """Build the stage and check it; on a terminal, ask for what is missing.

    The domain and the zone are asked for first, then what features need.

    `options` has those for settings by variable, and `region`, `account`,
    `alarm_email` and `architecture`.

    Raises ConfigError, SettingsError, AwsError, click's ClickException for a wrong option, and its
    UsageError without a terminal.
    """
    prompts = prompts or Prompts(config_file, name)
    written = config_file.values(name)
    own = written.get(OWN_KEY, {})
    account = Account(options["region"] or own.get("region"))
    region = account.region or prompts.ask("region", "AWS region", "--region", check_region)
    check_region(region)
    account_id = options["account"] or own.get("account") or Account(region).identity().account
    given = {name: value for name, value in options.items() if name in SETTINGS}
    if not written:  # else a stage on AWS would change with where it is looked at from
        given["CLOUDFLARE_API_URL"] = options["CLOUDFLARE_API_URL"] or os.environ.get(
            ADDRESS_VARIABLE
        )
    variables = read_variables(given, written.get("environment_variables", {}))
    variables = _with_features(variables, given, features)
    _check_options(given)
    if "DOMAIN_ROOT" not in variables:
        variables["DOMAIN_ROOT"] = _ask_for(SETTINGS["DOMAIN_ROOT"], prompts)
    variables.setdefault("SECRET_ARN", f"elephant/{name}/cloudflare")
    variables.setdefault("OWNER", default_owner(name, account_id, region))
    if not written:  # one that is there without a name has the table of the settings' default
        variables.setdefault("TABLE_NAME", default_table(name))
    if "ZONE_ID" not in variables:
        # Everything else is checked before the token is sent anywhere.
        plain = with_features(variables, (), FEATURES)
        settings = Settings.parse(plain | {"ZONE_ID": _ANY_ZONE})
        variables["ZONE_ID"] = _find_zone(settings) or _ask_for(SETTINGS["ZONE_ID"], prompts)
    for each in _needed_by_features(variables):
        found = partial(suggestion, Account(region), name, each.variable)
        variables[each.variable] = _ask_for(each, prompts, found)
    email, shared = options["alarm_email"], config_file.shared_tags()
    return Stage(
        name,
        account_id,
        region,
        variables,
        own.get("alarm_email", "") if email is None else email,
        options["architecture"] or written.get(ARCHITECTURE, ""),
        tags.changed(shared | written.get(TAGS, {}), shared),
    )


def _with_features(
    variables: Mapping[str, str], given: Mapping[str, str | None], features: Features
) -> dict[str, str]:
    """Turn features on and off; refuse settings of others."""
    both = set(features.added) & set(features.removed)
    if both:
        raise click.UsageError(
            f"--with and --without {', '.join(sorted(both))} contradict each other"
        )
    changed = with_features(variables, features.added, features.removed)
    for feature, settings in SETTINGS_OF.items():
        stray = [f"--{each.option}" for each in settings if given.get(each.variable) is not None]
        if feature in features_in(changed):
            continue
        if stray:
            raise click.UsageError(
                f"{', '.join(stray)}: only for a stage with {feature}; turn it on with "
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


def _check_options(given: Mapping[str, str | None]) -> None:
    """Raise click's ClickException for options with wrong values, before anything is asked."""
    problems = []
    for variable, text in given.items():
        if text is not None:
            try:
                SETTINGS[variable].parse(text)
            except ValueError as error:
                problems.append(f"--{SETTINGS[variable].option} is {text!r}; it must be {error}")
    if problems:
        raise click.ClickException("\n".join(problems))


def _needed_by_features(variables: Mapping[str, str]) -> list[Setting]:
    return [
        each
        for feature in features_in(variables)
        for each in SETTINGS_OF.get(feature, ())
        if each.default is None and each.variable not in variables
    ]


def _ask_for(
    setting: Setting, prompts: Prompts, found: Callable[[], str | None] = lambda: None
) -> str:
    meaning = capitalized(setting.meaning.partition(". ")[0])
    return prompts.ask(setting.variable, meaning, f"--{setting.option}", setting.parse, found)

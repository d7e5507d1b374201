"""Checks of a stage's zone, owner and names before it is deployed or removed.

Every function raises ConfigError, with the remedy, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.dns.provider import DnsError, RateLimitedError, UnavailableError
from chalicelib.ec2.instances import Instances
from chalicelib.settings.stage import TABLE_NAME as TABLE_DEFAULT
from ops.account import readable_errors
from ops.meetings import desktops_of
from ops.neighbours import Neighbour, conflicts
from ops.stages import OWN_KEY, ConfigError
from ops.steps import WARNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chalicelib.dns.record import Record
    from ops.account import Account
    from ops.cloudflare_zone import ZoneView
    from ops.removal import Removable
    from ops.stages import ConfigFile, Stage

    Say = Callable[[str], None]

_SHOWN: Final = 3


def check_neighbours(config_file: ConfigFile, stage: Stage, say: Say, *, is_new: bool) -> None:
    """Refuse a new stage that conflicts with another; only warn about a deployed one."""
    for each in conflicts(config_file, Neighbour.of(stage)):
        if each.is_fight and is_new:
            raise ConfigError(
                f"{each.found}: give `elephant stage {stage.name}` {each.remedy}; nothing was "
                "deployed"
            )
        say(f"{WARNING}{each.found}; choose {each.remedy}")


def check_zone(zone: ZoneView, stage: Stage, say: Say) -> tuple[Record, ...]:
    """Check that the token reads the zone's records and the domain is in it; return our records.

    If Cloudflare does not answer, this is not checked, so that a stage can still be deployed.
    """
    settings = stage.settings
    try:
        ours = zone.our_records(settings.owner)
        name = _name_of(zone, say)
    except (UnavailableError, RateLimitedError) as error:
        say(f"{WARNING}Cloudflare does not answer, so the zone is not checked: {error}")
        return ()
    except DnsError as error:
        raise ConfigError(
            f"the records of zone {settings.zone_id} cannot be read: {error}. Nothing was "
            f"deployed; {_zone_remedy(zone, stage)}, or another token with `elephant token "
            f"{stage.name}`"
        ) from error
    if name and not lies_in(settings.domain_root, name):
        raise ConfigError(
            f"{settings.domain_root} is not in the zone {name} ({settings.zone_id}), so no record "
            f"can be created. Nothing was deployed; {_zone_remedy(zone, stage)}"
        )
    return ours


def check_new_owner(records: Iterable[Record], account: Account, stage: Stage) -> None:
    """Check that no other deployment uses the owner of a stage that was never deployed."""
    others = unknown_records(records, account, stage)
    if others:
        raise ConfigError(
            f"{_named(others)} in the zone have the owner {stage.settings.owner}, but no "
            "instance in this account and region: another deployment uses this owner, and each "
            f"would remove the other's records. Nothing was deployed; choose `elephant stage "
            f"{stage.name} --owner elephant:ANOTHER`. If they are only remains of a removed "
            "deployment, delete them in Cloudflare's dashboard"
        )


def check_renamed_owner(
    before: str | None, zone: ZoneView | None, account: Account, stage: Stage
) -> None:
    """Check that a change of owner leaves no record or desktop behind."""
    owner = stage.settings.owner
    if before in {None, owner}:
        return
    left = [f"the desktop {each}" for each in desktops_of(account, stage, before)]
    if zone:
        found = zone.our_records(str(before))
        others = set(unknown_records(found, account, stage))
        left += [f"the record {each.name}" for each in found if each.name not in others]
    if left:
        raise ConfigError(
            f"the stage is deployed as {before}, and would change to {owner}: {_named(left)} would "
            "be left without an owner. Nothing was deployed; change it when no instance runs, or "
            f"go back with `elephant stage {stage.name} --owner {before}`"
        )


def check_removable(removable: Removable, config_file: ConfigFile, stage: Stage) -> None:
    """Check that the names are exactly the stage's table and secret, and no other stage's too."""
    settings = stage.settings
    for what, named, own, variable in (
        ("table", removable.table, settings.table_name, "TABLE_NAME"),
        ("secret", removable.secret, settings.secret_id, "SECRET_ARN"),
    ):
        if named and named != own:
            raise ConfigError(f"the stage's {what} is {own!r}, not {named!r}: nothing was removed")
        for other in config_file.names() if named else ():
            if other != stage.name and _shares(config_file, stage, other, variable, str(named)):
                raise ConfigError(
                    f"stage {other!r} uses the {what} {named!r} as well: nothing was removed"
                )


def _shares(config_file: ConfigFile, stage: Stage, other: str, variable: str, value: str) -> bool:
    """Tell whether another stage of the same account and region uses this table or secret."""
    written = config_file.values(other)
    own = written.get(OWN_KEY, {})
    default = TABLE_DEFAULT if variable == "TABLE_NAME" else None
    used = written.get("environment_variables", {}).get(variable, default)
    place = (own.get("account"), own.get("region"))
    return used == value and place == (stage.account, stage.region)


def check_records_to_remove(records: Iterable[Record], account: Account, stage: Stage) -> None:
    """Check that records with our owner are not another deployment's before they are removed."""
    settings = stage.settings
    others = unknown_records(records, account, stage)
    if others:
        raise ConfigError(
            f"{settings.owner} also has {_named(others)}, with no instance in this account and "
            "region: another deployment may use the same OWNER and would lose its records; nothing "
            f"was removed. If none uses it, `elephant sweep {stage.name} --force` removes "
            "them; or leave all records with --keep-records"
        )


def unknown_records(records: Iterable[Record], account: Account, stage: Stage) -> tuple[str, ...]:
    """Find the records that this stage would not create: EC2 does not know their instances here.

    Raises AwsError.
    """
    settings = stage.settings
    ids = {each.name: each.instance_id for each in records}
    with readable_errors("look for the instances of records"):
        instances = Instances(account.client("ec2"), settings.project_tag, None)
        known = {each.id for each in instances.among(each for each in ids.values() if each)}
    return tuple(
        sorted(
            name
            for name, instance_id in ids.items()
            if instance_id not in known or name != settings.record_name(str(instance_id))
        )
    )


def lies_in(domain: str, zone: str) -> bool:
    """Tell whether a domain is in the zone of this name."""
    return domain == zone or domain.endswith(f".{zone}")


def _name_of(zone: ZoneView, say: Say) -> str | None:
    try:
        return zone.details().name
    except TokenRefusedError as error:
        say(f"{WARNING}the token may not read the zone's name, so it is not checked: {error}")
        return None


def _zone_remedy(zone: ZoneView, stage: Stage) -> str:
    """Format the command that sets the right zone, whose id the token may see."""
    try:
        right = zone.zone_for(stage.settings.domain_root)
    except DnsError:
        right = None
    return f"set the right one with `elephant stage {stage.name} --zone-id {right or '…'}`"


def _named(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return f"{', '.join(every[:_SHOWN])}{more}"

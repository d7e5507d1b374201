"""Where a command works: the project, and the AWS profile and region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.stages import OWN_KEY, ConfigError, ConfigFile

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_VARIABLE: Final = "ELEPHANT_PROJECT"

_REGIONS: Final = ("AWS_DEFAULT_REGION", "AWS_REGION")
_BEFORE_A_PROFILE: Final = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    }
)
"""Variables that botocore prefers to AWS_PROFILE, but not to a profile given as an option."""


def find_project(given: Path | None, environment: Mapping[str, str], here: Path) -> Path:
    """Return the directory of the project, which has a `.chalice/config.json`.

    It is the given one, else that of ELEPHANT_PROJECT, else the nearest of `here` and the
    directories above it. Raises ConfigError if there is none.
    """
    variable = environment.get(PROJECT_VARIABLE)
    if given is None and variable:
        return _checked(Path(variable), f"{PROJECT_VARIABLE} names")
    if given is not None:
        return _checked(given, "--project names")
    for directory in (here, *here.parents):
        if ConfigFile(directory).path.is_file():
            return directory
    raise ConfigError(
        f"no project in {here} or above it: run this in a checkout of Elephant, which has a "
        f".chalice/config.json, or name one with --project or {PROJECT_VARIABLE}"
    )


def aws_environment(
    environment: Mapping[str, str], profile: str | None, region: str | None
) -> dict[str, str]:
    """Return the environment in which every AWS client uses this profile and region.

    As with the AWS CLI, a profile given as an option is used rather than credentials in variables.
    """
    hidden = _BEFORE_A_PROFILE if profile else frozenset()
    kept = {name: value for name, value in environment.items() if name not in hidden}
    if profile:
        kept["AWS_PROFILE"] = profile
    if region:
        kept.update(dict.fromkeys(_REGIONS, region))
    return kept


def refuse_other_region(config_file: ConfigFile, name: str, region: str) -> None:
    """Raise ConfigError if a stage exists in another region: a stage has only one."""
    own = _region_of(config_file, name)
    if own and own != region:
        there = [each for each in config_file.names() if _region_of(config_file, each) == region]
        instead = f", or name a stage of that region: {', '.join(there)}" if there else ""
        raise ConfigError(
            f"stage {name!r} is in {own}, not in {region}: leave out --region{instead}"
        )


def _region_of(config_file: ConfigFile, name: str) -> str | None:
    region: str | None = config_file.values(name).get(OWN_KEY, {}).get("region")
    return region


def _checked(directory: Path, what: str) -> Path:
    if not ConfigFile(directory).path.is_file():
        raise ConfigError(
            f"{what} {directory}, which has no .chalice/config.json: name a checkout of Elephant"
        )
    return directory

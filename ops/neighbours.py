"""Conflicts between the stages of a project.

Pure: it compares stages of the same account and region in `.chalice/config.json`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from chalicelib.settings.formats import CLOUDFLARE_API
from chalicelib.settings.stage import TABLE_NAME
from ops.features import MEETINGS, features_in
from ops.stages import OWN_KEY, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.stages import ConfigFile, Stage

PROJECT_TAG: Final = "Project=Elephant"
"""The project tag of a stage that sets none."""

LONGEST_OWNER: Final = 51
"""Length that leaves room in a record's comment for a meeting id of 36 characters and a role."""


class Over(StrEnum):
    """A setting that two stages share although each needs its own."""

    OWNER = "owner"
    TABLE = "table"
    NAMES = "names"
    TAG = "tag"


@dataclass(frozen=True)
class Conflict:
    """A conflict with another stage; `remedy` is the option for `elephant stage`."""

    over: Over
    other: str
    found: str
    remedy: str

    @property
    def is_fight(self) -> bool:
        """Whether each stage undoes the other's work; otherwise both do the same side by side."""
        return self.over is not Over.TAG


@dataclass(frozen=True)
class Neighbour:
    """A stage as seen by other stages; unlike a Stage, it may be incomplete or invalid."""

    name: str
    place: tuple[str, str, str]
    """Account, region and Cloudflare address; a local stage has its own Cloudflare."""
    variables: Mapping[str, str]

    @classmethod
    def of(cls, stage: Stage) -> Neighbour:
        """Make a neighbour from a stage."""
        place = stage.account, stage.region, _cloudflare(stage.variables)
        return cls(stage.name, place, stage.variables)

    @classmethod
    def written(cls, config_file: ConfigFile, name: str) -> Neighbour:
        """Make a neighbour from a stage's part of config.json. Raises ConfigError."""
        written = config_file.values(name)
        own = written.get(OWN_KEY, {})
        variables = written.get("environment_variables", {})
        place = own.get("account", ""), own.get("region", ""), _cloudflare(variables)
        return cls(name, place, variables)

    @property
    def table(self) -> str:
        """The name of its table; empty if it has none."""
        return self.variables.get("TABLE_NAME", TABLE_NAME)

    @property
    def tag(self) -> str:
        """Its project tag."""
        return self.variables.get("PROJECT_TAG", PROJECT_TAG)

    @property
    def domain(self) -> str | None:
        """The domain under which instances get their names."""
        return self.variables.get("DOMAIN_ROOT")

    @property
    def has_meetings(self) -> bool:
        """Whether it launches and terminates desktops."""
        return MEETINGS in features_in(self.variables)


def default_owner(name: str, account: str, region: str) -> str:
    """Choose the OWNER of a new stage: unique among stages in one zone, and short enough."""
    owner = f"elephant:{name}/{account}/{region}"
    if len(owner) <= LONGEST_OWNER:
        return owner
    digest = hashlib.sha256(f"{account}/{region}".encode()).hexdigest()
    return f"elephant:{name}/{digest[:12]}"


def default_table(name: str) -> str:
    """Choose the table of a new stage."""
    return f"elephant-{name}-meetings"


def conflicts(config_file: ConfigFile, stage: Neighbour) -> tuple[Conflict, ...]:
    """Find a stage's conflicts with others of the project. Raises ConfigError."""
    others = (Neighbour.written(config_file, each) for each in config_file.names())
    return tuple(
        found for other in others if other.name != stage.name for found in _between(stage, other)
    )


def refuse_new_conflicts(config_file: ConfigFile, wanted: Stage) -> tuple[Conflict, ...]:
    """Raise ConfigError if a stage would get a new conflict with another one.

    Existing conflicts are returned, so that a running stage can still be changed.
    """
    before = conflicts(config_file, Neighbour.written(config_file, wanted.name))
    known = {(each.over, each.other) for each in before}
    found = conflicts(config_file, Neighbour.of(wanted))
    new = [each for each in found if each.is_fight and (each.over, each.other) not in known]
    if new:
        said = "; ".join(f"{each.found}: choose {each.remedy}" for each in new)
        raise ConfigError(f"{said}. Nothing was written")
    return found


def _cloudflare(variables: Mapping[str, str]) -> str:
    return variables.get("CLOUDFLARE_API_URL", CLOUDFLARE_API)


def _between(stage: Neighbour, other: Neighbour) -> Iterator[Conflict]:
    is_here = stage.place == other.place
    mine, theirs = stage.variables, other.variables
    same = {key for key in ("OWNER", "ZONE_ID") if mine.get(key) and mine[key] == theirs.get(key)}
    if "OWNER" in same and (is_here or "ZONE_ID" in same):
        what = f"stage {other.name!r} has the owner {mine['OWNER']} as well, so each removes the "
        what += "other's records, and terminates its desktops"
        yield Conflict(Over.OWNER, other.name, what, "another --owner")
    if not is_here:
        return
    if stage.table and stage.table == other.table and _fight_over_rows(stage, other):
        what = f"stage {other.name!r} has the table {stage.table} as well, so each launches, links "
        what += "and ends the other's meetings"
        remedy = f"a table of its own, such as --table {default_table(stage.name)}"
        yield Conflict(Over.TABLE, other.name, what, remedy)
    if stage.tag == other.tag and stage.domain == other.domain:
        what = f"stage {other.name!r} gives instances with the tag {stage.tag} their names under "
        what += f"{stage.domain} as well, so each conflicts with the other's records"
        remedy = f"another tag, such as --project-tag {stage.tag}-{stage.name}, or --domain-root"
        yield Conflict(Over.NAMES, other.name, what, remedy)
    elif stage.tag == other.tag:
        what = (
            f"stage {other.name!r} gives instances with the tag {stage.tag} names as well: those "
        )
        what += f"launched by hand get one under {stage.domain} and one under {other.domain}"
        yield Conflict(Over.TAG, other.name, what, "another --project-tag, unless that is intended")


def _fight_over_rows(stage: Neighbour, other: Neighbour) -> bool:
    """Tell whether both write the same rows; without meetings each writes rows of its instances."""
    return stage.has_meetings or other.has_meetings or stage.tag == other.tag

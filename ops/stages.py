"""Stages: their configuration in `.chalice/config.json`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from botocore.loaders import Loader
from botocore.regions import EndpointResolver

from chalicelib.resource_names import StageNames
from chalicelib.settings.stage import Settings
from ops.features import MEETINGS, SETTINGS, features_in
from ops.functions import NOTHING, absent_functions, defaults
from ops.reach import ROUTES_FUNCTION
from ops.tags import DESKTOP_TAGS, NO_TAGS, TAGS, as_variable, problems

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from ops.functions import PerFunction

APP: Final = "elephant"
ARCHITECTURE: Final = "lambda_architecture"
"""Chalice's key for the functions' processor."""
OWN_KEY: Final = "elephant"
"""The key for settings that Chalice does not know, and ignores."""

LONGEST_AWS_NAME: Final = 64
"""Maximum length of the names of functions, roles and rules; Chalice does not check it."""

_SHAPE: Final = {"environment_variables": str, OWN_KEY: str, TAGS: str, "lambda_functions": dict}
"""The parts of a stage that are read, and the types of their members."""

_STAGE = re.compile(r"[A-Za-z0-9_-]+")


class ConfigError(Exception):
    """The configuration cannot be used; nothing was written. The message says why."""


@dataclass(frozen=True)
class Stage:
    """A stage: its account, its region and the environment variables of its functions."""

    name: str
    account: str
    region: str
    variables: Mapping[str, str]
    alarm_email: str = ""
    architecture: str = ""
    """The processor of its functions, as Chalice names it; empty for Chalice's default."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The operator's own tags, of everything that the stage has; its variables follow them."""
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        """Check everything as the application does. Raises ConfigError, SettingsError."""
        if not re.fullmatch(r"\d{12}", self.account):
            raise ConfigError(f"account {self.account!r} is not a valid AWS account: use 12 digits")
        check_region(self.region)
        variables = {key: value for key, value in self.variables.items() if key != DESKTOP_TAGS}
        if self.tags and MEETINGS in features_in(variables):
            variables[DESKTOP_TAGS] = as_variable(self.tags)
        object.__setattr__(self, "variables", variables)
        object.__setattr__(self, "settings", Settings.parse(variables))
        wrong = "; ".join(problems(self.tags, self.settings.project_tag[0]))
        if wrong:
            raise ConfigError(f"stage {self.name!r}: {wrong}")

    @property
    def partition(self) -> str:
        """The region's AWS partition, the second part of an ARN."""
        return _partitions()[self.region]

    def arn(self, service: str) -> str:
        """Format the prefix of a service's ARNs in the stage's account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}"

    @property
    def place(self) -> StageNames:
        """The names of the stage's resources, as its own functions see them."""
        return StageNames(self.partition, self.region, self.account, f"{APP}-{self.name}")

    def function_name(self, function: str) -> str:
        """Name the Lambda function as Chalice does."""
        return (
            f"{APP}-{self.name}" if function == "api_handler" else f"{APP}-{self.name}-{function}"
        )

    def role_name(self, function: str) -> str:
        """Name the function's role as Chalice does."""
        return f"{APP}-{self.name}-{function}"

    def rule_name(self, function: str) -> str:
        """Name the EventBridge rule as Chalice does."""
        return f"{self.function_name(function)}-event"

    @property
    def failure_queue(self) -> str:
        """Name the queue of failed events."""
        return f"{APP}-{self.name}-failed-events"


def check_name(stage: str, functions: Collection[str]) -> None:
    """Raise ConfigError if a stage cannot have this name, or a derived name is too long for AWS."""
    if not _STAGE.fullmatch(stage):
        raise ConfigError(f"stage {stage!r}: use letters, digits, '-' and '_' only")
    for function in functions:
        if stage.endswith(f"-{function}"):
            other = stage.removesuffix(f"-{function}")
            raise ConfigError(
                f"stage {stage!r}: its names would conflict with the function {function!r} of a "
                f"stage {other!r}; use another name"
            )
    longest = max((f"{APP}-{stage}-{function}-event" for function in functions), key=len)
    excess = len(longest) - LONGEST_AWS_NAME
    if excess > 0:
        raise ConfigError(
            f"stage {stage!r} leads to the name {longest!r} of {len(longest)} characters, but AWS "
            f"allows {LONGEST_AWS_NAME}: use a stage name shorter by {excess}"
        )


def check_region(region: str) -> None:
    """Raise ConfigError unless AWS has a region of this name."""
    if region not in _partitions():
        near = get_close_matches(region, _partitions(), 3)
        perhaps = f"; perhaps {' or '.join(near)}" if near else ""
        raise ConfigError(f"AWS has no region {region!r} with Lambda{perhaps}")


def regions() -> tuple[str, ...]:
    """Return the names of all regions with Lambda."""
    return tuple(sorted(_partitions()))


@cache
def _partitions() -> dict[str, str]:
    """Return the partition of every region in which botocore knows Lambda."""
    # A session would read the user's AWS configuration, and fail at it where AWS is not asked.
    endpoints = EndpointResolver(Loader().load_data("endpoints"))
    return {
        region: partition
        for partition in endpoints.get_available_partitions()
        for region in endpoints.get_available_endpoints("lambda", partition)
    }


class ConfigFile:
    """`.chalice/config.json` of a project, and the files beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / ".chalice" / "config.json"

    def load(self) -> dict[str, Any]:
        """Read the configuration. Raises ConfigError if it is missing or not a JSON object."""
        try:
            config = json.loads(self.path.read_text())
        except FileNotFoundError as error:
            raise ConfigError(f"{self.path} is missing: run this in the project") from error
        except ValueError as error:
            raise ConfigError(f"{self.path} is not valid JSON: {error}; fix it manually") from error
        if not isinstance(config, dict) or not isinstance(config.setdefault("stages", {}), dict):
            raise ConfigError(f"{self.path} has no object 'stages'; fix it manually")
        if config.get("app_name", APP) != APP:
            raise ConfigError(f"{self.path}: app_name must be {APP!r}, the prefix of all names")
        if "profile" in config:
            raise ConfigError(f"{self.path}: remove 'profile', and use --profile or AWS_PROFILE")
        self._check_place(f"{self.path}", config)
        self._check_part(f"{self.path}", TAGS, config.get(TAGS, {}), str)
        return config

    def names(self) -> list[str]:
        """Return the names of the existing stages."""
        return list(self.load()["stages"])

    def stage(self, name: str) -> Stage:
        """Read a stage. Raises ConfigError if it does not exist, SettingsError if it is invalid."""
        written = self._stage_object(name)
        if not written:
            known = ", ".join(self.names()) or "none"
            raise ConfigError(
                f"there is no stage {name!r} (existing: {known}); create it with "
                f"`elephant stage {name}`"
            )
        own = written.get(OWN_KEY, {})
        if not own.get("account") or not own.get("region"):
            raise ConfigError(
                f"stage {name!r} has no account and region: complete it with "
                f"`elephant stage {name}`"
            )
        return Stage(
            name,
            own["account"],
            own["region"],
            written.get("environment_variables", {}),
            own.get("alarm_email", ""),
            written.get(ARCHITECTURE, ""),
            self.shared_tags() | written.get(TAGS, {}),
        )

    def shared_tags(self) -> dict[str, str]:
        """Return the tags that config.json gives to all stages."""
        return dict(self.load().get(TAGS, NO_TAGS))

    def values(self, name: str) -> dict[str, Any]:
        """Return a stage's part of config.json without validation; empty if it is new."""
        return self._stage_object(name)

    def with_stage(
        self,
        stage: Stage,
        functions: Collection[str],
        asked: PerFunction = NOTHING,
    ) -> dict[str, Any]:
        """Return the configuration with the stage in it, and everything else unchanged.

        `asked` has settings of single functions, which replace earlier ones.

        Raises ConfigError if another stage has the same owner in the same zone: each would
        remove the other's records.
        """
        config = self.load()
        stages = config["stages"]
        for name, other in stages.items():
            self._check_shape(name, other)
            variables = other.get("environment_variables", {})
            same = all(variables.get(key) == stage.variables[key] for key in ("OWNER", "ZONE_ID"))
            if name != stage.name and same:
                raise ConfigError(
                    f"stage {name!r} has the owner {stage.settings.owner!r} in this zone already: "
                    "choose another --owner"
                )
        written = dict(stages.get(stage.name, {}))
        own = {"account": stage.account, "region": stage.region}
        if stage.alarm_email:
            own["alarm_email"] = stage.alarm_email
        written[OWN_KEY] = own
        if stage.architecture:
            written[ARCHITECTURE] = stage.architecture
        shared = config.get(TAGS, NO_TAGS)
        written[TAGS] = {
            key: value for key, value in sorted(stage.tags.items()) if shared.get(key) != value
        }
        if not written[TAGS]:
            del written[TAGS]
        written["autogen_policy"] = False
        written["environment_variables"] = dict(sorted(stage.variables.items()))
        if stage.settings.meetings and "api_gateway_stage" not in config:
            # In the API's address, and what tells the metrics of one stage from another's.
            written.setdefault("api_gateway_stage", stage.name)
        elif ROUTES_FUNCTION not in functions and written.get("api_gateway_stage") == stage.name:
            del written["api_gateway_stage"]
        per_function = dict(written.get("lambda_functions", {}))
        for function in absent_functions(functions):
            per_function.pop(function, None)
        for function in functions:
            said = per_function.get(function, {})
            wanted = defaults(config, stage.name, function)
            per_function[function] = {
                **said,
                **{key: value for key, value in wanted.items() if key not in said},
                **asked.get(function, {}),
                "iam_policy_file": policy_file(stage.name, function),
            }
        written["lambda_functions"] = per_function
        config["stages"] = stages | {stage.name: written}
        return config

    def _stage_object(self, name: str) -> dict[str, Any]:
        written = self.load()["stages"].get(name, {})
        self._check_shape(name, written)
        return dict(written)

    def _check_shape(self, name: str, written: object) -> None:
        """Raise ConfigError if a value written by hand has an unsupported type."""
        where = f"{self.path}: stage {name!r}"
        if not isinstance(written, dict):
            raise ConfigError(f"{where} is not an object; fix it manually")
        for key, kind in _SHAPE.items():
            self._check_part(where, key, written.get(key, {}), kind)
        for function, values in written.get("lambda_functions", {}).items():
            self._check_place(f"{where}: {function}", values)

    def _check_part(self, where: str, key: str, part: object, kind: type) -> None:
        if not isinstance(part, dict):
            raise ConfigError(f"{where}: {key} is {part!r}, not an object; fix it manually")
        for member, value in part.items():
            if not isinstance(value, kind):
                wanted = "text in quotes" if kind is str else "an object"
                raise ConfigError(f"{where}: {key}.{member} is {value!r}, but must be {wanted}")

    def _check_place(self, where: str, written: Mapping[str, Any]) -> None:
        """Raise ConfigError if settings are where Chalice would silently merge them."""
        settings = set(written.get("environment_variables", ())) & set(SETTINGS)
        if settings:
            raise ConfigError(
                f"{where} has {', '.join(sorted(settings))} among its environment_variables: "
                "settings belong to those of a stage"
            )


def policy_file(stage: str, function: str) -> str:
    """Name a function's policy file, below `.chalice`."""
    return f"policy-{stage}-{function}.json"

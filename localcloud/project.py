"""The project that is deployed to the local cloud: its `local` stage, and copies of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.settings.stage import Settings
from localcloud.aws import copy_project
from localcloud.cloud import STAGE

if TYPE_CHECKING:
    from pathlib import Path


class ProjectError(Exception):
    """The directory is not an Elephant project with a `local` stage."""


@dataclass(frozen=True)
class Project:
    """A directory with app.py and .chalice/config.json."""

    directory: Path

    @property
    def settings(self) -> Settings:
        """The settings of the local stage. Raises ProjectError or SettingsError."""
        return self.settings_with()

    def settings_with(self, **variables: str) -> Settings:
        """Return what they are with other variables. Raises what `settings` raises."""
        try:
            config = json.loads(self._config.read_text())
            written = config["stages"][STAGE]["environment_variables"] | variables
        except FileNotFoundError as error:
            raise ProjectError(f"{self._config} is missing: run this in the project") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ProjectError(
                f"{self._config} has no stage {STAGE!r} with environment_variables ({error!r})"
            ) from error
        return Settings.parse(written)

    def copy(self, target: Path, cloudflare_url: str, *, features: bool = True) -> Project:
        """Copy the project, with the local stage pointing to another port of this machine.

        Without `features` its stage has none: only the watchdog and the sweep.
        """
        copied = Project(copy_project(self.directory, target))
        config = json.loads(self._config.read_text())
        variables = config["stages"][STAGE]["environment_variables"]
        variables["CLOUDFLARE_API_URL"] = cloudflare_url
        if not features:
            variables.pop("FEATURES", None)
        (target / ".chalice/config.json").write_text(json.dumps(config, indent=2) + "\n")
        return copied

    def forget_deployment(self) -> bool:
        """Remove Chalice's record of the local stage's resources: a new local AWS has none.

        Returns whether there was one.
        """
        noted = self.directory / ".chalice" / "deployed" / f"{STAGE}.json"
        was_there = noted.exists()
        noted.unlink(missing_ok=True)
        return was_there

    @property
    def _config(self) -> Path:
        return self.directory / ".chalice" / "config.json"

"""Support for Chalice's command line, which Lambda does not need.

Chalice's commands load the application as Lambda does, and show a stack trace for every error.
Nothing here is loaded on Lambda.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NoReturn

from chalice.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_CHALICES_STAGE: Final = "dev"
"""The default stage of a command."""

_LOCAL: Final = "local"
"""The stage that every project has, and the command that serves a stage on this machine."""


@dataclass(frozen=True)
class CommandLine:
    """A Chalice command, and the project's configuration as parsed from JSON."""

    command: str
    stage: str
    config: Mapping[str, Any]

    @classmethod
    def read(cls, arguments: Sequence[str], project: Path) -> CommandLine:
        """Parse a command line that Chalice has accepted, in a project that it has loaded."""
        stage = _CHALICES_STAGE
        for option, value in pairwise([*arguments, ""]):
            name, equals, joined = option.partition("=")
            if name == "--stage":
                stage = joined if equals else value
        commands = [each for each in arguments if each in {_LOCAL, "deploy", "package"}]
        config = json.loads((project / ".chalice" / "config.json").read_text())
        return cls(commands[0] if commands else "", stage, config)

    @property
    def variables(self) -> Mapping[str, str]:
        """Substitutes for the variables of Chalice's default stage, if the project has none.

        `chalice local` alone then serves the stage `local`. Only that command: any other would
        act on AWS on a stage that nobody has named.
        """
        stages = self.config.get("stages", {})
        if self.command != _LOCAL or self.stage != _CHALICES_STAGE or self.stage in stages:
            return {}
        found: Mapping[str, str] = stages.get(_LOCAL, {}).get("environment_variables", {})
        return found

    def notice(self, environment: Mapping[str, str]) -> str:
        """Return a notice about what is served and what its requests need."""
        served = f"Serving the stage {_LOCAL!r}: there is no {self.stage!r}.\n"
        needed = (
            "Requests need AWS and Cloudflare: `elephant-local up` runs both on this machine "
            "and prints what to export here first.\n"
        )
        is_needed = self.command == _LOCAL and "AWS_ENDPOINT_URL" not in environment
        return (served if self.variables else "") + (needed if is_needed else "")

    def hint(self) -> str:
        """Return a hint if the configuration does not have the named stage."""
        stages = self.config.get("stages", {})
        if self.stage in stages:
            return ""
        return (
            f"\nThere is no stage {self.stage!r} (stages: {', '.join(stages) or 'none'}). Name "
            f"one, as in `chalice local --stage local`, or create it: `elephant stage "
            f"{self.stage}`"
        )

    def missing_policies(self, functions: Iterable[str], project: Path) -> list[str]:
        """Return the names of missing policy files that a deployment of these functions needs."""
        if self.command not in {"deploy", "package"}:
            return []
        wanted = set()
        for function in functions:
            config = Config(self.stage, function, config_from_disk=dict(self.config))
            if not config.autogen_policy and config.manage_iam_role:
                wanted.add(config.iam_policy_file or f"policy-{self.stage}.json")
        return sorted(name for name in wanted if not (project / ".chalice" / name).is_file())

    def check_policies(self, functions: Iterable[str], project: Path) -> None:
        """Exit if a policy file that the command needs is missing."""
        missing = self.missing_policies(functions, project)
        if missing:
            refuse(
                f"stage {self.stage!r} has no {', '.join(missing)} in .chalice: "
                f"`elephant stage {self.stage}` generates the functions' policies from the code"
            )


def refuse(message: str) -> NoReturn:
    """Exit with an error message for people.

    `chalice local` loads the application in a thread, and SystemExit would end only that thread:
    the command would continue, serving nothing.
    """
    if threading.current_thread() is threading.main_thread():
        raise SystemExit(f"Error: {message}")
    sys.stderr.write(f"Error: {message}\n")
    sys.stderr.flush()
    os._exit(1)

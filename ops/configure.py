"""Changes to a stage's files: config.json and one policy for each function."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.concurrency import configured
from ops.functions import CONCURRENCY, NOTHING, absent_functions
from ops.policies import files as policy_files
from ops.policies import functions_of
from ops.prompts import answers_path
from ops.stages import ConfigError, ConfigFile, Stage, check_name, policy_file
from ops.written_files import to_text, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ops.functions import PerFunction
    from ops.reach import Code


@dataclass(frozen=True)
class FileChange:
    """A file that is out of date; `after` is None for one that should not exist."""

    path: Path
    before: str
    after: str | None

    @property
    def is_whole(self) -> bool:
        """Whether the file is new, or is removed."""
        return not self.before or self.after is None

    @property
    def in_short(self) -> str:
        """Say in words what happens to the file."""
        if self.after is None:
            return "removed"
        before, after = len(self.before.splitlines()), len(self.after.splitlines())
        return f"{after - before:+} lines" if self.before else f"new, {after} lines"

    def difference(self, directory: Path) -> str:
        """Show the change as a unified difference."""
        name = self.path.relative_to(directory).as_posix()
        return "".join(
            difflib.unified_diff(
                self.before.splitlines(keepends=True),
                (self.after or "").splitlines(keepends=True),
                f"{name} (now)",
                f"{name} (as it should be)",
            )
        )


def changes(
    config_file: ConfigFile,
    code: Code,
    stage: Stage,
    asked: PerFunction = NOTHING,
) -> tuple[FileChange, ...]:
    """Return the changes that the stage's files need; empty if they are up to date.

    `asked` has settings of single functions, which replace those in config.json. Raises
    ConfigError if the stage conflicts with the existing configuration.
    """
    functions = functions_of(code, stage)
    check_name(stage.name, functions)
    config = config_file.with_stage(stage, functions, asked)
    for function in functions:
        number = configured(config, stage.name, function)
        if number and asked.get(function, {}).get(CONCURRENCY, number) is None:
            raise ConfigError(
                f"config.json sets {CONCURRENCY} {number} for more than {function}, which so "
                "cannot have none: remove it there by hand"
            )
    gone = absent_functions(functions)
    wanted: dict[Path, str | None] = {
        **{config_file.path.parent / policy_file(stage.name, each): None for each in gone},
        config_file.path: to_text(config),
        **{
            path: to_text(document)
            for path, document in policy_files(code, stage, config_file.directory).items()
        },
    }
    found = [_change(path, after) for path, after in wanted.items()]
    # Policies first, and what is to go last: an interruption leaves no configuration that names a
    # file.
    found.sort(key=lambda change: (change.after is None, change.path == config_file.path))
    return tuple(change for change in found if change.before != (change.after or ""))


def forget_stage(config_file: ConfigFile, code: Code, name: str) -> None:
    """Remove a stage from config.json, and then the files that only it has."""
    config = config_file.load()
    del config["stages"][name]
    files = [policy_file(name, each) for each in code.functions]
    write_files(
        {
            config_file.path: to_text(config),
            **dict.fromkeys([config_file.path.parent / each for each in files]),
            answers_path(config_file, name): None,
        }
    )


def read_variables(given: Mapping[str, str | None], written: Mapping[str, str]) -> dict[str, str]:
    """Merge the given options into the stage's existing variables."""
    return {**written, **{key: value for key, value in given.items() if value is not None}}


def _change(path: Path, after: str | None) -> FileChange:
    return FileChange(path, path.read_text() if path.exists() else "", after)

"""Questions to the operator: an answer is checked at once, and kept until the stage is written."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ops.stages import ConfigError
from ops.written_files import to_text, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ops.stages import ConfigFile


def is_terminal() -> bool:
    """Tell whether somebody can be asked."""
    return sys.stdin.isatty()


class Prompts:
    """Asks what is missing in a stage; answers of an earlier run are offered as defaults."""

    def __init__(self, config_file: ConfigFile, stage_name: str) -> None:
        self._path = answers_path(config_file, stage_name)
        self._kept = _read(self._path)

    def ask(
        self,
        name: str,
        meaning: str,
        option: str,
        parse: Callable[[str], Any],
        found: Callable[[], str | None] = lambda: None,
    ) -> str:
        """Ask until `parse` raises neither ValueError nor ConfigError; return the answer.

        `found` looks for a default if there is no earlier answer. Raises click's UsageError
        without a terminal.
        """
        if not is_terminal():
            raise click.UsageError(f"{option} is missing")
        default = self._kept.get(name) or found()
        while True:
            answer = str(click.prompt(meaning, default=default)).strip()
            try:
                parse(answer)
            except (ValueError, ConfigError) as error:
                reason = str(error) if isinstance(error, ConfigError) else f"it must be {error}"
                click.secho(f"  {answer!r} does not do: {reason}", fg="red", err=True)
            else:
                self._kept[name] = answer
                write_files({self._path: to_text(self._kept)})
                return answer

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Say where the answers are if the stage cannot be written with them."""
        try:
            yield
        except BaseException:
            if self._kept:
                where = self._path.relative_to(self._path.parent.parent)
                text = f"Your answers are kept in {where}; the same command offers them again."
                click.echo(f"\n{text}", err=True)
            raise

    def forget(self) -> None:
        """Remove the answers, which the stage has now."""
        self._path.unlink(missing_ok=True)


def answers_path(config_file: ConfigFile, stage_name: str) -> Path:
    """Return the path of the answers given so far for a stage."""
    return config_file.path.parent / f"answers-{stage_name}.json"


def _read(path: Path) -> dict[str, str]:
    """Read the answers; none if the file cannot be read, since they can be given again."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in kept.items()} if isinstance(kept, dict) else {}

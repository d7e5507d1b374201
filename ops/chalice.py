"""Chalice's own command line, run in a project."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Final

from chalicelib.secrets import KEYS
from ops.command import run_command
from ops.features import SETTINGS, STREAM_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ops.stages import Stage

_CHALICE: Final = (
    "import sys; from chalice.cli import main; sys.argv[0] = 'chalice'; sys.exit(main())"
)


def run_chalice(
    arguments: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    *,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run a Chalice command and return what it printed; CommandError if it fails."""
    command = [sys.executable, "-c", _CHALICE, *arguments]
    return run_command(command, f"chalice {' '.join(arguments)}", directory, environment, on_line)


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Remove variables with the names of settings, and Cloudflare tokens.

    Chalice passes them to app.py with the stage's own, so that a setting missing in the stage would
    seem to exist. And neither Chalice nor the programs that it starts, such as pip, need a token.
    """
    names = {*SETTINGS, STREAM_VARIABLE, *KEYS}
    return {name: value for name, value in environment.items() if name not in names}


def environment_of(stage: Stage, stream_arn: str | None) -> dict[str, str]:
    """Return Chalice's environment for a stage, whose functions read this stream, if any."""
    return {
        **without_settings(os.environ),
        "AWS_DEFAULT_REGION": stage.region,
        "AWS_REGION": stage.region,
        **({STREAM_VARIABLE: stream_arn} if stream_arn else {}),
    }


def forget_build(directory: Path) -> None:
    """Remove Chalice's earlier build.

    It builds again only when a file's content changes, not when one is renamed or removed.
    """
    shutil.rmtree(directory / ".chalice" / "deployments", ignore_errors=True)

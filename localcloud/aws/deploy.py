"""Chalice's own `chalice deploy`, pointed at the local AWS."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from .account import aws_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"


class DeployError(Exception):
    """Chalice failed; the message ends with everything it printed."""

    def __init__(self, command: str, code: int, output: str) -> None:
        super().__init__(f"`{command}` failed with exit code {code}:\n{output}")
        self.code = code
        self.output = output


def run_chalice(
    arguments: Sequence[str],
    project_directory: Path,
    environment: Mapping[str, str],
    *,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run a Chalice command and return what it printed; DeployError if it fails.

    `environment` is its whole environment, as `aws_environment` makes it; `on_line` gets each
    line when it is printed.
    """
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - Chalice, from this environment
        [sys.executable, "-c", _CHALICE, *arguments],
        cwd=project_directory,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if on_line is not None:
                on_line(line.rstrip("\n"))
    output = "".join(lines)
    if process.returncode != 0:
        raise DeployError(f"chalice {' '.join(arguments)}", process.returncode, output)
    return output


def deploy(
    project_directory: Path,
    stage: str,
    endpoint: str,
    *,
    variables: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run `chalice deploy --stage STAGE` and return what it printed; DeployError if it fails.

    `variables` are added to its environment, which leads to `endpoint`. Chalice writes what it
    deployed to `.chalice/deployed/STAGE.json` and believes that the next time, so deploy a copy
    (`copy_project`) where the project has stages on the real AWS, or each time AWS starts empty.
    """
    return run_chalice(
        ("deploy", "--stage", stage),
        project_directory,
        {**aws_environment(endpoint), **(variables or {})},
        on_line=on_line,
    )


def copy_project(source: Path, target: Path) -> Path:
    """Copy to the new directory `target` what Chalice deploys of a project, and return it.

    Neither what was deployed before nor what was built before is in the copy.
    """
    target.mkdir(parents=True)
    for name in ("app.py", "requirements.txt"):
        if (source / name).exists():
            shutil.copy2(source / name, target / name)
    for name in ("chalicelib", "vendor", ".chalice"):
        if (source / name).exists():
            shutil.copytree(source / name, target / name, ignore=_not_to_copy)
    return target


_not_to_copy = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "venv")

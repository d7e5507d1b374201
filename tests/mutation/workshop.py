"""Copies of the project in which one break at a time is made and the tests are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from tests.mutation.broken import Break

PATIENCE: Final = 900.0
"""Seconds for one run of the tests; each test has a limit of its own."""

_OPTIONS: Final = ("-x", "-q", "-p", "no:cacheprovider")
_NOT_NEEDED: Final = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "deployed")
_PASSED, _FAILED = 0, 1


class Fate(Enum):
    """What became of a break."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    UNCLEAR = "UNCLEAR"
    """The tests could not be run to an end, so nothing is shown."""


@dataclass(frozen=True)
class Verdict:
    """A break's fate; `told_by` is the test that failed first, or what went wrong."""

    fate: Fate
    told_by: str = ""
    seconds: float = 0.0


class Workshop:
    """A copy of the project, made in `directory`; the original is never touched."""

    def __init__(self, project: Path, directory: Path) -> None:
        ignored = shutil.ignore_patterns(*_NOT_NEEDED)
        shutil.copytree(project, directory, ignore=ignored, symlinks=True)
        self._directory = directory

    def judge(self, mistake: Break) -> Verdict:
        """Make the break, run its tests and, if these pass, all others, and undo the break."""
        path = self._directory / mistake.path
        right = path.read_text()
        begun = time.monotonic()
        path.write_text(mistake.apply(right))
        try:
            verdict = self._run(f"tests/{name}" for name in mistake.tests)
            if verdict.fate is Fate.SURVIVED:
                verdict = self._confirmed(self.try_all(but=mistake.tests))
        finally:
            path.write_text(right)
        return Verdict(verdict.fate, verdict.told_by, time.monotonic() - begun)

    def _confirmed(self, verdict: Verdict) -> Verdict:
        """Doubt a test that was not expected to notice, and that passes when it runs alone."""
        if verdict.fate is not Fate.CAUGHT:
            return verdict
        alone = self._run([f"tests/{verdict.told_by}"])
        if alone.fate is Fate.CAUGHT:
            return verdict
        return Verdict(Fate.UNCLEAR, f"{verdict.told_by}, which passes alone")

    def try_all(self, but: Collection[str] = ()) -> Verdict:
        """Run every test of the fast suite but those of some files, and then the simulation's."""
        tests = self._directory / "tests"
        verdict = Verdict(Fate.SURVIVED)
        for directory in (".", "meetings", "simulation", "simulation/meetings"):
            found = (each.relative_to(tests) for each in (tests / directory).glob("test_*.py"))
            paths = sorted(str(path) for path in found if str(path) not in but)
            if verdict.fate is Fate.SURVIVED and paths:
                verdict = self._run(f"tests/{path}" for path in paths)
        return verdict

    def _run(self, files: Iterable[str]) -> Verdict:
        # Compiled modules are told apart by size and whole seconds, which is too coarse here.
        for compiled in (self._directory / "chalicelib").rglob("__pycache__"):
            shutil.rmtree(compiled, ignore_errors=True)
        shutil.rmtree(self._directory / ".hypothesis", ignore_errors=True)
        begun = time.monotonic()
        try:
            done = subprocess.run(  # noqa: S603 (pytest, on files of our own)
                [sys.executable, "-m", "pytest", *_OPTIONS, *files],
                cwd=self._directory,
                env=os.environ | {"COLUMNS": "200"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return Verdict(Fate.UNCLEAR, "the tests did not end", time.monotonic() - begun)
        seconds = time.monotonic() - begun
        if done.returncode == _PASSED:
            return Verdict(Fate.SURVIVED, seconds=seconds)
        fate = Fate.CAUGHT if done.returncode == _FAILED else Fate.UNCLEAR
        return Verdict(fate, _first_failure(done.stdout), seconds)


def _first_failure(printed: str) -> str:
    """Find the test that pytest's summary names first, or else its last word."""
    lines = [line for line in printed.splitlines() if line.strip()]
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind in {"FAILED", "ERROR"} and rest.startswith("tests/"):
            return rest.partition(" - ")[0].removeprefix("tests/")
    return lines[-1] if lines else "nothing was printed"

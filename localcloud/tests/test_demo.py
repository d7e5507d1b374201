"""The demo."""

from __future__ import annotations

from pathlib import Path

from localcloud.narrator import Narrator
from localcloud.project import Project
from localcloud.story import tell


def test_every_promise_of_the_demo_holds() -> None:
    narrator = Narrator()
    assert tell(Project(Path(__file__).parents[2]), narrator), narrator.broken

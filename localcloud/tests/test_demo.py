"""The demo."""

from __future__ import annotations

from pathlib import Path

from localcloud.narrator import Narrator
from localcloud.project import Project
from localcloud.story import play


def test_every_promise_of_the_demo_holds() -> None:
    narrator = Narrator()
    assert play(Project(Path(__file__).parents[2]), narrator), narrator.broken

"""A deployed stage: the project as Chalice deploys it, on a local cloud of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localcloud.cloud import LocalCloud, Ports
from localcloud.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Project(Path(__file__).parent.parent.parent)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the deployed copy of the project is."""
    return tmp_path_factory.mktemp("stage") / "project"


@pytest.fixture(scope="module")
def time_scale() -> float:
    """Say what AWS's minutes are multiplied by; a module may have its own."""
    return 0.001


@pytest.fixture(scope="module")
def cloud(copied: Path, time_scale: float) -> Iterator[LocalCloud]:
    """Deploy the project, unchanged but for Cloudflare's port, to a local cloud.

    For one module at a time: moto keeps its state in this process, and other tests begin it anew.
    """
    with LocalCloud(PROJECT.settings, Ports(), time_scale=time_scale) as running:
        project = PROJECT.copy(copied, running.cloudflare.url)
        running.deploy_with_chalice(project.directory)
        yield running

"""The project that is deployed to the local cloud, and copies of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.project import Project, ProjectError

PROJECT = Project(Path(__file__).parents[2])
URL = "http://127.0.0.1:1/client/v4"


def test_a_copy_is_the_same_stage_at_another_port(tmp_path: Path) -> None:
    copied = PROJECT.copy(tmp_path / "copy", URL)
    assert copied.settings.cloudflare_api_url == URL
    assert copied.settings.meetings == PROJECT.settings.meetings is not None
    assert (tmp_path / "copy/app.py").exists()


def test_a_copy_has_no_earlier_deployment(tmp_path: Path) -> None:
    for name in ("app.py", ".chalice/config.json", ".chalice/deployed/x", "tests/x", "vendor/x"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PROJECT.directory.joinpath(".chalice/config.json").read_text())
    copied = Project(tmp_path / "source").copy(tmp_path / "copy", URL).directory
    found = {str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file()}
    assert found == {"app.py", ".chalice/config.json", "vendor/x"}


def test_a_directory_that_is_no_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"config\.json is missing"):
        _ = Project(tmp_path).settings

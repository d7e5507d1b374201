"""Chalice is run as by hand, with nothing of the shell or of an older build in its way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ops.chalice import forget_build, run_chalice, without_settings
from ops.command import CommandError, run_command

if TYPE_CHECKING:
    from pathlib import Path


def test_variables_of_the_shell_are_not_taken_for_the_stages() -> None:
    kept = {"PATH": "/bin", "AWS_REGION": "us-west-2"}
    settings = {"OWNER": "elephant:x", "AMI_ID": "ami-1", "TABLE_STREAM_ARN": "another's"}
    tokens = {"CLOUDFLARE_API_TOKEN": "no other program needs it", "CLOUDFLARE_TOKEN": ""}

    assert without_settings(kept | settings | tokens) == kept


def test_an_older_build_is_forgotten(tmp_path: Path) -> None:
    build = tmp_path / ".chalice" / "deployments"
    build.mkdir(parents=True)
    (build / "old.zip").write_text("")

    forget_build(tmp_path)
    forget_build(tmp_path)

    assert not build.exists()


def test_what_chalice_prints_is_returned(tmp_path: Path) -> None:
    lines: list[str] = []

    output = run_chalice(("--version",), tmp_path, {}, on_line=lines.append)

    assert output.startswith("chalice 1.34")
    assert lines == [output.strip()]


def test_a_program_that_fails_is_named_with_all_that_it_printed(tmp_path: Path) -> None:
    script = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"

    with pytest.raises(CommandError) as raised:
        run_command([sys.executable, "-c", script], "the script", tmp_path, {})

    assert raised.value.code == 3
    assert str(raised.value).startswith("`the script` failed with exit code 3:\n")
    assert {"one", "two"} <= set(raised.value.output.split())

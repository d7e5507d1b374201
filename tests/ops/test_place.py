"""Commands from anywhere: which project, profile and region they work with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from ops.cli import main
from ops.console import project_option, stage_argument
from ops.place import aws_environment, find_project
from ops.stages import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

NOWHERE: dict[str, str] = {}
KEYS = {"AWS_ACCESS_KEY_ID": "of variables", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with a stage in each of two regions, and work in a directory below it."""
    regions = {"prod": "us-west-2", "prod-eu": "eu-west-1"}
    stages = {name: {"elephant": {"region": region}} for name, region in regions.items()}
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice/config.json").write_text(json.dumps({"stages": stages}))
    (tmp_path / "docs/decisions").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "docs/decisions")
    monkeypatch.delenv("ELEPHANT_PROJECT", raising=False)
    return tmp_path


@pytest.fixture
def look() -> Iterator[None]:
    """Add a command that prints where it works."""

    @main.command()
    @stage_argument
    @project_option
    def look(name: str, directory: Path) -> None:
        names = ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID")
        click.secho(
            " ".join([name, str(directory), *(os.environ.get(each, "-") for each in names)]),
            fg="red",
        )

    yield
    del main.commands["look"]


def run(*arguments: str, **environment: str | None) -> Result:
    return CliRunner().invoke(main, arguments, env=environment, prog_name="elephant")


def test_a_project_is_found_from_its_subdirectories_upwards(checkout: Path) -> None:
    deep = checkout / "docs/decisions"
    other = checkout / "docs/other"
    assert find_project(None, NOWHERE, deep) == checkout
    (other / ".chalice").mkdir(parents=True)
    (other / ".chalice/config.json").write_text("{}")
    assert find_project(None, NOWHERE, other) == other
    assert find_project(None, {"ELEPHANT_PROJECT": str(other)}, deep) == other
    assert find_project(checkout, {"ELEPHANT_PROJECT": str(other)}, deep) == checkout


def test_where_no_project_is_the_error_says_what_to_do() -> None:
    for given, environment, said in (
        (None, NOWHERE, r"no project in / or above it.*--project or ELEPHANT_PROJECT"),
        (Path("/nope"), NOWHERE, r"--project names /nope, which has no \.chalice/config\.json"),
        (None, {"ELEPHANT_PROJECT": "/nope"}, "ELEPHANT_PROJECT names /nope"),
    ):
        with pytest.raises(ConfigError, match=said):
            find_project(given, environment, Path("/"))


def test_a_profile_is_used_rather_than_credentials_in_variables() -> None:
    before = {**KEYS, "AWS_DEFAULT_PROFILE": "other", "HOME": "/home/me"}

    assert aws_environment(before, "mine", None) == {"HOME": "/home/me", "AWS_PROFILE": "mine"}
    regions = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1"}
    assert aws_environment(before, None, "eu-west-1") == before | regions
    assert aws_environment(before, None, None) == before


@pytest.mark.usefixtures("look")
def test_the_options_are_accepted_before_and_after_the_command(checkout: Path) -> None:
    before = dict(os.environ)
    options = ("--profile", "mine", "--region", "us-west-2", "--project", str(checkout))
    said = f"prod {checkout} mine us-west-2 -\n"

    assert run("look", "prod", *options, **KEYS).stdout == said
    assert run(*options, "look", "prod", **KEYS).stdout == said
    result = run("--profile=other", "--project=/nope", "look", "prod", *options, **KEYS)
    assert result.stdout == said
    assert dict(os.environ) == before  # it is changed for the command alone


@pytest.mark.usefixtures("look")
def test_a_region_that_is_not_the_stages_is_refused(checkout: Path) -> None:
    result = run("look", "prod", "--region", "eu-west-1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: stage 'prod' is in us-west-2, not in eu-west-1: leave out --region, or name a "
        "stage of that region: prod-eu\n"
    )
    assert "leave out --region\n" in run("--region=us-east-1", "look", "prod").stderr
    assert str(checkout) in run("look", "new", "--region=eu-west-1").stdout


def test_a_profile_that_does_not_exist_is_one_line(project: Path) -> None:
    for command in ("status", "plan", "sweep", "token", "keys", "meetings"):
        result = run(command, "test", "--project", str(project), "--profile", "nobody")
        assert result.exit_code == 1, command
        assert "The config profile (nobody) could not be found" in result.stderr
        assert result.stderr.count("\n") == 1
    assert run("status", "--help", AWS_PROFILE="nobody").exit_code == 0


# Completion


def complete(typed: str, **environment: str) -> list[str]:
    *_, last = words = typed.split(" ")
    result = run(
        _ELEPHANT_COMPLETE="bash_complete",
        COMP_WORDS=f"elephant {typed}",
        COMP_CWORD=str(len(words)),
        **environment,
    )
    assert (result.exit_code, result.stderr) == (0, ""), last
    return [line.removeprefix("plain,") for line in result.stdout.split()]


@pytest.mark.usefixtures("checkout")
def test_a_shell_completes_what_is_known_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "aws").write_text("[default]\n[profile mine]\n")

    assert complete("plan pr") == ["prod", "prod-eu"]
    assert complete("stat") == ["status"]
    assert complete("keys prod ro") == ["rotate"]
    assert complete("meetings prod ") == ["show", "cancel", "end"]
    assert complete("plan --region us-west") == ["us-west-1", "us-west-2"]
    assert complete("--profile m", AWS_CONFIG_FILE=str(tmp_path / "aws")) == ["mine"]
    assert complete("plan ", ELEPHANT_PROJECT="/nope") == []
    assert complete(f"plan --project {tmp_path} prod-") == ["prod-eu"]
    assert complete(f"--project {tmp_path} plan prod-", ELEPHANT_PROJECT="/nope") == ["prod-eu"]


def test_completion_of_what_cannot_be_read_is_empty(checkout: Path) -> None:
    for text in ("{", "[]", '{"stages": [1]}', '{"app_name": "other", "stages": {}}'):
        (checkout / ".chalice/config.json").write_text(text)
        assert complete("plan ") == []
    assert complete("--profile ", AWS_CONFIG_FILE=str(checkout / ".chalice/config.json")) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_a_shell_evaluates(shell: str) -> None:
    assert "_ELEPHANT_COMPLETE" in run("completion", shell).stdout


# Help and colours


def test_the_help_of_every_command_fits_80_columns_and_has_an_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    overview = run("--help").stdout
    for name in main.commands:
        text = run(name, "--help").stdout
        assert [line for line in text.splitlines() if len(line) > 80] == []
        assert "\n  Example" in text, name
        assert f"\n  {name} " in overview
    assert "..." not in overview.partition("Options:")[2]
    assert max(map(len, overview.splitlines())) <= 80


@pytest.mark.usefixtures("checkout", "look")
def test_no_color_is_obeyed_where_a_terminal_has_colours() -> None:
    red = CliRunner().invoke(main, ["look", "prod"], color=True, env={"NO_COLOR": ""})
    plain = CliRunner().invoke(main, ["look", "prod"], color=True, env={"NO_COLOR": "1"})

    assert red.stdout == click.style(plain.stdout.rstrip("\n"), fg="red") + "\n"
    assert "\x1b" not in plain.stdout

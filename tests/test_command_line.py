"""Chalice's commands, typed by a person: they work, or say within seconds what is missing."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from chalicelib.command_line import CommandLine, refuse
from tests.application import PROJECT, load_app

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

LOCAL = {"environment_variables": {"OWNER": "elephant:local"}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project of which one stage is complete."""
    config = {"autogen_policy": False, "stages": {"local": LOCAL, "prod": {}}}
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice/config.json").write_text(json.dumps(config))
    (tmp_path / ".chalice/policy-local.json").write_text("{}")
    return tmp_path


LOCAL_INSTEAD = LOCAL["environment_variables"]


@pytest.mark.parametrize(
    ("typed", "command", "stage", "variables"),
    [
        ("local", "local", "dev", LOCAL_INSTEAD),
        ("--debug local --port 8001", "local", "dev", LOCAL_INSTEAD),
        ("local --stage prod --no-autoreload", "local", "prod", {}),
        ("local --stage typo", "local", "typo", {}),
        ("deploy", "deploy", "dev", {}),
        ("deploy --stage=local", "deploy", "local", {}),
        ("package", "package", "dev", {}),
        ("package --stage local local", "package", "local", {}),
        ("", "", "dev", {}),
    ],
)
def test_the_local_stage_is_served_unless_another_is_named_or_to_be_deployed(
    project: Path, typed: str, command: str, stage: str, variables: dict[str, str]
) -> None:
    read = CommandLine.read(typed.split(), project)

    assert (read.command, read.stage, read.variables) == (command, stage, variables)


def test_a_stage_dev_of_the_projects_own_is_served() -> None:
    command = CommandLine("local", "dev", {"stages": {"local": LOCAL, "dev": {}}})

    assert (command.variables, command.hint()) == ({}, "")
    assert command.notice({"AWS_ENDPOINT_URL": "http://localhost:1"}) == ""


def test_policies_are_missed_where_chalice_would_look_for_them(project: Path) -> None:
    own = {"lambda_functions": {"sweep": {"iam_policy_file": "own.json"}}}
    config = {
        "autogen_policy": False,
        "stages": {"local": {}, "prod": own, "role": {"manage_iam_role": False}},
    }
    missing = {
        stage: CommandLine("deploy", stage, config).missing_policies(["sweep", "join"], project)
        for stage in config["stages"]  # type: ignore[attr-defined]
    }

    assert missing == {"local": [], "prod": ["own.json", "policy-prod.json"], "role": []}
    assert CommandLine("local", "prod", config).missing_policies(["sweep"], project) == []


def load(monkeypatch: pytest.MonkeyPatch, typed: str, **variables: str) -> ModuleType:
    """Import app.py as Chalice's command does, with no AWS and no settings in sight."""
    monkeypatch.setattr(sys, "argv", ["chalice", *typed.split()])
    monkeypatch.setattr(os, "environ", {"AWS_CHALICE_CLI_MODE": "true"} | variables)
    return load_app(monkeypatch, {})


def test_a_stage_written_by_hand_is_not_deployed_before_it_has_policies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = json.loads((PROJECT / ".chalice/config.json").read_text())["stages"]["local"]

    with pytest.raises(SystemExit, match=r"policy-hand\.json.*`elephant stage hand`"):
        load(monkeypatch, "deploy --stage hand", **variables["environment_variables"])


def test_as_it_is_typed_it_serves_the_local_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = load(monkeypatch, "local").app

    assert "/events" in app.routes
    served, needed = capsys.readouterr().err.splitlines()
    assert served == "Serving the stage 'local': there is no 'dev'."
    assert "elephant-local up" in needed


def test_a_stage_that_is_not_there_ends_the_command_that_would_serve_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SystemExit) as refused:
        load(monkeypatch, "local --stage typo")

    said = str(refused.value)
    assert "DOMAIN_ROOT is missing" in said
    assert "There is no stage 'typo'" in said
    assert "`chalice local --stage local`" in said


def test_from_a_thread_the_whole_command_is_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where SystemExit would end the thread alone, as that in which Chalice's reloader serves."""
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)

    thread = threading.Thread(target=refuse, args=("no",))
    thread.start()
    thread.join()

    assert (ended, capsys.readouterr().err) == ([1], "Error: no\n")

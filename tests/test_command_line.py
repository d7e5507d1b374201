"""Chalice's commands, typed by a person: they work, or say within seconds what is missing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from chalicelib.command_line import CommandLine, refuse
from tests.application import PROJECT, load_app

if TYPE_CHECKING:
    from collections.abc import Iterator

CHALICE = Path(sys.executable).parent / "chalice"
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


def test_what_is_served_instead_and_what_it_needs_is_said() -> None:
    command = CommandLine("local", "dev", {"stages": {"local": LOCAL}})

    assert command.variables == LOCAL["environment_variables"]
    assert len(command.notice({}).splitlines()) == 2
    assert "(stages: local)" in command.hint()


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


def test_a_stage_written_by_hand_is_not_deployed_before_it_has_policies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = json.loads((PROJECT / ".chalice/config.json").read_text())["stages"]["local"]
    monkeypatch.setattr(sys, "argv", ["chalice", "deploy", "--stage", "hand"])

    with pytest.raises(SystemExit, match=r"policy-hand\.json.*`elephant stage hand`"):
        load_app(monkeypatch, variables["environment_variables"] | {"AWS_CHALICE_CLI_MODE": "true"})


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def served(port: int) -> Iterator[subprocess.Popen[str]]:
    """Type `chalice local`, with no AWS and no settings in sight."""
    process = subprocess.Popen(  # noqa: S603 (Chalice, with arguments of our own)
        [CHALICE, "local", "--port", str(port)],
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    end = partial(os.killpg, process.pid, signal.SIGTERM)  # with the process that serves
    overdue = threading.Timer(60, end)
    overdue.start()
    with process:
        yield process
        end()
    overdue.cancel()


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"AWS_CONFIG_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}


def test_as_it_is_typed_it_serves_the_local_stage(served: subprocess.Popen[str], port: int) -> None:
    assert served.stdout
    said = [served.stdout.readline() for _ in range(3)]
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://127.0.0.1:{port}/nowhere", timeout=20)
    refused.value.close()

    assert said[0] == "Serving the stage 'local': there is no 'dev'.\n"
    assert "elephant-local up" in said[1]
    assert said[2] == f"Serving on http://127.0.0.1:{port}\n"
    assert refused.value.code == 403  # of Chalice, as of API Gateway


def test_a_stage_that_is_not_there_ends_the_command_that_would_serve_it() -> None:
    done = subprocess.run(  # noqa: S603 (Chalice, with arguments of our own)
        [CHALICE, "local", "--stage", "typo"],
        cwd=PROJECT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "DOMAIN_ROOT is missing" in done.stderr
    assert "There is no stage 'typo'" in done.stderr
    assert "`chalice local --stage local`" in done.stderr
    assert "Traceback" not in done.stderr


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

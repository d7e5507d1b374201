"""The command line's talk with a local cloud that runs."""

from __future__ import annotations

import json
import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from localcloud.cli import main
from localcloud.cloud import LocalCloud, Ports

from .test_cloud import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(SETTINGS, Ports()) as running:
        yield running


def do(cloud: LocalCloud, *arguments: str) -> Any:  # noqa: ANN401 (whatever JSON it prints)
    done = CliRunner().invoke(main, [*arguments, "--aws-port", str(cloud.aws.port)])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def fail(cloud: LocalCloud, *arguments: str) -> str:
    done = CliRunner().invoke(main, [*arguments, "--aws-port", str(cloud.aws.port)])
    assert done.exit_code == 1
    return done.output


def test_tick_fires_the_schedules_and_shows_what_was_invoked(cloud: LocalCloud) -> None:
    assert do(cloud, "tick") == []


def test_tick_without_a_local_cloud_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    done = CliRunner().invoke(main, ["tick", "--aws-port", str(port)])

    assert done.exit_code == 1
    assert f"no local AWS at port {port}" in done.output
    assert "python -m localcloud up" in done.output
    assert "--aws-port" in done.output


def test_forward_lets_time_pass_and_clock_shows_it(cloud: LocalCloud) -> None:
    before = datetime.fromisoformat(do(cloud, "clock")["now"])
    told = do(cloud, "forward", "--minutes", "30")
    assert timedelta(minutes=29) < datetime.fromisoformat(told["now"]) - before
    assert told["invoked"] == []


def test_clock_says_when_a_meeting_is_to_be(cloud: LocalCloud) -> None:
    arguments = ["clock", "--plus", "12", "--aws-port", str(cloud.aws.port)]
    said = CliRunner().invoke(main, arguments).output.strip()
    ahead = datetime.fromisoformat(said) - cloud.clock.now()
    assert timedelta(minutes=11) < ahead <= timedelta(minutes=12)


def test_forward_to_nothing_says_what_to_do(cloud: LocalCloud) -> None:
    assert "nothing is scheduled for once: say how many minutes" in fail(cloud, "forward")


def test_desktops_are_told_what_to_do(cloud: LocalCloud) -> None:
    assert do(cloud, "desktop", "healthy", "--role", "teacher") == []


def test_refusals_are_switched_on_and_off(cloud: LocalCloud) -> None:
    full = "InsufficientInstanceCapacity"
    expected = [{"code": full, "zone": "us-west-2a", "times": None, "skip": 0}]
    zone = ("--zone", "us-west-2a", "--times", "0")
    assert do(cloud, "refusal", "add", full, *zone) == expected
    assert do(cloud, "refusal", "list") == expected
    assert do(cloud, "refusal", "clear") == []
    assert "'NoLuck' is none of" in fail(cloud, "refusal", "add", "NoLuck")


@pytest.mark.parametrize("command", ["clock", "forward", "desktop", "refusal", "refusal add"])
def test_every_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(main, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.output

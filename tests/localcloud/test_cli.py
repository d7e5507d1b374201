"""The command line's talk with a local cloud that runs."""

from __future__ import annotations

import json
import socket

from click.testing import CliRunner

from localcloud.aws import Functions, MotoServer
from localcloud.cli import main


def test_tick_fires_the_schedules_and_shows_what_was_invoked() -> None:
    with MotoServer() as server, Functions(server.endpoint) as functions:
        server.run_functions(functions)

        done = CliRunner().invoke(main, ["tick", "--aws-port", str(server.port)])

    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == []


def test_tick_without_a_local_cloud_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    done = CliRunner().invoke(main, ["tick", "--aws-port", str(port)])

    assert done.exit_code == 1
    assert f"no local AWS at port {port}" in done.output
    assert "python -m localcloud up" in done.output
    assert "--aws-port" in done.output

"""The commands that README names, run as a newcomer runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from chalicelib.ec2.event import event_pattern
from localcloud.aws import aws_client
from localcloud.cli import main as localcloud
from localcloud.cloud import STAGE
from ops.cli import main as elephant
from tests.end_to_end.conftest import PATIENCE, PROJECT, start_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCALCLOUD = (sys.executable, "-m", "localcloud")
README = (PROJECT.directory / "README.md").read_text()
DOCUMENTS = {each.name: each.read_text() for each in (PROJECT.directory / "docs").glob("*.md")}


def free_ports(count: int) -> list[int]:
    """Find ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def children_of(pid: int) -> list[str]:
    """Name the processes that a process has started and that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended meanwhile
        if fields[1] == str(pid):
            found.append(status.parent.name)
    return found


@pytest.fixture(scope="module", autouse=True)
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C reach what is started here, also where pytest itself was started to ignore it.

    A process passes on to its children what it ignores, but not its own handlers.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def running(*arguments: str, until: str, **environment: str) -> Iterator[list[str]]:
    """Run a command until it has printed a line, give what it printed, and end it with Ctrl-C."""
    with subprocess.Popen(  # noqa: S603 (the project's own commands)
        arguments,
        cwd=PROJECT.directory,
        env=os.environ | environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines: list[str] = []
        for line in process.stdout or ():
            lines.append(line)
            if until in line:
                break
        else:
            pytest.fail("".join(lines))
        try:
            yield lines
        finally:
            process.send_signal(signal.SIGINT)
            lines.extend(process.stdout or ())
            assert process.wait(timeout=PATIENCE) in {0, 1, -signal.SIGINT}
            assert children_of(process.pid) == []


@dataclass(frozen=True)
class Up:
    """A local cloud that runs: what `env` exports, and its ports."""

    exports: dict[str, str]
    ports: list[int]


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    ports = free_ports(4)
    names = ("aws", "cloudflare", "dns", "edge")
    arguments = [f"--{name}-port={port}" for name, port in zip(names, ports, strict=True)]
    with running(*LOCALCLOUD, "up", *arguments, until="Ctrl-C stops everything") as lines:
        (said,) = (line for line in lines if "elephant-local env" in line)
        printed = CliRunner().invoke(localcloud, said.split('"$(elephant-local ')[1].split(")")[0])
        yield Up(dict(re.findall(r"export (\w+)=(\S+)", printed.stdout)), ports)
    assert lines[-1] == "Everything has stopped.\n"
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_the_demo_keeps_every_promise_and_leaves_nothing_running() -> None:
    with subprocess.Popen(  # noqa: S603
        [*LOCALCLOUD, "demo"], cwd=PROJECT.directory, stdout=subprocess.PIPE, text=True
    ) as demo:
        printed, _ = demo.communicate(timeout=PATIENCE)

    assert demo.returncode == 0, printed
    assert "BROKEN" not in printed
    held = re.search(r"(\d+) of (\d+) promises held", printed)
    assert held is not None
    assert held[1] == held[2] != "0"
    assert children_of(demo.pid) == []


def test_up_exports_the_way_to_its_secret_table_and_zone(up: Up) -> None:
    settings, endpoint = PROJECT.settings, up.exports["AWS_ENDPOINT_URL"]
    assert endpoint == f"http://127.0.0.1:{up.ports[0]}"
    secret = aws_client("secretsmanager", endpoint).get_secret_value(SecretId=settings.secret_id)
    table = aws_client("dynamodb", endpoint).describe_table(TableName=settings.table_name)
    assert up.exports["TABLE_STREAM_ARN"] == table["Table"]["LatestStreamArn"]
    url, token = (up.exports[f"CLOUDFLARE_{name}"] for name in ("BASE_URL", "API_TOKEN"))
    zone = f"{url}/zones/{settings.zone_id}/dns_records"

    assert json.loads(secret["SecretString"]) == {"CLOUDFLARE_TOKEN": token}
    assert table["Table"]["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert ask(zone, Authorization=f"Bearer {token}")["success"] is True


def test_without_a_local_cloud_there_is_nothing_to_export() -> None:
    (port,) = free_ports(1)
    done = CliRunner().invoke(localcloud, ["env", f"--aws-port={port}"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "start one with `elephant-local up`" in done.stderr


def test_a_port_that_is_taken_is_said_without_a_traceback(up: Up) -> None:
    done = CliRunner().invoke(localcloud, ["up", f"--aws-port={up.ports[0]}"])
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert "choose another one (see --help)" in done.stderr


def test_chalice_local_handles_an_event_by_hand(up: Up, tmp_path: Path) -> None:
    project = PROJECT.copy(tmp_path / "project", up.exports["CLOUDFLARE_BASE_URL"])
    instance_id = start_instance(aws_client("ec2", up.exports["AWS_ENDPOINT_URL"]))
    (port,) = free_ports(1)
    chalice = str(Path(sys.executable).parent / "chalice")
    local = (chalice, "--project-dir", str(project.directory), "local", "--stage", STAGE)

    with running(*local, "--port", str(port), until="Serving on", **up.exports):
        url = f"http://127.0.0.1:{port}/events"
        answers = [ask(url, {"instance-id": each}) for each in (instance_id, instance_id, "x")]

    assert [each["action"] for each in answers] == ["created", "unchanged", "ignored"]


def ask(url: str, body: object = None, **headers: str) -> Any:  # noqa: ANN401
    data = None if body is None else json.dumps(body).encode()
    headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data, headers)  # noqa: S310 (this machine's own port)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        return json.load(answer)


# The documentation


def test_every_command_of_the_documentation_explains_itself() -> None:
    local = re.findall(r"elephant-local ([a-z]+(?: [a-z]+)?)", DOCUMENTS["local-cloud.md"])
    operators = re.findall(r"^    elephant ([a-z]+)", README, re.MULTILINE)
    operators += re.findall(r"`elephant ([a-z]+)", DOCUMENTS["operations.md"])

    assert {"up", "fault add"} <= set(local)
    assert {"stage", "token", "deploy", "doctor", "destroy"} <= set(operators)
    for program, commands in ((localcloud, local), (elephant, operators)):
        for command in {"", *commands}:
            done = CliRunner().invoke(program, [*command.split(), "--help"])
            assert done.exit_code == 0, command
            assert done.stdout.startswith("Usage: ")


def test_every_make_target_of_the_readme_is_there() -> None:
    targets = set(re.findall(r"^\s*make ([\w-]+)", README, re.MULTILINE))
    makefile = (PROJECT.directory / "Makefile").read_text()

    assert {"demo", "test", "install"} <= targets
    assert [each for each in targets if f"\n{each}:" not in makefile] == []


def test_every_file_that_the_documentation_links_to_or_names_is_there() -> None:
    named = re.compile(r"`((?:tests|chalicelib|ops|localcloud)/[\w/*.-]+)`")
    for name, text in {"../README.md": README, **DOCUMENTS}.items():
        for target in re.findall(r'(?:\]\(|src=")(?!https?:)([^)#"]+)', text):
            assert (PROJECT.directory / "docs" / name).parent.joinpath(target).exists(), target
        for target in named.findall(text):
            assert any(PROJECT.directory.glob(target.rstrip("/"))), f"{name}: {target}"


def test_every_picture_is_shown_in_the_documentation_and_small() -> None:
    shown = "".join([README, *DOCUMENTS.values()])
    for picture in (PROJECT.directory / "docs/pictures").glob("*.[ps][nv]g"):
        assert f"pictures/{picture.name}" in shown
        assert picture.stat().st_size < 150_000, picture.name


def test_the_documented_event_pattern_is_the_one_deployed() -> None:
    decision = (PROJECT.directory / "docs/decisions/0003-event-pattern.md").read_text()
    (shown,) = re.findall(r"```json\n(.*?)```", decision, re.DOTALL)

    assert json.loads(shown) == event_pattern(PROJECT.settings)

"""The commands that README names, run as a newcomer runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
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


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project to its end."""
    return subprocess.run(  # noqa: S603 (the project's own commands)
        arguments,
        cwd=PROJECT.directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


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


@pytest.fixture(scope="module")
def up() -> Iterator[tuple[list[str], dict[str, str], list[int]]]:
    """Keep a local cloud running; give what it printed, what it said to export, and its ports."""
    ports = free_ports(3)
    options = zip(("--aws-port", "--cloudflare-port", "--dns-port"), map(str, ports), strict=True)
    arguments = [word for option in options for word in option]
    with running(*LOCALCLOUD, "up", *arguments, until="Ctrl-C stops everything") as lines:
        exports = dict(re.findall(r"export (\w+)=(\S+)", "".join(lines)))
        yield lines, exports, ports
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


def test_up_says_what_to_export_and_how_to_try_it(
    up: tuple[list[str], dict[str, str], list[int]],
) -> None:
    lines, exports, (aws_port, cloudflare_port, dns_port) = up

    assert exports["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{aws_port}"
    assert exports["CLOUDFLARE_BASE_URL"] == f"http://127.0.0.1:{cloudflare_port}/client/v4"
    text = "".join(lines)
    assert f"dig @127.0.0.1 -p {dns_port}" in text
    assert "chalice deploy --stage local" in text
    assert "chalice local --stage local" in text


def test_what_up_exports_leads_to_the_secret_table_and_zone(
    up: tuple[list[str], dict[str, str], list[int]],
) -> None:
    _, exports, _ = up
    settings = PROJECT.settings
    endpoint = exports["AWS_ENDPOINT_URL"]

    secret = aws_client("secretsmanager", endpoint).get_secret_value(SecretId=settings.secret_id)
    table = aws_client("dynamodb", endpoint).describe_table(TableName=settings.table_name)

    token = exports["CLOUDFLARE_API_TOKEN"]
    assert json.loads(secret["SecretString"]) == {"CLOUDFLARE_TOKEN": token}
    assert table["Table"]["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    request = urllib.request.Request(  # noqa: S310 (this machine's own port)
        f"{exports['CLOUDFLARE_BASE_URL']}/zones/{settings.zone_id}/dns_records",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        assert json.load(answer)["success"] is True


def test_a_taken_port_is_said_clearly(up: tuple[list[str], dict[str, str], list[int]]) -> None:
    _, _, (aws_port, *_) = up
    cloudflare_port, dns_port = free_ports(2)

    done = run(
        *LOCALCLOUD,
        "up",
        f"--aws-port={aws_port}",
        f"--cloudflare-port={cloudflare_port}",
        f"--dns-port={dns_port}",
    )

    assert done.returncode == 1
    assert str(aws_port) in done.stderr
    assert "choose another one (see --help)" in done.stderr
    assert "Traceback" not in done.stderr


def test_faults_and_quota_are_switched_from_another_terminal(
    up: tuple[list[str], dict[str, str], list[int]],
) -> None:
    _, _, (_, port, _) = up
    option = f"--cloudflare-port={port}"

    added = run(*LOCALCLOUD, "fault", "add", "drop", "--when", "after", "--times", "0", option)
    listed = run(*LOCALCLOUD, "fault", "list", option)
    cleared = run(*LOCALCLOUD, "fault", "clear", option)
    limited = run(*LOCALCLOUD, "quota", "--calls", "10", option)
    refused = run(*LOCALCLOUD, "fault", "add", "wrong-name", option)

    assert json.loads(added.stdout) == json.loads(listed.stdout)
    (fault,) = json.loads(listed.stdout)
    assert (fault["kind"], fault["when"], fault["times"]) == ("drop", "after", None)
    assert json.loads(cleared.stdout) == []
    assert json.loads(limited.stdout)["calls"] == 10
    assert refused.returncode == 2
    assert "needs a name" in refused.stderr


def test_a_stand_in_that_is_not_there_is_said_clearly() -> None:
    (port,) = free_ports(1)

    done = run(*LOCALCLOUD, "fault", "list", f"--cloudflare-port={port}")

    assert done.returncode == 1
    assert "elephant-local up" in done.stderr


def test_chalice_local_handles_an_event_by_hand(
    up: tuple[list[str], dict[str, str], list[int]], tmp_path: Path
) -> None:
    _, exports, _ = up
    endpoint = exports["AWS_ENDPOINT_URL"]
    project = PROJECT.copy(tmp_path / "project", exports["CLOUDFLARE_BASE_URL"])
    instance_id = start_instance(aws_client("ec2", endpoint))
    (port,) = free_ports(1)
    chalice = str(Path(sys.executable).parent / "chalice")
    local = (chalice, "--project-dir", str(project.directory), "local", "--stage", STAGE)

    with running(*local, "--port", str(port), until="Serving on", **exports):
        url = f"http://127.0.0.1:{port}/events"
        first = post(url, {"instance-id": instance_id})
        second = post(url, {"instance-id": instance_id})
        wrong = post(url, {"instance-id": "x"})

    assert (first["action"], second["action"], wrong["action"]) == (
        "created",
        "unchanged",
        "ignored",
    )


def post(url: str, body: object) -> Any:  # noqa: ANN401
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        return json.load(answer)


@pytest.mark.parametrize(
    "command",
    ["", "demo", "up", "tick", "fault", "fault add", "fault list", "fault clear", "quota"],
)
def test_every_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(localcloud, [*command.split(), "--help"], prog_name="elephant-local")

    assert done.exit_code == 0
    assert done.stdout.startswith("Usage: elephant-local")


def test_a_directory_that_is_no_project_is_said_clearly(tmp_path: Path) -> None:
    done = run(*LOCALCLOUD, "demo", "--project", str(tmp_path))

    assert done.returncode == 1
    assert "config.json is missing: run this in the project" in done.stderr


# The documentation


def test_every_make_target_of_the_readme_is_there() -> None:
    targets = set(re.findall(r"^\s*make ([\w-]+)", README, re.MULTILINE))
    makefile = (PROJECT.directory / "Makefile").read_text()

    assert {"demo", "test", "install"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_localcloud_command_of_the_documentation_is_there() -> None:
    commands = set(re.findall(r"elephant-local ([a-z]+(?: [a-z]+)?)", DOCUMENTS["local-cloud.md"]))

    assert commands
    for command in commands:
        done = CliRunner().invoke(localcloud, [*command.split()[:2], "--help"])
        assert done.exit_code == 0, command


def test_every_operators_command_of_the_documentation_is_there() -> None:
    commands = set(re.findall(r"^    elephant ([a-z]+)", README, re.MULTILINE))
    commands |= set(re.findall(r"`elephant ([a-z]+)", DOCUMENTS["operations.md"]))

    assert {"stage", "token", "deploy", "doctor", "destroy"} <= commands
    for command in commands:
        assert CliRunner().invoke(elephant, [command, "--help"]).exit_code == 0, command


def test_every_file_that_the_documentation_links_to_is_there() -> None:
    texts = {PROJECT.directory / "README.md": README}
    texts |= {PROJECT.directory / "docs" / name: text for name, text in DOCUMENTS.items()}
    for path, text in texts.items():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_file_of_the_project_that_the_documentation_names_is_there() -> None:
    named = re.compile(r"`((?:tests|chalicelib|ops|localcloud)/[\w/*.-]+)`")
    for name, text in DOCUMENTS.items():
        for target in named.findall(text):
            assert any(PROJECT.directory.glob(target.rstrip("/"))), f"{name}: {target}"


def test_every_setting_is_in_the_table_of_settings() -> None:
    reader = re.findall(
        r'reader\.read\(\s*"(\w+)"',
        (PROJECT.directory / "chalicelib/settings/stage.py").read_text(),
    )

    for name in reader:
        assert f"| `{name}` |" in DOCUMENTS["settings.md"], name


def test_the_documented_event_pattern_is_the_one_deployed() -> None:
    decision = (PROJECT.directory / "docs/decisions/0003-event-pattern.md").read_text()
    (shown,) = re.findall(r"```json\n(.*?)```", decision, re.DOTALL)

    assert json.loads(shown) == event_pattern(PROJECT.settings)

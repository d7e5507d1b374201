"""A local AWS for each test module, and functions made of a few lines of source."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws import Functions, Invocation, MotoServer, aws_client, aws_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_APP = Path(__file__).parent / "sample_app.py"
_numbers = count(1)


def zipped(source: str) -> bytes:
    """Return a zip with `source` as its only module, `index`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", textwrap.dedent(source))
    return content.getvalue()


class Gate:
    """Where a handler waits until the test lets it go on: `wait(event["gate"])` in its source."""

    SOURCE = """
        import socket

        def wait(port):
            with socket.create_connection(("127.0.0.1", port)) as gate:
                gate.recv(1)
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(100)
        self.port: int = self._listener.getsockname()[1]

    def arrival(self) -> socket.socket:
        """Wait for a handler; close what is returned to let it pass."""
        return self._listener.accept()[0]

    def close(self) -> None:
        self._listener.close()


@dataclass
class Cloud:
    """The local AWS of a test module."""

    server: MotoServer
    functions: Functions
    finished: list[Invocation] = field(default_factory=list)

    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore's clients have no static type
        if service not in self._clients:
            self._clients[service] = aws_client(service, self.server.endpoint)
        return self._clients[service]

    def function(self, source: str, **configuration: object) -> str:
        """Deploy a function with `source` as its code, and return its name."""
        name = f"function-{next(_numbers)}"
        settings = {
            "Role": "arn:aws:iam::123456789012:role/any",
            "Handler": "index.handler",
            "Runtime": "python3.11",
            "Timeout": 20,
        }
        self.client("lambda").create_function(
            FunctionName=name, Code={"ZipFile": zipped(source)}, **(settings | configuration)
        )
        return name

    def attempts(self, name: str) -> list[Invocation]:
        """Return the finished invocations of a function, in order."""
        return [invocation for invocation in self.finished if invocation.function == name]

    def queue(self, name: str) -> tuple[str, str]:
        """Make an SQS queue and return its URL and ARN."""
        url = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        return url, f"arn:aws:sqs:us-west-2:123456789012:{name}"

    def messages(self, url: str) -> list[Any]:
        """Return the documents that are in a queue."""
        answer = self.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with MotoServer() as server, Functions(server.endpoint, time_scale=0.0001) as functions:
        server.run_functions(functions)
        cloud = Cloud(server, functions)
        functions.on_finished(cloud.finished.append)
        cloud.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
        yield cloud


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


def chalice_deploy(cloud: Cloud, project: Path) -> str:
    """Run `chalice deploy` for stage dev; return its output."""
    done = subprocess.run(  # noqa: S603 (Chalice itself)
        [Path(sys.executable).with_name("chalice"), "deploy", "--stage", "dev"],
        cwd=project,
        env=aws_environment(cloud.server.endpoint),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@dataclass(frozen=True)
class Sample:
    """The sample application, deployed by Chalice."""

    project: Path
    output: str


def sample_project(directory: Path) -> Path:
    """Write the sample application's Chalice project."""
    (directory / ".chalice").mkdir()
    (directory / "app.py").write_text(_APP.read_text())
    (directory / "requirements.txt").touch()
    stage = {"api_gateway_stage": "api", "environment_variables": {"TABLE": "seen"}}
    config = {"version": "2.0", "app_name": "sample", "stages": {"dev": stage}}
    (directory / ".chalice" / "config.json").write_text(json.dumps(config))
    return directory


@pytest.fixture(scope="module")
def sample(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    project = sample_project(tmp_path_factory.mktemp("sample"))
    cloud.client("dynamodb").create_table(
        TableName="seen",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return Sample(project, chalice_deploy(cloud, project))

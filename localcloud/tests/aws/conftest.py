"""A local AWS for each test module, and functions made of a few lines of source."""

from __future__ import annotations

import io
import json
import re
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
        self._listener.settimeout(600)
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
            "Timeout": 100,
        }
        self.client("lambda").create_function(
            FunctionName=name, Code={"ZipFile": zipped(source)}, **(settings | configuration)
        )
        return name

    def attempts(self, name: str) -> list[Invocation]:
        """Return the finished invocations of a function, in order."""
        return [invocation for invocation in self.finished if invocation.function == name]

    def rule(self, function: str, *, permitted: bool = True, **settings: str) -> str:
        """Deploy a rule with the function as its target, as Chalice does; return its name."""
        name, events = f"rule-{next(_numbers)}", self.client("events")
        rule_arn = events.put_rule(Name=name, **settings)["RuleArn"]
        function_arn = f"arn:aws:lambda:us-west-2:123456789012:function:{function}"
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function_arn}])
        if permitted:
            self.client("lambda").add_permission(
                FunctionName=function,
                StatementId=name,
                Action="lambda:InvokeFunction",
                Principal="events.amazonaws.com",
                SourceArn=rule_arn,
            )
        return name

    def delete_rules(self) -> None:
        events = self.client("events")
        for rule in events.list_rules()["Rules"]:
            events.remove_targets(Rule=rule["Name"], Ids=["1"])
            events.delete_rule(Name=rule["Name"])

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


@pytest.fixture(scope="module")
def sample(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Deploy the sample application with Chalice; return the output."""
    project = tmp_path_factory.mktemp("sample")
    (project / ".chalice").mkdir()
    (project / "app.py").write_text(_APP.read_text())
    (project / "requirements.txt").touch()
    stages = {"dev": {"api_gateway_stage": "api"}}
    config = {"version": "2.0", "app_name": "sample", "stages": stages}
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    done = subprocess.run(  # noqa: S603 (Chalice itself)
        [Path(sys.executable).with_name("chalice"), "deploy", "--stage", "dev"],
        cwd=project,
        env=aws_environment(cloud.server.endpoint),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def url(cloud: Cloud, sample: str) -> str:
    """Where the sample application's API is offered."""
    printed = re.search(r"Rest API URL: (\S+)", sample)
    assert printed is not None
    return cloud.server.local_url(printed[1])

"""One execution environment, without the rest of AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws.artifacts import Artifacts
from localcloud.aws.clock import Clock
from localcloud.aws.environment import (
    Environment,
    Outcome,
    RuntimeConfig,
)
from localcloud.aws.state import DeployedFunction

from .conftest import zipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., Environment]


@pytest.fixture(scope="module")
def artifacts() -> Iterator[Artifacts]:
    artifacts = Artifacts()
    yield artifacts
    artifacts.close()


@pytest.fixture
def start(artifacts: Artifacts) -> Iterator[Start]:
    started: list[Environment] = []

    def start(
        source: str,
        *,
        timeout: float = 20.0,
        variables: tuple[tuple[str, str], ...] = (),
    ) -> Environment:
        code = zipped(source)
        function = DeployedFunction(
            name="f",
            arn="arn:aws:lambda:us-west-2:123456789012:function:f",
            handler="index.handler",
            runtime="python3.11",
            timeout=timeout,
            memory=128,
            variables=variables,
            code_sha256=str(hash(code)),
            code=code,
        )
        runtime_config = RuntimeConfig(
            "http://127.0.0.1:1", "us-west-2", artifacts.runtime_directory, Clock()
        )
        environment = Environment(function, artifacts.task_root(function), runtime_config)
        started.append(environment)
        return environment

    yield start
    for environment in started:
        environment.close()


def call(environment: Environment, event: object = None) -> Outcome:
    return environment.invoke(json.dumps(event).encode(), "request-1")


def error(outcome: Outcome) -> dict[str, Any]:
    assert outcome.failed
    return dict(json.loads(outcome.payload))


def test_the_process_stays_for_the_next_invocation(start: Start) -> None:
    environment = start(
        """
        calls = []
        def handler(event, context):
            calls.append(event)
            return calls
        """
    )
    first, second = call(environment, 1), call(environment, 2)
    assert json.loads(second.payload) == [1, 2]
    assert first.init_duration is not None
    assert second.init_duration is None


def test_an_exception_is_lambdas_error_document(start: Start) -> None:
    environment = start("def handler(event, context): raise KeyError('wanted')")
    document = error(call(environment))
    assert document["errorType"] == "KeyError"
    assert document["errorMessage"] == "'wanted'"
    assert document["stackTrace"]
    assert environment.alive


def test_a_handler_past_its_timeout_is_killed(start: Start) -> None:
    environment = start("import time\ndef handler(e, c): time.sleep(9999)", timeout=0.25)
    outcome = call(environment)
    assert error(outcome) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: request-1 Error: Task timed out after 0.25 seconds",
    }
    assert not environment.alive
    assert outcome.log[-3].endswith("request-1 Task timed out after 0.25 seconds")


def test_an_exit_of_the_process_is_an_error_of_the_invocation(start: Start) -> None:
    environment = start("import os\ndef handler(event, context): os._exit(3)")
    assert error(call(environment)) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: request-1 Error: Runtime exited with error: exit status 3",
    }


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import nothing_like_this", "Runtime.ImportModuleError"),
        ("def other(event, context): pass", "Runtime.HandlerNotFound"),
        ("def handler(:", "Runtime.UserCodeSyntaxError"),
        ("raise LookupError('no TABLE')", "LookupError"),
        ("import os; os._exit(4)", "Runtime.ExitError"),
    ],
)
def test_code_that_cannot_start_fails_the_first_invocation(
    start: Start, source: str, kind: str
) -> None:
    environment = start(source)
    assert error(call(environment))["errorType"] == kind
    assert not environment.alive


def test_the_function_sees_lambdas_variables_and_its_own_only(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_TOKEN", "mine")
    monkeypatch.setenv("AWS_PROFILE", "production")
    environment = start(
        "import os\ndef handler(event, context): return dict(os.environ)",
        variables=(("TABLE", "t"), ("AWS_LAMBDA_FUNCTION_NAME", "forged")),
    )
    seen = json.loads(call(environment).payload)
    assert seen["TABLE"] == "t"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert seen["AWS_REGION"] == "us-west-2"
    assert seen["TZ"] == ":UTC"
    assert not {"CLOUDFLARE_TOKEN", "AWS_PROFILE", "VIRTUAL_ENV"} & set(seen)


def test_packages_come_from_the_zip_or_lambdas_runtime_and_nowhere_else(start: Start) -> None:
    environment = start(
        """
        import importlib.util as util
        names = ["boto3", "urllib3", "chalice", "requests", "moto", "yaml"]
        def handler(event, context):
            return [name for name in names if util.find_spec(name)]
        """
    )
    assert json.loads(call(environment).payload) == ["boto3", "urllib3"]


def test_everything_printed_is_logged_between_lambdas_own_lines(start: Start) -> None:
    environment = start(
        """
        import logging, sys
        print("at import")
        def handler(event, context):
            print(event)
            logging.warning("careful")
            print("to stderr", file=sys.stderr)
        """
    )
    log = call(environment, "hello").log
    assert log[0] == "START RequestId: request-1 Version: $LATEST"
    assert log[1:3] == ("at import", "hello")
    assert log[3].startswith("[WARNING]")
    assert log[3].endswith("careful")
    assert log[4] == "to stderr"
    assert log[5] == "END RequestId: request-1"
    assert log[6].startswith("REPORT RequestId: request-1\tDuration: ")
    assert "Init Duration" in log[6]
    again = call(environment, "again").log
    assert "at import" not in again
    assert again[1] == "again"

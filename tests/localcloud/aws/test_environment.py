"""One execution environment, without the rest of AWS."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws.artifacts import Artifacts
from localcloud.aws.environment import (
    Environment,
    EnvironmentGoneError,
    LogFormat,
    Outcome,
    Surroundings,
)
from localcloud.aws.state import DeployedFunction

from .conftest import Gate, zipped

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
        log_format: LogFormat = "TEXT",
        init_timeout: float = 30.0,
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
        surroundings = Surroundings(
            "http://127.0.0.1:1",
            "us-west-2",
            artifacts.runtime_directory,
            log_format,
            init_timeout,
        )
        environment = Environment(function, artifacts.task_root(function), surroundings)
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


def test_the_handlers_result_is_the_response(start: Start) -> None:
    environment = start("def handler(event, context): return {'got': event}")
    outcome = call(environment, {"a": [1, None]})
    assert not outcome.failed
    assert json.loads(outcome.payload) == {"got": {"a": [1, None]}}


def test_the_context_is_lambdas(start: Start) -> None:
    environment = start(
        """
        def handler(event, context):
            return [context.function_name, context.aws_request_id, context.invoked_function_arn,
                    context.get_remaining_time_in_millis()]
        """
    )
    name, request_id, arn, remaining = json.loads(call(environment).payload)
    assert (name, request_id) == ("f", "request-1")
    assert arn == "arn:aws:lambda:us-west-2:123456789012:function:f"
    assert 0 < remaining <= 20_000


def test_payloads_of_megabytes_pass_both_ways(start: Start) -> None:
    environment = start("def handler(event, context): return event * 2")
    assert json.loads(call(environment, "x" * 2_500_000).payload) == "x" * 5_000_000


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


def test_a_result_that_json_cannot_say_is_an_error(start: Start) -> None:
    environment = start("def handler(event, context): return {1, 2}")
    assert error(call(environment))["errorType"] == "Runtime.MarshalError"


def test_a_handler_past_its_timeout_is_killed(start: Start) -> None:
    environment = start(
        "import time\ndef handler(event, context): print('begun'); time.sleep(60)", timeout=0.25
    )
    outcome = call(environment)
    assert error(outcome) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: request-1 Error: Task timed out after 0.25 seconds",
    }
    assert not environment.alive
    assert outcome.log[1] == "begun"
    assert outcome.log[2].endswith("request-1 Task timed out after 0.25 seconds")


def test_an_exit_of_the_process_is_an_error_of_the_invocation(start: Start) -> None:
    environment = start("import os\ndef handler(event, context): os._exit(3)")
    assert error(call(environment)) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: request-1 Error: Runtime exited with error: exit status 3",
    }


def test_an_exit_without_an_error_is_an_error_too(start: Start) -> None:
    environment = start("import os\ndef handler(event, context): os._exit(0)")
    assert error(call(environment))["errorMessage"].endswith(
        "Runtime exited without providing a reason"
    )


def test_killing_it_in_mid_invocation_fails_the_invocation(start: Start, gate: Gate) -> None:
    environment = start(Gate.SOURCE + "\n        def handler(event, context): wait(event)")
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(call(environment, gate.port)))
    thread.start()
    with gate.arrival():
        environment.kill()
        thread.join(10)
    assert error(outcomes[0])["errorMessage"].endswith("Runtime exited with error: signal: killed")


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


def test_code_that_never_gets_ready_is_killed(start: Start) -> None:
    environment = start("import time; time.sleep(60)", init_timeout=0.5)
    assert error(call(environment))["errorType"] == "Sandbox.Timedout"
    assert not environment.alive


def test_an_environment_that_ended_while_idle_takes_no_invocation(start: Start) -> None:
    environment = start("def handler(event, context): pass")
    call(environment)
    environment.kill()
    with pytest.raises(EnvironmentGoneError):
        call(environment)


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


def test_an_exceptions_traceback_is_one_line_of_the_log(start: Start) -> None:
    environment = start("def handler(event, context): raise ValueError('boom')")
    lines = [line for line in call(environment).log if "boom" in line]
    assert lines[0].startswith("[ERROR] ValueError: boom\nTraceback")


def test_json_logs_are_the_runtime_clients(start: Start) -> None:
    environment = start(
        "import logging\ndef handler(event, context): logging.error('no', extra={'zone': 'z'})",
        log_format="JSON",
    )
    entry = json.loads(call(environment).log[1])
    assert (entry["level"], entry["message"], entry["zone"]) == ("ERROR", "no", "z")


def test_closing_leaves_no_process_no_thread_and_may_be_repeated(start: Start) -> None:
    before = set(threading.enumerate())
    environment = start("def handler(event, context): pass")
    call(environment)
    environment.close()
    environment.close()
    assert not environment.alive
    assert set(threading.enumerate()) <= before

"""Running deployed functions."""

from __future__ import annotations

import os
import threading

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import Functions, ThrottledError

from .conftest import Cloud, Gate, zipped

PID = "import os\ndef handler(event, context): return os.getpid()"
FAIL = "def handler(event, context): raise ValueError('no luck')"
GATE = Gate.SOURCE + "\n        def handler(event, context): wait(event)"


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def asynchronously(cloud: Cloud, name: str, event: object = None) -> None:
    cloud.functions.invoke_async(name, event)
    cloud.functions.wait_idle(600)


def test_a_function_is_invoked_by_name_or_arn(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context): return event['a']")
    arn = f"arn:aws:lambda:us-west-2:123456789012:function:{name}"
    assert cloud.functions.invoke(name, {"a": 1}).result == 1
    assert cloud.functions.invoke(arn, b'{"a": 2}').result == 2


def test_new_code_runs_in_a_new_environment_and_the_old_one_ends(cloud: Cloud) -> None:
    name = cloud.function(PID)
    old = cloud.functions.invoke(name).result
    cloud.client("lambda").update_function_code(
        FunctionName=name, ZipFile=zipped("def handler(event, context): return 'new'")
    )
    assert cloud.functions.invoke(name).result == "new"
    assert ended(old)


def test_a_failing_event_is_tried_exactly_three_times(cloud: Cloud) -> None:
    name = cloud.function(FAIL)
    request_id = cloud.functions.invoke_async(name, {"n": 1})
    cloud.functions.wait_idle(600)
    attempts = cloud.attempts(name)
    assert [attempt.attempt for attempt in attempts] == [1, 2, 3]
    assert [attempt.retry_in for attempt in attempts] == [60.0, 120.0, None]
    assert {attempt.request_id for attempt in attempts} == {request_id}
    assert [attempt.event for attempt in attempts] == [{"n": 1}] * 3


def test_the_functions_own_number_of_retries_is_kept(cloud: Cloud) -> None:
    name = cloud.function(FAIL)
    for retries in (2, 0):  # the later one counts
        cloud.client("lambda").put_function_event_invoke_config(
            FunctionName=name, MaximumRetryAttempts=retries
        )
    asynchronously(cloud, name)
    assert len(cloud.attempts(name)) == 1


def test_an_event_given_up_goes_to_the_on_failure_queue(cloud: Cloud) -> None:
    name = cloud.function(FAIL)
    url, arn = cloud.queue("given-up")
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    asynchronously(cloud, name, {"n": 1})
    (record,) = cloud.messages(url)
    assert record["version"] == "1.0"
    assert record["requestContext"] == {
        "requestId": cloud.attempts(name)[0].request_id,
        "functionArn": f"arn:aws:lambda:us-west-2:123456789012:function:{name}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["requestPayload"] == {"n": 1}
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "no luck"


def test_an_event_too_old_for_another_attempt_is_given_up(cloud: Cloud) -> None:
    name = cloud.function(FAIL)
    url, arn = cloud.queue("too-old")
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=name,
        MaximumEventAgeInSeconds=100,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    asynchronously(cloud, name)
    assert len(cloud.attempts(name)) == 2
    (record,) = cloud.messages(url)
    assert record["requestContext"]["condition"] == "EventAgeExceeded"


def test_two_invocations_of_a_function_run_at_once_and_no_more(cloud: Cloud, gate: Gate) -> None:
    name = cloud.function(GATE)
    for _ in range(4):
        cloud.functions.invoke_async(name, gate.port)
    with gate.arrival(), gate.arrival(), pytest.raises(TimeoutError, match="2 running, 2 wait"):
        cloud.functions.wait_idle(0)
    gate.arrival().close()
    gate.arrival().close()
    cloud.functions.wait_idle(600)
    assert len(cloud.attempts(name)) == 4


def test_reserved_concurrency_is_kept(cloud: Cloud) -> None:
    name = cloud.function(PID)
    cloud.client("lambda").put_function_concurrency(
        FunctionName=name, ReservedConcurrentExecutions=1
    )
    callers = [threading.Thread(target=cloud.functions.invoke, args=(name,)) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(600)
    limit = cloud.client("lambda").get_account_settings()["AccountLimit"]
    assert limit["ConcurrentExecutions"] - limit["UnreservedConcurrentExecutions"] == 1
    assert len({attempt.result for attempt in cloud.attempts(name)}) == 1


def test_reserved_concurrency_of_zero_stops_a_function(cloud: Cloud) -> None:
    name = cloud.function(PID)
    url, arn = cloud.queue("stopped")
    cloud.client("lambda").put_function_concurrency(
        FunctionName=name, ReservedConcurrentExecutions=0
    )
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    with pytest.raises(ThrottledError):
        cloud.functions.invoke(name)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        cloud.client("lambda").invoke(FunctionName=name)
    asynchronously(cloud, name, {"n": 1})
    assert cloud.attempts(name) == []
    (record,) = cloud.messages(url)
    assert record["requestPayload"] == {"n": 1}
    assert record["requestContext"]["approximateInvokeCount"] == 0


def test_a_killed_function_fails_and_its_event_is_tried_again(cloud: Cloud, gate: Gate) -> None:
    name = cloud.function(GATE)
    cloud.functions.invoke_async(name, gate.port)
    with gate.arrival():
        assert cloud.functions.kill(name) == 1
    gate.arrival().close()
    cloud.functions.wait_idle(600)
    killed, again = cloud.attempts(name)
    assert killed.error is not None
    assert killed.error.type == "Runtime.ExitError"
    assert not again.failed
    assert cloud.functions.kill(name) == 0


def test_closing_ends_what_runs_and_leaves_nothing(cloud: Cloud, gate: Gate) -> None:
    before = set(threading.enumerate())
    name = cloud.function(GATE)
    functions = Functions(cloud.server.endpoint)
    functions.invoke_async(name, gate.port)
    with gate.arrival():
        functions.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(RuntimeError, match="closed"):
        functions.invoke(name)

"""The server itself, and Lambda's Invoke through it."""

from __future__ import annotations

import base64
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from moto.awslambda.models import LambdaFunction
from moto.awslambda.urls import url_paths as lambda_paths
from moto.cloudformation.parsing import ResourceMap
from moto.ec2.models import EC2Backend
from moto.scheduler.models import EventBridgeSchedulerBackend

from localcloud.aws import MotoServer, PortTakenError, aws_client

if TYPE_CHECKING:
    from .conftest import Cloud

PATCHED = (
    (LambdaFunction, "invoke"),
    (EC2Backend, "run_instances"),
    (ResourceMap, "update"),
    (EventBridgeSchedulerBackend, "create_schedule"),
)


def patched() -> list[Any]:
    return [getattr(owner, name) for owner, name in PATCHED]


def test_each_start_is_empty_and_leaves_moto_as_it_was() -> None:
    before, paths = patched(), dict(lambda_paths)
    for _ in range(2):
        with MotoServer() as server:
            sqs = aws_client("sqs", server.endpoint)
            assert "QueueUrls" not in sqs.list_queues()
            sqs.create_queue(QueueName="left-behind")
            assert not {*patched()} & {*before}
            with pytest.raises(RuntimeError, match="moto already serves"):
                MotoServer().start()
    assert patched() == before
    assert lambda_paths == paths


def test_a_port_that_is_not_free_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"AWS on 127.0.0.1 port {port}"):
            MotoServer(port=port).start()
    with MotoServer(port=port) as server:  # the failed start left nothing
        assert server.endpoint == f"http://127.0.0.1:{port}"


def test_a_secret_is_read_as_of_the_version_that_is_current() -> None:
    with MotoServer() as server:
        secrets = aws_client("secretsmanager", server.endpoint)
        first = secrets.create_secret(Name="key", SecretString="first")["VersionId"]
        put = secrets.put_secret_value(SecretId="key", SecretString="second", VersionStages=["new"])
        assert secrets.get_secret_value(SecretId="key")["SecretString"] == "first"
        secrets.update_secret_version_stage(
            SecretId="key",
            VersionStage="AWSCURRENT",
            RemoveFromVersionId=first,
            MoveToVersionId=put["VersionId"],
        )
        assert secrets.get_secret_value(SecretId="key")["SecretString"] == "second"


def test_stopping_leaves_no_thread_though_clients_keep_connections() -> None:
    before = set(threading.enumerate())
    server = MotoServer()
    server.start()
    aws_client("sqs", server.endpoint).list_queues()
    with socket.create_connection(("127.0.0.1", server.port)):
        server.stop()
    server.stop()
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("kind", "status", "runs"),
    [("RequestResponse", 200, 1), ("Event", 202, 1), ("DryRun", 204, 0)],
)
def test_a_function_is_invoked_as_asked(cloud: Cloud, kind: str, status: int, runs: int) -> None:
    name = cloud.function("def handler(event, context): return event")
    answer = cloud.client("lambda").invoke(
        FunctionName=name, InvocationType=kind, Payload=b'{"a": 1}'
    )
    assert answer["StatusCode"] == status
    assert answer["Payload"].read() == (b'{"a": 1}' if status == 200 else b"")
    cloud.functions.wait_idle(600)
    assert [attempt.result for attempt in cloud.attempts(name)] == [{"a": 1}] * runs


def test_a_failure_is_reported_with_the_log(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context): raise ValueError('no luck')")
    answer = cloud.client("lambda").invoke(FunctionName=name, LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "ValueError"
    assert b"no luck" in base64.b64decode(answer["LogResult"])

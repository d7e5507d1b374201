"""The server itself, and Lambda's Invoke through it."""

from __future__ import annotations

import base64
import json
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from moto.apigateway.models import APIGatewayBackend
from moto.awslambda.models import LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.urls import url_paths as lambda_paths
from moto.events.models import EventsBackend

from localcloud.aws import MotoServer, PortTakenError, aws_client

if TYPE_CHECKING:
    from .conftest import Cloud


class TestServer:
    """Servers of their own, one after the other."""

    def test_a_taken_port_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(PortTakenError, match=f"AWS on 127.0.0.1 port {port}"):
                MotoServer(port=port).start()
        with MotoServer() as server:  # nothing of the failed start is in the way
            assert server.port != 0

    def test_there_is_one_at_a_time(self) -> None:
        with MotoServer(), pytest.raises(RuntimeError, match="moto already serves"):
            MotoServer().start()

    def test_it_tells_what_an_account_may_run_at_once(self) -> None:
        with MotoServer() as server:
            answer = aws_client("lambda", server.endpoint).get_account_settings()
        assert answer["AccountLimit"]["ConcurrentExecutions"] == 1000
        assert answer["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000
        assert answer["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}

    def test_each_start_begins_with_nothing(self) -> None:
        for _ in range(2):
            with MotoServer() as server:
                sqs = aws_client("sqs", server.endpoint)
                assert "QueueUrls" not in sqs.list_queues()
                sqs.create_queue(QueueName="left-behind")

    def test_stopping_leaves_no_thread_though_clients_keep_connections(self) -> None:
        before = set(threading.enumerate())
        server = MotoServer()
        server.start()
        aws_client("sqs", server.endpoint).list_queues()
        with socket.create_connection(("127.0.0.1", server.port)):
            server.stop()
        server.stop()
        assert set(threading.enumerate()) <= before

    def test_stopping_leaves_moto_as_it_was(self) -> None:
        patched = [
            (LambdaFunction, "invoke"),
            (EventsBackend, "_RATE_REGEX"),
            (APIGatewayBackend, "import_rest_api"),
        ]
        before = [getattr(owner, name) for owner, name in patched]
        paths = dict(lambda_paths)
        with MotoServer():
            assert lambda_paths != paths
            assert all(
                getattr(owner, name) is not original
                for (owner, name), original in zip(patched, before, strict=True)
            )
        assert [getattr(owner, name) for owner, name in patched] == before
        assert lambda_paths == paths
        assert not hasattr(LambdaResponse, "get_account_settings")


class TestInvoke:
    """Lambda's Invoke operation runs what is deployed."""

    def test_a_failure_says_so_and_brings_the_log(self, cloud: Cloud) -> None:
        name = cloud.function("def handler(event, context): raise ValueError('told to')")
        answer = cloud.client("lambda").invoke(FunctionName=name, LogType="Tail")
        assert answer["FunctionError"] == "Unhandled"
        assert json.loads(answer["Payload"].read())["errorType"] == "ValueError"
        assert b"told to" in base64.b64decode(answer["LogResult"])

    def test_an_event_is_accepted_and_run_later(self, cloud: Cloud) -> None:
        name = cloud.function("def handler(event, context): return event")
        answer = cloud.client("lambda").invoke(
            FunctionName=name, InvocationType="Event", Payload=b'{"a": 1}'
        )
        assert answer["StatusCode"] == 202
        cloud.functions.wait_idle(100)
        (attempt,) = cloud.attempts(name)
        assert (attempt.source, attempt.result) == ("async", {"a": 1})

    def test_a_dry_run_runs_nothing(self, cloud: Cloud) -> None:
        name = cloud.function("def handler(event, context): return event")
        answer = cloud.client("lambda").invoke(FunctionName=name, InvocationType="DryRun")
        assert answer["StatusCode"] == 204
        assert cloud.attempts(name) == []

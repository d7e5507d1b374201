"""Deployed APIs, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Cloud


def fetch(url: str, body: object = None, method: str | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - our own server
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 - our own server
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_request_reaches_its_view_with_path_query_and_body(url: str) -> None:
    status, body = fetch(url + "hello/you%20there?a=1&a=2", {"b": [1]})
    assert status == 200
    assert json.loads(body) == {"hello": "you there", "query": {"a": "2"}, "body": {"b": [1]}}


def test_bytes_and_repeated_headers_pass(url: str) -> None:
    picture = bytes(range(256))
    request = urllib.request.Request(url + "echo", picture)  # noqa: S310 - our own server
    request.add_header("Content-Type", "application/octet-stream")
    request.add_header("Accept", "application/octet-stream")
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 - our own server
        assert answer.read() == picture
        assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_what_a_view_is_told_of_the_address_leads_back_here(url: str, cloud: Cloud) -> None:
    cloud.functions.clock.skip(86400)
    before = cloud.functions.clock.time() * 1000
    _, body = fetch(url + "context/a%C3%A9/b")
    answer = json.loads(body)
    host = cloud.server.endpoint.removeprefix("http://")
    name, port = host.split(":")
    assert answer["parameters"] == ["aé", "b"]
    assert answer["path"] == "/context/{one}/{two}"
    headers = {key.lower(): value for key, value in answer["headers"].items()}
    assert headers["host"] == host
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == port
    assert headers["x-forwarded-for"] == "127.0.0.1"
    context = answer["context"]
    assert (context["domainName"], context["stage"]) == (name, "api")
    here = url.removeprefix(cloud.server.endpoint)
    assert context["path"] == here + "context/aé/b"
    assert context["resourcePath"] == "/context/{one}/{two}"
    assert before - 1 <= context["requestTimeEpoch"] <= cloud.functions.clock.time() * 1000


def test_its_own_answers_have_the_headers_of_its_gateway_responses(url: str, cloud: Cloud) -> None:
    client, api_id = cloud.client("apigateway"), url.split("/")[-3]
    header = "Access-Control-Allow-Origin"
    client.put_gateway_response(
        restApiId=api_id,
        responseType="DEFAULT_4XX",
        responseParameters={f"gatewayresponse.header.{header}": "'*'"},
    )

    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(url + "nowhere"):  # noqa: S310
        pass

    client.delete_gateway_response(restApiId=api_id, responseType="DEFAULT_4XX")
    with refused.value as answer:
        assert (answer.code, answer.headers[header]) == (403, "*")


def test_a_function_that_is_not_to_run_is_a_failure_of_the_server(url: str, cloud: Cloud) -> None:
    client = cloud.client("lambda")
    client.put_function_concurrency(FunctionName="sample-dev", ReservedConcurrentExecutions=0)
    assert fetch(url + "hello/world")[0] == 500
    client.delete_function_concurrency(FunctionName="sample-dev")


def test_a_literal_path_goes_before_a_parameter(url: str) -> None:
    assert fetch(url + "hello/world") == (200, "the whole world")


@pytest.mark.parametrize("end", [None, -1])
def test_the_root_is_a_path_like_any_other(url: str, end: int | None) -> None:
    assert fetch(url[:end]) == (200, "the root")


def test_a_method_reaches_its_view(url: str) -> None:
    status, body = fetch(url + "hello/you", {"b": 1}, "PATCH")
    assert (status, json.loads(body)["body"]) == (200, {"b": 1})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "nowhere"),
        ("GET", "hello"),
        ("GET", "hello/a/b"),
        ("DELETE", "hello/you"),
        ("OPTIONS", "hello/you"),
        ("POST", ""),
    ],
)
def test_what_has_no_view_is_refused_as_api_gateway_does(url: str, method: str, path: str) -> None:
    status, body = fetch(url + path, method=method)
    assert (status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})


def test_a_view_that_ends_its_function_is_a_bad_gateway(url: str) -> None:
    status, body = fetch(url + "fails")
    assert (status, json.loads(body)) == (502, {"message": "Internal server error"})


def test_without_the_functions_permission_nothing_is_invoked(url: str, cloud: Cloud) -> None:
    client = cloud.client("lambda")
    policy = json.loads(client.get_policy(FunctionName="sample-dev")["Policy"])
    (statement,) = policy["Statement"]
    client.remove_permission(FunctionName="sample-dev", StatementId=statement["Sid"])
    assert fetch(url + "hello/world")[0] == 500
    client.add_permission(
        FunctionName="sample-dev",
        StatementId=statement["Sid"],
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=statement["Condition"]["ArnLike"]["AWS:SourceArn"],
    )
    assert fetch(url + "hello/world")[0] == 200

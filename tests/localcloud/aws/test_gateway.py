"""Deployed APIs, over HTTP."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Cloud, Sample


@pytest.fixture
def url(cloud: Cloud, sample: Sample) -> str:
    """Where the sample application's API is offered."""
    printed = re.search(r"Rest API URL: (\S+)", sample.output)
    assert printed is not None
    return cloud.server.local_url(printed[1])


def fetch(url: str, body: object = None) -> tuple[int, Any]:
    request = urllib.request.Request(url)  # noqa: S310 - our own server
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own server
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
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own server
        assert answer.read() == picture
        assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_a_literal_path_goes_before_a_parameter(url: str) -> None:
    assert fetch(url + "hello/world") == (200, "the whole world")


@pytest.mark.parametrize("path", ["nowhere", "hello", "hello/a/b", ""])
def test_a_path_without_a_view_is_refused_as_api_gateway_does(url: str, path: str) -> None:
    status, body = fetch(url + path)
    assert (status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})


def test_a_method_without_a_view_is_refused(url: str) -> None:
    assert fetch(url + "hello/world", {"posted": 1})[0] == 403


def test_an_unknown_api_or_stage_is_refused(url: str, cloud: Cloud) -> None:
    assert fetch(url.replace("/api/", "/other/"))[0] == 403
    unknown = cloud.server.local_url("https://abc.execute-api.us-west-2.amazonaws.com/api")
    assert fetch(unknown)[0] == 403


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


def test_only_urls_of_apis_have_a_local_one(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="is no URL of an API Gateway REST API"):
        cloud.server.local_url("https://example.com/")

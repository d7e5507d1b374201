"""A small Chalice application, as the tests deploy it."""

from __future__ import annotations

import os

from chalice.app import Chalice, IAMAuthorizer, Response

app = Chalice(app_name="sample", configure_logs=False)


@app.route("/")
def root() -> str:
    return "the root"


@app.route("/hello/{name}", methods=["GET", "POST", "PATCH"])
def hello(name: str) -> dict[str, object]:
    request = app.current_request
    assert request is not None
    return {"hello": name, "query": request.query_params, "body": request.json_body}


@app.route("/hello/world")
def hello_world() -> str:
    return "the whole world"


@app.route("/echo", methods=["POST"], content_types=["application/octet-stream"])
def echo() -> Response:
    request = app.current_request
    assert request is not None
    cookies = {"Set-Cookie": ["a=1", "b=2"]}
    headers = {"Content-Type": "application/octet-stream"} | cookies
    return Response(request.raw_body, headers=headers)


@app.route("/context/{one}/{two}")
def context(one: str, two: str) -> dict[str, object]:
    request = app.current_request
    assert request is not None
    return {
        "parameters": [one, two],
        "path": request.path,
        "headers": dict(request.headers),
        "context": request.context,
    }


@app.route("/who", methods=["GET", "POST"], authorizer=IAMAuthorizer())
def who() -> dict[str, object]:
    request = app.current_request
    assert request is not None
    assert isinstance(request.raw_body, bytes)
    return {"identity": request.context["identity"], "body": request.raw_body.decode()}


@app.route("/fails")
def fails() -> None:
    os._exit(1)

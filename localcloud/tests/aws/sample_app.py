"""A small Chalice application, as the tests deploy it."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import botocore.session
from chalice.app import Chalice, Response

if TYPE_CHECKING:
    from chalice.app import CloudWatchEvent

app = Chalice(app_name="sample", configure_logs=False)
log = logging.getLogger(__name__)
log.setLevel("INFO")


@app.on_cw_event(
    {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {
            "state": ["running", "stopping", "shutting-down"],
            "tags": {"Project": ["Sample", {"exists": False}]},
        },
    }
)
def watch(event: CloudWatchEvent) -> dict[str, str]:
    instance_id, state = event.detail["instance-id"], event.detail["state"]
    log.info("%s is %s", instance_id, state)
    dynamodb: Any = botocore.session.get_session().create_client("dynamodb")
    dynamodb.put_item(
        TableName=os.environ["TABLE"],
        Item={"id": {"S": instance_id}, "state": {"S": state}},
    )
    return {"instance": instance_id}


@app.lambda_function()
def add(event: dict[str, int], _context: object) -> int:
    return event["a"] + event["b"]


@app.route("/hello/{name}", methods=["GET", "POST"])
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


@app.route("/context/{one}/{two}", methods=["GET", "OPTIONS"])
def context(one: str, two: str) -> Response:
    request = app.current_request
    assert request is not None
    told = {
        "parameters": [one, two],
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        "context": request.context,
    }
    if request.query_params:
        return Response("<p>é</p>", headers={"Content-Type": "text/html; charset=utf-8"})
    return Response(told)


@app.route("/fails")
def fails() -> None:
    os._exit(1)

"""Lambda proxy integrations: the event that a function gets of a request, and its answer as HTTP.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from .account import ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from moto.apigateway.models import Resource


class MalformedError(Exception):
    """The function's answer is no answer of a proxy integration."""


@dataclass(frozen=True)
class Route:
    """What a request is for."""

    api_id: str
    stage: str
    path: str
    resource: Resource
    parameters: dict[str, str]
    prefix: str
    """What its API and stage have before their names, in the paths of this machine."""


def event_of(
    request: Request, route: Route, now: datetime, identity: Mapping[str, str]
) -> dict[str, Any]:
    """Return the event for a request; `identity` says what is known of a caller who signed it."""
    headers: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in request.headers:
        headers[name].append(value)
    for name, value in _forwarded(request).items():
        headers[name] = [value]
    query = request.args.to_dict(flat=False)
    raw = request.get_data()
    body, is_base64 = _as_text(raw)
    return {
        "resource": route.resource.get_path(),
        "path": route.path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": dict(headers),
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": route.parameters or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": route.api_id,
            "domainName": request.host.rsplit(":", 1)[0],
            "domainPrefix": request.host.split(".")[0],
            "extendedRequestId": str(uuid4()),
            "httpMethod": request.method,
            "identity": {
                "sourceIp": request.remote_addr,
                "userAgent": request.headers.get("User-Agent"),
                **identity,
            },
            "path": f"{route.prefix}/{route.api_id}/{route.stage}{route.path}",
            "protocol": "HTTP/1.1",
            "requestId": str(uuid4()),
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S %z"),
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "resourceId": route.resource.id,
            "resourcePath": route.resource.get_path(),
            "stage": route.stage,
        },
        "body": body if raw else None,
        "isBase64Encoded": is_base64,
    }


def _forwarded(request: Request) -> dict[str, str]:
    """Return the headers that API Gateway always sets itself."""
    seen = [request.headers.get("X-Forwarded-For"), request.remote_addr]
    port = request.host.partition(":")[2] or {"https": "443"}.get(request.scheme, "80")
    return {
        "X-Forwarded-For": ", ".join(filter(None, seen)),
        "X-Forwarded-Port": port,
        "X-Forwarded-Proto": request.scheme,
    }


def _as_text(raw: bytes) -> tuple[str, bool]:
    try:
        return raw.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode(), True


def response_of(answer: object, request_id: str) -> Response:
    """Turn a function's answer into HTTP. MalformedError if it has no status code."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        raise MalformedError
    headers = Headers()
    for name, value in (answer.get("headers") or {}).items():
        headers.add(name, str(value))
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers.remove(name)
        for value in values:
            headers.add(name, str(value))
    headers.setdefault("Content-Type", "application/json")
    headers["x-amzn-RequestId"] = request_id
    body = str(answer.get("body") or "").encode()
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body)
    return Response(body, int(answer["statusCode"]), headers)

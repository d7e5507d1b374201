"""API Gateway's public side: HTTP requests to the REST APIs that are deployed in moto.

moto stores REST APIs, but serves none of them. `PREFIX/API-ID/STAGE/path` of this server is
`https://API-ID.execute-api.REGION.amazonaws.com/STAGE/path`: a request finds its resource, its
Lambda proxy integration, and the function, within the throttling limits of its stage. The function
sees the address of a custom domain with the base path `PREFIX/API-ID/STAGE`, so links that it makes
lead back here. API Gateway's own answers have the headers of the API's gateway responses
DEFAULT_4XX and DEFAULT_5XX, deployed or not. Authorizers, API keys, IAM, caches, and limits of size
and time are not emulated.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from moto.apigateway.models import Method, Resource, RestAPI, apigateway_backends
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from . import state
from .account import ACCOUNT_ID
from .functions import ThrottledError
from .state import UnknownFunctionError
from .throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from .functions import Functions

PREFIX = "/_aws/execute-api"

_AWS_URL = re.compile(r"https://([a-z0-9]+)\.execute-api\.[^/]+\.amazonaws\.com(/.*)?")
_OWN_HEADER = "gatewayresponse.header."
_INTEGRATION = re.compile(r".*:lambda:path/[^/]+/functions/([^/]+)/invocations")

# What API Gateway itself answers,
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
_NO_API = (403, "Forbidden")
_NO_ROUTE = (403, "Missing Authentication Token")
_NOT_SUPPORTED = (501, "the local API Gateway knows Lambda proxy integrations only")
_NO_PERMISSION = (500, "Internal server error")
_BAD_RESPONSE = (502, "Internal server error")
_TOO_MANY = (429, "Too Many Requests")


def local_path(aws_url: str) -> str:
    """Return the path under which the server offers what is at `aws_url` on AWS."""
    match = _AWS_URL.fullmatch(aws_url)
    if match is None:
        raise ValueError(f"{aws_url!r} is no URL of an API Gateway REST API")
    return f"{PREFIX}/{match[1]}{match[2] or '/'}"


@dataclass(frozen=True)
class _Route:
    api_id: str
    stage: str
    path: str
    resource: Resource
    parameters: dict[str, str]


class Gateway:
    """A WSGI application: requests below PREFIX go to deployed APIs, all others to `otherwise`."""

    def __init__(
        self, otherwise: Callable[..., Iterable[bytes]], functions: Callable[[], Functions]
    ) -> None:
        self._otherwise = otherwise
        self._functions = functions
        self._throttle = Throttle()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request, as WSGI wants it."""
        if not environ.get("PATH_INFO", "").startswith(f"{PREFIX}/"):
            return self._otherwise(environ, start_response)
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        functions = self._functions()
        try:
            route, method = self._find(request, functions)
            self._limit(request, route, functions)
            target = _target(method, request, route, functions)
            event = _event(request, route, functions.clock.now())
            invocation = functions.invoke(target, event)
            return _response(invocation.result, event["requestContext"]["requestId"])
        except _RefusedError as refused:
            answer = _say(*refused.args)
        except (UnknownFunctionError, ThrottledError):
            answer = _say(*_NO_PERMISSION)
        answer.headers.extend(_own_headers(request, functions.region, answer.status_code))
        return answer

    @staticmethod
    def _find(request: Request, functions: Functions) -> tuple[_Route, Method]:
        api_id, _, rest = request.path.removeprefix(f"{PREFIX}/").partition("/")
        stage, _, path = rest.partition("/")
        api = apigateway_backends[ACCOUNT_ID][functions.region].apis.get(api_id)
        if api is None or stage not in api.stages:
            raise _RefusedError(*_NO_API)
        route = _route(api, stage, f"/{path}")
        method = _method(route, request.method)
        if route is None or method is None:
            raise _RefusedError(*_NO_ROUTE)
        return route, method

    def _limit(self, request: Request, route: _Route, functions: Functions) -> None:
        api = apigateway_backends[ACCOUNT_ID][functions.region].apis[route.api_id]
        stage, path = api.stages[route.stage], str(route.resource.get_path())
        timer = functions.clock.monotonic
        if not self._throttle.lets_pass(stage, route.api_id, path, request.method, timer):
            raise _RefusedError(*_TOO_MANY)


class _RefusedError(Exception):
    """API Gateway answers a request itself, with this status and message."""


def _target(method: Method, request: Request, route: _Route, functions: Functions) -> str:
    """Return the function that a method names, if it may be invoked for this route."""
    integration = method.method_integration
    match = _INTEGRATION.fullmatch(integration.uri or "") if integration else None
    if match is None:
        raise _RefusedError(*_NOT_SUPPORTED)
    source = f"arn:aws:execute-api:{functions.region}:{ACCOUNT_ID}:{route.api_id}"
    source += f"/{route.stage}/{request.method}{route.resource.get_path()}"
    if not state.may_invoke(match[1], functions.region, "apigateway.amazonaws.com", source):
        raise _RefusedError(*_NO_PERMISSION)
    return match[1]


def _route(api: RestAPI, stage: str, path: str) -> _Route | None:
    """Find the resource of a path; literal parts go before `{parameters}`."""
    found = []
    for resource in list(api.resources.values()):
        pattern = str(resource.get_path())
        expression = re.sub(r"\\{(\w+)(\\\+)?\\}", _group, re.escape(pattern))
        match = re.fullmatch(expression, path.rstrip("/") or "/")
        if match and resource.resource_methods:
            literal = [not part.startswith("{") for part in pattern.split("/")]
            found.append((literal, _Route(api.id, stage, path, resource, match.groupdict())))
    return max(found, key=lambda item: item[0])[1] if found else None


def _group(match: re.Match[str]) -> str:
    return f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"


def _method(route: _Route | None, name: str) -> Method | None:
    if route is None:
        return None
    methods = route.resource.resource_methods
    return methods.get(name) or methods.get("ANY")


def _event(request: Request, route: _Route, now: datetime) -> dict[str, Any]:
    """Return the event of a proxy integration.

    See https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html.
    """
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
            },
            "path": f"{PREFIX}/{route.api_id}/{route.stage}{route.path}",
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


def _response(answer: object, request_id: str) -> Response:
    """Turn a proxy integration's answer into HTTP; without a status code it is malformed."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return _say(*_BAD_RESPONSE)
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


def _own_headers(request: Request, region: str, status: int) -> dict[str, str]:
    """Return the headers that an API's gateway responses add to an answer of API Gateway's own."""
    api_id = request.path.removeprefix(f"{PREFIX}/").partition("/")[0]
    api = apigateway_backends[ACCOUNT_ID][region].apis.get(api_id)
    response = api.gateway_responses.get(f"DEFAULT_{status // 100}XX") if api else None
    parameters = response.response_parameters if response else None
    return {
        name.removeprefix(_OWN_HEADER): value.strip("'")
        for name, value in (parameters or {}).items()
        if name.startswith(_OWN_HEADER)
    }


def _say(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, mimetype="application/json")

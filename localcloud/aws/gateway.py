"""API Gateway's public side: HTTP requests to the REST APIs that are deployed in moto.

moto stores REST APIs, but serves none of them. `PREFIX/API-ID/STAGE/path` of this server is
`https://API-ID.execute-api.REGION.amazonaws.com/STAGE/path`: a request finds its resource, its
Lambda proxy integration, and the function, within the throttling limits of its stage. The function
sees the address of a custom domain with the base path `PREFIX/API-ID/STAGE`, so links that it makes
lead back here. API Gateway's own answers have the headers of the API's gateway responses
DEFAULT_4XX and DEFAULT_5XX, deployed or not.

A method with the authorization AWS_IAM is for callers who sign with the credentials of a role that
may `execute-api:Invoke` it, see `signatures.py`. Signed is the address on this machine, not the one
on AWS. Other authorizers, API keys, resource policies, caches, and limits of size and time are not
emulated.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import Method, RestAPI, apigateway_backends
from werkzeug.wrappers import Request, Response

from . import state
from .account import ACCOUNT_ID
from .functions import ThrottledError
from .permissions import role_may
from .proxy import MalformedError, Route, event_of, response_of
from .signatures import SignatureError, caller_of
from .state import UnknownFunctionError
from .throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .functions import Functions

PREFIX = "/_aws/execute-api"
AWS_IAM = "AWS_IAM"
"""The authorization of a method that is only for signed requests."""

_AWS_URL = re.compile(r"https://([a-z0-9]+)\.execute-api\.[^/]+\.amazonaws\.com(/.*)?")
_OWN_HEADER = "gatewayresponse.header."
_INTEGRATION = re.compile(r".*:lambda:path/[^/]+/functions/([^/]+)/invocations")

# What API Gateway itself answers,
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
_NO_API = (403, "ForbiddenException", "Forbidden")
_NO_ROUTE = (403, "MissingAuthenticationTokenException", "Missing Authentication Token")
_INTERNAL = "InternalServerErrorException"
_NOT_SUPPORTED = (501, _INTERNAL, "the local API Gateway knows Lambda proxy integrations only")
_NO_PERMISSION = (500, _INTERNAL, "Internal server error")
_BAD_RESPONSE = (502, _INTERNAL, "Internal server error")
_TOO_MANY = (429, "TooManyRequestsException", "Too Many Requests")
_DENIED = "AccessDeniedException"


def local_path(aws_url: str) -> str:
    """Return the path under which the server offers what is at `aws_url` on AWS."""
    match = _AWS_URL.fullmatch(aws_url)
    if match is None:
        raise ValueError(f"{aws_url!r} is no URL of an API Gateway REST API")
    return f"{PREFIX}/{match[1]}{match[2] or '/'}"


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
            identity = _identity(method, request, route, functions.region)
            event = event_of(request, route, functions.clock.now(), identity)
            invocation = functions.invoke(target, event)
            return response_of(invocation.result, event["requestContext"]["requestId"])
        except _RefusedError as refused:
            answer = _say(*refused.args)
        except SignatureError as error:
            answer = _say(403, error.kind, error.message)
        except MalformedError:
            answer = _say(*_BAD_RESPONSE)
        except (UnknownFunctionError, ThrottledError):
            answer = _say(*_NO_PERMISSION)
        answer.headers.extend(_own_headers(request, functions.region, answer.status_code))
        return answer

    @staticmethod
    def _find(request: Request, functions: Functions) -> tuple[Route, Method]:
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

    def _limit(self, request: Request, route: Route, functions: Functions) -> None:
        api = apigateway_backends[ACCOUNT_ID][functions.region].apis[route.api_id]
        stage, path = api.stages[route.stage], str(route.resource.get_path())
        timer = functions.clock.monotonic
        if not self._throttle.lets_pass(stage, route.api_id, path, request.method, timer):
            raise _RefusedError(*_TOO_MANY)


class _RefusedError(Exception):
    """API Gateway answers a request itself, with this status, kind and message."""


def _target(method: Method, request: Request, route: Route, functions: Functions) -> str:
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


def _identity(method: Method, request: Request, route: Route, region: str) -> Mapping[str, str]:
    """Return who calls, if the method is only for those who may. SignatureError, _RefusedError."""
    if method.authorization_type != AWS_IAM:
        return {}
    caller = caller_of(request, "execute-api", region)
    where = f"{route.api_id}/{route.stage}/{request.method}{route.path}"
    resource = f"arn:aws:execute-api:{region}:{ACCOUNT_ID}:{where}"
    if not role_may(caller.role_arn, "execute-api:Invoke", resource):
        hidden = resource.replace(ACCOUNT_ID, "*" * 8 + ACCOUNT_ID[-4:])
        what = "execute-api:Invoke on resource: " + hidden
        denied = f"User: {caller.arn} is not authorized to perform: {what}"
        raise _RefusedError(403, _DENIED, denied)
    return {
        "accessKey": caller.access_key,
        "accountId": ACCOUNT_ID,
        "caller": caller.user_id,
        "user": caller.user_id,
        "userArn": caller.arn,
    }


def _route(api: RestAPI, stage: str, path: str) -> Route | None:
    """Find the resource of a path; literal parts go before `{parameters}`."""
    found = []
    for resource in list(api.resources.values()):
        pattern = str(resource.get_path())
        expression = re.sub(r"\\{(\w+)(\\\+)?\\}", _group, re.escape(pattern))
        match = re.fullmatch(expression, path.rstrip("/") or "/")
        if match and resource.resource_methods:
            literal = [not part.startswith("{") for part in pattern.split("/")]
            parameters = match.groupdict()
            found.append((literal, Route(api.id, stage, path, resource, parameters, PREFIX)))
    return max(found, key=lambda item: item[0])[1] if found else None


def _group(match: re.Match[str]) -> str:
    return f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"


def _method(route: Route | None, name: str) -> Method | None:
    if route is None:
        return None
    methods = route.resource.resource_methods
    return methods.get(name) or methods.get("ANY")


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


def _say(status: int, kind: str, message: str) -> Response:
    # AWS writes this one message with a capital letter.
    content = {"Message" if kind == _DENIED else "message": message}
    response = Response(json.dumps(content), status, mimetype="application/json")
    response.headers["x-amzn-ErrorType"] = kind
    return response

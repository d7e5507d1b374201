"""Calls of AWS's API that are signed with a role's credentials, as those of an instance.

moto would answer them all. Here the signature has to be right, and the role has to allow the call.
Calls with other credentials, such as those of `aws_environment`, are an administrator's.

An action is allowed for the secret or table that it names, for everything else only if the role
allows it for all resources. Requests of REST APIs, such as those of S3, do not name their action,
so nothing of them is allowed.
"""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from moto.secretsmanager.models import secretsmanager_backends
from moto.sts.models import sts_backends
from werkzeug.wrappers import Request, Response

from .account import ACCOUNT_ID
from .permissions import role_may
from .signatures import SignatureError, caller_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CREDENTIAL: Final = re.compile(r".*Credential=([^/]+)/[^/]+/[^/]+/([^/]+)/.*")
_DENIED: Final = "AccessDeniedException"
_ALWAYS: Final = {"sts:GetCallerIdentity"}


class RoleCalls:
    """A WSGI application: what a role does not allow is refused, the rest goes to `otherwise`."""

    def __init__(self, otherwise: Callable[..., Iterable[bytes]], region: str) -> None:
        self._otherwise = otherwise
        self._region = region

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request, as WSGI wants it."""
        found = _CREDENTIAL.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
        sessions = sts_backends[ACCOUNT_ID]["aws"]
        if found is None or sessions.get_assumed_role_from_access_key(found[1]) is None:
            return self._otherwise(environ, start_response)
        request = Request(environ)
        body = request.get_data()
        try:
            self._check(request, found[2])
        except SignatureError as error:
            return _refusal(request, found[2], error)(environ, start_response)
        environ["wsgi.input"] = BytesIO(body)
        return self._otherwise(environ, start_response)

    def _check(self, request: Request, service: str) -> None:
        caller = caller_of(request, service, self._region)
        action = f"{service}:{_operation(request)}"
        resource = self._resource(request, service)
        if action in _ALWAYS or role_may(caller.role_arn, action, resource):
            return
        what = f"is not authorized to perform: {action} on resource: {resource}"
        why = f"because no identity-based policy allows the {action} action"
        raise SignatureError(_DENIED, f"User: {caller.arn} {what} {why}")

    def _resource(self, request: Request, service: str) -> str:
        named = _document(request)
        if service == "secretsmanager" and "SecretId" in named:
            return self._secret(str(named["SecretId"]))
        if service == "dynamodb" and "TableName" in named:
            name = str(named["TableName"]).rpartition("/")[2]
            return f"arn:aws:dynamodb:{self._region}:{ACCOUNT_ID}:table/{name}"
        return "*"

    def _secret(self, name: str) -> str:
        secret = secretsmanager_backends[ACCOUNT_ID][self._region].secrets.get(name)
        unknown = f"arn:aws:secretsmanager:{self._region}:{ACCOUNT_ID}:secret:{name}"
        return str(secret.arn) if secret else unknown


def _refusal(request: Request, service: str, error: SignatureError) -> Response:
    """Say no in the protocol of the service."""
    if "X-Amz-Target" in request.headers:
        said = {"__type": error.kind, "message": error.message}
        return Response(json.dumps(said), 400, mimetype="application/x-amz-json-1.1")
    denials = {"ec2": "UnauthorizedOperation"}
    code = denials.get(service, "AccessDenied") if error.kind == _DENIED else error.kind
    text = f"<Error><Code>{code}</Code><Message>{escape(error.message)}</Message></Error>"
    if service == "ec2":
        text = f"<Response><Errors>{text}</Errors></Response>"
    elif service != "s3":
        text = f"<ErrorResponse>{text}</ErrorResponse>"
    return Response(text, 403, mimetype="text/xml")


def _operation(request: Request) -> str:
    target = request.headers.get("X-Amz-Target", "")
    return target.rpartition(".")[2] or str(request.values.get("Action", request.method))


def _document(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.get_data())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

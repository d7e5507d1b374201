"""Patches to moto so that deployed code runs.

Each patch lasts as long as the context. The larger ones are in modules of their own:
`cloudformation.py`, `scheduler_patches.py`, `ec2_patches.py` and `mail.py`.
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.apigateway.models import APIGatewayBackend, RestAPI
from moto.apigateway.responses import APIGatewayResponse
from moto.apigateway.urls import url_paths as api_paths
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.urls import url_paths as lambda_paths
from moto.dynamodb.models.table import StreamShard
from moto.events.models import EventsBackend
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

from . import schedules, state, streams
from .cloudformation import cloudformation_patches
from .ec2_patches import ec2_patches
from .functions import ThrottledError
from .gateway import AWS_IAM
from .mail import mail_patches
from .scheduler_patches import scheduler_patches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto.dynamodb.models.dynamo_type import Item

    from .clock import Clock
    from .functions import Functions
    from .mail import Outbox
    from .refusals import Refusals


_AUTHORIZATION_TYPE = "x-amazon-apigateway-authtype"
_SIGNED = "awsSigv4"


@contextmanager
def moto_patches(
    functions: Callable[[], Functions],
    clock: Callable[[], Clock],
    refusals: Refusals,
    outbox: Outbox,
) -> Iterator[None]:
    """Make moto run deployed code with what `functions` returns at that time."""
    with ExitStack() as stack:
        _invoke_for_real(stack, functions)
        _feed_streams(stack, functions)
        _refuse_wrong_rates(stack)
        _import_swagger(stack)
        _overwrite_invoke_configs(stack)
        _change_processors(stack)
        _answer_account_settings(stack)
        _tag_apis(stack)
        _follow_the_current_version(stack)
        stack.enter_context(cloudformation_patches())
        stack.enter_context(scheduler_patches(clock))
        stack.enter_context(ec2_patches(clock, refusals))
        stack.enter_context(mail_patches(outbox, clock, functions))
        yield


class _TooManyRequestsError(LambdaClientError):
    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


def _replace(stack: ExitStack, owner: type, name: str, replacement: object) -> Any:  # noqa: ANN401 - the original
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    stack.callback(setattr, owner, name, original)
    return original


def _overwrite_invoke_configs(stack: ExitStack) -> None:
    """Let PutFunctionEventInvokeConfig overwrite, as it does on AWS; moto answers the first put.

    https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
    """

    def put(self: LambdaBackend, name: str, config: dict[str, Any]) -> dict[str, Any]:
        self.get_function(name).event_invoke_config.clear()
        answer: dict[str, Any] = original(self, name, config)
        return answer

    original = _replace(stack, LambdaBackend, "put_function_event_invoke_config", put)


def _change_processors(stack: ExitStack) -> None:
    """Let UpdateFunctionCode change a function's processor; moto keeps the first one.

    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html
    """

    def update(self: LambdaFunction, spec: dict[str, Any]) -> dict[str, Any]:
        self.architectures = spec.get("Architectures", self.architectures)
        answer: dict[str, Any] = original(self, spec)
        return answer

    original = _replace(stack, LambdaFunction, "update_function_code", update)


def _follow_the_current_version(stack: ExitStack) -> None:
    """Let GetSecretValue answer the version to which AWSCURRENT was moved; moto keeps the former.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
    """

    def update(self: SecretsManagerBackend, **request: str) -> tuple[str, str]:
        answer: tuple[str, str] = original(self, **request)
        secret = self.secrets[request["secret_id"]]
        if request["version_stage"] == "AWSCURRENT" and isinstance(secret, FakeSecret):
            secret.default_version_id = request["move_to_version_id"]
        return answer

    original = _replace(stack, SecretsManagerBackend, "update_secret_version_stage", update)


def _answer_account_settings(stack: ExitStack) -> None:
    """Answer GetAccountSettings, which moto does not know.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
    """

    def get_account_settings(self: LambdaResponse) -> str:
        return json.dumps(state.account_settings(self.region))

    path, name = "{0}/(?P<api_version>[^/]+)/account-settings/?$", "get_account_settings"
    lambda_paths[path] = LambdaResponse.dispatch
    stack.callback(lambda_paths.pop, path)
    setattr(LambdaResponse, name, get_account_settings)
    stack.callback(delattr, LambdaResponse, name)


def _tag_apis(stack: ExitStack) -> None:
    """Keep the tags of whole APIs as well; moto has only those of their stages."""

    def tags_of(self: APIGatewayResponse) -> dict[str, str]:
        parts = unquote(self.path).split("/restapis/")[1].split("/")
        api = self.backend.get_rest_api(parts[0])
        thing = self.backend.get_stage(parts[0], parts[-1]) if len(parts) > 1 else api
        thing.tags = thing.tags or {}
        return thing.tags

    def get_tags(self: APIGatewayResponse) -> str:
        return json.dumps({"tags": tags_of(self)})

    def tag_resource(self: APIGatewayResponse) -> str:
        tags_of(self).update(self._get_param("tags"))
        return "{}"

    def untag_resource(self: APIGatewayResponse) -> str:
        tags = tags_of(self)
        for key in self.querystring.get("tagKeys", ()):
            tags.pop(key, None)
        return "{}"

    arn = "arn:(?P<partition>[^/]+):apigateway:(?P<region_name>[^/]+)::/restapis/"
    path = f"{{0}}/tags/{arn}(?P<function_id>[^/]+)$"
    api_paths[path] = APIGatewayResponse.dispatch
    stack.callback(api_paths.pop, path)
    for replacement in (get_tags, tag_resource, untag_resource):
        _replace(stack, APIGatewayResponse, replacement.__name__, replacement)


def _invoke_for_real(stack: ExitStack, functions: Callable[[], Functions]) -> None:
    """Run code where moto would ask Docker to.

    See https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html for the headers.
    """

    def invoke(
        self: LambdaFunction,
        body: Any,  # noqa: ANN401 - str or bytes
        request_headers: Any,  # noqa: ANN401 - of several classes
        response_headers: dict[str, str],
    ) -> bytes:
        payload = body.encode() if isinstance(body, str) else bytes(body or b"")
        how = request_headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if how == "DryRun":
            return b""
        if how == "Event":
            functions().invoke_async(self.function_name, payload)
            return b""
        try:
            invocation = functions().invoke(self.function_name, payload)
        except ThrottledError as error:
            raise _TooManyRequestsError from error
        response_headers["x-amz-executed-version"] = "$LATEST"
        response_headers["x-amz-log-result"] = invocation.log_tail
        if invocation.failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        return invocation.payload

    _replace(stack, LambdaFunction, "invoke", invoke)


def _feed_streams(stack: ExitStack, functions: Callable[[], Functions]) -> None:
    """Queue a table's changes for its functions, and each change once.

    moto runs the function within the write, on all changes since it last returned something; and
    it fails every write to a table whose function was deleted. It also takes two writes at once for
    one twice, and makes a record of a write that changes nothing
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
    """
    adding = threading.RLock()

    def send_dynamodb_items(
        self: LambdaBackend, function_arn: str, items: list[Any], source: str
    ) -> bytes:
        streams.feed(self, function_arn, items[-1], source, functions())
        return b""  # moto keeps the changes for those who read the stream themselves

    def add(self: StreamShard, old: Item | None, new: Item | None) -> None:
        if old is not None and new is not None and old.to_json() == new.to_json():
            return
        with adding:
            original(self, old, new)

    _replace(stack, LambdaBackend, "send_dynamodb_items", send_dynamodb_items)
    original = _replace(stack, StreamShard, "add", add)


def _refuse_wrong_rates(stack: ExitStack) -> None:
    """Refuse `rate(1 minutes)` and the like in PutRule, as AWS does."""
    _replace(stack, EventsBackend, "_RATE_REGEX", schedules.RATE)


def _import_swagger(stack: ExitStack) -> None:
    """Let Chalice import its API: moto wants OpenAPI 3 with a description, Chalice has neither.

    Moto does not read either which of its methods are for signed requests only.
    """

    def import_rest_api(
        self: APIGatewayBackend,
        api_doc: dict[str, Any],
        fail_on_warnings: bool,  # noqa: ARG001, FBT001 - moto's signature
    ) -> Any:  # noqa: ANN401 - moto's
        api_doc["info"].setdefault("description", "")
        return original_import(self, api_doc, False)  # noqa: FBT003 - moto's signature

    def put_rest_api(
        self: APIGatewayBackend,
        function_id: str,
        api_doc: dict[str, Any],
        fail_on_warnings: bool,  # noqa: ARG001, FBT001 - moto's signature
        mode: str = "merge",
    ) -> Any:  # noqa: ANN401 - moto's
        openapi = {key: value for key, value in api_doc.items() if key != "swagger"}
        openapi.setdefault("openapi", "3.0.1")
        api = original_put(self, function_id, openapi, False, mode)  # noqa: FBT003 - moto's signature
        _mark_signed(api, api_doc)
        return api

    original_import = _replace(stack, APIGatewayBackend, "import_rest_api", import_rest_api)
    original_put = _replace(stack, APIGatewayBackend, "put_rest_api", put_rest_api)


def _mark_signed(api: RestAPI, document: dict[str, Any]) -> None:
    """Note the authorization AWS_IAM at the methods whose security says so.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html
    """
    known = document.get("securityDefinitions") or {}
    signed = {name for name, what in known.items() if what.get(_AUTHORIZATION_TYPE) == _SIGNED}
    for resource in list(api.resources.values()):
        methods = document["paths"].get(resource.get_path()) or {}
        for name, described in methods.items():
            needed = {each for one in described.get("security") or () for each in one}
            method = resource.resource_methods.get(name.upper())
            if method is not None and needed & signed:
                method.authorization_type = AWS_IAM

"""The stage's REST API at API Gateway: its id, its address and its throttling.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from chalice.config import Config

from ops.account import error_code, readable_errors
from ops.reach import ROUTES_FUNCTION
from ops.stages import APP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.account import Account
    from ops.stages import Stage


@dataclass(frozen=True)
class Throttle:
    """Limits of requests a second and at once; more are answered with 429."""

    rate: float
    burst: int


# Each meeting starts machines, and people schedule, change and cancel them.
_WRITES: Final = Throttle(5, 20)
# People look at their meetings, each of which is read from the table.
_READS: Final = Throttle(20, 40)

THROTTLES: Final[Mapping[str, Throttle]] = {
    # A meeting has two waiting pages that ask every two seconds at most.
    "*/*": Throttle(100, 200),
    "~1schedule/POST": _WRITES,
    "~1meetings/GET": _READS,
    "~1meetings~1{meeting_id}/GET": _READS,
    "~1meetings~1{meeting_id}/PATCH": _WRITES,
    "~1meetings~1{meeting_id}/DELETE": _WRITES,
}
"""By resource and method in API Gateway's format, `~1` for a slash."""

GATEWAY_ANSWERS: Final = ("DEFAULT_4XX", "DEFAULT_5XX")
"""Answers that API Gateway gives without the function, such as 403, 413, 429 and 504.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""
GATEWAY_VARIABLE: Final = "ELEPHANT_API_GATEWAY"
"""The variable for where a local cloud offers the APIs; `elephant-local env` exports it."""

_SEVERAL: Final = 2
_ALLOW_ORIGIN: Final = "gatewayresponse.header.Access-Control-Allow-Origin"

_NOT_FOUND: Final = "NotFoundException"


def api_stage(config: dict[str, Any], stage: Stage) -> str:
    """Return the name of the API's own stage, which is part of its address."""
    view = Config(chalice_stage=stage.name, config_from_disk=config)
    return str(view.api_gateway_stage)


def url_of(api_id: str, stage: Stage, name: str) -> str:
    """Format the address of an API on AWS."""
    suffix = "amazonaws.com.cn" if stage.partition == "aws-cn" else "amazonaws.com"
    return f"https://{api_id}.execute-api.{stage.region}.{suffix}/{name}/"


def address_of(api_id: str, stage: Stage, name: str) -> str:
    """Format where people reach an API: on AWS, or where GATEWAY_VARIABLE says."""
    gateway = os.environ.get(GATEWAY_VARIABLE)
    return f"{gateway}/{api_id}/{name}/" if gateway else url_of(api_id, stage, name)


def apis_of(gateway: Any, stage: Stage) -> list[str]:  # noqa: ANN401 (botocore makes the class)
    """Find the APIs whose requests go to the stage's function; Chalice gives all the same name."""
    pages = gateway.get_paginator("get_rest_apis").paginate()
    candidates = [each["id"] for page in pages for each in page["items"] if each["name"] == APP]
    return [each for each in candidates if _calls_the_stage(gateway, each, stage)]


def settle_api(
    account: Account,
    stage: Stage,
    name: str,
    say: Callable[[str], None],
) -> str | None:
    """Limit the requests to the stage's API, and let front ends read API Gateway's own answers.

    Returns its address. Raises AwsError.
    """
    gateway = account.client("apigateway")
    with readable_errors("limit the requests to the API"):
        found = apis_of(gateway, stage)
        for api_id in found:
            _settle_answers(gateway, api_id, name, origin_of_answers(stage))
            gateway.update_stage(
                restApiId=api_id,
                stageName=name,
                patchOperations=[
                    {"op": "replace", "path": f"/{where}/throttling/{key}", "value": str(value)}
                    for where, throttle in THROTTLES.items()
                    for key, value in (
                        ("rateLimit", throttle.rate),
                        ("burstLimit", throttle.burst),
                    )
                ],
            )
    say(f"API: at most {_WRITES.rate:g} meetings a second are scheduled, {_WRITES.burst} at once")
    return address_of(found[0], stage, name) if found else None


def origin_of_answers(stage: Stage) -> str | None:
    """Return the one origin for API Gateway's own answers; None for no page.

    They hold a fixed text, so they can be for any page if there are several origins.
    """
    origins = stage.settings.meetings.allowed_origins if stage.settings.meetings else frozenset()
    return next(iter(origins), None) if len(origins) < _SEVERAL else "*"


def gateway_answer(origin: str | None) -> dict[str, str]:
    """Return the parameters of an answer of API Gateway's own that this origin may read."""
    return {_ALLOW_ORIGIN: f"'{origin}'"} if origin else {}


def origins_let_in(gateway: Any, api_id: str) -> dict[str, str | None]:  # noqa: ANN401
    """Return, for each of GATEWAY_ANSWERS, which origin an API lets read it; None for no page."""
    pages = gateway.get_paginator("get_gateway_responses").paginate(restApiId=api_id)
    headers = {
        each["responseType"]: each.get("responseParameters", {}).get(_ALLOW_ORIGIN)
        for page in pages
        for each in page["items"]
    }
    found = {each: headers.get(each) for each in GATEWAY_ANSWERS}
    return {each: value.strip("'") if value else None for each, value in found.items()}


def throttles_of(
    gateway: Any,  # noqa: ANN401
    api_id: str,
    name: str,
) -> dict[str, Throttle] | None:
    """Return the limits of an API; None if its stage does not exist."""
    try:
        answer = gateway.get_stage(restApiId=api_id, stageName=name)
    except ClientError as error:
        if error_code(error) != _NOT_FOUND:
            raise
        return None
    return {
        _in_words(where): Throttle(each["throttlingRateLimit"], each["throttlingBurstLimit"])
        for where, each in answer.get("methodSettings", {}).items()
    }


def _settle_answers(gateway: Any, api_id: str, name: str, origin: str | None) -> None:  # noqa: ANN401
    """Let pages of the origin read them; the change takes effect with the next deployment.

    Chalice replaces the whole API at each deployment, and these answers with it.
    """
    if set(origins_let_in(gateway, api_id).values()) == {origin}:
        return
    for kind in GATEWAY_ANSWERS:
        gateway.put_gateway_response(
            restApiId=api_id, responseType=kind, responseParameters=gateway_answer(origin)
        )
    gateway.create_deployment(restApiId=api_id, stageName=name)


def _in_words(where: str) -> str:
    """Format a resource as in THROTTLES: AWS answers it with slashes, and without the first."""
    path, _, method = where.replace("~1", "/").rpartition("/")
    return f"{path if path == '*' else '~1' + path.strip('/').replace('/', '~1')}/{method}"


def _calls_the_stage(gateway: Any, api_id: str, stage: Stage) -> bool:  # noqa: ANN401
    target = f":function:{stage.function_name(ROUTES_FUNCTION)}/invocations"
    pages = gateway.get_paginator("get_resources").paginate(restApiId=api_id, embed=["methods"])
    return any(
        (method.get("methodIntegration") or {}).get("uri", "").endswith(target)
        for page in pages
        for resource in page["items"]
        for method in resource.get("resourceMethods", {}).values()
    )

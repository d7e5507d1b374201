"""The effect of a fault on a call's answer."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from . import errors, wire
from .errors import ApiError
from .faults import FaultKind
from .wire import Dropped, Response

if TYPE_CHECKING:
    from .faults import Fault
    from .jsonvalue import Json

DEFAULT_RETRY_AFTER = 300
REPLACING = frozenset(
    {
        FaultKind.EDGE_ERROR,
        FaultKind.DROP,
        FaultKind.RATE_LIMITED,
        FaultKind.REFUSED,
        FaultKind.UNSUCCESSFUL,
    },
)

_REASONS = {
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
    520: "520 Web Server Returned an Unknown Error",
    522: "522 Connection timed out",
    524: "524 A timeout occurred",
}


def replacement(fault: Fault) -> Response | Dropped:
    """Return what is answered instead of the call's own answer.

    The edge's pages carry none of the API's headers; its refusals are JSON, as the API's are.
    """
    match fault.kind:
        case FaultKind.DROP:
            return Dropped()
        case FaultKind.EDGE_ERROR:
            return _edge_page(fault.status or 502)
        case FaultKind.RATE_LIMITED:
            return _rate_limited(fault)
        case FaultKind.UNSUCCESSFUL:
            error = ApiError(
                200, fault.code or 10013, fault.message or "An unknown error occurred."
            )
            return wire.failure(error)
        case _:
            return wire.failure(_refusal(fault))


def renamed(response: Response, fault: Fault) -> Response:
    """Return the answer with every record in it bearing the fault's name."""
    if not response.headers.get("Content-Type", "").startswith(wire.JSON_TYPE):
        return response
    body = json.dumps(_renamed(json.loads(response.body), fault.name)).encode()
    return replace(response, body=body)


def _renamed(value: Json, name: str | None) -> Json:
    if isinstance(value, list):
        return [_renamed(item, name) for item in value]
    if isinstance(value, dict):
        is_record = "content" in value and "name" in value
        changed = {key: _renamed(item, name) for key, item in value.items()}
        return {**changed, "name": name} if is_record else changed
    return value


def _edge_page(status: int) -> Response:
    reason = _REASONS.get(status, f"{status} Error")
    page = (
        f"<html>\r\n<head><title>{reason}</title></head>\r\n<body>\r\n"
        f"<center><h1>{reason}</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return Response(status, {"Content-Type": "text/html; charset=UTF-8"}, page.encode())


def _rate_limited(fault: Fault) -> Response:
    retry_after = DEFAULT_RETRY_AFTER if fault.seconds is None else math.ceil(fault.seconds)
    response = wire.failure(errors.throttled(retry_after))
    spent = {**response.headers, "Ratelimit": f'"default";r=0;t={retry_after}'}
    return replace(response, headers=spent, body=response.body if fault.body else b"")


def _refusal(fault: Fault) -> ApiError:
    status = fault.status or 403
    usual = {401: errors.unauthenticated(), 403: errors.invalid_access_token()}
    like = usual.get(status, ApiError(status, 10013, "An unknown error occurred."))
    code = like.code if fault.code is None else fault.code
    return ApiError(status, code, fault.message or like.message)

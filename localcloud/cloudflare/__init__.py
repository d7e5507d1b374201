"""Cloudflare's DNS API and nameservers on this machine; see README.md."""

from .api import Api
from .edge import Edge
from .errors import ApiError
from .faults import Fault, FaultKind, FaultPlan, When
from .ratelimit import Quota
from .records import Record
from .server import CloudflareStandIn
from .sockets import PortTakenError
from .spec import (
    DEFAULT_ACCOUNT_ID,
    DEFAULT_TOKEN,
    DEFAULT_ZONE_ID,
    IPV4,
    Permission,
    Plan,
    Token,
    Zone,
)
from .wire import Call, Dropped, Request, Response
from .zone import ZoneStore

__all__ = [
    "DEFAULT_ACCOUNT_ID",
    "DEFAULT_TOKEN",
    "DEFAULT_ZONE_ID",
    "IPV4",
    "Api",
    "ApiError",
    "Call",
    "CloudflareStandIn",
    "Dropped",
    "Edge",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Permission",
    "Plan",
    "PortTakenError",
    "Quota",
    "Record",
    "Request",
    "Response",
    "Token",
    "When",
    "Zone",
    "ZoneStore",
]

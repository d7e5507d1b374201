"""Cloudflare on a laptop: its DNS API and the nameserver behind it.

``CloudflareStandIn`` serves both over sockets; ``Api`` is the same API as a function, for
simulations on a clock of their own.
"""

from localcloud.cloudflare.api import Api
from localcloud.cloudflare.errors import ApiError
from localcloud.cloudflare.faults import Fault, FaultKind, FaultPlan, When
from localcloud.cloudflare.ratelimit import Quota
from localcloud.cloudflare.records import Record
from localcloud.cloudflare.resolve import Edge
from localcloud.cloudflare.server import CloudflareStandIn
from localcloud.cloudflare.spec import (
    DEFAULT_ACCOUNT_ID,
    DEFAULT_TOKEN,
    DEFAULT_ZONE_ID,
    Permission,
    Plan,
    Token,
    Zone,
)
from localcloud.cloudflare.wire import Call, Dropped, Request, Response
from localcloud.cloudflare.zone import ZoneStore

__all__ = [
    "DEFAULT_ACCOUNT_ID",
    "DEFAULT_TOKEN",
    "DEFAULT_ZONE_ID",
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
    "Quota",
    "Record",
    "Request",
    "Response",
    "Token",
    "When",
    "Zone",
    "ZoneStore",
]

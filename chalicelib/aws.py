"""Clients of AWS, each made once for an execution environment."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from botocore.session import Session

    from chalicelib.instance import Ec2Client
    from chalicelib.meeting import DynamoDbClient
    from chalicelib.secret import SecretsManagerClient

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)
"""Explicit, since botocore's own defaults differ by version and its timeouts are a minute each."""


@overload
def client(service: Literal["ec2"]) -> Ec2Client: ...
@overload
def client(service: Literal["dynamodb"]) -> DynamoDbClient: ...
@overload
def client(service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
def client(service: Any) -> Any:
    """Make a client of the service in the function's own region and account.

    It is typed as the protocol that names the calls that may be made with it.
    """
    return _session().create_client(service, config=_CONFIG)


@cache
def _session() -> Session:
    return botocore.session.get_session()

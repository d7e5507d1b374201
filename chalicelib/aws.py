"""Clients of AWS, each made once for an execution environment."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from botocore.session import Session

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)
"""Explicit, since botocore's own defaults differ by version and its timeouts are a minute each."""


def client(service: str) -> Any:  # noqa: ANN401 (botocore makes the class; callers name a Protocol)
    """Make a client of the service in the function's own region and account."""
    return _session().create_client(service, config=_CONFIG)


@cache
def _session() -> Session:
    return botocore.session.get_session()

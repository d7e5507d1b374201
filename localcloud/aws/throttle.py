"""API Gateway's throttling of a stage's methods: token buckets.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from moto.apigateway.models import Stage

_ALL: Final = "*/*"


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class Throttle:
    """Counts requests; each method of a stage has a bucket of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def lets_pass(
        self, stage: Stage, api_id: str, path: str, method: str, timer: Callable[[], float]
    ) -> bool:
        """Return whether a request to a resource's path may pass, and count it if so.

        Only limits that were set on the stage count: for this method, or for all.
        """
        own = f"{path.replace('/', '~1')}/{method}"
        settings = stage.method_settings.get(own) or stage.method_settings.get(_ALL)
        if settings is None:
            return True
        rate = float(settings["throttlingRateLimit"])
        burst = float(settings["throttlingBurstLimit"])
        with self._lock:
            now = timer()
            key = (api_id, str(stage.name), own)
            bucket = self._buckets.setdefault(key, _Bucket(burst, now))
            bucket.tokens = min(burst, bucket.tokens + (now - bucket.filled_at) * rate)
            bucket.filled_at = now
            if bucket.tokens < 1:
                return False
            bucket.tokens -= 1
            return True

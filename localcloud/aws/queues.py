"""Lambda's queues: asynchronous invocations and their retries."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from . import state
from .pool import PoolClosedError
from .state import UnknownFunctionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .clock import Clock
    from .invocation import Invocation, Source
    from .state import AsyncPolicy, DeployedFunction
    from .workers import Workers

_log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: one minute
# before the second attempt, two before the third.
_RETRY_DELAYS = (60.0, 120.0)


class Run(Protocol):
    """How to run a function."""

    def __call__(
        self,
        function: DeployedFunction,
        payload: bytes,
        request_id: str,
        source: Source,
        attempt: int,
    ) -> Invocation:
        """Run the function once; a failure of the function is no exception."""


@dataclass(frozen=True)
class _Delivery:
    """An event on its way through a function's asynchronous queue."""

    name: str
    payload: bytes
    request_id: str
    attempt: int = 1
    age: float = 0.0  # unscaled seconds


class Queues:
    """Each function's asynchronous queue.

    At most `limit` of a function's events are worked on at once. Delays are Lambda's times
    `time_scale`; what is left out of one is skipped on the clock when it ends. `finished` gets
    every invocation, with what will follow it.
    """

    def __init__(  # noqa: PLR0913 (what it is made of)
        self,
        run: Run,
        finished: Callable[[Invocation], None],
        limit: Callable[[DeployedFunction], int],
        workers: Workers,
        *,
        region: str,
        clock: Clock,
        time_scale: float,
    ) -> None:
        self._run = run
        self._finished = finished
        self._limit = limit
        self._region = region
        self._time_scale = time_scale
        self._workers = workers
        self._clock = clock

    def put(self, function: DeployedFunction, payload: bytes) -> str:
        """Queue an event and return the request id that all attempts at it will have."""
        delivery = _Delivery(function.name, payload, str(uuid4()))
        self._queue(function, delivery, 0.0)
        return delivery.request_id

    def _queue(self, function: DeployedFunction, delivery: _Delivery, delay: float) -> None:
        due = self._clock.now() + timedelta(seconds=delay)

        def attempt() -> None:
            self._clock.reach(due)
            self._attempt(delivery)

        self._workers.submit(
            function.name,
            attempt,
            limit=max(1, self._limit(function)),
            delay=delay * self._time_scale,
        )

    def _attempt(self, delivery: _Delivery) -> None:
        try:
            function = state.find_function(delivery.name, self._region)
            policy = state.async_policy(delivery.name, self._region)
        except UnknownFunctionError:
            _log.warning("%s was deleted with an event in its queue", delivery.name)
            return
        if function.reserved_concurrency == 0:
            self._give_up(delivery, policy, function, None)
            return
        try:
            invocation = self._run(
                function, delivery.payload, delivery.request_id, "async", delivery.attempt
            )
        except PoolClosedError:
            return
        delay = _retry_delay(delivery, policy) if invocation.failed else None
        self._finished(replace(invocation, retry_in=delay))
        if delay is not None:
            again = replace(delivery, attempt=delivery.attempt + 1, age=delivery.age + delay)
            self._queue(function, again, delay)
        elif invocation.failed:
            self._give_up(delivery, policy, function, invocation)

    def _give_up(
        self,
        delivery: _Delivery,
        policy: AsyncPolicy,
        function: DeployedFunction,
        invocation: Invocation | None,
    ) -> None:
        if policy.on_failure is None:
            return
        record = _failure_record(delivery, policy, function, invocation, self._clock.now())
        if not state.send_to_queue(policy.on_failure, record):
            _log.warning(
                "%s is not an SQS queue here: an event that %s failed on is lost",
                policy.on_failure,
                function.name,
            )


def _retry_delay(delivery: _Delivery, policy: AsyncPolicy) -> float | None:
    if delivery.attempt > policy.retries:
        return None
    delay = _RETRY_DELAYS[delivery.attempt - 1]
    return delay if delivery.age + delay <= policy.max_age else None


def _failure_record(
    delivery: _Delivery,
    policy: AsyncPolicy,
    function: DeployedFunction,
    invocation: Invocation | None,
    now: datetime,
) -> dict[str, object]:
    """Return the document for an on-failure destination.

    See https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html. A
    function that was not to run at all (reserved concurrency zero) has no response in it; which
    condition AWS names then is not documented.
    """
    retries_left = invocation is not None and delivery.attempt <= policy.retries
    record: dict[str, object] = {
        "version": "1.0",
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": delivery.request_id,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": "EventAgeExceeded" if retries_left else "RetriesExhausted",
            "approximateInvokeCount": 0 if invocation is None else delivery.attempt,
        },
        "requestPayload": json.loads(delivery.payload),
    }
    if invocation is not None:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        }
        record["responsePayload"] = json.loads(invocation.payload)
    return record

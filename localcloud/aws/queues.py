"""Lambda's queues: what it does by itself with events that nobody waits for."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from . import state
from .pool import PoolClosedError
from .state import UnknownFunctionError
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .invocation import Invocation, Source
    from .state import AsyncPolicy, DeployedFunction

_log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: one minute
# before the second attempt, two before the third.
_RETRY_DELAYS = (60.0, 120.0)

# Lambda repeats a stream's batch until its records expire, a day later. Nobody waits that long
# here, and a batch that cannot succeed must not hold its table's stream for ever.
_STREAM_ATTEMPTS = 10
_STREAM_RETRY_DELAY = 1.0


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
    age: float = 0.0  # seconds by Lambda's clock, whatever the scale of ours


class Queues:
    """Each function's asynchronous queue, and its streams.

    At most `limit` of a function's events are worked on at once. Delays are Lambda's times
    `time_scale`. `finished` gets every invocation, with what will follow it.
    """

    def __init__(
        self,
        run: Run,
        finished: Callable[[Invocation], None],
        limit: Callable[[DeployedFunction], int],
        *,
        region: str,
        time_scale: float,
    ) -> None:
        self._run = run
        self._finished = finished
        self._limit = limit
        self._region = region
        self._time_scale = time_scale
        self._workers = Workers()
        self._closing = threading.Event()

    def put(self, function: DeployedFunction, payload: bytes) -> str:
        """Queue an event and return the request id that all attempts at it will have."""
        delivery = _Delivery(function.name, payload, str(uuid4()))
        self._queue(function, delivery, 0.0)
        return delivery.request_id

    def put_batch(self, name: str, payload: bytes, retries: int | None) -> None:
        """Queue a stream's batch, behind those queued before."""
        most = _STREAM_ATTEMPTS if retries is None else min(retries + 1, _STREAM_ATTEMPTS)
        self._workers.submit(f"stream of {name}", lambda: self._run_batch(name, payload, most))

    def wait_idle(self, timeout: float) -> None:
        """Return once nothing is queued, running or awaiting a retry, else TimeoutError."""
        self._workers.wait_idle(timeout)

    def close(self) -> None:
        """Drop what is queued and wait for what runs."""
        self._closing.set()
        self._workers.close()

    def _queue(self, function: DeployedFunction, delivery: _Delivery, delay: float) -> None:
        self._workers.submit(
            function.name,
            lambda: self._attempt(delivery),
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
        record = _failure_record(delivery, policy, function, invocation)
        if not state.send_to_queue(policy.on_failure, record):
            _log.warning(
                "%s is no SQS queue here: an event that %s failed on is lost",
                policy.on_failure,
                function.name,
            )

    def _run_batch(self, name: str, payload: bytes, most: int) -> None:
        request_id = str(uuid4())
        for attempt in range(1, most + 1):
            try:
                function = state.find_function(name, self._region)
                invocation = self._run(function, payload, request_id, "stream", attempt)
            except (UnknownFunctionError, PoolClosedError):
                return
            again = invocation.failed and attempt < most
            delay = _STREAM_RETRY_DELAY if again else None
            self._finished(replace(invocation, retry_in=delay))
            if delay is None or self._closing.wait(delay * self._time_scale):
                return


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
) -> dict[str, object]:
    """Return the document for an on-failure destination.

    See https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html. A
    function that was not to run at all (reserved concurrency zero) has no response in it; which
    condition AWS names then is not documented.
    """
    retries_left = invocation is not None and delivery.attempt <= policy.retries
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record: dict[str, object] = {
        "version": "1.0",
        "timestamp": now,
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

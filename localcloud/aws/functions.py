"""Lambda: runs the functions deployed in moto, synchronously and asynchronously."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from . import state
from .account import DEFAULT_REGION
from .artifacts import Artifacts
from .batches import Batches
from .clock import Clock
from .environment import Environment, EnvironmentGoneError, Outcome, RuntimeConfig
from .invocation import Invocation, Source
from .pool import Pool, PoolClosedError
from .queues import Queues
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batches import StreamPolicy
    from .state import DeployedFunction


class ThrottledError(Exception):
    """The function's reserved concurrency is zero: it is not to run at all."""


class Functions:
    """Runs deployed functions in warm execution environments, as Lambda does.

    Each invocation looks at the function as it is deployed at that moment. At most `concurrency`
    invocations of one function run at once, fewer if its reserved concurrency says so; others
    wait (AWS would throttle a synchronous one). `time_scale` multiplies the delays between
    attempts, and nothing else: a function's timeout is real. Deployed code runs at the time of the
    `clock`, which skips what a delay is shortened by. Versions and aliases all mean `$LATEST`, and
    layers are not unpacked.
    """

    def __init__(
        self,
        endpoint: str,
        region: str = DEFAULT_REGION,
        *,
        concurrency: int = 2,
        time_scale: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        self.region = region
        self.clock = clock or Clock()
        self._concurrency = concurrency
        self._artifacts = Artifacts()
        self._runtime_config = RuntimeConfig(
            endpoint, region, self._artifacts.runtime_directory, self.clock
        )
        self._workers = Workers()
        self._batches = Batches(
            self._run,
            self._finished,
            self._workers,
            region=region,
            clock=self.clock,
            time_scale=time_scale,
        )
        self._queues = Queues(
            self._run,
            self._finished,
            self._limit,
            self._workers,
            region=region,
            clock=self.clock,
            time_scale=time_scale,
        )
        self._lock = threading.Lock()
        self._pools: dict[str, Pool] = {}
        self._subscribers: list[Callable[[Invocation], None]] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def invoke(self, name: str, event: object = None) -> Invocation:
        """Run the function of this name or ARN and return what came of it.

        `event` is any JSON value, or bytes of JSON. UnknownFunctionError if no such
        function is deployed; a failure of the function is no exception.
        """
        function = state.find_function(name, self.region)
        if function.reserved_concurrency == 0:
            raise ThrottledError(f"the reserved concurrency of {function.name} is zero")
        invocation = self._run(function, _encode(event), str(uuid4()), "request", 1)
        self._finished(invocation)
        return invocation

    def invoke_async(self, name: str, event: object = None) -> str:
        """Queue an event for the function and return the request id of its invocation.

        A failing function is tried again after one and after two minutes (times the scale), or as
        PutFunctionEventInvokeConfig says; then the event goes to the on-failure destination if
        that is an SQS queue, and is forgotten if there is none. See
        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html.
        """
        return self._queues.put(state.find_function(name, self.region), _encode(event))

    def invoke_from_stream(
        self, name: str, mapping: str, record: dict[str, Any], policy: StreamPolicy
    ) -> None:
        """Queue a stream's record for the function, in order, as the mapping of that id says.

        A batch is given up after the policy's retries, or after ten attempts where Lambda would
        go on until the records expire. A function that is not deployed gets nothing.
        """
        self._batches.put(name, mapping, record, policy)

    def on_finished(self, subscriber: Callable[[Invocation], None]) -> None:
        """Call `subscriber` after every finished invocation, in the thread that ran it."""
        self._subscribers.append(subscriber)

    def wait_idle(self, timeout: float) -> None:
        """Return once no asynchronous work is queued, running or awaiting a retry.

        TimeoutError, which names the remaining work, if that takes longer.
        """
        self._workers.wait_idle(timeout)

    def kill(self, name: str) -> int:
        """Kill the function's environments in mid-invocation; return how many there were."""
        return self._pool(name).kill_busy()

    def close(self) -> None:
        """End all environments, drop what is queued, and wait until nothing is left of either."""
        with self._lock:
            self._closed = True
            pools = list(self._pools.values())
        for pool in pools:
            pool.close()
        self._batches.close()
        self._workers.close()
        self._artifacts.close()

    def _limit(self, function: DeployedFunction) -> int:
        reserved = function.reserved_concurrency
        return self._concurrency if reserved is None else min(self._concurrency, reserved)

    def _pool(self, name: str) -> Pool:
        with self._lock:
            if self._closed:
                raise PoolClosedError("the local Lambda is closed")
            if name not in self._pools:
                self._pools[name] = Pool(self._start)
            return self._pools[name]

    def _start(self, function: DeployedFunction) -> Environment:
        return Environment(function, self._artifacts.task_root(function), self._runtime_config)

    def _run(
        self,
        function: DeployedFunction,
        payload: bytes,
        request_id: str,
        source: Source,
        attempt: int,
    ) -> Invocation:
        outcome, stream = self._run_somewhere(function, payload, request_id)
        state.write_log(function.name, stream, outcome.log, self.region)
        return Invocation(
            function=function.name,
            request_id=request_id,
            source=source,
            attempt=attempt,
            event=json.loads(payload),
            payload=outcome.payload,
            failed=outcome.failed,
            log=outcome.log,
            duration=outcome.duration,
            init_duration=outcome.init_duration,
        )

    def _run_somewhere(
        self, function: DeployedFunction, payload: bytes, request_id: str
    ) -> tuple[Outcome, str]:
        pool = self._pool(function.name)
        while True:
            environment = pool.acquire(function, self._limit(function))
            try:
                return environment.invoke(payload, request_id), environment.log_stream
            except EnvironmentGoneError:
                continue
            finally:
                pool.release(environment)

    def _finished(self, invocation: Invocation) -> None:
        for subscriber in self._subscribers:
            subscriber(invocation)


def _encode(event: object) -> bytes:
    if isinstance(event, bytes):
        return event or b"{}"
    return json.dumps({} if event is None else event).encode()

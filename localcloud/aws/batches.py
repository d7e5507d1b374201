"""Lambda's handling of a stream's records: batches, retries and the failure destination.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from . import state
from .pool import PoolClosedError
from .state import UnknownFunctionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .clock import Clock
    from .invocation import Invocation
    from .queues import Run
    from .workers import Workers

_log = logging.getLogger(__name__)

# Lambda repeats a stream's batch until its records expire, a day later. Nobody waits that long
# here, and a batch that cannot succeed must not hold its table's stream for ever.
_MOST_ATTEMPTS: Final = 10
_RETRY_DELAY: Final = 1.0
_EXHAUSTED, _TOO_OLD = "RetryAttemptsExhausted", "RecordAgeExceeded"

Record = dict[str, Any]


@dataclass(frozen=True)
class StreamPolicy:
    """A mapping's settings for batches; None is no limit."""

    batch_size: int = 100
    retries: int | None = None
    max_age: float | None = None
    bisects: bool = False
    reports_failures: bool = False
    on_failure: str | None = None

    @property
    def attempts(self) -> int:
        """How often a batch is tried here."""
        return _MOST_ATTEMPTS if self.retries is None else min(self.retries + 1, _MOST_ATTEMPTS)


@dataclass(frozen=True)
class _Batch:
    records: tuple[Record, ...]
    attempt: int = 1
    request_id: str = ""


class Batches:
    """Each mapping's stream: its records wait in order, and one batch is worked on at a time.

    What waits is taken in batches as large as the mapping allows, as it is when the one before has
    ended. A batch that fails is tried again; with `bisects` its halves are, each by itself; and if
    the function names the records it failed on, those before the first of them are done with. What
    is given up goes to the on-failure destination, if that is an SQS queue: where it is in the
    stream, not the records themselves.
    """

    def __init__(  # noqa: PLR0913 (what it is made of)
        self,
        run: Run,
        finished: Callable[[Invocation], None],
        workers: Workers,
        *,
        region: str,
        clock: Clock,
        time_scale: float,
    ) -> None:
        self._run = run
        self._finished = finished
        self._workers = workers
        self._region = region
        self._clock = clock
        self._time_scale = time_scale
        self._waiting: defaultdict[str, deque[Record]] = defaultdict(deque)
        self._closing = threading.Event()

    def put(self, name: str, mapping: str, record: Record, policy: StreamPolicy) -> None:
        """Queue a record for the function, behind those that the mapping let through before."""
        self._waiting[mapping].append(record)
        self._workers.submit(f"mapping {mapping}", lambda: self._take(name, mapping, policy))

    def close(self) -> None:
        """Try nothing again any more."""
        self._closing.set()

    def _take(self, name: str, mapping: str, policy: StreamPolicy) -> None:
        waiting = self._waiting[mapping]
        records = [waiting.popleft() for _ in range(min(len(waiting), policy.batch_size))]
        batches = [_Batch(tuple(records), request_id=str(uuid4()))] if records else []
        while batches:
            batch = self._young(name, batches.pop(), policy)
            if not batch.records:
                continue
            invocation = self._attempt(name, batch)
            if invocation is None:
                return
            left = _left(batch, invocation, policy)
            again = _again(batch, left, policy) if left else []
            delay = _RETRY_DELAY if again else None
            self._finished(replace(invocation, retry_in=delay))
            if left and not again:
                self._give_up(name, replace(batch, records=left), policy, _EXHAUSTED)
            if delay is not None and self._closing.wait(delay * self._time_scale):
                return
            batches += reversed(again)

    def _attempt(self, name: str, batch: _Batch) -> Invocation | None:
        payload = json.dumps({"Records": batch.records}).encode()
        try:
            function = state.find_function(name, self._region)
            return self._run(function, payload, batch.request_id, "stream", batch.attempt)
        except (UnknownFunctionError, PoolClosedError):
            return None

    def _young(self, name: str, batch: _Batch, policy: StreamPolicy) -> _Batch:
        """Give up the records that have become too old; return the others."""
        if policy.max_age is None:
            return batch
        oldest = self._clock.time() - policy.max_age
        old = tuple(record for record in batch.records if _created(record) < oldest)
        if old:
            self._give_up(name, replace(batch, records=old), policy, _TOO_OLD)
        return replace(batch, records=batch.records[len(old) :])

    def _give_up(self, name: str, batch: _Batch, policy: StreamPolicy, why: str) -> None:
        if policy.on_failure is None:
            return
        document = _failure(name, batch, why, self._clock.now())
        if not state.send_to_queue(policy.on_failure, document):
            _log.warning(
                "%s is not an SQS queue here: a batch that %s failed on is lost",
                policy.on_failure,
                name,
            )


def _left(batch: _Batch, invocation: Invocation, policy: StreamPolicy) -> tuple[Record, ...]:
    """Return the records that are not done with: from the first one that failed."""
    if invocation.failed:
        return batch.records
    if not policy.reports_failures:
        return ()
    answer = invocation.result
    if not answer:
        return ()
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    if not failures:
        return ()
    numbers = [_number(record) for record in batch.records]
    named = [each.get("itemIdentifier") if isinstance(each, dict) else None for each in failures]
    if not set(named) <= set(numbers):  # what cannot be made sense of is the failure of all
        return batch.records
    return batch.records[min(numbers.index(str(each)) for each in named) :]


def _again(batch: _Batch, left: Sequence[Record], policy: StreamPolicy) -> list[_Batch]:
    """Return the batches to try next; none if what is left is to be given up."""
    rest = replace(batch, records=tuple(left))
    if policy.bisects and len(left) > 1:  # this does not count as a retry
        if len(left) < len(batch.records):
            return [rest]
        middle = len(left) // 2
        return [
            replace(rest, records=each) for each in (rest.records[:middle], rest.records[middle:])
        ]
    if batch.attempt >= policy.attempts:
        return []
    return [replace(rest, attempt=batch.attempt + 1)]


def _failure(name: str, batch: _Batch, why: str, now: datetime) -> dict[str, Any]:
    """Return the document for an on-failure destination."""
    document: dict[str, Any] = {
        "requestContext": {
            "requestId": batch.request_id,
            "functionArn": name,
            "condition": why,
            "approximateInvokeCount": batch.attempt if why == _EXHAUSTED else batch.attempt - 1,
        },
        "version": "1.0",
        "timestamp": _written(now),
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000001541626099285-f35f62ef",  # moto's one and only
            "startSequenceNumber": _number(batch.records[0]),
            "endSequenceNumber": _number(batch.records[-1]),
            "approximateArrivalOfFirstRecord": _written(_moment(batch.records[0])),
            "approximateArrivalOfLastRecord": _written(_moment(batch.records[-1])),
            "batchSize": len(batch.records),
            "streamArn": batch.records[0]["eventSourceARN"],
        },
    }
    if why == _EXHAUSTED:
        document["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        }
    return document


def _number(record: Record) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _created(record: Record) -> float:
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


def _moment(record: Record) -> datetime:
    return datetime.fromtimestamp(_created(record), UTC)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

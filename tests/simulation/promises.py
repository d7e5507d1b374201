"""What must hold during the whole run, checked at each call and each write."""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.cloudflare.rate_limit import KEPT_BY_EVENTS, KEPT_BY_SWEEPS
from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.provider import DnsError, QuotaSpentError
from chalicelib.ec2.instances import IncompleteAnswerError
from chalicelib.meeting_row.table import RowChangedError
from chalicelib.secrets import SecretError
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from tests.simulation import limit_promises, record_promises, row_promises
from tests.simulation.ec2 import View
from tests.simulation.names import links, text
from tests.world import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from localcloud.cloudflare import Request
    from localcloud.cloudflare import Response as Answer
    from localcloud.cloudflare.table import Transaction
    from tests.simulation.dynamodb import Item
    from tests.simulation.invocation import Invocation
    from tests.simulation.stage import Stage
    from tests.simulation.strands import Strands

FAILURES: Final = (
    BotoCoreError,
    ClientError,
    DnsError,
    IncompleteAnswerError,
    OutOfTimeError,
    QuotaSpentError,
    RowChangedError,
    RowsNotUpdatedError,
    SecretError,
)
"""What a run may raise; anything else is a fault of the code."""

OLD: Final = 10.0
"""Seconds after which a sweep writes nothing to the zone of what it has seen."""

_BY_ID: Final = "DescribeInstances {'InstanceIds'"
_ID = re.compile(r"\bi-[0-9a-f]{17}\b")
_OK, _TOO_MANY = 200, 429
_LEFT = re.compile(r";r=(\d+);t=(\d+)")
_QUOTA = re.compile(r";q=(\d+)")


class Promises:
    """Watches every call and every write; what was broken stands in `broken`.

    `least_left` is the least of Cloudflare's quota that any answer told of, and `writers` has the
    run that made each change of the zone's history, None for people. `linked_at` says since when
    a row has a link, and `ended_at` when it was set to TERMINATED, with what EC2 had withheld.
    """

    def __init__(self, strands: Strands) -> None:
        self.broken: list[str] = []
        self.writers: dict[int, Invocation | None] = {}
        self.least_left = sys.maxsize
        self.ended_at: dict[str, tuple[float, frozenset[str]]] = {}
        self.linked_at: dict[tuple[str, str], float] = {}
        self._strands = strands
        self.stage: Stage

    def check(self) -> None:
        """Raise AssertionError if anything was broken."""
        assert not self.broken, "\n".join(self.broken)

    @property
    def run(self) -> Invocation | None:
        """The run that is going on at this moment."""
        return self._strands.current.run if self._strands.current else None

    def breaks(self, run: Invocation | None, what: str) -> None:
        """Note that a run has broken a promise."""
        self.broken.append(f"{run}: {what}")

    # Reads

    @contextmanager
    def reading(self, key: str) -> Iterator[None]:
        """Note whether the read of AWS within went well."""
        run = self.run
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            denied = _denied(error)
            if run and denied:
                run.learnt.denied |= denied
                run.learnt.read_at = self.stage.clock.now
            elif run:
                run.learnt.reads[key] = False
            raise
        if run:
            run.learnt.reads[key] = True
            run.learnt.read_at = self.stage.clock.now

    def saw_instances(self, answer: Mapping[str, Any], key: str) -> None:
        """Note what EC2 told a run."""
        run = self.run
        if run is None:
            return
        found = [each["Instances"][0] for each in answer["Reservations"]]
        for described in found:
            run.learnt.shown.setdefault(described["InstanceId"], []).append(View.parse(described))
        if "InstanceIds" in key and not found and not run.is_sweep:
            run.learnt.reads[key] = False

    def withholds(self, lacking: Iterable[str]) -> None:
        """Note which instances an answer of EC2 lacks that a run is about to get."""
        if self.run:
            self.run.learnt.withheld.update(lacking)

    def calls_cloudflare(self, request: Request) -> None:
        """Look at a call that a run is about to make."""
        run = self.run
        if run is None:
            return
        if run.must_defer:
            self.breaks(run, f"{request.method} {request.path} below the reserve, or after a 429")
        needed = ("GET ", "DescribeInstances" if run.is_sweep else _BY_ID)
        failed = [key for key in run.learnt.failed if key.startswith(needed)]
        age = self.stage.clock.now - run.learnt.read_at
        if run.is_sweep and request.method != "GET" and age > OLD:
            self.breaks(run, f"{request.method} {request.path} on what was seen {age} s ago")
        is_batch = request.path.endswith("/batch") and b'"deletes"' in request.body
        if failed and (request.method == "DELETE" or is_batch):
            self.breaks(run, f"deletes after a failed read: {failed}")

    def missed(self, request: Request) -> None:
        """Note a call to Cloudflare that was not answered."""
        if self.run and request.method == "GET":
            self.run.learnt.reads[_key(request)] = False
        elif self.run:
            self.run.learnt.unproven = 0

    def answered(self, request: Request, answer: Answer, view: int) -> None:
        """Note what Cloudflare told a run."""
        run = self.run
        if run is None:
            return
        self._note_quota(run, answer)
        envelope = _parse(answer.body)
        went_well = answer.status == _OK and envelope.get("success") is True
        if request.method == "GET":
            run.learnt.reads[_key(request)] = went_well
            run.learnt.view = view if went_well else run.learnt.view
            run.learnt.read_at = self.stage.clock.now if went_well else run.learnt.read_at
        if went_well:
            run.environment.unproven += [run.started or 0.0] * run.learnt.unproven
            for record in _records_in(envelope["result"]):
                if str(record.get("comment") or "").split()[:1] == [OWNER]:
                    run.learnt.confirmed.setdefault(record["name"], set()).add(record["content"])
        if request.method != "GET":  # what Cloudflare has not confirmed, nobody can count
            run.learnt.unproven = 0

    def _note_quota(self, run: Invocation, answer: Answer) -> None:
        now, environment = self.stage.clock.now, run.environment
        left = _LEFT.search(answer.headers.get("Ratelimit", ""))
        if left:
            self.least_left = min(self.least_left, int(left[1]))
            quota = _QUOTA.search(answer.headers.get("Ratelimit-Policy", ""))
            limit = int(quota[1]) if quota else 1200
            kept = KEPT_BY_SWEEPS if run.is_sweep else KEPT_BY_EVENTS
            is_spent = int(left[1]) < limit * kept
            environment.reserved_until = now + int(left[2]) if is_spent else float("-inf")
        if answer.status == _TOO_MANY:
            environment.refused_until = now + float(answer.headers.get("Retry-After", 300))

    # Writes

    def wrote_records(
        self, run: Invocation | None, position: int, changes: Sequence[Transaction]
    ) -> None:
        """Look at what a call of a run has changed in the zone."""
        for offset, transaction in enumerate(changes):
            self.writers[position + offset] = run
            if run:
                for problem in (
                    *record_promises.problems(self.stage, run, position, transaction),
                    *limit_promises.exceeded(self.stage, run, transaction),
                ):
                    self.breaks(run, problem)

    def lacks_room(self, run: Invocation | None, item_id: str) -> None:
        """Note that a write to a row was refused, since the row is full."""
        if run:
            run.learnt.crowded.add(item_id)

    def tells_row(self, item_id: str) -> None:
        """Look at a write to a row that a run is about to make."""
        run = self.run
        if run is None:
            return
        # Another row that could not be read is nothing to this one.
        failed = [
            key
            for key in run.learnt.failed
            if not key.startswith("BatchGetItem") or repr(item_id) in key
        ]
        if failed:
            self.breaks(run, f"tells {item_id} after a failed read {failed}")

    def wrote_row(
        self, run: Invocation | None, item_id: str, before: Item | None, after: Item | None
    ) -> None:
        """Look at what a call of a run has changed in a row."""
        for link in set(links(after or {}).values()) - set(links(before or {}).values()):
            self.linked_at[item_id, link] = self.stage.clock.now
        if run and after is None:
            self.breaks(run, f"removed the row {item_id}")
        elif run and after:
            if text(after, "status") == "TERMINATED" != text(before or {}, "status"):
                self.ended_at[item_id] = self.stage.clock.now, frozenset(run.learnt.withheld)
            for problem in row_promises.problems(self.stage, run, item_id, before, after):
                self.breaks(run, problem)

    def ended(self, run: Invocation) -> None:
        """Look at how a run ended."""
        if run.error and not isinstance(run.error, FAILURES):
            self.breaks(run, f"raised {run.error!r}")
        if run.is_sweep:
            for problem in limit_promises.held_back(self.stage, run):
                self.breaks(run, problem)
        action = run.result["action"] if run.result else "failed"
        if run.must_defer and action != "deferred":
            self.breaks(run, f"{action} below the reserve, or after a 429")


def _denied(error: BotoCoreError | ClientError) -> set[str]:
    """Return the ids that EC2 says it does not know."""
    said = str(error)
    return set(_ID.findall(said)) if "InvalidInstanceID.NotFound" in said else set()


def _key(request: Request) -> str:
    return f"GET {request.path} {request.query}"


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        envelope = json.loads(body)
    except ValueError:
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _records_in(result: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401
    if isinstance(result, list):
        yield from result
    elif isinstance(result, dict) and "content" in result:
        yield result
    elif isinstance(result, dict):
        for kind in ("patches", "posts"):
            yield from result.get(kind, ())

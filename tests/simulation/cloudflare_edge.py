"""The way to Cloudflare and back: the stand-in in this process, and what goes wrong between."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from chalicelib.cloudflare.transport import NoAnswerError, NotSentError, Response
from chalicelib.settings.formats import CLOUDFLARE_API
from localcloud.cloudflare import (
    DEFAULT_TOKEN,
    DEFAULT_ZONE_ID,
    Api,
    Dropped,
    FaultKind,
    Quota,
    Request,
    Token,
    Zone,
)
from localcloud.cloudflare.wire import BASE_PATH
from tests.world import OTHER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.cloudflare import Response as Answer
    from localcloud.cloudflare import ZoneStore
    from tests.simulation.clock import Clock
    from tests.simulation.invariants import Invariants
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.tasks import Tasks

LATENCY: Final = 0.1
LATE: Final = 20.0
"""Seconds after which a call that nobody waits for any more is carried out."""


class Loss(StrEnum):
    """What becomes of a call on its way."""

    REFUSED = "refused"
    """The connection is refused: nothing was sent."""
    LATE = "late"
    """Nothing comes back, and Cloudflare carries the call out when nobody waits any more."""


@dataclass(frozen=True)
class Lost:
    """A call that Cloudflare is yet to carry out."""

    due: float
    run: Invocation | None
    request: Request


class CloudflareEdge:
    """A Transport to the stand-in. `losses` strike the next calls, in order.

    The stand-in's own faults are switched on at `api.faults`.
    """

    def __init__(
        self, clock: Clock, tasks: Tasks, invariants: Invariants, zone: Zone | None = None
    ) -> None:
        tokens = (Token(DEFAULT_TOKEN, owner="user"), Token(OTHER_TOKEN, owner="user"))
        self.api = Api((zone or Zone(),), tokens, quota=Quota(), clock=clock)
        self.losses: list[Loss] = []
        self.late: list[Lost] = []
        self._clock = clock
        self._tasks = tasks
        self._invariants = invariants

    @property
    def store(self) -> ZoneStore:
        return self.api.zone(DEFAULT_ZONE_ID)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        path, _, query = url.removeprefix(CLOUDFLARE_API).partition("?")
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        request = Request(method, f"{BASE_PATH}{path}", pairs, headers, body or b"")
        self._invariants.calls_cloudflare(request)
        try:
            view, answer = self._send(request, seconds)
        except (NotSentError, NoAnswerError):
            self._invariants.missed(request)
            raise
        self._invariants.answered(request, answer, view)
        return Response(answer.status, answer.headers, answer.body)

    def arrive(self, *, everything: bool = False) -> None:
        """Carry out what is due of the calls that nobody waits for."""
        due = [each for each in self.late if everything or each.due <= self._clock.now]
        self.late = [each for each in self.late if each not in due]
        for lost in due:
            self._execute(lost.run, lost.request)

    def _send(self, request: Request, seconds: float) -> tuple[int, Answer]:
        """Return what of the zone's history the answer shows, and the answer."""
        what = f"{request.method} {request.api_path}"
        self._tasks.pause(f"before {what}", LATENCY / 2)
        run = self._invariants.run
        loss = self.losses.pop(0) if self.losses else None
        if loss is Loss.REFUSED:
            self._tasks.pause(f"refused {what}")
            raise NotSentError("connection refused")
        if loss is Loss.LATE:
            self.late.append(Lost(self._clock.now + LATE, run, request))
            self._tasks.pause(f"timeout {what}", seconds)
            raise NoAnswerError("read timed out")
        view, answer = self._execute(run, request)
        delay = answer.delay_before + answer.delay_after
        if delay >= seconds:
            self._tasks.pause(f"timeout {what}", seconds)
            raise NoAnswerError("read timed out")
        self._tasks.pause(f"after {what}", delay + LATENCY / 2)
        if isinstance(answer, Dropped):
            raise NoAnswerError("connection closed")
        return view, answer

    def _execute(self, run: Invocation | None, request: Request) -> tuple[int, Answer | Dropped]:
        fault = self.api.fault_for(request)
        before = len(self.store.history)
        answer = self.api.execute(request, fault)
        changes = self.store.history[before:]
        if changes:
            self._invariants.wrote_records(run, before, changes)
        is_stale = fault is not None and fault.kind is FaultKind.STALE
        return before - (fault.changes if fault and is_stale else 0), answer

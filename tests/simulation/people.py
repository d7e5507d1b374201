"""People who look at the meetings of a key, and move, extend, shorten, cancel and end them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from chalicelib.meetings.http import Answer, Request
from tests.simulation.names import API, BASE_URL, CALLERS, MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.simulation.callers import Order
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage

LIST, SHOW, PUT_OFF, MOVE, RESIZE, CANCEL = "list", "show", "put off", "move", "resize", "cancel"
"""Look at all meetings or at one; start it later or earlier by so many minutes, or in so many
minutes; let it last so many minutes; cancel it, or end it now."""
VERBS: Final = {LIST: "GET", SHOW: "GET", CANCEL: "DELETE"}
AGAIN: Final = 20.0
"""Seconds after which somebody repeats what has failed."""
MOST_TRIES: Final = 4
_LATER: Final = 503


@dataclass(frozen=True)
class Change:
    """What somebody does to a meeting, so many seconds after its start, or before."""

    after_start: float
    what: str
    minutes: int = 0


@dataclass(frozen=True)
class Asking:
    """One request for meetings, or for one; `start` and `minutes` are what it is to have."""

    caller: str
    what: str
    meeting: str | None
    request: Request
    start: float | None = None
    minutes: int | None = None

    @property
    def is_patch(self) -> bool:
        return self.request.method == "PATCH"


@dataclass(eq=False)
class Errand:
    """A change that somebody makes to a meeting, and repeats until it is answered."""

    order: Order
    change: Change
    asking: Asking | None = None
    tries: int = 0
    next_try: float | None = None
    is_done: bool = False


class People:
    """Whoever has a key, and looks after meetings."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._errands: list[Errand] = []

    def ask(
        self, caller: str, what: str, order: Order | None, minutes: int = 0, warm: int | None = 0
    ) -> Invocation:
        return self._send(self._asking(caller, what, order, minutes), warm)

    def repeat(self, asking: Asking) -> Invocation:
        return self._send(asking, None)

    def plan(self, order: Order) -> None:
        """Let the changes happen that are planned for a meeting, which is booked."""
        self._errands += [Errand(order, each) for each in order.plan.changes]

    def due(self) -> Iterator[tuple[float, Errand]]:
        """Yield what is still to be done, and when."""
        for errand in self._errands:
            if not errand.is_done:
                moment = errand.order.start + errand.change.after_start
                yield (moment if errand.next_try is None else errand.next_try), errand

    def run(self, errand: Errand) -> None:
        order, change = errand.order, errand.change
        errand.tries += 1
        errand.is_done = errand.tries >= MOST_TRIES
        errand.next_try = self._stage.clock.now + AGAIN
        if errand.asking is None:
            errand.asking = self._asking(order.caller, change.what, order, change.minutes)
        self._send(errand.asking)

    def was_answered(self, asking: Asking, answer: Answer) -> None:
        for errand in self._errands:
            if errand.asking is asking:
                errand.is_done |= answer.status != _LATER

    def _send(self, asking: Asking, warm: int | None = 0) -> Invocation:
        return self._stage.functions.invoke(asking, function=API, warm=warm)

    def _asking(self, caller: str, what: str, order: Order | None, minutes: int) -> Asking:
        headers = {"authorization": f"Bearer {CALLERS[caller]}", "content-type": "application/json"}
        if order is None or what == LIST:
            return Asking(
                caller, LIST, None, Request("GET", "/meetings", headers, {}, b"", BASE_URL)
            )
        now = self._stage.clock.now
        start = {PUT_OFF: order.start + minutes * MINUTE, MOVE: now + minutes * MINUTE}.get(what)
        length = minutes if what == RESIZE else None
        path, method = f"/meetings/{order.meeting}", VERBS.get(what, "PATCH")
        body = json.dumps(_body(start, length)).encode() if method == "PATCH" else b""
        request = Request(method, path, headers, {}, body, BASE_URL)
        whole = None if start is None else float(int(start))
        return Asking(caller, what, order.meeting, request, whole, length)


def _body(start: float | None, length: int | None) -> Mapping[str, object]:
    moved = (
        {"meet_time": f"{datetime.fromtimestamp(int(start), UTC):%Y-%m-%dT%H:%M:%SZ}"}
        if start
        else {}
    )
    return {**moved, **({"duration_minutes": length} if length else {})}

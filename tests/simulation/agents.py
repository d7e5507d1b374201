"""What desktops, their DCV servers, and those who pretend to be either ask of the API."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus

from chalicelib.meetings.http import Answer, Request
from tests.simulation.callers import Pass
from tests.simulation.names import API, BASE_URL, MINUTE, PREFIX
from tests.world import ACCOUNT, OWNER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.callers import Order
    from tests.simulation.ec2 import Host
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage

DESCRIBE, HEALTHY, FINISHED = "describe", "healthy", "finished"
ROUTES: Final = (DESCRIBE, HEALTHY, FINISHED)
RETRY, POLL, REST = 20.0, 2.5 * MINUTE, 10 * MINUTE
"""Seconds until a desktop calls again: without success, while somebody is connected, and else.

The kit's desktops ask more often, and would find no more.
"""
HEALTH_CHECK: Final = 20.0
DATA: Final = b'{"recording": "s3://recordings/1"}'
BODIES: Final = {
    "nothing": b"",
    "a list": b"[1]",
    "no JSON": b"{",
    "no text": b"\xff",
    "too deep": b"[" * 4000,
    "no number": b'{"x": NaN}',
    "too large a number": b'{"x": 1e999}',
    "the largest": b'{"x": "%s"}' % (b"\xc3\xa9" * 4091),
    "too large": b'{"x": "%s"}' % (b"x" * 8184),
    "data": DATA,
    "no data": b"{}",
}
REFUSED: Final = {BODIES[name] for name in list(BODIES)[:7]} | {BODIES["too large"]}
CONNECTIONS: Final = ("0", "1", "-1", "many")

DESKTOP: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role/{PREFIX}-desktop/"
"""Followed by the id of an instance: who calls, as API Gateway has it."""
_ARN = re.compile(rf"{re.escape(DESKTOP)}(i-[0-9a-f]{{17}})")
STRANGERS: Final = (
    *("", f"arn:aws:iam::{ACCOUNT}:user/{{}}", f"{DESKTOP}somebody", f"{DESKTOP}{{}}0"),
    f"arn:aws:sts::{ACCOUNT}:assumed-role/{PREFIX}1-desktop/{{}}",
    f"arn:aws:sts::210987654321:assumed-role/{PREFIX}-desktop/{{}}",
)
"""Who else may call: without a signature, or with another's, which names an instance of ours."""
ODD_TICKETS: Final = ("", "x", "..", "bTE.teacher.guess", "ü.teacher.x", "a" * 600, "a" * 5000)


@dataclass(frozen=True)
class Report:
    """One call of the desktops' API; `host` acts on the answer, unless nobody does."""

    route: str
    request: Request
    host: Host | None = None

    @property
    def speaker(self) -> str | None:
        """The instance that has signed it with the role of our desktops."""
        found = _ARN.fullmatch(self.request.caller_arn)
        return found[1] if found else None


@dataclass(frozen=True)
class Question:
    """A question whether a ticket opens a desktop; `ticket` is None for what is none."""

    instance_id: str
    ticket: Pass | None
    request: Request


@dataclass(eq=False)
class Agent:
    """A desktop's own state."""

    next_call: float = 0.0
    is_healthy: bool = False
    is_done: bool = False
    has_stopped: bool = False


@dataclass
class Agents:
    """The desktops of a stage with meetings: each reports by the API, and has no other right."""

    stage: Stage
    _agents: dict[str, Agent] = field(default_factory=dict)

    def next_step(self, host: Host) -> float | None:
        agent, since = self._of(host), host.past[-1][0]
        is_well = all(order.plan.is_well for order in self._orders_of(host))
        if agent.has_stopped or not is_well or host.view.assignment is None:
            return None
        return max(agent.next_call, since + HEALTH_CHECK)

    def step(self, host: Host) -> None:
        agent = self._of(host)
        route = FINISHED if agent.is_done else DESCRIBE if agent.is_healthy else HEALTHY
        if self.next_step(host) is not None:
            self.report(host, route)

    def finish(self, host: Host) -> None:
        """Let a desktop's session be over: it reports that, and shuts down."""
        agent = self._of(host)
        agent.is_done, agent.next_call = True, self.stage.clock.now

    def report(self, host: Host, route: str, warm: int | None = 0) -> Invocation:
        self._of(host).next_call = self.stage.clock.now + RETRY
        connections = "1" if self._is_connected(host) else "0"
        request = _request(route, arn_of(host), DATA if route == FINISHED else b"", connections)
        return self._send(Report(route, request, host), warm)

    def attack(
        self, route: str, arn: str, body: bytes = DATA, connections: str = "1", warm: int | None = 0
    ) -> Invocation:
        return self._send(Report(route, _request(route, arn, body, connections)), warm)

    def was_answered(self, report: Report, answer: Answer) -> None:
        host = report.host
        if host is None or host.view.is_gone:
            return
        agent = self._of(host)
        match answer.status:
            case 403:
                agent.has_stopped = True
            case 410:
                self.stage.desktops.end(host)
            case 200:
                pause = POLL if self._is_connected(host) else REST
                agent.next_call = self.stage.clock.now + pause
                agent.is_healthy |= report.route == HEALTHY
                if report.route == FINISHED:
                    self.stage.desktops.end(host)

    # DCV servers

    def ask(
        self, instance_id: str, ticket: Pass | str, warm: int | None = 0, body: bytes = b""
    ) -> Invocation:
        """Ask as the DCV server of a desktop does; anyone may."""
        text, held = (ticket.text, ticket) if isinstance(ticket, Pass) else (ticket, None)
        form = f"sessionId=elephant&authenticationToken={quote_plus(text)}&clientAddress=::1"
        path = f"/dcv/{instance_id}"
        request = Request("POST", path, {}, {}, body or form.encode(), BASE_URL)
        return self._send(Question(instance_id, held, request), warm)

    def _send(self, event: Report | Question, warm: int | None) -> Invocation:
        return self.stage.functions.invoke(event, function=API, warm=warm)

    def _is_connected(self, host: Host) -> bool:
        return any(
            guest.entered is not None and not guest.has_left
            for guest in self.stage.callers.guests
            if (guest.order.meeting, guest.role) == host.view.assignment
        )

    def _of(self, host: Host) -> Agent:
        return self._agents.setdefault(host.id, Agent())

    def _orders_of(self, host: Host) -> Iterator[Order]:
        teacher = self.stage.dynamodb.row(host.view.meeting).text("teacher_name")
        return (each for each in self.stage.callers.orders if each.teacher == teacher)


def arn_of(host: Host) -> str:
    """Name the caller as API Gateway does: each stage's desktops have a role of their own."""
    is_ours = host.view.tag("elephant:owner") in {None, OWNER}
    return (DESKTOP if is_ours else STRANGERS[-2].removesuffix("{}")) + host.id


def _request(route: str, arn: str, body: bytes, connections: str) -> Request:
    if route == DESCRIBE:
        query = {"connections": connections}
        return Request("GET", "/desktop", {}, query, b"", BASE_URL, caller_arn=arn)
    return Request("POST", f"/desktop/{route}", {}, {}, body, BASE_URL, caller_arn=arn)

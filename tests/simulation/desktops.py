"""The life of instances: what EC2 does with them, and what desktops do by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.names import MINUTE
from tests.world import make_event

if TYPE_CHECKING:
    from tests.simulation.ec2 import Host
    from tests.simulation.stage import Stage

NEXT_STATE, NEXT_STATE_BARE = "next state", "next state, without an address"
ORDERS: Final = (
    *(NEXT_STATE, NEXT_STATE_BARE),
    *("stop", "start", "terminate", "take another address", "lose the address"),
)
DESCRIBED: Final = 60 * MINUTE
"""For how long EC2 describes an instance that has terminated."""
BOOT, SHUTDOWN = 30.0, 30.0
"""How many seconds each takes."""


class Desktops:
    """Launches instances, lets them live, and EventBridge hear of it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._addresses = 0

    def __getitem__(self, number: int) -> Host:
        """Return the instance of this number, counted round."""
        hosts = list(self._stage.ec2.hosts.values())
        return hosts[number % len(hosts)]

    def launch(self, meeting: str, role: str, *, runs: bool = True, noted: bool = False) -> Host:
        host = self._stage.ec2.launch(Project="Elephant", MeetingID=meeting, Role=role)
        if noted:
            self._stage.actors.note(meeting, role, host.id)
        if runs:
            self._become(host, "running", self._new_address())
        return host

    def order(self, host: Host, order: str) -> None:
        """Ask something of an instance, which is only done if its state allows it."""
        state, address = host.view.state, host.view.address
        if order in {NEXT_STATE, NEXT_STATE_BARE}:
            self._advance(host, has_address=order == NEXT_STATE)
        elif order == "stop" and state == "running":
            self._become(host, "stopping", address)
        elif order == "start" and state == "stopped":
            self._stage.ec2.change(
                host, state="pending", launched_at=self._stage.clock.moment, reason=""
            )
        elif order == "terminate":
            self.end(host)
        elif order == "take another address" and state in {"running", "stopped"}:
            self._stage.ec2.change(host, address=self._new_address())
        elif order == "lose the address" and state == "running":
            self._stage.ec2.change(host, address=None)

    def end(self, host: Host) -> None:
        """Let an instance shut down, unless it does already."""
        if not host.view.is_gone:
            self._become(host, "shutting-down", host.view.address)

    # What a desktop does by itself

    def step(self, host: Host) -> None:
        state = host.view.state
        if state in {"pending", "shutting-down"}:
            self._advance(host)
        elif state == "running":
            self._stage.agents.step(host)

    def next_step(self, host: Host) -> float | None:
        since, view = host.past[-1]
        if view.state in {"", "terminated", "stopped"}:
            return None
        if view.state == "running":
            return self._stage.agents.next_step(host)
        return since + (BOOT if view.state == "pending" else SHUTDOWN)

    # What EC2 does

    def _advance(self, host: Host, *, has_address: bool = True) -> None:
        """Let an instance reach its next state; an hour after its end EC2 forgets it."""
        state = host.view.state
        if state == "pending":
            self._become(host, "running", self._new_address() if has_address else None)
        elif state == "stopping":
            self._become(host, "stopped", None)
        elif state == "shutting-down":
            self._become(host, "terminated", None)
        elif state == "terminated":
            ended = next(at for at, view in host.past if view and view.state == "shutting-down")
            if self._stage.clock.now - ended >= DESCRIBED:
                self._fade(host)

    def _fade(self, host: Host) -> None:
        if host.view.tags:
            self._stage.ec2.change(host, tags=())
        else:
            self._stage.ec2.forget(host)

    def _become(self, host: Host, state: str, address: str | None) -> None:
        date = f"{self._stage.clock.moment:%Y-%m-%d %H:%M:%S}"
        reason = f"User initiated ({date} GMT)" if state != "running" else ""
        self._stage.ec2.change(host, state=state, address=address, reason=reason)
        if state in {"running", "stopping", "shutting-down"}:  # the rule's pattern
            self._stage.events.append(make_event(host.id, state))

    def _new_address(self) -> str:
        self._addresses += 1
        return f"203.0.{self._addresses // 250}.{self._addresses % 250 + 1}"

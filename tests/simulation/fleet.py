"""The life of instances, and the events that EC2 tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.simulation.ec2 import Host
    from tests.simulation.stage import Stage

RIPEN, RIPEN_BARE = "ripen", "ripen without an address"
ORDERS: Final = (
    RIPEN,
    RIPEN_BARE,
    "stop",
    "start",
    "terminate",
    "take another address",
    "lose the address",
)

DESCRIBED_SECONDS: Final = 3600
"""For how long EC2 describes an instance that has ended."""


class Fleet:
    """Launches instances and lets them live."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._addresses = 0

    def host(self, number: int) -> Host:
        """Return the instance of this number, counted round."""
        hosts = list(self._stage.ec2.hosts.values())
        return hosts[number % len(hosts)]

    def launch(self, meeting: str, role: str, *, runs: bool = True, noted: bool = False) -> Host:
        """Launch a desktop; the row may note it, and it may run at once."""
        host = self._stage.ec2.launch(Project="Elephant", MeetingID=meeting, Role=role)
        if noted:
            self._stage.people.note(meeting, role, host.id)
        if runs:
            self._become(host, "running", self.new_address())
        return host

    def order(self, number: int, order: str) -> None:
        """Ask something of an instance, which is only done if its state allows it."""
        host = self.host(number)
        if order in {RIPEN, RIPEN_BARE}:
            self._ripen(host, addressed=order == RIPEN)
            return
        state, address = (host.view.state, host.view.address) if host.view else ("", None)
        if order == "stop" and state == "running":
            self._become(host, "stopping", address)
        elif order == "start" and state == "stopped":
            self._stage.ec2.change(
                host, state="pending", launched_at=self._stage.clock.moment, reason=""
            )
        elif order == "terminate" and state not in {"", "shutting-down", "terminated"}:
            self._become(host, "shutting-down", address)
        elif order == "take another address" and state in {"running", "stopped"}:
            self._stage.ec2.change(host, address=self.new_address())
        elif order == "lose the address" and state == "running":
            self._stage.ec2.change(host, address=None)

    def _ripen(self, host: Host, *, addressed: bool) -> None:
        """Let an instance come into the next state by itself; in the end EC2 forgets it."""
        state = host.view.state if host.view else ""
        if state == "pending":
            self._become(host, "running", self.new_address() if addressed else None)
        elif state == "stopping":
            self._become(host, "stopped", None)
        elif state == "shutting-down":
            self._become(host, "terminated", None)
        elif state == "terminated":
            self._fade(host)

    def end(self, host: Host) -> None:
        """Let an instance end at once, if it has not."""
        if host.view and host.view.state not in {"shutting-down", "terminated"}:
            self._become(host, "shutting-down", host.view.address)

    def vanish(self, host: Host) -> None:
        """Let an ended instance be described no more."""
        if host.view and host.view.state == "shutting-down":
            self._become(host, "terminated", None)
        while host.view and host.view.state == "terminated":
            self._fade(host)

    def new_address(self) -> str:
        """Return an address that no instance has had."""
        self._addresses += 1
        return f"203.0.{self._addresses // 250}.{self._addresses % 250 + 1}"

    def _become(self, host: Host, state: str, address: str | None) -> None:
        date = f"{self._stage.clock.moment:%Y-%m-%d %H:%M:%S}"
        reason = f"User initiated ({date} GMT)" if state not in {"pending", "running"} else ""
        self._stage.ec2.change(host, state=state, address=address, reason=reason)
        self._stage.announce(host)

    def _fade(self, host: Host) -> None:
        """Let an ended instance lose its tags and then be forgotten, an hour after its end."""
        ended = next(since for since, view in host.past if view and view.state == "shutting-down")
        if self._stage.clock.now - ended < DESCRIBED_SECONDS:
            return
        if host.view and host.view.tags:
            self._stage.ec2.change(host, tags=())
        else:
            self._stage.ec2.forget(host)

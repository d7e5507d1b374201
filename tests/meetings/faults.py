"""Calls of the application to AWS that go wrong, in each of the ways in which they can."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from tests.functions import Functions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chalicelib.settings.stage import Settings
    from tests.world import World

REFUSED, UNREACHED, LOST, TWICE = "refused", "unreached", "lost", "sent twice by botocore"
DIED_BEFORE, DIED_AFTER = "died before", "died after"


class Died(BaseException):
    """The function's process was ended in the middle of a call."""


@dataclass
class Faults:
    """Counts the calls of the application to AWS, and lets some of them go wrong.

    `faults` says which, by their position, and how: AWS refuses, is not reached, or its answer is
    lost, so that botocore may send it `TWICE`; or the process `died` before or after the call, so
    that none of it runs any more.
    """

    calls: list[str] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)
    dead: bool = False
    refused: set[tuple[str, str]] = field(default_factory=set)
    """Operations that are refused, each with what its request mentions."""
    code: str = "InternalError"
    meanwhile: dict[str | int, Callable[[], object]] = field(default_factory=dict)
    """What happens just before the next call of an operation, or the one at a position."""
    before_each: Callable[[int], object] = lambda _: None
    """What happens just before each call, by its position."""
    pause: Callable[[], object] = lambda: None
    """Lets other runs go on before and after each call."""

    def call(self, name: str, do: Callable[..., Any], request: dict[str, Any]) -> Any:  # noqa: ANN401
        if self.dead:
            raise Died
        position = len(self.calls)
        self.calls.append(name)
        for when in (name, position):
            self.meanwhile.pop(when, lambda: None)()
        self.before_each(position)
        self.pause()
        fault = self.faults.get(position)
        if fault == REFUSED or self._is_refused(name, request):
            said = "as the test wants it"
            raise ClientError({"Error": {"Code": self.code, "Message": said}}, name)
        if fault == UNREACHED:
            raise ConnectTimeoutError(endpoint_url=f"https://{name}")
        if fault == DIED_BEFORE:
            self._die()
        answer = do(**request)
        if fault == TWICE:
            answer = do(**request)
        self.pause()
        if fault == LOST:
            raise ReadTimeoutError(endpoint_url=f"https://{name}")
        if fault == DIED_AFTER:
            self._die()
        return answer

    def arm(self, at: int | None, does: str = REFUSED) -> None:
        """Start counting again, and let the call at this position go wrong."""
        self.calls.clear()
        self.faults, self.dead = {} if at is None else {at: does}, False

    def _die(self) -> None:
        self.dead = True
        raise Died

    def _is_refused(self, name: str, request: dict[str, Any]) -> bool:
        return any(
            name == each and text in json.dumps(request, default=str) for each, text in self.refused
        )


class FaultyClient:
    """A client of AWS whose calls may go wrong."""

    def __init__(self, client: Any, faults: Faults) -> None:  # noqa: ANN401
        self._client = client
        self._faults = faults

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **request: self._faults.call(name, getattr(self._client, name), request)


class FaultyWorld:
    """moto's AWS with faults at any call, and time that stands still until a test lets it pass."""

    def __init__(self, world: World, now: datetime, **clients: Any) -> None:  # noqa: ANN401
        self.world = world
        self._now = now
        self.faults = Faults()
        clients |= {"ec2": world.ec2, "dynamodb": world.dynamodb}
        self._clients = {name: FaultyClient(each, self.faults) for name, each in clients.items()}

    def functions_of(self, settings: Settings) -> Functions:
        """Make the functions of a new execution environment."""
        return Functions(settings, self._clients, self.world.reports, self.clock)

    def now(self) -> datetime:
        return self._now

    def clock(self) -> float:
        return self._now.timestamp()

    def pass_time(self, minutes: float) -> None:
        self._now += timedelta(minutes=minutes)

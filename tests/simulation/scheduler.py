"""EventBridge Scheduler in memory: one-off schedules, which fire once or more, or are lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.aws_edge import AwsEdge, client_error
from tests.simulation.names import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.clock import Clock
    from tests.simulation.tasks import Tasks


@dataclass(frozen=True)
class Planned:
    """A schedule that has not fired."""

    name: str
    at: float
    function: str
    payload: Mapping[str, Any]

    @property
    def meeting(self) -> str:
        return str(next(iter(self.payload.values())))


class SchedulerService:
    """The schedules of the stage's group, and a client of it.

    `past` has the names of those that have fired, or whose start was lost: then it is `lost` as
    well, and a message is in the queue of failed events.
    """

    def __init__(self, clock: Clock, tasks: Tasks) -> None:
        self.planned: dict[str, Planned] = {}
        self.past: set[str] = set()
        self.lost: list[Planned] = []
        self.watch: Callable[[str, str], None] = lambda _operation, _name: None
        """What is called for each schedule that is about to be made or removed."""
        self.edge = AwsEdge(tasks)
        self._clock = clock

    # What the service does

    def due(self) -> list[Planned]:
        due = (each for each in self.planned.values() if each.at <= self._clock.now)
        return sorted(due, key=lambda each: (each.at, each.name))

    def fire(self, planned: Planned, *, again: bool = False) -> None:
        """Let a schedule be over, unless it is to fire again."""
        self.past.add(planned.name)
        if not again:
            self.planned.pop(planned.name)

    def lose(self, planned: Planned) -> None:
        """Let the start of a schedule be refused until its service gives up."""
        self.fire(planned)
        self.lost.append(planned)

    # The client

    def create_schedule(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        def execute(_: str | None) -> dict[str, Any]:
            planned = self._read(request)
            if planned.name in self.planned:
                raise client_error("ConflictException", "CreateSchedule")
            self.planned[planned.name] = planned
            self.watch("CreateSchedule", planned.name)
            return {"ScheduleArn": "arn:…"}

        return dict(self.edge.call("CreateSchedule", execute))

    def delete_schedule(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        def execute(_: str | None) -> dict[str, Any]:
            _require_group(request, "DeleteSchedule")
            is_there = self.planned.pop(request["Name"], None) is not None
            self.watch("DeleteSchedule", request["Name"])
            if not is_there:
                raise client_error("ResourceNotFoundException", "DeleteSchedule")
            return {}

        return dict(self.edge.call("DeleteSchedule", execute))

    def _read(self, request: Mapping[str, Any]) -> Planned:
        _require_group(request, "CreateSchedule")
        target, at = request["Target"], request["ScheduleExpression"][3:-1]
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
        if moment < self._clock.now:
            raise client_error("ValidationException", "CreateSchedule", "it is in the past")
        function = target["Arn"].rpartition(f":{PREFIX}-")[2]
        return Planned(request["Name"], moment, function, json.loads(target["Input"]))


def _require_group(request: Mapping[str, Any], operation: str) -> None:
    if request["GroupName"] != PREFIX:
        raise client_error("ResourceNotFoundException", operation, request["GroupName"])

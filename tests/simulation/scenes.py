"""A stage with one meeting, whose runs a test lets go as far as it likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.callers import JSON, Plan
from tests.simulation.ec2 import ZONES
from tests.simulation.names import AHEAD, MINUTE, ROLES, STAGES, USUAL, WITH_LETTERS
from tests.simulation.stage import Stage
from tests.simulation.timeline import Timeline

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Item
    from tests.simulation.lambda_service import Invocation

NOBODY, EVERYBODY = Plan((), None), Plan(ROLES, 2 * MINUTE)
MIDDLE, LONG = range(1, 17), range(1, 34)
"""Where a run pauses that makes some calls, or many: before and after each of them."""
LAGGING = (5.0, 240.0)


class Scene:
    """A stage with a meeting that somebody books."""

    def __init__(self, plan: Plan = NOBODY, minutes: int | None = None, stage: str = USUAL) -> None:
        self.stage = Stage(has_meetings=True)
        self.stage.settings = STAGES[stage]
        self.timeline = Timeline(self.stage)
        addresses = {role: f"{role}@example.org" for role in ROLES} if stage == WITH_LETTERS else {}
        self.order = self.stage.callers.order(
            20 * MINUTE, keyed=True, plan=plan, minutes=minutes, addresses=addresses
        )

    def book(self) -> None:
        self.stage.callers.book(self.order)
        self.stage.settle()
        assert self.order.meeting

    def book_and_wait(self, seconds_from_start: float) -> None:
        self.book()
        self.wait(seconds_from_start)

    def go_to_launch(self, zone: str) -> None:
        """Book, and let it be time for the launch, when only one zone has room."""
        self.book_and_wait(-AHEAD - 1)
        self.stage.ec2.full = set(ZONES.values()) - {zone}
        self.stage.ec2.lag, self.stage.ec2.list_lag = LAGGING

    def finish_launched(self) -> None:
        self.wait(0)
        assert self.running == 2
        self.timeline.finish()

    def wait(self, seconds_from_start: float) -> None:
        self.timeline.play(self.order.start + seconds_from_start)

    def fire(self, name: str, calls: int, *, again: bool = False) -> Invocation:
        number = ("launch", "safety").index(name)
        planned = self.stage.scheduler.planned[self.row.schedules[number]]
        self.stage.clock.reach(planned.at)
        return self.go(self.stage.start(planned, None, again=again), calls)

    def fire_due(self, name: str, seconds_from_start: float, calls: int = 1000) -> list[Invocation]:
        """Let each such schedule fire that is due by then, if there is any left."""
        self.stage.clock.reach(self.order.start + seconds_from_start)
        due = [each for each in self.stage.scheduler.due() if each.name.startswith(name)]
        return [self.go(self.stage.start(each, None), calls) for each in due]

    def go(self, run: Invocation, calls: int) -> Invocation:
        self.stage.go_alone(run, calls)
        self.stage.invariants.check()
        return run

    def end(self, run: Invocation) -> None:
        while run in self.stage.functions.running:
            self.go(run, 1)
        self.stage.invariants.check()

    def kill(self, run: Invocation) -> None:
        if run in self.stage.functions.running:
            self.stage.functions.kill(run.environment)

    def visit(self, calls: int) -> Invocation:
        return self.go(self.stage.callers.visit(self.order, "teacher", JSON, warm=None), calls)

    def ask(self, what: str, minutes: int = 0, calls: int = 1000) -> Invocation:
        """Let who has booked the meeting ask for it."""
        people, order = self.stage.people, self.order
        return self.go(people.ask(order.caller, what, order, minutes, warm=None), calls)

    @property
    def row(self) -> Item:
        return self.stage.dynamodb.items[str(self.order.meeting)]

    @property
    def running(self) -> int:
        return len(self.stage.ec2.desktops_of(str(self.order.meeting)))

"""The state machine of the meetings' life: Hypothesis decides what happens next, and to whom."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from chalicelib.meetings.keys import Seed
from tests.simulation.meetings.callers import ENTER, JSON, NONE, OTHERS, PAGE, RIGHT, WAIT, Plan
from tests.simulation.meetings.faults import FAULTS, switch_on
from tests.simulation.meetings.meddlers import MEDDLING
from tests.simulation.meetings.pace import Pace
from tests.simulation.meetings.stage import MeetingStage
from tests.simulation.meetings.world import MINUTE
from tests.simulation.names import ROLES

if TYPE_CHECKING:
    from tests.simulation.invocation import Invocation

MOST_ORDERS: Final = 3
MOST_RUNS: Final = 6
MOST_HOSTS: Final = 8
"""So that no sweep ever deletes more than it may."""

which = st.integers(0, 7)
warm = st.sampled_from([0, 1, None])
roles = st.sampled_from(ROLES)
calls = st.sampled_from([0, 2, 4, 6, 8, 11, 14, 20, 1000])
"""How far a run goes before anything else happens."""
ahead = st.sampled_from([30, 5 * 60, 11 * 60, 12 * 60, 25 * 60])
"""Seconds from now to a meeting's start."""
plans = st.builds(
    Plan,
    comes=st.sampled_from([(), ("teacher",), ROLES]),
    stays=st.sampled_from([2 * MINUTE, 17 * MINUTE, None]),
    is_well=st.sampled_from([True, True, True, False]),
    is_declared_over=st.sampled_from([False, False, True]),
    is_churned=st.sampled_from([False, False, False, True]),
)


class MeetingLife(RuleBasedStateMachine):
    """One schedule; `teardown` is its end, and the test of it."""

    seen: ClassVar[Counter[str]] = Counter()
    """What has happened in all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = MeetingStage()
        self.pace = Pace(self.stage)
        self.ends_by_kill = False
        self.is_over = False
        self._seeds = 0
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(Seed, "random", self._seed)

    def _seed(self) -> Seed:
        """Make the seeds of meetings, the same ones in each repetition."""
        self._seeds += 1
        return Seed(self._seeds.to_bytes(32))

    @initialize(
        first=st.none() | st.tuples(ahead, st.booleans(), plans, calls),
        minutes=st.sampled_from([0, 0, 2, 16]),
        faults=st.lists(st.sampled_from(FAULTS), max_size=2),
        kill=st.booleans(),
    )
    def begin(
        self,
        first: tuple[int, bool, Plan, int] | None,
        minutes: int,
        faults: list[tuple[str, Any]],
        *,
        kill: bool,
    ) -> None:
        self.ends_by_kill = kill
        for fault in faults:
            switch_on(self.stage, *fault)
        if first:
            seconds, keyed, plan, calls = first
            self._book(seconds, plan, calls, keyed=keyed)
            self.pass_time(minutes * MINUTE)

    # Callers

    @precondition(lambda self: len(self.stage.callers.orders) < MOST_ORDERS)
    @rule(seconds=ahead, keyed=st.booleans(), plan=plans, calls=calls)
    def book(self, seconds: int, plan: Plan, calls: int, *, keyed: bool) -> None:
        self._book(seconds, plan, calls, keyed=keyed)

    @precondition(lambda self: any(each.key for each in self.stage.callers.orders))
    @rule(number=which, warm=warm, calls=calls, same=st.sampled_from([True, True, False]))
    def repeat(self, number: int, warm: int | None, calls: int, *, same: bool) -> None:
        orders = [each for each in self.stage.callers.orders if each.key]
        run = self.stage.callers.book(orders[number % len(orders)], warm, same=same)
        self._go_alone(run, calls)

    @precondition(lambda self: any(each.meeting for each in self.stage.callers.orders))
    @rule(
        number=which,
        role=roles,
        how=st.sampled_from([JSON, JSON, WAIT, PAGE, ENTER]),
        shows=st.sampled_from([RIGHT, RIGHT, RIGHT, OTHERS, NONE]),
        warm=warm,
        calls=calls,
    )
    def visit(  # noqa: PLR0913 (what a visit is like)
        self, *, number: int, role: str, how: str, shows: str, warm: int | None, calls: int
    ) -> None:
        orders = [each for each in self.stage.callers.orders if each.meeting]
        order = orders[number % len(orders)]
        self._go_alone(self.stage.callers.visit(order, role, how, shows, warm), calls)

    # What comes, early or late, once, twice or never

    @precondition(lambda self: self.stage.scheduler.due())
    @rule(number=which, warm=warm, calls=calls, again=st.booleans())
    def fire(self, number: int, warm: int | None, calls: int, *, again: bool) -> None:
        due = self.stage.scheduler.due()
        planned = due[number % len(due)]
        self.stage.scheduler.fire(planned, again=again)
        run = self.stage.functions.invoke(planned.payload, function=planned.function, warm=warm)
        self._go_alone(run, calls)

    @precondition(lambda self: self.stage.scheduler.planned)
    @rule(warm=warm, calls=calls)
    def fire_next(self, warm: int | None, calls: int) -> None:
        """Let the next schedule fire in time, whatever else is going on."""
        planned = self.stage.scheduler.planned.values()
        self.stage.clock.reach(min(each.at for each in planned))
        self.stage.functions.expire()
        run = self.stage.start_due(warm)
        if run:
            self._go_alone(run, calls)

    @precondition(lambda self: self.stage.scheduler.due())
    @rule(number=which)
    def lose(self, number: int) -> None:
        due = self.stage.scheduler.due()
        self.stage.scheduler.lose(due[number % len(due)])

    @precondition(lambda self: self.stage.functions.retries)
    @rule(warm=warm, calls=calls)
    def retry(self, warm: int | None, calls: int) -> None:
        retry = self.stage.functions.retries.pop(0)
        self.stage.clock.reach(retry.due)
        run = self.stage.functions.invoke(
            retry.event, function=retry.function, attempt=retry.attempt, warm=warm
        )
        self._go_alone(run, calls)

    @precondition(lambda self: self.stage.stream.is_ready(self.stage.functions))
    @rule(size=st.integers(1, 5), warm=warm, calls=calls)
    def stream(self, size: int, warm: int | None, calls: int) -> None:
        run = self.stage.stream.hand_over(self.stage.functions, size, warm)
        self._go_alone(run, calls)

    @precondition(lambda self: self.stage.stream.last)
    @rule(calls=calls)
    def stream_again(self, calls: int) -> None:
        self._go_alone(self.stage.stream.hand_over_again(self.stage.functions, None), calls)

    @precondition(lambda self: self.stage.events)
    @rule(number=which, calls=calls, lost=st.booleans())
    def deliver(self, number: int, calls: int, *, lost: bool) -> None:
        event = self.stage.events.pop(number % len(self.stage.events))
        if not lost:
            self._go_alone(self.stage.functions.invoke(event), calls)

    @precondition(lambda self: len(self.stage.functions.running) < MOST_RUNS)
    @rule(calls=calls)
    def sweep(self, calls: int) -> None:
        self._go_alone(self.stage.functions.invoke(None), calls)

    # Runs, and time

    @precondition(lambda self: self.stage.functions.running)
    @rule(picks=st.lists(which, min_size=6, max_size=24))
    def go(self, picks: list[int]) -> None:
        for pick in picks:
            self.stage.go(pick)
        self._check()

    @precondition(lambda self: self.stage.functions.environments)
    @rule(number=which)
    def kill(self, number: int) -> None:
        environments = self.stage.functions.environments
        self.stage.functions.kill(environments[number % len(environments)])

    @rule(seconds=st.sampled_from([20, 61, 125, 301, 601, 901, 1801]))
    def wait(self, seconds: int) -> None:
        """Let time pass in which nothing happens, whatever is due."""
        self.stage.clock.advance(seconds)
        self.stage.functions.expire()
        self._check()

    @rule(seconds=st.sampled_from([30, 61, 125, 301, 601, 901, 1801]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass in which everything happens that is due."""
        self.pace.play(self.stage.clock.now + seconds)
        self._check()

    # Faults, and desktops

    @rule(fault=st.sampled_from(FAULTS))
    def fail(self, fault: tuple[str, Any]) -> None:
        switch_on(self.stage, *fault)

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(number=which)
    def live(self, number: int) -> None:
        hosts = list(self.stage.ec2.hosts.values())
        self.stage.desktops.step(hosts[number % len(hosts)])
        self._check()

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(number=which, again=st.booleans())
    def upload(self, number: int, *, again: bool) -> None:
        """Let a desktop write: what its user did, or once more that it is well."""
        hosts = list(self.stage.ec2.hosts.values())
        host = hosts[number % len(hosts)]
        (self.stage.desktops.report_again if again else self.stage.desktops.upload)(host)
        self._check()

    @precondition(lambda self: self.stage.dynamodb.items and len(self.stage.ec2.hosts) < MOST_HOSTS)
    @rule(number=which, how=st.sampled_from(MEDDLING))
    def meddle(self, number: int, how: str) -> None:
        self.stage.meddlers.meddle(number, how)
        self._check()

    # The end

    def teardown(self) -> None:
        """Let the faults stop and all meetings end; then everything must be as promised."""
        self._patch.undo()
        if self.is_over:
            return
        self._patch.setattr(Seed, "random", self._seed)
        try:
            self.pace.finish(kill=self.ends_by_kill)
            type(self).seen += self.stage.promises.seen
        finally:
            self._patch.undo()

    def _book(self, seconds: int, plan: Plan, calls: int, *, keyed: bool) -> None:
        order = self.stage.callers.order(seconds, keyed=keyed, plan=plan)
        self._go_alone(self.stage.callers.book(order), calls)

    def _go_alone(self, run: Invocation, times: int) -> None:
        self.stage.go_alone(run, times)
        self._check()

    def _check(self) -> None:
        self.is_over = True
        self.stage.promises.check()
        self.is_over = False

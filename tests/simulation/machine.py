"""The state machines: Hypothesis decides what happens next, and which run goes on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from chalicelib.meetings.keys import Seed
from tests.simulation.actors import EDITS, KINDS, ROW_CHANGES, TAGS
from tests.simulation.agents import BODIES, CONNECTIONS, ODD_TICKETS, ROUTES, STRANGERS, arn_of
from tests.simulation.callers import AT_ONCE, DELAYS, ENTER, JSON, NEVER, PAGE, WAIT, Plan
from tests.simulation.desktops import ORDERS
from tests.simulation.end_invariants import is_taken, stage_problems
from tests.simulation.faults import CORE_FAULTS, MEETING_FAULTS, switch_on
from tests.simulation.mail import REFUSED_ADDRESS
from tests.simulation.names import (
    BY_HAND,
    CALLERS,
    FRONT_END,
    MINUTE,
    RANKS,
    ROLES,
    STAGES,
    SWEEP,
    USUAL,
    WITH_LETTERS,
    name_of,
)
from tests.simulation.people import CANCEL, LIST, MOVE, PUT_OFF, RESIZE, SHOW, Change
from tests.simulation.record_invariants import traced_rows
from tests.simulation.stage import Stage
from tests.simulation.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stream import Stream

ROWS: Final = ("m1", "m2")
MEETINGS: Final = (*ROWS, "m3")
"""There is no row of the last one."""
MOST_HOSTS: Final = 6
MOST_RUNS: Final = 5
MOST_RECORDS: Final = 40
MOST_ORDERS: Final = 3
MOST_DESKTOPS: Final = 8
"""So that no sweep of a stage with meetings ever deletes more than it may."""
WRITTEN: Final = (*list(RANKS)[:-1], "https://elsewhere.example.org")
"""What others write to rows: a status, or a link to something that is none of ours."""

which = st.integers(0, 7)
either = st.booleans()
warm = st.sampled_from([0, 1, None])
meetings = st.sampled_from(MEETINGS)
roles = st.sampled_from(ROLES)
calls = st.sampled_from([0, 2, 4, 5, 6, 8, 11, 14, 20, 1000])
"""How far a run goes before anything else happens."""
fates = st.none() | calls
"""What becomes of an event at once: nothing, or a run that goes so far."""
times = st.sampled_from([0, 1, 1, 2])
"""How often something comes that is to come once: never, once, or again later."""
ahead = st.sampled_from([30, 5 * 60, 11 * 60, 12 * 60, 25 * 60])
"""Seconds from now to a meeting's start."""
ways = st.sampled_from([JSON, JSON, WAIT, PAGE, ENTER])
"""How somebody asks for a desktop."""
lengths = st.sampled_from([None, None, 15, 20, 30])
callers = st.sampled_from([FRONT_END, FRONT_END, *CALLERS])
MOVES: Final = (
    *((PUT_OFF, minutes) for minutes in (1, 4, 12, 40, -3, -12)),
    *((MOVE, minutes) for minutes in (0, 5, 12, 30, -1)),
)
ENDS: Final = (*((RESIZE, minutes) for minutes in (15, 20, 30, 45, 45)), (CANCEL, 0), (CANCEL, 0))
errands = st.sampled_from([*MOVES, *ENDS, *ENDS])
EARLY, LATE = (-720, -600, -600, -599.8, -599.5, -598, -597, -300), (0, 360, 839, 900, 901, 1740)
"""Seconds after a meeting's start at which somebody changes it: mostly while something is due."""
changes = st.lists(
    st.builds(lambda moment, errand: Change(moment, *errand), st.sampled_from(EARLY), errands)
    | st.builds(
        lambda moment, errand: Change(moment, *errand), st.sampled_from(LATE), st.sampled_from(ENDS)
    ),
    min_size=1,
    max_size=3,
).map(tuple)
plans = st.builds(
    Plan,
    comes=st.sampled_from([ROLES, ("teacher",), ROLES, ()]),
    stays=st.sampled_from([2 * MINUTE, 17 * MINUTE, None, None]),
    is_well=st.sampled_from([True, True, True, False]),
    is_declared_over=st.sampled_from([False, True]),
    is_hostile=st.sampled_from([False, False, False, True]),
    is_hidden=st.sampled_from([False, False, False, True]),
    enters=st.sampled_from([AT_ONCE, *DELAYS, AT_ONCE, NEVER]),
    changes=st.just(()) | changes,
)


class Schedule(RuleBasedStateMachine):
    """What both kinds of schedules share; `finish` is the end, and the test of it."""

    faults: ClassVar[tuple[tuple[str, Any], ...]]

    def __init__(self, *, has_meetings: bool) -> None:
        super().__init__()
        self.stage = Stage(has_meetings=has_meetings)
        self.ends_by_kill = False
        self.is_over = False

    @precondition(lambda self: self.stage.functions.retries)
    @rule(warm=warm, calls=calls)
    def retry(self, warm: int | None, calls: int) -> None:
        self.stage.clock.reach(self.stage.functions.retries[0].due)
        self._go_alone(self.stage.functions.retry(warm), calls)

    @precondition(lambda self: self._may_run(SWEEP))
    @rule(warm=warm, calls=calls)
    def sweep(self, warm: int | None, calls: int) -> None:
        self._go_alone(self.stage.functions.invoke(None, warm=warm), calls)

    @precondition(lambda self: self.stage.events)
    @rule(number=which, warm=warm, calls=calls, times=times)
    def deliver(self, number: int, warm: int | None, calls: int, times: int) -> None:
        events = self.stage.events
        event = events[number % len(events)] if times > 1 else events.pop(number % len(events))
        if times:
            self._go_alone(self.stage.functions.invoke(event, warm=warm), calls)

    @rule(fault=st.runner().flatmap(lambda self: st.sampled_from(self.faults)))
    def fail(self, fault: tuple[str, Any]) -> None:
        switch_on(self.stage, *fault)

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

    @rule(seconds=st.sampled_from([1, 20, 31, 61, 125, 301, 661, 901, 1801, 3601]))
    def wait(self, seconds: int) -> None:
        """Let time pass in which nothing happens, not even what is due."""
        self.stage.clock.advance(seconds)
        self.stage.functions.expire()
        self.stage.cloudflare.arrive()
        self._check()

    def teardown(self) -> None:
        if not self.is_over:
            self.finish()

    def finish(self) -> None:
        """Let the faults stop; then everything must become as promised."""
        raise NotImplementedError

    def _may_run(self, function: str) -> bool:
        """Return True if a sweep may begin: by the schedule, or by hand, there is one at a time."""
        running = self.stage.functions.running
        return len(running) < MOST_RUNS and not any(run.function == function for run in running)

    def _go_alone(self, run: Invocation, times: int) -> None:
        self.stage.go_alone(run, times)
        self._check()

    def _check(self) -> None:
        self.is_over = True
        self.stage.invariants.check()
        self.is_over = False


class CoreSchedule(Schedule):
    """A stage without features, whose rows another program writes."""

    faults = CORE_FAULTS

    def __init__(self) -> None:
        super().__init__(has_meetings=False)

    @initialize(status=st.sampled_from([None, "SCHEDULED", "LAUNCHED"]), kill=either)
    def begin(self, status: str | None, *, kill: bool) -> None:
        self.ends_by_kill = kill
        self.stage.actors.schedule("m1")
        self.stage.actors.schedule("m2", status)

    @precondition(lambda self: len(self.stage.ec2.hosts) < MOST_HOSTS)
    @rule(meeting=meetings, role=roles, runs=either, noted=either, fate=fates)
    def launch(self, meeting: str, role: str, fate: int | None, *, runs: bool, noted: bool) -> None:
        self.stage.desktops.launch(meeting, role, runs=runs, noted=noted)
        self._deliver_last(fate)

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(number=which, order=st.sampled_from(ORDERS), fate=fates)
    def change(self, number: int, order: str, fate: int | None) -> None:
        self.stage.desktops.order(self.stage.desktops[number], order)
        self._deliver_last(fate)

    @precondition(lambda self: self._may_run(BY_HAND))
    @rule(calls=calls, force=either)
    def sweep_by_hand(self, calls: int, *, force: bool) -> None:
        self._go_alone(self._by_hand(force=force), calls)

    @precondition(lambda self: self.stage.functions.running)
    @rule()
    def settle(self) -> None:
        self.stage.settle()
        self._check()

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(number=which, tag=st.sampled_from(TAGS))
    def retag(self, number: int, tag: tuple[str, str | None]) -> None:
        self.stage.actors.retag(self.stage.desktops[number], *tag)

    @precondition(lambda self: len(self.stage.cloudflare.store.records) < MOST_RECORDS)
    @rule(number=which, how=st.sampled_from([*KINDS, *EDITS]))
    def change_record(self, number: int, how: str | Mapping[str, object] | None) -> None:
        if isinstance(how, str):
            self.stage.actors.create_record(how, number)
        elif self.stage.actors.ours:
            self.stage.actors.edit_record(number, how)

    @rule(row=st.sampled_from(ROWS), role=roles, what=which | st.sampled_from(WRITTEN))
    def write_row(self, row: str, role: str, what: int | str) -> None:
        if what in RANKS:
            self.stage.actors.advance(row, str(what))
        elif isinstance(what, str):
            self.stage.actors.link(row, role, what)
        elif self.stage.ec2.hosts:
            self.stage.actors.note(row, role, self.stage.desktops[what].id)

    def finish(self) -> None:
        """Let two sweeps run; then everything must be as promised, and a third has no work."""
        stage = self.stage
        stage.calm(kill=self.ends_by_kill)
        stage.clock.advance(700)
        traced = traced_rows(stage)
        for _ in range(2):
            run = self._sweep_undisturbed()
        if "held_back" in run.result:  # it says so until a person looks
            self._by_hand(force=True)
            stage.settle()
            self._check()
        found = list(stage_problems(stage, traced))
        assert not found, "\n".join(found)
        before = len(stage.cloudflare.store.history)
        self._sweep_undisturbed()
        assert len(stage.cloudflare.store.history) == before, "a third sweep has something to do"

    def _by_hand(self, *, force: bool) -> Invocation:
        return self.stage.functions.invoke(force, warm=None, function=BY_HAND)

    def _sweep_undisturbed(self) -> Invocation:
        run = self.stage.functions.invoke(None)
        self.stage.settle()
        self._check()
        assert run.error is None, f"an undisturbed sweep failed: {run.error!r}"
        assert run.result, "an undisturbed sweep said nothing"
        is_excused = "held_back" in run.result or any(
            is_taken(host, self.stage.cloudflare.store.named(name_of(host.id)))
            for host in self.stage.ec2.hosts.values()
        )
        assert is_excused or run.result["action"] != "deferred", run.result
        return run

    def _deliver_last(self, fate: int | None) -> None:
        if fate is not None and self.stage.events:
            self._go_alone(self.stage.functions.invoke(self.stage.events.pop()), fate)


class MeetingsSchedule(Schedule):
    """A stage with meetings, from the booking to the end of the last desktop."""

    faults = MEETING_FAULTS
    seen: ClassVar[Counter[str]] = Counter()
    """What has happened in all of them."""

    def __init__(self) -> None:
        super().__init__(has_meetings=True)
        self.timeline = Timeline(self.stage)
        self._seeds = 0
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(Seed, "random", self._seed)

    def _seed(self) -> Seed:
        self._seeds += 1
        return Seed(self._seeds.to_bytes(32))

    @initialize(
        first=st.tuples(ahead, either, plans, calls, lengths) | st.none(),
        minutes=st.sampled_from([0, 2, 18, 28]),
        faults=st.lists(st.sampled_from(MEETING_FAULTS), max_size=2),
        kill=either,
        stage=st.sampled_from([USUAL, WITH_LETTERS, *STAGES]),
    )
    def begin(
        self,
        first: tuple[int, bool, Plan, int, int | None] | None,
        minutes: int,
        faults: list[tuple[str, Any]],
        *,
        kill: bool,
        stage: str,
    ) -> None:
        self.ends_by_kill = kill
        self.stage.settings = STAGES[stage]
        for fault in faults:
            switch_on(self.stage, *fault)
        if first:
            seconds, keyed, plan, calls, length = first
            self.book(seconds, plan, calls, FRONT_END, length, keyed=keyed)
            self.pass_time(minutes * MINUTE)

    # Callers

    @precondition(lambda self: len(self.stage.callers.orders) < MOST_ORDERS)
    @rule(seconds=ahead, keyed=either, plan=plans, calls=calls, caller=callers, minutes=lengths)
    def book(  # noqa: PLR0913 (all that a booking may be)
        self, seconds: int, plan: Plan, calls: int, caller: str, minutes: int | None, *, keyed: bool
    ) -> None:
        letters = self.stage.settings.invites
        number = len(self.stage.callers.orders)
        student = REFUSED_ADDRESS if number % 3 == 1 else f"student{number}@example.org"
        order = self.stage.callers.order(
            seconds,
            keyed=keyed,
            plan=plan,
            caller=caller,
            minutes=minutes,
            addresses={"teacher": "t@example.org", "student": student} if letters else {},
        )
        self._go_alone(self.stage.callers.book(order), calls)

    @precondition(lambda self: any(each.key for each in self.stage.callers.orders))
    @rule(number=which, warm=warm, calls=calls, same=st.sampled_from([True, True, False]))
    def repeat(self, number: int, warm: int | None, calls: int, *, same: bool) -> None:
        orders = [each for each in self.stage.callers.orders if each.key]
        run = self.stage.callers.book(orders[number % len(orders)], warm, same=same)
        self._go_alone(run, calls)

    @precondition(lambda self: any(each.meeting for each in self.stage.callers.orders))
    @rule(number=which, role=roles, how=ways, warm=warm, calls=calls)
    def visit(self, number: int, role: str, how: str, warm: int | None, calls: int) -> None:
        orders = [each for each in self.stage.callers.orders if each.meeting]
        order = orders[number % len(orders)]
        self._go_alone(self.stage.callers.visit(order, role, how, warm), calls)

    @precondition(lambda self: any(each.meeting for each in self.stage.callers.orders))
    @rule(number=which, errand=errands, caller=st.none() | callers, warm=warm, calls=calls)
    def change_meeting(
        self, number: int, errand: tuple[str, int], caller: str | None, warm: int | None, calls: int
    ) -> None:
        """Let somebody change a meeting at any moment: mostly who has booked it."""
        orders = [each for each in self.stage.callers.orders if each.meeting]
        order, (what, minutes) = orders[number % len(orders)], errand
        run = self.stage.people.ask(caller or order.caller, what, order, minutes, warm)
        self._go_alone(run, calls)

    @precondition(lambda self: any(each.meeting for each in self.stage.callers.orders))
    @rule(number=which, caller=callers, what=st.sampled_from([LIST, SHOW]), calls=calls)
    def look_after(self, number: int, caller: str, what: str, calls: int) -> None:
        orders = [each for each in self.stage.callers.orders if each.meeting]
        run = self.stage.people.ask(caller, what, orders[number % len(orders)])
        self._go_alone(run, calls)

    # What comes, early or late, once, twice or never

    @precondition(lambda self: self.stage.scheduler.planned)
    @rule(number=which, warm=warm, calls=calls, times=times)
    def fire(self, number: int, warm: int | None, calls: int, times: int) -> None:
        """Let a schedule fire: one that is late, or the next one in time."""
        if not self.stage.scheduler.due():
            moments = [each.at for each in self.stage.scheduler.planned.values()]
            self.stage.clock.reach(min(moments))
            self.stage.functions.expire()
        due = self.stage.scheduler.due()
        planned = due[number % len(due)]
        if times:
            self._go_alone(self.stage.start(planned, warm, again=times > 1), calls)
        else:
            self.stage.scheduler.lose(planned)

    @precondition(lambda self: any(each.is_ready(self.stage.functions) for each in self._streams))
    @rule(number=which, size=st.integers(1, 5), warm=warm, calls=calls)
    def stream(self, number: int, size: int, warm: int | None, calls: int) -> None:
        ready = [each for each in self._streams if each.is_ready(self.stage.functions)]
        run = ready[number % len(ready)].hand_over(self.stage.functions, size, warm)
        self._go_alone(run, calls)

    @precondition(lambda self: any(each.last for each in self._streams))
    @rule(number=which, calls=calls)
    def stream_again(self, number: int, calls: int) -> None:
        used = [each for each in self._streams if each.last]
        run = used[number % len(used)].hand_over_again(self.stage.functions, None)
        self._go_alone(run, calls)

    @property
    def _streams(self) -> list[Stream]:
        return self.stage.streams

    @rule(seconds=st.sampled_from([30, 61, 125, 301, 601, 901, 1801]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass in which everything happens that is due."""
        self.timeline.play(self.stage.clock.now + seconds)
        self._check()

    # Desktops and other programs

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(number=which)
    def live(self, number: int) -> None:
        self.stage.desktops.step(self.stage.desktops[number])
        self._check()

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(number=which, route=st.sampled_from(ROUTES), warm=warm, calls=calls)
    def report(self, number: int, route: str, warm: int | None, calls: int) -> None:
        """Let a desktop report what it may already have reported, or is no more to report."""
        host = self.stage.desktops[number]
        if self.stage.agents.next_step(host) is not None:
            self._go_alone(self.stage.agents.report(host, route, warm), calls)

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(
        number=which,
        who=st.none() | st.sampled_from(STRANGERS),
        route=st.sampled_from(ROUTES),
        sent=st.tuples(st.sampled_from(sorted(BODIES)), st.sampled_from(CONNECTIONS)),
        calls=calls,
    )
    def attack(
        self, number: int, who: str | None, route: str, sent: tuple[str, str], calls: int
    ) -> None:
        """Let a desktop call without reason, at any time and even after its end, or a stranger."""
        host = self.stage.desktops[number]
        if who is None:
            self.stage.actors.hostile |= {view.meeting for _, view in host.past}
        arn = arn_of(host) if who is None else who.format(host.id)
        run = self.stage.agents.attack(route, arn, BODIES[sent[0]], sent[1], warm=None)
        self._go_alone(run, calls)

    @precondition(lambda self: self.stage.ec2.hosts and self.stage.signs_in)
    @rule(number=which, ticket=st.sampled_from(ODD_TICKETS))
    def guess(self, number: int, ticket: str) -> None:
        self._go_alone(self.stage.agents.ask(self.stage.desktops[number].id, ticket, None), 1000)

    @precondition(lambda self: self.stage.callers.tickets)
    @rule(number=which, which_desktop=st.none() | which, warm=warm, calls=calls)
    def show(self, number: int, which_desktop: int | None, warm: int | None, calls: int) -> None:
        """Let anyone show a ticket, be it new, used or old, to its desktop or to another one."""
        held = self.stage.callers.tickets
        ticket = held[-1 - number % len(held)]
        host = None if which_desktop is None else self.stage.desktops[which_desktop]
        instance_id = host.id if host else ticket.instance_id
        self._go_alone(self.stage.agents.ask(instance_id, ticket, warm), calls)

    @precondition(lambda self: self.stage.ec2.hosts and self.stage.dynamodb.items)
    @rule(number=which, row=which, role=roles)
    def reassign(self, number: int, row: int, role: str) -> None:
        self.stage.actors.reassign(self.stage.desktops[number], row, role)

    @precondition(
        lambda self: self.stage.dynamodb.items and len(self.stage.ec2.hosts) < MOST_DESKTOPS
    )
    @rule(number=which, how=st.sampled_from(ROW_CHANGES))
    def change_row(self, number: int, how: str) -> None:
        self.stage.actors.change_row(number, how)
        self._check()

    def _may_run(self, _: str) -> bool:
        return len(self.stage.functions.running) <= MOST_RUNS

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self._patch.undo()

    def finish(self) -> None:
        """Let all meetings end; then everything must be as promised."""
        self.timeline.finish(kill=self.ends_by_kill)
        type(self).seen += self.stage.invariants.seen

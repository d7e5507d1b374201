"""The state machine: Hypothesis decides what happens next, and who goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from localcloud.cloudflare import Quota
from tests.simulation import ending
from tests.simulation.faults import FAULTS, switch_on
from tests.simulation.fleet import DESCRIBED_SECONDS, ORDERS, Fleet
from tests.simulation.invocation import BY_HAND, SWEEP
from tests.simulation.names import RANKS, ROLES, name_of
from tests.simulation.people import LABELS, MEDDLING, TAGS
from tests.simulation.stage import Stage
from tests.simulation.traces import Traces

if TYPE_CHECKING:
    from tests.simulation.ec2 import Host
    from tests.simulation.invocation import Invocation

MEETINGS: Final = ("m1", "m2", "m3")
"""There is no row of the last one."""
MOST_HOSTS: Final = 6
MOST_RUNS: Final = 5
MOST_RECORDS: Final = 40
CROWD_ROWS: Final = tuple(f"c{number}" for number in range(7))
"""The meetings of desktops that come and end together."""

which = st.integers(0, 7)
warm = st.sampled_from([0, 1, None])
meetings = st.sampled_from(MEETINGS)
rows = st.sampled_from(MEETINGS[:2])
roles = st.sampled_from(ROLES)
calls = st.sampled_from([0, 2, 5, 8, 11, 14, 20, 1000])
"""How far a run goes before anything else happens."""
fates = st.none() | calls
"""What becomes of an event at once: nothing, or a run that goes so far."""


class Simulation(RuleBasedStateMachine):
    """One schedule; `teardown` is its end, and the test of it."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.fleet = Fleet(self.stage)
        self.crowd: list[Host] = []
        self.ends_by_kill = False
        self.is_over = False

    @initialize(
        status=st.sampled_from([None, "SCHEDULED", "LAUNCHED"]),
        desktops=st.lists(st.tuples(meetings, roles, fates), max_size=3),
        kill=st.booleans(),
    )
    def begin(
        self, status: str | None, desktops: list[tuple[str, str, int | None]], *, kill: bool
    ) -> None:
        self.ends_by_kill = kill
        self.stage.people.schedule("m1")
        self.stage.people.schedule("m2", status)
        for meeting, role, fate in desktops:
            self.fleet.launch(meeting, role)
            self._deliver_last(fate)

    # Instances, events and runs

    @precondition(lambda self: len(self.stage.ec2.hosts) < MOST_HOSTS)
    @rule(meeting=meetings, role=roles, runs=st.booleans(), noted=st.booleans(), fate=fates)
    def launch(self, meeting: str, role: str, fate: int | None, *, runs: bool, noted: bool) -> None:
        self.fleet.launch(meeting, role, runs=runs, noted=noted)
        self._deliver_last(fate)

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(number=which, order=st.sampled_from(ORDERS), fate=fates)
    def change(self, number: int, order: str, fate: int | None) -> None:
        self.fleet.order(number, order)
        self._deliver_last(fate)

    @precondition(lambda self: self.stage.events)
    @rule(number=which, warm=warm, calls=calls, again=st.booleans())
    def deliver(self, number: int, warm: int | None, calls: int, *, again: bool) -> None:
        events = self.stage.events
        event = events[number % len(events)] if again else events.pop(number % len(events))
        self._go_alone(self.stage.functions.invoke(event, warm=warm), calls)

    @precondition(lambda self: self.stage.functions.retries)
    @rule(warm=warm, calls=calls)
    def retry(self, warm: int | None, calls: int) -> None:
        retry = self.stage.functions.retries.pop(0)
        run = self.stage.functions.invoke(retry.event, warm=warm, attempt=retry.attempt)
        self._go_alone(run, calls)

    @precondition(lambda self: self._may_run(SWEEP))
    @rule(warm=warm, calls=calls)
    def sweep(self, warm: int | None, calls: int) -> None:
        self._go_alone(self.stage.functions.invoke(None, warm=warm), calls)

    @precondition(lambda self: self._may_run(BY_HAND))
    @rule(calls=calls, force=st.booleans())
    def sweep_by_hand(self, calls: int, *, force: bool) -> None:
        self._go_alone(self._by_hand(force=force), calls)

    @precondition(lambda self: CROWD_ROWS[0] not in self.stage.dynamodb.items)
    @rule(size=st.sampled_from([11, 14]))
    def come_together(self, size: int) -> None:
        """Let more desktops run, with old records, than may be deleted without a reason."""
        for number in range(size):
            row, role = CROWD_ROWS[number // 2], ROLES[number % 2]
            self.stage.people.schedule(row)
            self.crowd.append(self.fleet.launch(row, role))
        self.stage.events.clear()
        self._go_alone(self.stage.functions.invoke(None, warm=None), 1000)
        self.stage.clock.advance(601)

    @precondition(lambda self: self.crowd)
    @rule(left=st.integers(0, 3), are_lost=st.booleans(), forgets=st.booleans())
    def end_together(self, left: int, *, are_lost: bool, forgets: bool) -> None:
        """Let them end at once; EC2 may have forgotten them before anybody looks."""
        kept = list(self.stage.events)
        for host in self.crowd[left:]:
            self.fleet.end(host)
        if forgets:
            self.stage.clock.advance(2 * DESCRIBED_SECONDS)
            for host in self.crowd[left:]:
                self.fleet.vanish(host)
        if are_lost:
            self.stage.events[:] = kept
        self.crowd.clear()

    @precondition(lambda self: self.stage.functions.running)
    @rule(picks=st.lists(which, min_size=6, max_size=24))
    def go(self, picks: list[int]) -> None:
        for pick in picks:
            self.stage.go(pick)
        self._check()

    @precondition(lambda self: self.stage.functions.running)
    @rule()
    def settle(self) -> None:
        self.stage.settle()
        self._check()

    @precondition(lambda self: self.stage.functions.environments)
    @rule(number=which)
    def kill(self, number: int) -> None:
        environments = self.stage.functions.environments
        self.stage.functions.kill(environments[number % len(environments)])

    @rule(seconds=st.sampled_from([1, 31, 61, 301, 661, 3601]))
    def wait(self, seconds: int) -> None:
        self.stage.clock.advance(seconds)
        self.stage.functions.expire()
        self.stage.cloudflare.arrive()
        self._check()

    # Faults and people

    @rule(fault=st.sampled_from(FAULTS))
    def fail(self, fault: tuple[str, Any]) -> None:
        switch_on(self.stage, *fault)

    @precondition(lambda self: self.stage.ec2.hosts)
    @rule(number=which, tag=st.sampled_from(TAGS))
    def retag(self, number: int, tag: tuple[str, str | None]) -> None:
        self.stage.people.retag(self.fleet.host(number), *tag)

    @precondition(lambda self: len(self.stage.cloudflare.store.records) < MOST_RECORDS)
    @rule(kind=st.sampled_from(LABELS), number=which)
    def make_record(self, kind: str, number: int) -> None:
        self.stage.people.make(kind, number)

    @precondition(lambda self: self.stage.people.ours)
    @rule(number=which, members=st.sampled_from(MEDDLING))
    def meddle(self, number: int, members: dict[str, object] | None) -> None:
        self.stage.people.edit(number, members)

    @rule(row=rows, status=st.sampled_from(list(RANKS)[:-1]))
    def advance(self, row: str, status: str) -> None:
        self.stage.people.advance(row, status)

    @rule(row=rows, role=roles, number=st.none() | which)
    def write_row(self, row: str, role: str, number: int | None) -> None:
        if number is None:
            self.stage.people.link(row, role, "https://elsewhere.example.org")
        elif self.stage.ec2.hosts:
            self.stage.people.note(row, role, self.fleet.host(number).id)

    # The end

    def teardown(self) -> None:
        """Let the faults stop and two sweeps run; then everything must be as promised."""
        if self.is_over:
            return
        stage = self.stage
        stage.stop_faults()
        stage.cloudflare.api.limiter.quota = Quota()
        if not self.ends_by_kill:
            stage.settle()
        stage.thaw()
        stage.cloudflare.arrive(everything=True)
        self._check()
        stage.clock.advance(700)
        traces = Traces.of(stage)
        for _ in range(2):
            run = self._sweep_undisturbed()
        if "held_back" in run.result:  # it says so until a person looks
            self._by_hand(force=True)
            stage.settle()
            self._check()
        found = list(ending.problems(stage, traces))
        assert not found, "\n".join(found)
        before = len(stage.cloudflare.store.history)
        self._sweep_undisturbed()
        assert len(stage.cloudflare.store.history) == before, "a third sweep has something to do"

    def _may_run(self, function: str) -> bool:
        """Tell whether a sweep may begin: of the schedule, or by hand, there is one at a time."""
        running = self.stage.functions.running
        return len(running) < MOST_RUNS and not any(run.function == function for run in running)

    def _by_hand(self, *, force: bool) -> Invocation:
        return self.stage.functions.invoke(force, warm=None, function=BY_HAND)

    def _sweep_undisturbed(self) -> Invocation:
        run = self.stage.functions.invoke(None)
        self.stage.settle()
        self._check()
        assert run.error is None, f"an undisturbed sweep failed: {run.error!r}"
        assert run.result, "an undisturbed sweep said nothing"
        taken = any(
            ending.is_taken(host, self.stage.cloudflare.store.named(name_of(host.id)))
            for host in self.stage.ec2.hosts.values()
        )
        excused = taken or "held_back" in run.result
        assert excused or run.result["action"] != "deferred", run.result
        return run

    def _deliver_last(self, fate: int | None) -> None:
        if fate is not None and self.stage.events:
            self._go_alone(self.stage.functions.invoke(self.stage.events.pop()), fate)

    def _go_alone(self, run: Invocation, times: int) -> None:
        self.stage.go_alone(run, times)
        self._check()

    def _check(self) -> None:
        self.is_over = True
        self.stage.promises.check()
        self.is_over = False

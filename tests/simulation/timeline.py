"""Time that passes as it does when nothing comes late: what is due happens."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.simulation import end_invariants, people_invariants
from tests.simulation.actors import DECLARE, FILLING
from tests.simulation.callers import POLL
from tests.simulation.names import LONGEST, MINUTE, SHORTEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.callers import Guest
    from tests.simulation.stage import Stage

SELDOM = 10 * MINUTE
"""Between sweeps while there is nothing for them to do: each minute would find no more."""

Due = tuple[float, "Callable[[], object]"]


class Timeline:
    """Lets time pass. `calm_since` says since when nothing fails any more."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._swept = stage.clock.now
        self.calm_since = float("inf")

    def play(self, until: float) -> None:
        """Let everything happen that is due by then, and end by itself what is going on."""
        stage = self._stage
        while True:
            stage.settle()
            due = list(self._due())
            earliest = min((moment for moment, _ in due), default=until)
            if earliest > until:
                break
            stage.clock.reach(earliest)
            for moment, do in due:
                if moment <= stage.clock.now:
                    do()
            if earliest >= until:
                break
        stage.settle()
        stage.clock.reach(until)

    def finish(self, *, kill: bool = False) -> None:
        """Let the faults stop and all meetings end; what is under way may be killed at first.

        Raises AssertionError if then anything is not as promised.
        """
        stage = self._stage
        stage.calm(kill=kill)
        self.calm_since = stage.clock.now
        unscheduled = list(people_invariants.schedule_problems(stage))
        assert not unscheduled, "\n".join(unscheduled)
        self.sweep()
        while (now := stage.clock.now) < self._end_of_all():
            self.play(min(now + 5 * MINUTE, self._end_of_all()))
            stage.invariants.check()
            late = end_invariants.overdue(stage, self.calm_since)
            assert not late, f"{[(each.id, each.view) for each in late]} outlived their meetings"
        found = list(end_invariants.meeting_problems(stage, self.calm_since))
        assert not found, "\n".join(found).replace(FILLING, "")

    def _end_of_all(self) -> float:
        stage = self._stage
        rows = [item.meet_time + LONGEST for item in stage.dynamodb.items.values()]
        rows += [each.at for each in stage.scheduler.planned.values()]
        hosts = [end_invariants.latest_end(stage, host) for host in stage.ec2.hosts.values()]
        return max(self.calm_since, *rows, *hosts, 0) + end_invariants.LATEST + 15 * MINUTE

    def sweep(self) -> None:
        self._swept = self._stage.clock.now
        self._stage.functions.invoke(None)

    def _due(self) -> Iterator[Due]:
        stage, now = self._stage, self._stage.clock.now
        yield from ((each.at, stage.start_due) for each in stage.scheduler.planned.values())
        yield from ((each.due, self._retry) for each in stage.functions.retries)
        yield from ((now, self._deliver) for _ in stage.events)
        for stream in stage.streams:
            if stream.is_ready(stage.functions):
                yield max(now, stream.next_at), partial(stream.hand_over, stage.functions, 10)
        for host in stage.ec2.hosts.values():
            moment = stage.desktops.next_step(host)
            if moment is not None:
                yield moment, partial(stage.desktops.step, host)
        for guest in stage.callers.guests:
            yield from self._of_guest(guest)
        people = stage.people
        yield from ((moment, partial(people.run, errand)) for moment, errand in people.due())
        is_calm = self.calm_since <= now
        is_urgent = now < self.calm_since + 3 * MINUTE or end_invariants.overdue(
            stage, 0.0, grace=0.0
        )
        yield self._swept + (MINUTE if is_calm and is_urgent else SELDOM), self.sweep

    def _of_guest(self, guest: Guest) -> Iterator[Due]:
        order = guest.order
        if guest.entered is None:
            callers = self._stage.callers
            if guest.ticket:
                yield guest.next_look, partial(callers.show, guest)
            elif guest.next_look < order.start + SHORTEST + POLL:
                yield guest.next_look, partial(callers.look, guest)
        elif order.plan.is_declared_over and not guest.has_been_declared:
            yield guest.entered + MINUTE, partial(self._declare, guest)
        elif order.plan.stays is not None and not guest.has_left:
            yield guest.entered + order.plan.stays, partial(self._leave, guest)

    def _declare(self, guest: Guest) -> None:
        guest.has_been_declared = True
        self._stage.actors.disturb(guest.order.meeting or "", DECLARE)

    def _leave(self, guest: Guest) -> None:
        guest.has_left = True
        for host in self._stage.ec2.hosts.values():
            is_guests = host.view.assignment == (guest.order.meeting, guest.role)
            if is_guests and not host.view.is_gone:
                self._stage.agents.finish(host)

    def _deliver(self) -> None:
        self._stage.functions.invoke(self._stage.events.pop(0))

    def _retry(self) -> None:
        retries = self._stage.functions.retries
        retries.sort(key=lambda each: each.due)
        if retries[0].due <= self._stage.clock.now:
            self._stage.functions.retry()

"""The stage's functions: wired as in production, between simulated services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.cloudflare.client import Cloudflare
from chalicelib.container.core import Container
from chalicelib.deadline import Deadline
from chalicelib.step import Steps
from tests.simulation.agents import Question, Report
from tests.simulation.callers import Booking
from tests.simulation.names import API, BY_HAND, INVITE, LAUNCH, SAFETY_NET, SWEEP, WATCHDOG
from tests.simulation.people import Asking
from tests.simulation.tasks import StepExecutor
from tests.world import Reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.cloudflare.rate_limit import Quota
    from chalicelib.secrets import Token
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage


class Functions(Container):
    """What one execution environment builds, when its first run needs it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.settings)
        self.client: Any = stage.clients.__getitem__
        self.clock, self.sleep = stage.clock, stage.tasks.sleep
        self._stage = stage

    def named(self, name: str) -> Callable[[Invocation], Any]:
        return {
            WATCHDOG: lambda run: self.watchdog.handle(run.event, run),
            SWEEP: self._overseen_sweep if self.settings.meetings else self._sweep,
            BY_HAND: self._sweep_by_hand,
            API: self._answer,
            INVITE: lambda run: self.invitations.invite.handle(run.event, run),
            LAUNCH: lambda run: self.meetings.launch.handle(run.event, run),
            SAFETY_NET: lambda run: self.meetings.safety_net.handle(run.event, run),
        }.get(name, lambda run: self.meetings.terminator.handle(run.event, run))

    def _sweep(self, run: Invocation) -> Any:  # noqa: ANN401
        return self.sweep.handle(run)

    def _overseen_sweep(self, run: Invocation) -> Any:  # noqa: ANN401
        try:
            return self._sweep(run)
        finally:
            overseen = self.meetings.overseer.oversee(run, self.sweep.snapshot())
            self._stage.invariants.seen["overseen"] += len(overseen)

    def _sweep_by_hand(self, run: Invocation) -> Any:  # noqa: ANN401
        """Do what `elephant sweep` does, with `--force` if that is the run's event."""
        steps = Steps(self.workers(), Deadline.of(run, self.clock))
        return self.sweep.repair(self.sweep.survey(steps), steps, force=run.is_forced).to_dict()

    def _answer(self, run: Invocation) -> Any:  # noqa: ANN401
        call = run.event
        if isinstance(call, Booking):
            return self.meetings.scheduling.handle(call.request, run)
        if isinstance(call, Asking):
            if call.meeting is None:
                return self.meetings.own_meetings.list_all(call.request, run)
            return self.meetings.own_meetings.handle(call.request, run, call.meeting)
        if isinstance(call, Report):
            return getattr(self.meetings.desktop_api, call.route)(call.request, run)
        if isinstance(call, Question):
            return self.meetings.sign_in.handle(call.request, call.instance_id)
        return self.meetings.join.handle(call.request, call.meeting, call.role)

    # What surrounds the code

    def cloudflare(self, token: Token, quota: Quota) -> Cloudflare:
        url, transport = self.settings.cloudflare_api_url, self._stage.cloudflare
        return Cloudflare(url, token, transport, quota, sleep=self.sleep, jitter=lambda: 1.0)

    def workers(self) -> StepExecutor:
        return StepExecutor(self._stage.tasks)

    def reporter(self, function: str) -> Reports:  # noqa: ARG002 (as inherited)
        return Reports()

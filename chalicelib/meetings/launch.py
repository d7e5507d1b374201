"""The launch: start the desktops of the meeting that a schedule names, exactly once.

In any case, no role gets two desktops, and every running desktop can be found by the row or by its
own tags. A meeting that cannot be launched is ended, which raises an alarm.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import parse_time, time_at
from chalicelib.deadline import Deadline, OutOfTimeError
from chalicelib.ec2.desktops import TerminationError
from chalicelib.ec2.launch_errors import NeverError, NotNowError
from chalicelib.meeting_row.meeting import REASON, SCHEDULED_AT
from chalicelib.meeting_row.table import RowChangedError, decide_again
from chalicelib.meetings.ending import Ended
from chalicelib.meetings.launch_plan import (
    IN_FLIGHT,
    PATIENCE,
    Lease,
    begin,
    is_begun,
    is_confirmed,
    is_out_of_patience,
    meeting_id_of,
    missing_roles,
    rest,
    settle,
    why_not,
)
from chalicelib.meetings.lifetime import SOONEST
from chalicelib.meetings.limits import LimitError, Slot, StillRunningError
from chalicelib.meetings.starter import MeetingOverError, Work
from chalicelib.meetings.state import (
    DESKTOP_LIMIT,
    LAUNCH_FAILED,
    is_in_progress,
    is_over,
    length_of,
    meet_time_of,
)
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.ec2.desktops import Desktops
    from chalicelib.ec2.instances import Instances
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.ending import Ending
    from chalicelib.meetings.limits import Limits
    from chalicelib.meetings.starter import Starter
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Reporter

ATTEMPTS: Final = 5
"""Attempts to decide when the row is changed between reading and writing it."""
_PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds between attempts to terminate a desktop that EC2 does not know yet."""


class LaunchDelayedError(Exception):
    """Not all desktops are started yet. Try again."""


class LaunchFailedError(Exception):
    """The desktops could not be started. The message says why, and whether the meeting ended."""


class Launch:
    """Launches meetings, one at a time; one for each execution environment."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: MeetingsSettings,
        table: Meetings,
        starter: Starter,
        desktops: Desktops,
        ending: Ending,
        instances: Instances,
        limits: Limits,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        holder: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._settings = settings
        self._table = table
        self._starter = starter
        self._desktops = desktops
        self._ending = ending
        self._instances = instances
        self._limits = limits
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._holder = holder

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Launch the meeting that `{"meeting_id": …}` names, report once, and return the result.

        The action is `launched`, `unchanged` (launched before), `ignored` (not to be launched), or
        `ended` (it is over, and desktops of it were left). Raises LaunchDelayedError for Lambda to
        retry, LaunchFailedError if that would not help; other errors are raised too.
        """
        return reported(self._reporter, context, lambda about: self._handle(event, context, about))

    def _handle(self, event: object, context: LambdaContext, about: dict[str, Any]) -> Outcome:
        meeting_id = meeting_id_of(event)
        if meeting_id is None:
            return Outcome("ignored", 'the event is not {"meeting_id": …}')
        about["meeting_id"] = meeting_id
        deadline = Deadline.of(context, self._clock)
        holder, place = self._holder(), StageNames.of(context.invoked_function_arn)
        try:
            found = decide_again(
                lambda: self._decide(meeting_id, holder, deadline, place), ATTEMPTS
            )
        except RowChangedError as error:
            message = f"row {meeting_id!r} kept changing; nothing was done"
            raise LaunchDelayedError(message) from error
        if isinstance(found, Outcome):
            return found
        return self._launch(Work(found, place.instance_profile, deadline))

    def _decide(
        self, meeting_id: str, holder: str, deadline: Deadline, place: StageNames
    ) -> Outcome | Meeting:
        """Acquire the lease and return the row with it, or the outcome if there is no launch."""
        meeting = self._table.read_row(meeting_id)
        if meeting is None:
            return Outcome("ignored", "no such meeting")
        if is_over(meeting):
            return self._finish(meeting)
        reason = why_not(meeting, self._now(), self._settings.longest)
        if reason:
            return Outcome("ignored", reason, warnings=(reason,))
        if not is_confirmed(meeting):
            raise LaunchDelayedError(
                f"meeting {meeting_id!r} was never confirmed (no scheduled_at)"
            )
        if not missing_roles(meeting):
            return self._settle(meeting)
        if not is_begun(meeting):
            self._require_desktops(meeting, place)
        return self._lease(meeting, holder, deadline)

    def _require_desktops(self, meeting: Meeting, place: StageNames) -> None:
        """End the meeting, and raise LaunchFailedError, if its desktops would be too many.

        Desktops of a meeting that has just ended run for a moment longer. They are waited for, by
        LaunchDelayedError, as long as further attempts are expected.
        """
        now, longest = self._now(), self._settings.longest
        start = meet_time_of(meeting) or now
        slot = Slot(meeting.id, None, start, length_of(meeting, longest))
        try:
            self._limits.require_desktops(place, slot, self._instances.of_project())
        except (LimitError, StillRunningError) as error:
            if isinstance(error, StillRunningError) and now < _due(meeting, slot) + PATIENCE:
                raise LaunchDelayedError(f"not launched yet: {error}") from error
            self._ending.end_meeting(meeting, DESKTOP_LIMIT)
            raise LaunchFailedError(f"not launched, and the meeting was ended: {error}") from error

    def _settle(self, meeting: Meeting) -> Outcome:
        update = settle(meeting)
        if update:
            self._table.update_row(update)
        return Outcome("unchanged", "its desktops were already started")

    def _lease(self, meeting: Meeting, holder: str, deadline: Deadline) -> Meeting:
        """Acquire the row's lease, or raise LaunchDelayedError while another run has it."""
        lease, now = Lease.of(meeting), self._now()
        if lease and lease.holder == holder:  # the answer to acquiring it was lost
            return meeting
        if lease and now < lease.until:
            until = f"{lease.until:%H:%M:%SZ}"
            raise LaunchDelayedError(
                f"another run is launching meeting {meeting.id!r} until {until}"
            )
        end = time_at(deadline.at)
        return self._table.update_row(begin(meeting, Lease(end + IN_FLIGHT, holder), now))

    def _launch(self, work: Work) -> Outcome:
        try:
            self._starter.start_missing(work)
            self._end_started(work.surplus)
        except MeetingOverError:
            return self._take_back(work)
        except NeverError as problem:
            raise self._give_up(work, problem) from problem
        except NotNowError as problem:
            if is_out_of_patience(work.meeting, self._now()):
                raise self._give_up(work, problem) from problem
            self._rest(work)
            raise LaunchDelayedError(f"not launched yet: {problem}") from problem
        except (BotoCoreError, ClientError, OutOfTimeError):
            self._rest(work)
            raise
        return Outcome(
            "launched",
            "its desktops were started",
            {"desktops": work.noted},
            work.warnings,
            {"Launched": len(work.noted)},
        )

    def _rest(self, work: Work) -> None:
        """Let the next attempt start soon; if this cannot be written, the lease simply expires."""
        update = rest(work.meeting, self._now())
        if update:
            with contextlib.suppress(BotoCoreError, ClientError, RowChangedError):
                self._table.update_row(update)

    def _give_up(self, work: Work, problem: Exception) -> LaunchFailedError:
        """End the meeting unless somebody is in it; return the error to raise."""
        try:
            ended = decide_again(lambda: self._end_unless_joined(work.meeting.id), ATTEMPTS)
        except RowChangedError:
            return LaunchFailedError(f"not launched, and the row kept changing: {problem}")
        if ended is None:
            return LaunchFailedError(f"not launched; somebody is in the meeting: {problem}")
        self._end_started([each for each in work.started if each not in ended.instances])
        return LaunchFailedError(f"not launched, and the meeting was ended: {problem}")

    def _end_unless_joined(self, meeting_id: str) -> Ended | None:
        meeting = self._table.read_row(meeting_id)
        if meeting is None:
            return Ended(())
        return None if is_in_progress(meeting) else self._ending.end_meeting(meeting, LAUNCH_FAILED)

    def _take_back(self, work: Work) -> Outcome:
        """Terminate what was started for a meeting that was ended concurrently."""
        self._end_started(work.started)
        meeting = self._table.read_row(work.meeting.id)
        if meeting:
            return self._finish(meeting, work.started, work.warnings)
        return _ended("its row was removed concurrently", work.started, work.warnings)

    def _finish(
        self, meeting: Meeting, started: Sequence[str] = (), warnings: Sequence[str] = ()
    ) -> Outcome:
        """Clean up after a meeting that is over; its ending may have been interrupted.

        An unclaimed status is not an end: the meeting may be in use, and the safety net decides.
        """
        if REASON not in meeting.item:
            why = f"its status is {meeting.status} without a {REASON}: it is left to the safety net"
            return _ended(why, started, warnings)
        reason = meeting.text(REASON)
        ended = self._ending.end_meeting(meeting, reason or LAUNCH_FAILED)
        return _ended(
            f"the meeting is over: {reason or meeting.status}",
            (*started, *ended.instances),
            (*warnings, *ended.warnings),
        )

    def _end_started(self, instance_ids: list[str]) -> None:
        """Terminate what was just started, which EC2 may not list yet; each independently.

        Raises LaunchDelayedError or TerminationError; the next attempt finds the rest by its tags.
        """
        errors: list[Exception] = []
        for instance_id in instance_ids:
            try:
                self._end(instance_id)
            except (LaunchDelayedError, TerminationError) as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _end(self, instance_id: str) -> None:
        for pause in (*_PAUSES, None):
            if self._desktops.terminate_desktop(instance_id):
                return
            if pause:
                self._sleep(pause)
        raise LaunchDelayedError(f"cannot terminate {instance_id} yet: EC2 does not know it")

    def _now(self) -> datetime:
        return time_at(self._clock())


def _ended(reason: str, instance_ids: Sequence[str], warnings: Sequence[str]) -> Outcome:
    """Return the outcome for a meeting that is over, of which these desktops were terminated."""
    ended = list(dict.fromkeys(instance_ids))
    if not ended:
        return Outcome("ignored", reason, warnings=warnings)
    return Outcome("ended", reason, {"ended": ended}, warnings, {"Ended": len(ended)})


def _due(meeting: Meeting, slot: Slot) -> datetime:
    """Return when the launch was first due: a minute after the booking, if that was later."""
    booked = parse_time(meeting.text(SCHEDULED_AT) or "")
    return max(slot.begin, booked + SOONEST) if booked else slot.begin

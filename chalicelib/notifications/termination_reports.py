"""Reports of instances that terminated because something failed.

A desktop's termination also triggers the e-mail about its meeting if that was ended because none
of its desktops became healthy: the safety net writes that reason before it terminates any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.ec2.event import IgnoredEventError
from chalicelib.ec2.instances import MEETING_TAG
from chalicelib.meeting_row.meeting import NEVER_HEALTHY, REASON
from chalicelib.notifications.causes import failed_check, is_failure
from chalicelib.notifications.events import GroupTermination, InstanceTermination, read_termination
from chalicelib.notifications.messages import (
    desktop_termination_notice,
    group_termination_notice,
    never_healthy_notice,
)
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome, reported

if TYPE_CHECKING:
    from chalicelib.deadline import LambdaContext
    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.notifications.notice import Notice
    from chalicelib.notifications.notifier import Notifier
    from chalicelib.settings.notifications import NotificationsSettings
    from chalicelib.telemetry import Reporter


class NotEndedError(Exception):
    """EC2 describes a terminated instance as running. Try again."""


class TerminationReports:
    """Reports terminated instances; one for each execution environment."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: NotificationsSettings,
        project_tag: tuple[str, str],
        owner: str,
        instances: Instances,
        meetings: Meetings | None,
        notifier: Notifier,
        reporter: Reporter,
    ) -> None:
        self._settings = settings
        self._project_tag = project_tag
        self._owner = owner
        self._instances = instances
        self._meetings = meetings
        self._notifier = notifier
        self._reporter = reporter

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Notify people of the instance in the event if it failed; report once; return the result.

        If the desktop did not fail but its meeting was never healthy, it notifies people of that,
        once for each such meeting. `meetings` is None in a stage without meetings. Errors are
        raised, so that Lambda retries.
        """
        return reported(self._reporter, context, lambda about: self._handle(event, context, about))

    def _handle(self, event: object, context: LambdaContext, about: dict[str, Any]) -> Outcome:
        place = StageNames.of(context.invoked_function_arn)
        try:
            ended = read_termination(event, place)
            about["instance_id"] = ended.instance_id
            key, notice = self._notice(ended, place)
        except IgnoredEventError as error:
            return Outcome("ignored", str(error))
        delivery = self._notifier.notify_once([key], lambda _: notice, context)
        return delivery.outcome(notice.subject)

    def _notice(
        self, ended: GroupTermination | InstanceTermination, place: StageNames
    ) -> tuple[str, Notice]:
        """Describe the instance; return the notice, and the key under which it is sent once.

        Raises IgnoredEventError if there is none.
        """
        if isinstance(ended, InstanceTermination):
            return self._of_desktop(ended, place)
        if ended.group not in self._settings.groups:
            raise IgnoredEventError(f"group {ended.group!r} is not watched")
        if ended.was_kept:
            raise IgnoredEventError("it returned to the warm pool and was not terminated")
        if not self._settings.reports_every_cause and failed_check(ended.cause) is None:
            raise IgnoredEventError(f"it did not fail a check: {ended.cause}")
        instance = self._instances.find(ended.instance_id)
        return _key(ended), group_termination_notice(ended, instance, place)

    def _of_desktop(self, ended: InstanceTermination, place: StageNames) -> tuple[str, Notice]:
        instance = self._instances.find(ended.instance_id)
        if instance is None:
            raise IgnoredEventError("EC2 no longer knows it")
        if not instance.belongs_to(self._project_tag, self._owner):
            raise IgnoredEventError("it is not this stage's")
        if not instance.has_ended:
            raise NotEndedError(f"EC2 still describes {instance.id} as {instance.state}")
        if is_failure(instance.reason_code):
            return _key(ended), desktop_termination_notice(ended, instance, place)
        meeting_id = instance.tags.get(MEETING_TAG, "")
        if self._was_never_healthy(meeting_id):
            desktops = self._desktops_of(meeting_id, instance)
            notice = never_healthy_notice(meeting_id, desktops, place)
            return f"never-healthy/{meeting_id}", notice
        why = instance.reason_code or "EC2 gives no reason for its termination"
        raise IgnoredEventError(f"it did not fail: {why}")

    def _was_never_healthy(self, meeting_id: str) -> bool:
        """Read the meeting's row, in a stage with meetings: it has the reason for its end."""
        if self._meetings is None or not meeting_id:
            return False
        meeting = self._meetings.read_row(meeting_id)
        return meeting is not None and meeting.text(REASON) == NEVER_HEALTHY

    def _desktops_of(self, meeting_id: str, ended: Instance) -> tuple[Instance, ...]:
        """List the meeting's desktops from EC2: what is in a row may be another stage's."""
        listed = self._instances.ever_of_meeting(meeting_id)
        return (ended, *(each for each in listed if each.id != ended.id))


def _key(ended: GroupTermination | InstanceTermination) -> str:
    return f"termination/{ended.id}"

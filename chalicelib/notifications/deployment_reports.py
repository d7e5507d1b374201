"""Reports of deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.ec2.event import IgnoredEventError
from chalicelib.notifications.events import DeploymentChange, read_deployment
from chalicelib.notifications.messages import deployment_notice
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome, reported

if TYPE_CHECKING:
    from chalicelib.deadline import LambdaContext
    from chalicelib.notifications.deployments import Deployments
    from chalicelib.notifications.notifier import Notifier
    from chalicelib.settings.notifications import NotificationsSettings
    from chalicelib.telemetry import Reporter


class DeploymentReports:
    """Reports deployments; one for each execution environment."""

    def __init__(
        self,
        *,
        settings: NotificationsSettings,
        deployments: Deployments,
        notifier: Notifier,
        reporter: Reporter,
    ) -> None:
        self._settings = settings
        self._deployments = deployments
        self._notifier = notifier
        self._reporter = reporter

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Notify people of the deployment in the event, report once, and return the result.

        Errors are raised, so that Lambda retries.
        """
        return reported(self._reporter, context, lambda about: self._handle(event, context, about))

    def _handle(self, event: object, context: LambdaContext, about: dict[str, Any]) -> Outcome:
        place = StageNames.of(context.invoked_function_arn)
        try:
            change = read_deployment(event, place)
            about["deployment_id"] = change.deployment_id
            self._require_watched(change)
        except IgnoredEventError as error:
            return Outcome("ignored", str(error))
        deployment = self._deployments.look_up_deployment(change.deployment_id)
        notice = deployment_notice(change, deployment, place)
        key = f"deployment/{change.deployment_id}/{change.state}"
        delivery = self._notifier.notify_once([key], lambda _: notice, context)
        return delivery.outcome(notice.subject)

    def _require_watched(self, change: DeploymentChange) -> None:
        """Raise IgnoredEventError for what the stage does not watch: its rule may be outdated."""
        if change.application not in self._settings.applications:
            raise IgnoredEventError(f"application {change.application!r} is not watched")
        if change.state not in self._settings.deployment_states:
            raise IgnoredEventError(f"its state {change.state!r} is not among DEPLOYMENT_STATES")

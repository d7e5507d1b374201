"""The builders of the feature `notifications`."""
# ruff: noqa: PLC0415 (imports at the top are what this package avoids)

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from chalicelib.container.core import Container
    from chalicelib.notifications.address_reports import AddressReports
    from chalicelib.notifications.deployment_reports import DeploymentReports
    from chalicelib.notifications.notifier import Notifier
    from chalicelib.notifications.termination_reports import TerminationReports
    from chalicelib.settings.notifications import NotificationsSettings


class NotificationsContainer:
    """The builders of the feature `notifications`; each handler is built when it is first used."""

    def __init__(self, core: Container) -> None:
        self._core = core
        self._settings = cast("NotificationsSettings", core.settings.notifications)

    @cached_property
    def termination_reports(self) -> TerminationReports:
        """The handler of instances that terminated."""
        from chalicelib.notifications.termination_reports import TerminationReports

        return TerminationReports(
            settings=self._settings,
            project_tag=self._core.settings.project_tag,
            owner=self._core.settings.owner,
            instances=self._core.instances,
            meetings=self._core.table if self._core.settings.meetings else None,
            notifier=self._notifier,
            reporter=self._core.reporter("notify_instance_termination"),
        )

    @cached_property
    def deployment_reports(self) -> DeploymentReports:
        """The handler of deployments."""
        from chalicelib.notifications.deployment_reports import DeploymentReports
        from chalicelib.notifications.deployments import Deployments

        return DeploymentReports(
            settings=self._settings,
            deployments=Deployments(self._core.client("codedeploy")),
            notifier=self._notifier,
            reporter=self._core.reporter("notify_deployment"),
        )

    @cached_property
    def address_reports(self) -> AddressReports:
        """The part of a sweep that reports desktops without an address."""
        from chalicelib.notifications.address_reports import AddressReports

        return AddressReports(
            settings=self._settings,
            notifier=self._notifier,
            reporter=self._core.reporter("sweep"),
        )

    @cached_property
    def _notifier(self) -> Notifier:
        from chalicelib.notifications.layout import lay_out
        from chalicelib.notifications.mailer import Mailer
        from chalicelib.notifications.notifier import Notifier
        from chalicelib.notifications.sent import Sent

        return Notifier(
            sent=Sent(self._core.client("dynamodb")),
            mailer=Mailer(self._core.client("sesv2"), self._settings),
            lay_out=lay_out,
            owner=self._core.settings.owner,
            clock=self._core.clock,
        )

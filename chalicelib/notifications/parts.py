"""Factories for the feature's functions; see `chalicelib.meetings.parts`."""
# ruff: noqa: PLC0415 (imports at the top are what this module avoids)

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from chalicelib import aws
from chalicelib.ec2.instances import Instances
from chalicelib.telemetry import LogReporter

if TYPE_CHECKING:
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.notifications.address_reports import AddressReports
    from chalicelib.notifications.deployment_reports import DeploymentReports
    from chalicelib.notifications.notifier import Notifier
    from chalicelib.notifications.termination_reports import TerminationReports
    from chalicelib.settings.notifications import NotificationsSettings
    from chalicelib.settings.stage import Settings


@cache
def build_termination_reports(settings: Settings) -> TerminationReports:
    """Build the reports of terminated instances."""
    from chalicelib.notifications.termination_reports import TerminationReports

    return TerminationReports(
        settings=_feature(settings),
        project_tag=settings.project_tag,
        owner=settings.owner,
        instances=Instances(aws.client("ec2"), settings.project_tag, settings.owner),
        meetings=_build_meetings(settings),
        notifier=_build_notifier(settings),
        reporter=LogReporter("notify_instance_termination", settings.owner),
    )


@cache
def build_deployment_reports(settings: Settings) -> DeploymentReports:
    """Build the reports of deployments."""
    from chalicelib.notifications.deployment_reports import DeploymentReports
    from chalicelib.notifications.deployments import Deployments

    return DeploymentReports(
        settings=_feature(settings),
        deployments=Deployments(aws.client("codedeploy")),
        notifier=_build_notifier(settings),
        reporter=LogReporter("notify_deployment", settings.owner),
    )


@cache
def build_address_reports(settings: Settings) -> AddressReports:
    """Build the reports of desktops without an address."""
    from chalicelib.notifications.address_reports import AddressReports

    return AddressReports(
        settings=_feature(settings),
        instances=Instances(aws.client("ec2"), settings.project_tag, settings.owner),
        notifier=_build_notifier(settings),
        reporter=LogReporter("sweep", settings.owner),
    )


def _build_meetings(settings: Settings) -> Meetings | None:
    """Build the meetings table's gateway: a stage without meetings may not read a table."""
    if settings.meetings:
        from chalicelib.meeting_row.table import Meetings

        return Meetings(aws.client("dynamodb"), str(settings.table_name))
    return None


def _build_notifier(settings: Settings) -> Notifier:
    from chalicelib.notifications.layout import lay_out
    from chalicelib.notifications.mailer import Mailer
    from chalicelib.notifications.notifier import Notifier
    from chalicelib.notifications.sent import Sent

    return Notifier(
        sent=Sent(aws.client("dynamodb")),
        mailer=Mailer(aws.client("sesv2"), _feature(settings)),
        lay_out=lay_out,
        owner=settings.owner,
    )


def _feature(settings: Settings) -> NotificationsSettings:
    """Return the feature's settings, which exist: this is used only in stages that have it."""
    return cast("NotificationsSettings", settings.notifications)

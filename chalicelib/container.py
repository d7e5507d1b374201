"""The container: builds what each function needs, once for each execution environment.

A builder imports its modules only when it is called: all functions of a stage are deployed as one
package, and modules that a function does not need would make its cold start longer.
"""
# ruff: noqa: PLC0415 (imports at the top are what this module avoids)

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from chalicelib import aws
from chalicelib.deadline import RESERVE
from chalicelib.ec2.instances import Instances
from chalicelib.telemetry import LogReporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from chalicelib.cloudflare.client import Cloudflare
    from chalicelib.cloudflare.rate_limit import Quota
    from chalicelib.cloudflare.zone import CloudflareZone
    from chalicelib.invitations.bounces import Bounces
    from chalicelib.invitations.invite import Invite
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.booking_page import BookingPage
    from chalicelib.meetings.desktop_api import DesktopApi
    from chalicelib.meetings.ending import Ending
    from chalicelib.meetings.join import Join
    from chalicelib.meetings.launch import Launch
    from chalicelib.meetings.limits import Limits
    from chalicelib.meetings.overseer import Overseer
    from chalicelib.meetings.own_meetings import OwnMeetings
    from chalicelib.meetings.people import People
    from chalicelib.meetings.safety_net import SafetyNet
    from chalicelib.meetings.scheduling import Scheduling
    from chalicelib.meetings.sign_in import SignIn
    from chalicelib.meetings.stage_secrets import Seeds
    from chalicelib.meetings.terminator import Terminator
    from chalicelib.notifications.address_reports import AddressReports
    from chalicelib.notifications.deployment_reports import DeploymentReports
    from chalicelib.notifications.notifier import Notifier
    from chalicelib.notifications.termination_reports import TerminationReports
    from chalicelib.secrets import Token
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.settings.notifications import NotificationsSettings
    from chalicelib.settings.stage import Settings
    from chalicelib.telemetry import Reporter
    from chalicelib.watchdog.handler import Watchdog
    from chalicelib.watchdog.sweep import Sweep

FEATURES_RESERVE: Final = 20.0
"""Seconds of each sweep's run reserved for the features that run after it."""

API: Final = "api"
"""The name of the function behind the routes in its log."""


class Container:
    """The handlers of a stage with these settings; each is built when it is first used.

    Tests replace what surrounds the code: `_client`, `_clock`, `_sleep`, `_cloudflare`, `_workers`
    and `_reporter`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = aws.client
        self._clock: Callable[[], float] = time.time
        self._sleep: Callable[[float], None] = time.sleep

    # The core

    @cached_property
    def watchdog(self) -> Watchdog:
        """The handler of instance events."""
        from chalicelib.cloudflare.rate_limit import KEPT_BY_EVENTS
        from chalicelib.watchdog.handler import Watchdog

        return Watchdog(
            settings=self._settings,
            instances=self._instances,
            zone=self._zone(KEPT_BY_EVENTS),
            meetings=self._table if self._settings.table_name else None,
            reporter=self._reporter("dns_watchdog"),
            executor=self._workers(),
            clock=self._clock,
        )

    @cached_property
    def sweep(self) -> Sweep:
        """The sweep."""
        from chalicelib.cloudflare.rate_limit import KEPT_BY_SWEEPS
        from chalicelib.watchdog.sweep import Sweep

        return Sweep(
            settings=self._settings,
            instances=self._instances,
            zone=self._zone(KEPT_BY_SWEEPS),
            meetings=self._table if self._settings.table_name else None,
            reporter=self._reporter("sweep"),
            executor=self._workers(),
            clock=self._clock,
            reserve=FEATURES_RESERVE if self._settings.features else RESERVE,
        )

    def _zone(self, kept: float) -> CloudflareZone:
        """Build the DNS provider's zone, which keeps this share of the quota for others."""
        from chalicelib.cloudflare.rate_limit import Quota
        from chalicelib.cloudflare.zone import CloudflareZone
        from chalicelib.secrets import Token

        settings = self._settings
        token = Token(self._client("secretsmanager"), settings.secret_id, self._clock)
        token.read_ahead()
        cloudflare = self._cloudflare(token, Quota(self._clock, kept))
        return CloudflareZone(cloudflare, settings.zone_id, settings.batch_size)

    def _cloudflare(self, token: Token, quota: Quota) -> Cloudflare:
        from chalicelib.cloudflare.client import Cloudflare
        from chalicelib.cloudflare.transport import Urllib3Transport

        return Cloudflare(self._settings.cloudflare_api_url, token, Urllib3Transport(), quota)

    @cached_property
    def _instances(self) -> Instances:
        settings = self._settings
        return Instances(self._client("ec2"), settings.project_tag, settings.owner)

    @cached_property
    def _table(self) -> Meetings:
        from chalicelib.meeting_row.table import Meetings

        return Meetings(self._client("dynamodb"), str(self._settings.table_name), self._sleep)

    def _workers(self) -> Executor:
        from chalicelib.step import Workers

        return Workers()

    def _reporter(self, function: str) -> Reporter:
        return LogReporter(function, self._settings.owner)

    # The feature `meetings`

    @cached_property
    def scheduling(self) -> Scheduling:
        """The handler of `POST /schedule`."""
        from chalicelib.meetings.reservation import Reservations
        from chalicelib.meetings.schedules import Schedules
        from chalicelib.meetings.scheduling import Scheduling

        return Scheduling(
            settings=self._meetings,
            people=self._people,
            seeds=self._seeds,
            reservations=Reservations(
                settings=self._meetings,
                table=self._table,
                schedules=Schedules(self._client("scheduler")),
                limits=self._limits,
            ),
        )

    @cached_property
    def own_meetings(self) -> OwnMeetings:
        """The handler of requests for a caller's meetings."""
        from chalicelib.meetings.own_meetings import OwnMeetings
        from chalicelib.meetings.rescheduling import Rescheduling
        from chalicelib.meetings.schedules import Schedules

        return OwnMeetings(
            settings=self._meetings,
            sends_invitations=self._settings.invites,
            people=self._people,
            table=self._table,
            rescheduling=Rescheduling(
                settings=self._meetings,
                table=self._table,
                schedules=Schedules(self._client("scheduler")),
                limits=self._limits,
            ),
            seeds=self._seeds,
        )

    @cached_property
    def _people(self) -> People:
        from chalicelib.meetings.authorizer import Authorizer
        from chalicelib.meetings.people import People

        return People(
            settings=self._meetings,
            authorizer=Authorizer(self._client("secretsmanager"), self._clock),
            reporter=self._reporter(API),
            clock=self._clock,
        )

    @cached_property
    def _seeds(self) -> Seeds:
        from chalicelib.meetings.stage_secrets import Seeds

        return Seeds(self._client("secretsmanager"))

    @cached_property
    def _limits(self) -> Limits:
        from chalicelib.meetings.limits import Limits

        return Limits(settings=self._meetings, table=self._table)

    @cached_property
    def booking_page(self) -> BookingPage:
        """The handler of the booking page."""
        from chalicelib.meetings.booking_page import BookingPage

        return BookingPage(reporter=self._reporter(API), clock=self._clock)

    @cached_property
    def join(self) -> Join:
        """The handler of join links."""
        from chalicelib.meetings.join import Join

        return Join(
            settings=self._settings,
            meetings=self._meetings,
            table=self._table,
            reporter=self._reporter(API),
            clock=self._clock,
        )

    @cached_property
    def desktop_api(self) -> DesktopApi:
        """The handler of what desktops ask and report."""
        from chalicelib.meetings.desktop_api import DesktopApi
        from chalicelib.meetings.desktop_caller import CallingDesktops

        settings = self._settings
        return DesktopApi(
            settings=self._meetings,
            callers=CallingDesktops(
                project_tag=settings.project_tag,
                owner=settings.owner,
                instances=self._instances,
                table=self._table,
                clock=self._clock,
            ),
            table=self._table,
            reporter=self._reporter(API),
            clock=self._clock,
        )

    @cached_property
    def sign_in(self) -> SignIn:
        """The handler of what desktops' DCV servers ask."""
        from chalicelib.meetings.sign_in import SignIn

        return SignIn(table=self._table, reporter=self._reporter(API), clock=self._clock)

    @cached_property
    def launch(self) -> Launch:
        """The handler of schedules that launch a meeting's desktops."""
        from chalicelib.ec2.desktops import Desktops
        from chalicelib.meetings.launch import Launch
        from chalicelib.meetings.starter import Starter

        desktops = Desktops(self._client("ec2"))
        starter = Starter(
            settings=self._meetings,
            project_tag=self._settings.project_tag,
            owner=self._settings.owner,
            table=self._table,
            instances=self._instances,
            desktops=desktops,
        )
        return Launch(
            settings=self._meetings,
            table=self._table,
            starter=starter,
            desktops=desktops,
            ending=self._ending,
            instances=self._instances,
            limits=self._limits,
            reporter=self._reporter("launch_ec2"),
            clock=self._clock,
            sleep=self._sleep,
        )

    @cached_property
    def safety_net(self) -> SafetyNet:
        """The handler of schedules that check a meeting."""
        from chalicelib.meetings.safety_net import SafetyNet
        from chalicelib.meetings.schedules import Schedules

        return SafetyNet(
            settings=self._meetings,
            table=self._table,
            instances=self._instances,
            ending=self._ending,
            schedules=Schedules(self._client("scheduler")),
            reporter=self._reporter("safety_net"),
            clock=self._clock,
        )

    @cached_property
    def terminator(self) -> Terminator:
        """The handler of the table's stream."""
        from chalicelib.meetings.terminator import Terminator

        return Terminator(
            table=self._table,
            ending=self._ending,
            reporter=self._reporter("terminator"),
            clock=self._clock,
        )

    @cached_property
    def overseer(self) -> Overseer:
        """The part of a sweep that checks for desktops left running."""
        from chalicelib.meetings.overseer import Overseer
        from chalicelib.meetings.schedules import Schedules

        return Overseer(
            settings=self._meetings,
            schedules=Schedules(self._client("scheduler")),
            reporter=self._reporter("sweep"),
            clock=self._clock,
        )

    @cached_property
    def _ending(self) -> Ending:
        from chalicelib.ec2.desktops import Desktops
        from chalicelib.meetings.ending import Ending

        return Ending(
            table=self._table,
            instances=self._instances,
            desktops=Desktops(self._client("ec2")),
            settings=self._settings,
            clock=self._clock,
        )

    @property
    def _meetings(self) -> MeetingsSettings:
        """The feature's settings, which exist: this is used only in stages that have it."""
        return cast("MeetingsSettings", self._settings.meetings)

    # The feature `notifications`

    @cached_property
    def termination_reports(self) -> TerminationReports:
        """The handler of instances that terminated."""
        from chalicelib.notifications.termination_reports import TerminationReports

        return TerminationReports(
            settings=self._notifications,
            project_tag=self._settings.project_tag,
            owner=self._settings.owner,
            instances=self._instances,
            meetings=self._table if self._settings.meetings else None,
            notifier=self._notifier,
            reporter=self._reporter("notify_instance_termination"),
        )

    @cached_property
    def deployment_reports(self) -> DeploymentReports:
        """The handler of deployments."""
        from chalicelib.notifications.deployment_reports import DeploymentReports
        from chalicelib.notifications.deployments import Deployments

        return DeploymentReports(
            settings=self._notifications,
            deployments=Deployments(self._client("codedeploy")),
            notifier=self._notifier,
            reporter=self._reporter("notify_deployment"),
        )

    @cached_property
    def address_reports(self) -> AddressReports:
        """The part of a sweep that reports desktops without an address."""
        from chalicelib.notifications.address_reports import AddressReports

        return AddressReports(
            settings=self._notifications,
            notifier=self._notifier,
            reporter=self._reporter("sweep"),
        )

    @cached_property
    def _notifier(self) -> Notifier:
        from chalicelib.notifications.layout import lay_out
        from chalicelib.notifications.mailer import Mailer
        from chalicelib.notifications.notifier import Notifier
        from chalicelib.notifications.sent import Sent

        return Notifier(
            sent=Sent(self._client("dynamodb")),
            mailer=Mailer(self._client("sesv2"), self._notifications),
            lay_out=lay_out,
            owner=self._settings.owner,
            clock=self._clock,
        )

    @property
    def _notifications(self) -> NotificationsSettings:
        """The feature's settings, which exist: this is used only in stages that have it."""
        return cast("NotificationsSettings", self._settings.notifications)

    # Invitations, in a stage with both features

    @cached_property
    def invite(self) -> Invite:
        """The handler of the table's stream that sends letters."""
        from chalicelib.invitations.delivery import Delivery
        from chalicelib.invitations.invite import Invite
        from chalicelib.invitations.post import Post
        from chalicelib.meetings.stage_secrets import Seeds
        from chalicelib.notifications.once import Once
        from chalicelib.notifications.sent import Sent

        sender, longest = self._notifications.mail_from, self._meetings.longest
        return Invite(
            delivery=Delivery(
                table=self._table,
                seeds=Seeds(self._client("secretsmanager")),
                once=Once(Sent(self._client("dynamodb")), self._clock),
                post=Post(self._client("sesv2"), sender),
                sender=sender,
                longest=longest,
                clock=self._clock,
                sleep=self._sleep,
            ),
            longest=longest,
            reporter=self._reporter("invite"),
        )

    @cached_property
    def note_bounce(self) -> Bounces:
        """The handler of letters that came back."""
        from chalicelib.invitations.bounces import Bounces

        return Bounces(table=self._table, reporter=self._reporter("note_bounce"))

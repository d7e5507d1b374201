"""The builders of the feature `meetings`."""
# ruff: noqa: PLC0415 (imports at the top are what this package avoids)

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from chalicelib.container.core import Container
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
    from chalicelib.settings.meetings import MeetingsSettings

API: Final = "api"
"""The name of the function behind the routes in its log."""


class MeetingsContainer:
    """The builders of the feature `meetings`; each handler is built when it is first used."""

    def __init__(self, core: Container) -> None:
        self._core = core
        self._settings = cast("MeetingsSettings", core.settings.meetings)

    @cached_property
    def scheduling(self) -> Scheduling:
        """The handler of `POST /schedule`."""
        from chalicelib.meetings.reservation import Reservations
        from chalicelib.meetings.schedules import Schedules
        from chalicelib.meetings.scheduling import Scheduling

        return Scheduling(
            settings=self._settings,
            people=self._people,
            seeds=self._seeds,
            reservations=Reservations(
                settings=self._settings,
                table=self._core.table,
                schedules=Schedules(self._core.client("scheduler")),
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
            settings=self._settings,
            sends_invitations=self._core.settings.invites,
            people=self._people,
            table=self._core.table,
            rescheduling=Rescheduling(
                settings=self._settings,
                table=self._core.table,
                schedules=Schedules(self._core.client("scheduler")),
                limits=self._limits,
            ),
            seeds=self._seeds,
        )

    @cached_property
    def _people(self) -> People:
        from chalicelib.meetings.authorizer import Authorizer
        from chalicelib.meetings.people import People

        return People(
            settings=self._settings,
            authorizer=Authorizer(self._core.client("secretsmanager"), self._core.clock),
            reporter=self._core.reporter(API),
            clock=self._core.clock,
        )

    @cached_property
    def _seeds(self) -> Seeds:
        from chalicelib.meetings.stage_secrets import Seeds

        return Seeds(self._core.client("secretsmanager"))

    @cached_property
    def _limits(self) -> Limits:
        from chalicelib.meetings.limits import Limits

        return Limits(settings=self._settings, table=self._core.table)

    @cached_property
    def booking_page(self) -> BookingPage:
        """The handler of the booking page."""
        from chalicelib.meetings.booking_page import BookingPage

        return BookingPage(reporter=self._core.reporter(API), clock=self._core.clock)

    @cached_property
    def join(self) -> Join:
        """The handler of join links."""
        from chalicelib.meetings.join import Join

        return Join(
            settings=self._core.settings,
            meetings=self._settings,
            table=self._core.table,
            reporter=self._core.reporter(API),
            clock=self._core.clock,
        )

    @cached_property
    def desktop_api(self) -> DesktopApi:
        """The handler of what desktops ask and report."""
        from chalicelib.meetings.desktop_api import DesktopApi
        from chalicelib.meetings.desktop_caller import CallingDesktops

        settings = self._core.settings
        return DesktopApi(
            settings=self._settings,
            callers=CallingDesktops(
                project_tag=settings.project_tag,
                owner=settings.owner,
                instances=self._core.instances,
                table=self._core.table,
                clock=self._core.clock,
            ),
            table=self._core.table,
            reporter=self._core.reporter(API),
            clock=self._core.clock,
        )

    @cached_property
    def sign_in(self) -> SignIn:
        """The handler of what desktops' DCV servers ask."""
        from chalicelib.meetings.sign_in import SignIn

        return SignIn(
            table=self._core.table, reporter=self._core.reporter(API), clock=self._core.clock
        )

    @cached_property
    def launch(self) -> Launch:
        """The handler of schedules that launch a meeting's desktops."""
        from chalicelib.ec2.desktops import Desktops
        from chalicelib.meetings.launch import Launch
        from chalicelib.meetings.starter import Starter

        desktops = Desktops(self._core.client("ec2"))
        starter = Starter(
            settings=self._settings,
            project_tag=self._core.settings.project_tag,
            owner=self._core.settings.owner,
            table=self._core.table,
            instances=self._core.instances,
            desktops=desktops,
        )
        return Launch(
            settings=self._settings,
            table=self._core.table,
            starter=starter,
            desktops=desktops,
            ending=self.ending,
            instances=self._core.instances,
            limits=self._limits,
            reporter=self._core.reporter("launch_ec2"),
            clock=self._core.clock,
            sleep=self._core.sleep,
        )

    @cached_property
    def safety_net(self) -> SafetyNet:
        """The handler of schedules that check a meeting."""
        from chalicelib.meetings.safety_net import SafetyNet
        from chalicelib.meetings.schedules import Schedules

        return SafetyNet(
            settings=self._settings,
            table=self._core.table,
            instances=self._core.instances,
            ending=self.ending,
            schedules=Schedules(self._core.client("scheduler")),
            reporter=self._core.reporter("safety_net"),
            clock=self._core.clock,
        )

    @cached_property
    def terminator(self) -> Terminator:
        """The handler of the table's stream."""
        from chalicelib.meetings.terminator import Terminator

        return Terminator(
            table=self._core.table,
            ending=self.ending,
            reporter=self._core.reporter("terminator"),
            clock=self._core.clock,
        )

    @cached_property
    def overseer(self) -> Overseer:
        """The part of a sweep that checks for desktops left running."""
        from chalicelib.meetings.overseer import Overseer
        from chalicelib.meetings.schedules import Schedules

        return Overseer(
            settings=self._settings,
            schedules=Schedules(self._core.client("scheduler")),
            reporter=self._core.reporter("sweep"),
            clock=self._core.clock,
        )

    @cached_property
    def ending(self) -> Ending:
        """What ends meetings."""
        from chalicelib.ec2.desktops import Desktops
        from chalicelib.meetings.ending import Ending

        return Ending(
            table=self._core.table,
            instances=self._core.instances,
            desktops=Desktops(self._core.client("ec2")),
            settings=self._core.settings,
            clock=self._core.clock,
        )

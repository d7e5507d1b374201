"""Factories for the feature's functions.

Each imports its modules only when called: all functions of a stage are deployed as one package,
and unneeded modules would make cold starts longer.
"""
# ruff: noqa: PLC0415 (imports at the top are what this module avoids)

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, cast

from chalicelib import aws
from chalicelib.ec2.instances import Instances
from chalicelib.meeting_row.table import Meetings
from chalicelib.telemetry import LogReporter

if TYPE_CHECKING:
    from chalicelib.meetings.ending import Ending
    from chalicelib.meetings.join import Join
    from chalicelib.meetings.launch import Launch
    from chalicelib.meetings.overseer import Overseer
    from chalicelib.meetings.safety_net import SafetyNet
    from chalicelib.meetings.scheduling import Scheduling
    from chalicelib.meetings.terminator import Terminator
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.settings.stage import Settings

API: Final = "api"
"""The name of the function behind the routes in its log."""


@cache
def build_scheduling(settings: Settings) -> Scheduling:
    """Build the handler of `POST /schedule`."""
    from chalicelib.meetings.authorizer import Authorizer
    from chalicelib.meetings.reservation import Reservations
    from chalicelib.meetings.schedules import Scheduler, Unscheduler
    from chalicelib.meetings.scheduling import Scheduling
    from chalicelib.meetings.stage_secrets import Seeds

    secrets = aws.client("secretsmanager")
    scheduler = aws.client("scheduler")
    return Scheduling(
        settings=_feature(settings),
        authorizer=Authorizer(secrets),
        seeds=Seeds(secrets),
        reservations=Reservations(
            table=_build_table(settings),
            scheduler=Scheduler(scheduler),
            unscheduler=Unscheduler(scheduler),
        ),
        reporter=LogReporter(API, settings.owner),
    )


@cache
def build_join(settings: Settings) -> Join:
    """Build the handler of join links."""
    from chalicelib.meetings.join import Join

    return Join(
        settings=settings,
        meetings=_feature(settings),
        table=_build_table(settings),
        reporter=LogReporter(API, settings.owner),
    )


@cache
def build_launch(settings: Settings) -> Launch:
    """Build the launch."""
    from chalicelib.ec2.desktops import Starts, Terminations
    from chalicelib.ec2.images import Images
    from chalicelib.ec2.subnets import Subnets
    from chalicelib.meetings.launch import Launch
    from chalicelib.meetings.starter import Starter

    ec2, table = aws.client("ec2"), _build_table(settings)
    starter = Starter(
        settings=_feature(settings),
        project_tag=settings.project_tag,
        owner=settings.owner,
        table=table,
        instances=Instances(ec2, settings.project_tag, settings.owner),
        images=Images(ec2),
        subnets=Subnets(ec2),
        starts=Starts(ec2),
    )
    return Launch(
        settings=_feature(settings),
        table=table,
        starter=starter,
        terminations=Terminations(ec2),
        ending=_build_ending(settings),
        reporter=LogReporter("launch_ec2", settings.owner),
    )


@cache
def build_safety_net(settings: Settings) -> SafetyNet:
    """Build the safety net."""
    from chalicelib.meetings.safety_net import SafetyNet
    from chalicelib.meetings.schedules import Scheduler

    return SafetyNet(
        settings=_feature(settings),
        table=_build_table(settings),
        instances=Instances(aws.client("ec2"), settings.project_tag, settings.owner),
        ending=_build_ending(settings),
        scheduler=Scheduler(aws.client("scheduler")),
        reporter=LogReporter("safety_net", settings.owner),
    )


@cache
def build_terminator(settings: Settings) -> Terminator:
    """Build the terminator."""
    from chalicelib.meetings.terminator import Terminator

    return Terminator(
        table=_build_table(settings),
        ending=_build_ending(settings),
        reporter=LogReporter("terminator", settings.owner),
    )


@cache
def build_overseer(settings: Settings) -> Overseer:
    """Build the overseer."""
    from chalicelib.meetings.overseer import Overseer
    from chalicelib.meetings.schedules import Scheduler

    return Overseer(
        settings=_feature(settings),
        instances=Instances(aws.client("ec2"), settings.project_tag, settings.owner),
        table=_build_table(settings),
        scheduler=Scheduler(aws.client("scheduler")),
        reporter=LogReporter("sweep", settings.owner),
    )


def _build_ending(settings: Settings) -> Ending:
    from chalicelib.ec2.desktops import Terminations
    from chalicelib.meetings.ending import Ending

    ec2 = aws.client("ec2")
    return Ending(
        table=_build_table(settings),
        instances=Instances(ec2, settings.project_tag, settings.owner),
        terminations=Terminations(ec2),
        settings=settings,
    )


def _build_table(settings: Settings) -> Meetings:
    return Meetings(aws.client("dynamodb"), str(settings.table_name))


def _feature(settings: Settings) -> MeetingsSettings:
    """Return the feature's settings, which exist: this is used only in stages that have it."""
    return cast("MeetingsSettings", settings.meetings)

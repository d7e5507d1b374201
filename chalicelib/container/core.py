"""The builders of the core, and of what the features share."""
# ruff: noqa: PLC0415 (imports at the top are what this package avoids)

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Final

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
    from chalicelib.container.invitations import InvitationsContainer
    from chalicelib.container.meetings import MeetingsContainer
    from chalicelib.container.notifications import NotificationsContainer
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.secrets import Token
    from chalicelib.settings.stage import Settings
    from chalicelib.telemetry import Reporter
    from chalicelib.watchdog.handler import Watchdog
    from chalicelib.watchdog.sweep import Sweep

FEATURES_RESERVE: Final = 20.0
"""Seconds of each sweep's run reserved for the features that run after it."""


class Container:
    """The handlers of a stage with these settings; each is built when it is first used.

    Tests replace what surrounds the code: `client`, `clock`, `sleep`, `cloudflare`, `workers` and
    `reporter`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = aws.client
        self.clock: Callable[[], float] = time.time
        self.sleep: Callable[[float], None] = time.sleep

    @cached_property
    def meetings(self) -> MeetingsContainer:
        """The handlers of the feature `meetings`."""
        from chalicelib.container.meetings import MeetingsContainer

        return MeetingsContainer(self)

    @cached_property
    def notifications(self) -> NotificationsContainer:
        """The handlers of the feature `notifications`."""
        from chalicelib.container.notifications import NotificationsContainer

        return NotificationsContainer(self)

    @cached_property
    def invitations(self) -> InvitationsContainer:
        """The handlers of invitations, in a stage with both features."""
        from chalicelib.container.invitations import InvitationsContainer

        return InvitationsContainer(self)

    @cached_property
    def watchdog(self) -> Watchdog:
        """The handler of instance events."""
        from chalicelib.cloudflare.rate_limit import KEPT_BY_EVENTS
        from chalicelib.watchdog.handler import Watchdog

        return Watchdog(
            settings=self.settings,
            instances=self.instances,
            zone=self._zone(KEPT_BY_EVENTS),
            meetings=self.table if self.settings.table_name else None,
            reporter=self.reporter("dns_watchdog"),
            executor=self.workers(),
            clock=self.clock,
        )

    @cached_property
    def sweep(self) -> Sweep:
        """The sweep."""
        from chalicelib.cloudflare.rate_limit import KEPT_BY_SWEEPS
        from chalicelib.watchdog.sweep import Sweep

        return Sweep(
            settings=self.settings,
            instances=self.instances,
            zone=self._zone(KEPT_BY_SWEEPS),
            meetings=self.table if self.settings.table_name else None,
            reporter=self.reporter("sweep"),
            executor=self.workers(),
            clock=self.clock,
            reserve=FEATURES_RESERVE if self.settings.features else RESERVE,
        )

    def _zone(self, kept: float) -> CloudflareZone:
        """Build the DNS provider's zone, which keeps this share of the quota for others."""
        from chalicelib.cloudflare.rate_limit import Quota
        from chalicelib.cloudflare.zone import CloudflareZone
        from chalicelib.secrets import Token

        settings = self.settings
        token = Token(self.client("secretsmanager"), settings.secret_id, self.clock)
        token.read_ahead()
        cloudflare = self.cloudflare(token, Quota(self.clock, kept))
        return CloudflareZone(cloudflare, settings.zone_id, settings.batch_size)

    def cloudflare(self, token: Token, quota: Quota) -> Cloudflare:
        """Build the client of Cloudflare."""
        from chalicelib.cloudflare.client import Cloudflare
        from chalicelib.cloudflare.transport import Urllib3Transport

        return Cloudflare(self.settings.cloudflare_api_url, token, Urllib3Transport(), quota)

    @cached_property
    def instances(self) -> Instances:
        """The stage's instances."""
        settings = self.settings
        return Instances(self.client("ec2"), settings.project_tag, settings.owner)

    @cached_property
    def table(self) -> Meetings:
        """The meetings table."""
        from chalicelib.meeting_row.table import Meetings

        return Meetings(self.client("dynamodb"), str(self.settings.table_name), self.sleep)

    def workers(self) -> Executor:
        """Build what runs steps at the same time."""
        from chalicelib.step import Workers

        return Workers()

    def reporter(self, function: str) -> Reporter:
        """Build what reports the runs of a function."""
        return LogReporter(function, self.settings.owner)

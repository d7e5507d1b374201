"""The builders of invitations."""
# ruff: noqa: PLC0415 (imports at the top are what this package avoids)

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from chalicelib.container.core import Container
    from chalicelib.invitations.bounces import Bounces
    from chalicelib.invitations.invite import Invite
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.settings.notifications import NotificationsSettings


class InvitationsContainer:
    """The builders of invitations; each handler is built when it is first used."""

    def __init__(self, core: Container) -> None:
        self._core = core

    @cached_property
    def invite(self) -> Invite:
        """The handler of the table's stream that sends letters."""
        from chalicelib.invitations.delivery import Delivery
        from chalicelib.invitations.invite import Invite
        from chalicelib.invitations.post import Post
        from chalicelib.meetings.stage_secrets import Seeds
        from chalicelib.notifications.once import Once
        from chalicelib.notifications.sent import Sent

        settings = self._core.settings
        meetings = cast("MeetingsSettings", settings.meetings)
        notifications = cast("NotificationsSettings", settings.notifications)
        sender, longest = notifications.mail_from, meetings.longest
        return Invite(
            delivery=Delivery(
                table=self._core.table,
                seeds=Seeds(self._core.client("secretsmanager")),
                once=Once(Sent(self._core.client("dynamodb")), self._core.clock),
                post=Post(self._core.client("sesv2"), sender),
                sender=sender,
                longest=longest,
                clock=self._core.clock,
                sleep=self._core.sleep,
            ),
            longest=longest,
            reporter=self._core.reporter("invite"),
        )

    @cached_property
    def note_bounce(self) -> Bounces:
        """The handler of letters that came back."""
        from chalicelib.invitations.bounces import Bounces

        return Bounces(table=self._core.table, reporter=self._core.reporter("note_bounce"))

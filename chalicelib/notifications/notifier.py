"""Sending each notice once, despite retries and failures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chalicelib.clock import time_at
from chalicelib.notifications.once import Once
from chalicelib.resource_names import StageNames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.notifications.mailer import Mail, Mailer
    from chalicelib.notifications.notice import Notice
    from chalicelib.notifications.once import Delivery
    from chalicelib.notifications.sent import Sent


class Notifier:
    """Sends notices; one for each execution environment."""

    def __init__(
        self,
        *,
        sent: Sent,
        mailer: Mailer,
        lay_out: Callable[[Notice, str], Mail],
        owner: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._once = Once(sent, clock)
        self._mailer = mailer
        self._lay_out = lay_out
        self._owner = owner
        self._clock = clock

    def now(self) -> datetime:
        """Return the current time for notices."""
        return time_at(self._clock())

    def notify_once(
        self,
        keys: Sequence[str],
        compose: Callable[[tuple[str, ...]], Notice],
        context: LambdaContext,
    ) -> Delivery:
        """Send one e-mail about those of the keys for which none was or is being sent.

        `compose` builds the notice about them. Raises what `Once.send_once` raises.
        """
        place = StageNames.of(context.invoked_function_arn)

        def send(sent: tuple[str, ...]) -> str:
            return self._mailer.send_mail(self._lay_out(compose(sent), self._footer(place)))

        return self._once.send_once(keys, send, context)

    def _footer(self, place: StageNames) -> str:
        return f"Sent by {self._owner} in account {place.account}, {place.region}."

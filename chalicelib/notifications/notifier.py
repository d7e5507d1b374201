"""Sending each notice once, despite retries and failures."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import time_at
from chalicelib.deadline import Deadline
from chalicelib.notifications.sent import Claim, Standing
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.notifications.mailer import Mail, Mailer
    from chalicelib.notifications.notice import Notice
    from chalicelib.notifications.sent import Sent

SENDING: Final = 12.0
"""Seconds that sending an e-mail through SES may take."""
_GRACE: Final = 5.0
"""Seconds that a claim outlives its run, to allow for clock skew."""


class UnfinishedError(Exception):
    """An earlier attempt of this run may still be sending. Try again."""


@dataclass(frozen=True)
class Delivery:
    """The result for notices, by their keys."""

    sent: tuple[str, ...] = ()
    """Those in the e-mail that was sent."""
    known: tuple[str, ...] = ()
    """Those that were sent before."""
    message_id: str = ""
    warnings: tuple[str, ...] = ()

    def outcome(self, subject: str) -> Outcome:
        """Return the result for a notice with this subject."""
        if self.sent:
            details = {"message_id": self.message_id}
            return Outcome("notified", subject, details, self.warnings)
        sender = (
            "the e-mail was already sent" if self.known else "another run is sending the e-mail"
        )
        return Outcome("unchanged", sender)


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
        self._sent = sent
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

        `compose` builds the notice about them. Errors are raised, and the keys are free for the
        next attempt; UnfinishedError if an earlier attempt still has one. An e-mail may be sent
        twice only if SES's answer was lost or could not be recorded.
        """
        place, deadline = (
            StageNames.of(context.invoked_function_arn),
            Deadline.of(context, self._clock),
        )
        table, holder, run = place.sent_table, secrets.token_hex(8), context.aws_request_id
        claims: list[Claim] = []
        try:
            known = self._claim(
                [Claim(table, key, holder, run) for key in keys], deadline.at + _GRACE, claims
            )
            if not claims:
                return Delivery(known=known)
            sent = tuple(claim.key for claim in claims)
            mail = self._lay_out(compose(sent), self._footer(place))
            deadline.require(SENDING, "send the e-mail")
            message_id = self._mailer.send_mail(mail)
        except Exception:
            self._take_back(claims)
            raise
        return Delivery(sent, known, message_id, self._note(claims, message_id))

    def _claim(self, wanted: Sequence[Claim], until: float, claims: list[Claim]) -> tuple[str, ...]:
        """Add to `claims` those that this run gets; return the keys that were sent before."""
        known = []
        for claim in wanted:
            standing = self._sent.claim_notice(claim, self._clock(), until)
            if standing is Standing.UNFINISHED:
                raise UnfinishedError(f"an earlier attempt might still be sending {claim.key!r}")
            if standing is Standing.CLAIMED:
                claims.append(claim)
            elif standing is Standing.SENT:
                known.append(claim.key)
        return tuple(known)

    def _take_back(self, claims: Sequence[Claim]) -> None:
        """Release unsent claims; those that cannot be released expire with this run's time."""
        for claim in claims:
            with contextlib.suppress(BotoCoreError, ClientError):
                self._sent.take_back_claim(claim)

    def _note(self, claims: Sequence[Claim], message_id: str) -> tuple[str, ...]:
        """Record what was sent. A failure here is no reason to send it all again."""
        warnings = []
        for claim in claims:
            try:
                self._sent.mark_sent(claim, message_id, self._clock())
            except (BotoCoreError, ClientError) as error:
                warnings.append(f"{claim.key!r} was sent, but that could not be recorded: {error}")
        return tuple(warnings)

    def _footer(self, place: StageNames) -> str:
        return f"Sent by {self._owner} in account {place.account}, {place.region}."

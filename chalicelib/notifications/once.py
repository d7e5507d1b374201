"""Sending something once, despite retries and failures."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.deadline import Deadline
from chalicelib.notifications.sent import Claim, Standing
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.deadline import LambdaContext
    from chalicelib.notifications.sent import Sent

SENDING: Final = 12.0
"""Seconds that sending an e-mail through SES may take."""
_GRACE: Final = 5.0
"""Seconds that a claim outlives its run, to allow for clock skew."""


class UnfinishedError(Exception):
    """Another attempt may still be sending. Try again."""


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


class Once:
    """Sends what has a key once; one for each execution environment."""

    def __init__(self, sent: Sent, clock: Callable[[], float] = time.time) -> None:
        self._sent = sent
        self._clock = clock

    def send_once(
        self,
        keys: Sequence[str],
        send: Callable[[tuple[str, ...]], str],
        context: LambdaContext,
    ) -> Delivery:
        """Send one e-mail about those of the keys for which none was or is being sent.

        `send` sends it and returns the message's id. Its errors are raised, and the keys are free
        for the next attempt; UnfinishedError if an earlier attempt still has one. An e-mail may be
        sent twice only if SES's answer was lost or could not be recorded.
        """
        deadline = Deadline.of(context, self._clock)
        table = StageNames.of(context.invoked_function_arn).sent_table
        holder, run = secrets.token_hex(8), context.aws_request_id
        claims: list[Claim] = []
        try:
            known = self._claim(
                [Claim(table, key, holder, run) for key in keys], deadline.at + _GRACE, claims
            )
            if not claims:
                return Delivery(known=known)
            deadline.require(SENDING, "send the e-mail")
            sent = tuple(claim.key for claim in claims)
            message_id = send(sent)
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

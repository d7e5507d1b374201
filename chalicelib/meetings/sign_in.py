"""`POST /dcv/<instance-id>`: whether a desktop's DCV server lets the bearer of a ticket in.

Form and answers are those of DCV's external authentication:
https://docs.aws.amazon.com/dcv/latest/adminguide/external-authentication.html
"""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import time_at
from chalicelib.meeting_row.table import RowChangedError, RowFullError, decide_again
from chalicelib.meetings.http import Answer, json_answer
from chalicelib.meetings.tickets import SESSION, USER, NoEntryError, Ticket, admit

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.http import Request
    from chalicelib.telemetry import Reporter

LARGEST_QUESTION: Final = 4096
_LONGEST_ID: Final = 100


class _NoQuestionError(Exception):
    """No DCV server asks like this."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class SignIn:
    """Answers the DCV servers of desktops; one for each execution environment."""

    def __init__(
        self, *, table: Meetings, reporter: Reporter, clock: Callable[[], float] = time.time
    ) -> None:
        self._table = table
        self._reporter = reporter
        self._clock = clock

    def handle(self, request: Request, instance_id: str) -> Answer:
        """Answer with DCV's XML, and report once.

        400 or 413 for what no DCV server asks, 503 if the answer is not known; DCV then refuses
        the connection, and the person may try again.
        """
        fields: dict[str, Any] = {"instance_id": instance_id[:_LONGEST_ID]}
        try:
            session, text = _read(request.body)
            begins = decide_again(lambda: self._admit(session, text, instance_id, fields))
        except _NoQuestionError as refusal:
            fields |= {"action": "refused", "reason": str(refusal)}
            self._reporter.succeeded(fields, {})
            return json_answer(refusal.status, {"message": str(refusal)})
        except NoEntryError as refusal:
            fields |= {"action": "refused", "reason": str(refusal)}
            self._reporter.succeeded(fields, {})
            return _xml(f'<auth result="no"><message>{escape(str(refusal))}</message></auth>')
        except (RowChangedError, RowFullError, ClientError, BotoCoreError) as error:
            self._reporter.failed(fields, {"Failed": 1}, error)
            return json_answer(503, {"message": "Please try again."}, Retry_After="5")
        reason = "a new ticket" if begins else "a ticket that was used before"
        fields |= {"action": "joined", "reason": reason}
        self._reporter.succeeded(fields, {"Joined": int(begins)})
        return _xml(f'<auth result="yes"><username>{USER}</username></auth>')

    def _admit(self, session: str, text: str, instance_id: str, fields: dict[str, Any]) -> bool:
        """Let the bearer in, and return True for the ticket's first use. Raises NoEntryError."""
        if session != SESSION:
            raise NoEntryError("there is no such session")
        ticket = Ticket.parse(text)
        fields |= {"role": ticket.role}
        meeting = self._table.read_row(ticket.meeting_id)
        if meeting is None:
            raise NoEntryError("this ticket does not open this desktop")
        update = admit(meeting, ticket, instance_id, time_at(self._clock()))
        fields |= {"meeting_id": meeting.id}
        if update is not None:
            self._table.update_row(update)
        return update is not None


def _read(body: bytes) -> tuple[str, str]:
    """Read the session and the ticket from DCV's form. Raises _NoQuestionError."""
    if len(body) > LARGEST_QUESTION:
        raise _NoQuestionError(413, f"the question is larger than {LARGEST_QUESTION} bytes")
    try:
        asked = parse_qs(body.decode())
        return asked["sessionId"][0], asked["authenticationToken"][0]
    except (ValueError, KeyError):
        message = "send sessionId and authenticationToken as a form, as DCV does"
        raise _NoQuestionError(400, message) from None


def _xml(body: str) -> Answer:
    return Answer(200, body, "text/xml; charset=utf-8", {"Cache-Control": "no-store"})

"""Joining a meeting: the answers for its two join links, for people and for programs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import format_time, time_at
from chalicelib.meeting_row.meeting import REASON, ROLES, RowUpdate, Status, link_attribute
from chalicelib.meeting_row.table import RowChangedError, RowFullError, decide_again
from chalicelib.meetings.admission import (
    REFUSED,
    TROUBLE,
    UNKNOWN,
    Admission,
    Phase,
    admit,
)
from chalicelib.meetings.http import Answer, json_answer, with_cors
from chalicelib.meetings.keys import key_hash_attribute, opens
from chalicelib.meetings.lifetime import wants_presence
from chalicelib.meetings.page import HEADERS, render
from chalicelib.meetings.state import JOINED_AT, waiting_attribute
from chalicelib.meetings.tickets import Ticket, connection_file, entrance, offer
from chalicelib.meetings.visit import LONGEST_ID, Visit
from chalicelib.telemetry import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.http import Request
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.settings.stage import Settings
    from chalicelib.telemetry import Reporter

METHODS: Final = ("GET",)

_STATUS_CODES: Final = {
    Phase.READY: 200,
    Phase.REFUSED: 400,
    Phase.UNKNOWN: 404,
    Phase.TROUBLE: 503,
}
_WAITING: Final = 202
_SEE_OTHER: Final = 303
_ACTIONS: Final = {
    Phase.READY: "joined",
    Phase.REFUSED: "refused",
    Phase.UNKNOWN: "refused",
    Phase.OVER: "refused",
}
_NO_HASH: Final = "0" * 64
"""No key's hash: keys are compared with it if there is no row, so that it takes as long."""


class Join:
    """Answers `GET /join/{meeting_id}/{role}`; one for each execution environment."""

    def __init__(
        self,
        *,
        settings: Settings,
        meetings: MeetingsSettings,
        table: Meetings,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._meetings = meetings
        self._table = table
        self._reporter = reporter
        self._clock = clock

    def handle(self, request: Request, meeting_id: str, role: str) -> Answer:
        """Answer any request, and report once.

        A program gets 400 for an unknown role, 404 for a meeting that does not exist or that the
        key does not open, 202 `{message, status}` while it has to wait (with Retry-After) or the
        meeting is over (without), and 200 `{message, dcv_url}` once it may enter, which turns
        HEALTHY into IN_PROGRESS. Where desktops sign people in, the address has a new ticket, and
        the ticket's first use does that. A program that has not asked to enter gets 202 and no
        address instead. A browser gets a page with the same status, and 303 to the desktop when it
        enters by a click, or a file for DCV's native client. A waiting visitor is recorded in the
        row when it can matter. Failures are reported and answered with 503: an exception would
        become an answer that other front ends may not read.
        """
        visit = Visit(request, meeting_id, role)
        fields: dict[str, Any] = {
            "meeting_id": meeting_id[:LONGEST_ID],
            "role": role[:LONGEST_ID],
            "page": visit.is_page,
        }
        try:
            meeting, admission = self._admit(visit)
            answer = self._answer(visit, meeting, admission)
        except Exception as error:  # noqa: BLE001 (reported, which alarms; see above)
            self._reporter.failed(fields, {"Failed": 1}, error)
            return self._answer(visit, None, TROUBLE)
        outcome = _outcome_of(visit, admission, signs_in=self._meetings.signs_in)
        self._reporter.succeeded(fields | outcome.to_dict(), outcome.counts)
        return answer

    def _admit(self, visit: Visit) -> tuple[Meeting | None, Admission]:
        """Decide, and set the meeting IN_PROGRESS if the visitor is sent in."""
        if visit.role not in ROLES:
            return None, REFUSED
        return decide_again(lambda: self._look_and_write(visit))

    def _look_and_write(self, visit: Visit) -> tuple[Meeting | None, Admission]:
        meeting = self._open(visit)
        if meeting is None:
            return None, UNKNOWN
        now = self._now()
        longest = self._meetings.longest
        admission = admit(meeting, visit.role, now, longest, self._settings.link)
        if admission.link and visit.enters and self._meetings.signs_in:
            return meeting, self._offer_ticket(visit, meeting, admission, now)
        if not (admission.link and visit.enters and admission.status == Status.HEALTHY):
            if visit.waits and wants_presence(meeting, visit.role, now, longest):
                admission = self._note_presence(visit, meeting, admission, now)
            return meeting, admission
        relies_on = ("status", link_attribute(visit.role), REASON)
        texts = {"status": Status.IN_PROGRESS, JOINED_AT: format_time(self._now())}
        meeting = self._table.update_row(RowUpdate(meeting, texts, relies_on))
        return meeting, replace(admission, status=Status.IN_PROGRESS)

    def _offer_ticket(
        self, visit: Visit, meeting: Meeting, admission: Admission, now: datetime
    ) -> Admission:
        """Make a ticket, and return the admission with the address that uses it."""
        ticket = Ticket.new(meeting.id, visit.role)
        self._table.update_row(offer(meeting, ticket, now))
        link = str(admission.link)
        file = connection_file(link, ticket)
        return replace(admission, link=entrance(link, ticket), file=file)

    def _note_presence(
        self, visit: Visit, meeting: Meeting, admission: Admission, now: datetime
    ) -> Admission:
        """Record that the role's visitor waits; errors only cause a warning.

        A row that was changed concurrently is left unchanged: the page will ask again in time.
        """
        attribute = waiting_attribute(visit.role)
        relies_on = ("status", REASON, JOINED_AT, attribute)
        try:
            self._table.update_row(RowUpdate(meeting, {attribute: format_time(now)}, relies_on))
        except RowChangedError:
            return admission
        except (BotoCoreError, ClientError, RowFullError) as error:
            warning = f"could not record that the {visit.role} waits: {error}"
            return replace(admission, warnings=(*admission.warnings, warning))
        return admission

    def _now(self) -> datetime:
        return time_at(self._clock())

    def _open(self, visit: Visit) -> Meeting | None:
        """Read the meeting's row; None unless it exists and the key opens it for the role."""
        meeting = self._table.read_row(visit.meeting_id) if visit.is_possible else None
        if not self._meetings.requires_join_keys:
            return meeting
        key_hash = meeting.text(key_hash_attribute(visit.role)) if meeting else None
        is_open = opens(visit.request.query.get("key"), key_hash or _NO_HASH)
        return meeting if is_open else None

    def _answer(self, visit: Visit, meeting: Meeting | None, admission: Admission) -> Answer:
        headers = _headers(admission)
        status = _STATUS_CODES.get(admission.phase, _WAITING)
        if not visit.is_page and admission.link and not visit.enters:
            said = {"message": visit.hint or admission.message, "status": admission.status}
            answer = json_answer(_WAITING, said)
        elif not visit.is_page:
            answer = json_answer(status, _document(admission))
        elif admission.file and visit.wants_file:
            answer = Answer(200, admission.file, "application/x-dcv")
            headers["Content-Disposition"] = 'attachment; filename="desktop.dcv"'
        elif admission.link and visit.enters:
            answer = Answer(_SEE_OTHER, "", "text/html; charset=utf-8")
            headers["Location"] = admission.link
        else:
            file = f"{visit.entrance}&as=dcv" if self._meetings.signs_in else None
            body = render(admission, meeting, visit.role, visit.entrance, self._now(), file=file)
            answer = Answer(status, body, "text/html; charset=utf-8")
            headers |= HEADERS
        answer = replace(answer, headers={**answer.headers, **headers})
        return with_cors(answer, visit.request, self._meetings.allowed_origins, METHODS)


def _outcome_of(visit: Visit, admission: Admission, *, signs_in: bool) -> Outcome:
    is_joining = admission.phase is Phase.READY and visit.enters
    action = _ACTIONS.get(admission.phase, "waiting")
    if admission.phase is Phase.READY and not is_joining:
        action = "shown"
    elif is_joining and signs_in:
        action = "offered"
    return Outcome(
        action,
        admission.phase.value,
        {"status": admission.status},
        admission.warnings,
        {"Joined": int(is_joining and not signs_in)},
    )


def _document(admission: Admission) -> dict[str, str]:
    """Build the body for a program; everything else is in the headers."""
    document = {"message": admission.message}
    if admission.link:
        document["dcv_url"] = admission.link
    elif admission.status:
        document["status"] = admission.status
    return document


def _headers(admission: Admission) -> dict[str, str]:
    """Return the headers of every answer; phase and step are for the page's script."""
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
        "Elephant-Phase": admission.phase.value,
    }
    if admission.step:
        headers["Elephant-Step"] = admission.step.value
    if admission.retry_after is not None:
        headers["Retry-After"] = str(admission.retry_after)
    return headers

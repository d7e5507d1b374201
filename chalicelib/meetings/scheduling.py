"""`POST /schedule`: authorize the caller, validate the booking, create the meeting.

Every answer is JSON that a page of a configured origin can read.
"""

from __future__ import annotations

import re
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import time_at
from chalicelib.deadline import Deadline, OutOfTimeError
from chalicelib.meeting_row.meeting import MEET_TIME, ROOM_URL
from chalicelib.meetings.authorizer import UnauthorizedError
from chalicelib.meetings.booking import Booking, BookingError
from chalicelib.meetings.http import json_answer, preflight, with_cors
from chalicelib.meetings.keys import Seed
from chalicelib.meetings.links import join_links
from chalicelib.meetings.reservation import KeyReusedError, NotReservedError, Wanted
from chalicelib.resource_names import StageNames
from chalicelib.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.meetings.authorizer import Authorizer, Caller
    from chalicelib.meetings.http import Answer, Request
    from chalicelib.meetings.reservation import Reservations, Reserved
    from chalicelib.meetings.stage_secrets import Seeds
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Reporter

METHODS: Final = ("POST", "OPTIONS")
"""The methods of the route."""

LARGEST_BODY: Final = 8192

_IDEMPOTENCY_KEY: Final = "idempotency-key"
_KEY = re.compile(r"[!-~]{1,255}")
_JSON = re.compile(r"application/(?:[a-z0-9.-]+\+)?json\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)


class _RefusedError(Exception):
    """The request is invalid; the answer, and the reason in a word for the log."""

    def __init__(self, reason: str, answer: Answer) -> None:
        self.reason = reason
        self.answer = answer
        super().__init__(reason)


class Scheduling:
    """Handles requests to schedule a meeting; one for each execution environment."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: MeetingsSettings,
        authorizer: Authorizer,
        seeds: Seeds,
        reservations: Reservations,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._authorizer = authorizer
        self._seeds = seeds
        self._reservations = reservations
        self._reporter = reporter
        self._clock = clock

    def handle(self, request: Request, context: LambdaContext) -> Answer:
        """Answer any request, even on errors, and report once.

        201 for a new meeting, 200 if the same request created it before, 4xx if the request is
        invalid; 503 if the meeting could not be created, after which a retry may help; 500 for a
        bug of ours.
        """
        origins = self._settings.allowed_origins
        if request.method == "OPTIONS":
            return preflight(request, origins, METHODS)
        return with_cors(self._answer(request, context), request, origins, METHODS)

    def _answer(self, request: Request, context: LambdaContext) -> Answer:
        fields: dict[str, Any] = {"request_id": context.aws_request_id}
        try:
            reserved, links = self._schedule(request, context, fields)
        except _RefusedError as refused:
            fields |= {"action": "refused", "reason": refused.reason}
            self._reporter.succeeded(fields, {"Ignored": 1})
            return refused.answer
        except (
            NotReservedError,
            SecretError,
            OutOfTimeError,
            ClientError,
            BotoCoreError,
        ) as error:
            self._reporter.failed(fields, {"Failed": 1}, error)
            said = {"message": "The meeting could not be scheduled now. Please try again."}
            return json_answer(503, said, Retry_After="5")
        except Exception as error:  # noqa: BLE001 (a page can read no answer but ours)
            trace = traceback.extract_tb(error.__traceback__)
            fields["trace"] = [f"{each.filename}:{each.lineno} {each.name}" for each in trace]
            self._reporter.failed(fields, {"Failed": 1}, error)
            return json_answer(500, {"message": "Something went wrong on our side."})
        action = "scheduled" if reserved.is_new else "repeated"
        time_of_it = reserved.meeting.text(MEET_TIME)
        reason = f"meeting {reserved.meeting.id} at {time_of_it}"
        fields |= {"action": action, "reason": reason, "meeting_id": reserved.meeting.id}
        self._reporter.succeeded(fields, {"Scheduled": int(reserved.is_new)})
        return _answer_of(reserved, links)

    def _schedule(
        self, request: Request, context: LambdaContext, fields: dict[str, Any]
    ) -> tuple[Reserved, Mapping[str, str | None]]:
        deadline = Deadline.of(context, self._clock)
        place = StageNames.of(context.invoked_function_arn)
        caller = self._caller_of(request, place)
        fields["caller"] = caller.name
        _require_readable(request)
        key = request.headers.get(_IDEMPOTENCY_KEY)
        now = time_at(self._clock())
        booking, refused = self._booking_of(request.body, key, now)
        wanted = Wanted(
            booking=booking,
            place=place,
            now=now,
            seed=(
                Seed.random()
                if key is None
                else self._seeds.seed_of(caller.name, key, place.seed_secret)
            ),
            is_repeatable=key is not None,
            caller=caller.name,
            api_url=request.base_url,
            keys_of=lambda meeting_id: self._keys_of(meeting_id, place),
            deadline=deadline,
        )
        reserved = self._reserve(wanted, refused)
        return reserved, join_links(
            reserved.meeting,
            lambda meeting_id: self._seeds.join_keys_of(meeting_id, place.seed_secret),
            request.base_url,
        )

    def _reserve(self, wanted: Wanted, refused: _RefusedError | None) -> Reserved:
        try:
            if refused is None:
                return self._reservations.reserve(wanted)
            reserved = self._reservations.made_before(wanted)
        except KeyReusedError as error:
            raise _refused(409, str(error)) from error
        if reserved is None:
            raise refused
        return reserved

    def _booking_of(
        self, body: bytes, key: str | None, now: datetime
    ) -> tuple[Booking, _RefusedError | None]:
        """Parse the booking; return it with a refusal if its only problem is that it is too late.

        Raises _RefusedError for all other errors.
        """
        errors: dict[str, str] = {}
        late = None
        if key is not None and not _KEY.fullmatch(key):
            errors["Idempotency-Key"] = "must be 1 to 255 visible ASCII characters"
        try:
            booking = Booking.parse(body, now, self._settings)
        except BookingError as error:
            errors |= error.errors
            late = error.too_late
        if not errors:
            return booking, None
        said = {"message": "The request is invalid; see errors.", "errors": errors}
        refused = _RefusedError(f"wrong: {', '.join(sorted(errors))}", json_answer(400, said))
        if late and key is not None and len(errors) == 1:
            return late, refused
        raise refused

    def _keys_of(self, meeting_id: str, place: StageNames) -> dict[str, str]:
        if not self._settings.requires_join_keys:
            return {}
        return self._seeds.join_keys_of(meeting_id, place.seed_secret)

    def _caller_of(self, request: Request, place: StageNames) -> Caller:
        authorization = request.headers.get("authorization")
        try:
            return self._authorizer.caller_of(authorization, place.schedule_secret)
        except UnauthorizedError as error:
            raise _refused(401, str(error), WWW_Authenticate="Bearer") from error


def _require_readable(request: Request) -> None:
    if not request.base_url:
        raise _refused(400, "the header Host is missing or wrong")
    if len(request.body) > LARGEST_BODY:
        raise _refused(413, f"the body is larger than {LARGEST_BODY} bytes")
    if not _JSON.fullmatch(request.headers.get("content-type", "application/json")):
        raise _refused(415, "send JSON, and the header 'Content-Type: application/json'")


def _refused(status: int, message: str, **headers: str) -> _RefusedError:
    said = {"message": f"{message[0].upper()}{message[1:]}."}
    return _RefusedError(message, json_answer(status, said, **headers))


def _answer_of(reserved: Reserved, links: Mapping[str, str | None]) -> Answer:
    meeting = reserved.meeting
    document = {
        "message": "Meeting scheduled" if reserved.is_new else "Meeting was already scheduled",
        "meeting_id": meeting.id,
        **{f"{role}_link": link for role, link in links.items()},
        ROOM_URL: meeting.text(ROOM_URL),
        MEET_TIME: meeting.text(MEET_TIME),
    }
    return json_answer(201 if reserved.is_new else 200, document)

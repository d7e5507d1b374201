"""`POST /schedule`: validate the booking, create the meeting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from chalicelib.meeting_row.meeting import MEET_TIME, ROOM_URL
from chalicelib.meetings.booking import Booking, BookingError
from chalicelib.meetings.http import json_answer
from chalicelib.meetings.keys import Seed
from chalicelib.meetings.limits import LimitError
from chalicelib.meetings.links import join_links
from chalicelib.meetings.people import no_room, refused, wrong
from chalicelib.meetings.reservation import KeyReusedError, Wanted
from chalicelib.telemetry import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.meetings.http import Answer, Request
    from chalicelib.meetings.people import Call, People, RefusedError
    from chalicelib.meetings.reservation import Reservations, Reserved
    from chalicelib.meetings.stage_secrets import Seeds
    from chalicelib.resource_names import StageNames
    from chalicelib.settings.meetings import MeetingsSettings

METHODS: Final = ("POST", "OPTIONS")
"""The methods of the route."""

_IDEMPOTENCY_KEY: Final = "idempotency-key"
_KEY = re.compile(r"[!-~]{1,255}")
_FAILED: Final = "The meeting could not be scheduled now. Please try again."


class Scheduling:
    """Handles requests to schedule a meeting; one for each execution environment."""

    def __init__(
        self,
        *,
        settings: MeetingsSettings,
        people: People,
        seeds: Seeds,
        reservations: Reservations,
    ) -> None:
        self._settings = settings
        self._people = people
        self._seeds = seeds
        self._reservations = reservations

    def handle(self, request: Request, context: LambdaContext) -> Answer:
        """Answer any request, even on errors, and report once.

        201 for a new meeting, 200 if the same request created it before, 4xx if the request is
        invalid, 409 if a limit leaves no room for it; 503 if the meeting could not be created,
        after which a retry may help; 500 for a bug of ours.
        """
        return self._people.answer(request, context, METHODS, self._schedule, _FAILED)

    def _schedule(self, call: Call) -> tuple[Outcome, Answer]:
        key = call.request.headers.get(_IDEMPOTENCY_KEY)
        booking, refusal = self._booking_of(call.request.body, key, call.now)
        secret = call.place.seed_secret
        wanted = Wanted(
            booking=booking,
            place=call.place,
            now=call.now,
            seed=Seed.random() if key is None else self._seeds.seed_of(call.caller, key, secret),
            is_repeatable=key is not None,
            caller=call.caller,
            api_url=call.request.base_url,
            keys_of=lambda meeting_id: self._keys_of(meeting_id, call.place),
            deadline=call.deadline,
        )
        reserved = self._reserve(wanted, refusal)
        meeting, is_new = reserved.meeting, reserved.is_new
        links = join_links(
            meeting,
            lambda meeting_id: self._seeds.join_keys_of(meeting_id, secret),
            call.request.base_url,
        )
        outcome = Outcome(
            "scheduled" if is_new else "repeated",
            f"meeting {meeting.id} at {meeting.text(MEET_TIME)}",
            {"meeting_id": meeting.id},
            metrics={"Scheduled": int(is_new)},
        )
        return outcome, _answer_of(reserved, links)

    def _reserve(self, wanted: Wanted, refusal: RefusedError | None) -> Reserved:
        try:
            if refusal is None:
                return self._reservations.reserve(wanted)
            reserved = self._reservations.made_before(wanted)
        except KeyReusedError as error:
            raise refused(409, str(error)) from error
        except LimitError as error:
            raise no_room(error) from error
        if reserved is None:
            raise refusal
        return reserved

    def _booking_of(
        self, body: bytes, key: str | None, now: datetime
    ) -> tuple[Booking, RefusedError | None]:
        """Parse the booking; return it with a refusal if its only problem is that it is too late.

        Raises RefusedError for all other errors.
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
        if late and key is not None and len(errors) == 1:
            return late, wrong(errors)
        raise wrong(errors)

    def _keys_of(self, meeting_id: str, place: StageNames) -> dict[str, str]:
        if not self._settings.requires_join_keys:
            return {}
        return self._seeds.join_keys_of(meeting_id, place.seed_secret)


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

"""`/meetings`: a caller lists, changes and cancels the meetings that its key has scheduled."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from chalicelib.clock import format_time, parse_time
from chalicelib.meeting_row.meeting import AGENDA, MEET_TIME, SCHEDULED_BY, Meeting
from chalicelib.meetings.booking import BookingError
from chalicelib.meetings.calendar import PUBLISH, calendar_of
from chalicelib.meetings.changes import Change, UnchangeableError
from chalicelib.meetings.http import json_answer
from chalicelib.meetings.limits import LimitError
from chalicelib.meetings.links import join_links
from chalicelib.meetings.people import no_room, refused, unchangeable, wrong
from chalicelib.meetings.rescheduling import NotFoundError, Wish, is_callers
from chalicelib.meetings.state import meet_time_of
from chalicelib.meetings.view import view
from chalicelib.settings.meetings import MINUTE
from chalicelib.telemetry import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.deadline import LambdaContext
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.http import Answer, Request
    from chalicelib.meetings.people import Call, People, RefusedError
    from chalicelib.meetings.rescheduling import Rescheduled, Rescheduling
    from chalicelib.meetings.stage_secrets import Seeds
    from chalicelib.settings.meetings import MeetingsSettings

LIST_METHODS: Final = ("GET", "OPTIONS")
METHODS: Final = ("GET", "PATCH", "DELETE", "OPTIONS")
"""The methods of a single meeting's route."""

PAGE: Final = 100
"""The most meetings of an answer."""
PAST: Final = timedelta(days=7)
"""How long ago the first meetings of a list are by default."""

_LONGEST_ID: Final = 255
_CURSOR = re.compile(r"(?P<time>[0-9TZ:-]{20})~(?P<id>[!-}]{1,255})")
_LAST: Final = datetime(8999, 12, 31, tzinfo=UTC)
_FAILED: Final = "That could not be done now. Please try again."


Act = Callable[["Call", "Wish"], "tuple[Outcome, Answer]"]


class OwnMeetings:
    """Answers requests for meetings; one for each execution environment."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: MeetingsSettings,
        sends_invitations: bool,
        people: People,
        table: Meetings,
        rescheduling: Rescheduling,
        seeds: Seeds,
    ) -> None:
        self._settings = settings
        self._sends_invitations = sends_invitations
        self._people = people
        self._table = table
        self._rescheduling = rescheduling
        self._seeds = seeds

    def list_all(self, request: Request, context: LambdaContext) -> Answer:
        """Answer `GET /meetings` with a page of the caller's own, in order of their start.

        The query's `from` and `to` are times; by default it is everything from a week ago on. Its
        `next` is that of the page before.
        """
        return self._people.answer(request, context, LIST_METHODS, self._list, _FAILED)

    def handle(self, request: Request, context: LambdaContext, meeting_id: str) -> Answer:
        """Answer `GET`, `PATCH` and `DELETE` of a single meeting.

        Each answers 200 with the meeting as it is then, 404 if the caller has not scheduled it.
        """
        act = {"PATCH": self._change, "DELETE": self._cancel}.get(request.method, self._show)
        return self._people.answer(
            request, context, METHODS, lambda call: self._answer(act, call, meeting_id), _FAILED
        )

    def _list(self, call: Call) -> tuple[Outcome, Answer]:
        since, until, after = _range_of(call)
        agenda = self._table.agenda(call.place.prefix, since, until, after)
        found = list(islice(_of_caller(agenda, call.caller), PAGE + 1))
        page, rest = found[:PAGE], found[PAGE:]
        read = self._table.rows_of(each.id for each in page)
        if read.errors:
            raise read.errors[0]
        rows = [
            row
            for row in (read.rows.get(each.id) for each in page)
            if row and is_callers(row, call.caller)
        ]
        said = "1 meeting" if len(rows) == 1 else f"{len(rows)} meetings"
        document = {
            "message": said,
            "caller": call.caller,
            "invitations": self._sends_invitations,
            "longest_minutes": self._settings.longest // MINUTE,
            "days_ahead": self._settings.days_ahead.days,
            "meetings": [self._view(row, call) for row in rows],
            "next": f"{page[-1].text(MEET_TIME)}~{page[-1].id}" if rest else None,
        }
        return Outcome("listed", said, metrics={}), json_answer(200, document)

    def _answer(self, act: Act, call: Call, meeting_id: str) -> tuple[Outcome, Answer]:
        """Do it for one meeting, and answer with it."""
        if not 0 < len(meeting_id) <= _LONGEST_ID:
            raise _not_found()
        wish = Wish(meeting_id, call.caller, call.place, call.now, call.deadline)
        try:
            return act(call, wish)
        except NotFoundError as error:
            raise _not_found() from error
        except BookingError as error:
            raise wrong(error.errors) from error
        except UnchangeableError as error:
            raise unchangeable(error.errors) from error
        except LimitError as error:
            raise no_room(error) from error

    def _show(self, call: Call, wish: Wish) -> tuple[Outcome, Answer]:
        meeting = self._rescheduling.find(wish.meeting_id, wish.caller)
        calendar = None
        if meet_time_of(meeting):
            calendar = calendar_of(
                meeting,
                method=PUBLISH,
                role=None,
                link=None,
                organizer=None,
                attendee=None,
                now=call.now,
                longest=self._settings.longest,
            )
        document = self._view(meeting, call) | {"calendar": calendar}
        shown = Outcome("shown", f"meeting {meeting.id}", {"meeting_id": meeting.id}, metrics={})
        return shown, json_answer(200, document)

    def _change(self, call: Call, wish: Wish) -> tuple[Outcome, Answer]:
        change = Change.parse(call.request.body, call.now, self._settings)
        done = self._rescheduling.change(wish, change)
        outcome, document = self._done("changed", done, call)
        if done.is_changed:
            times = f"from {document[MEET_TIME]} to {document['ends_at']}"
            document["message"] = f"The meeting is {times}."
        return outcome, json_answer(200, document)

    def _cancel(self, call: Call, wish: Wish) -> tuple[Outcome, Answer]:
        outcome, document = self._done("cancelled", self._rescheduling.cancel(wish), call)
        return outcome, json_answer(200, document)

    def _done(self, action: str, done: Rescheduled, call: Call) -> tuple[Outcome, dict[str, Any]]:
        meeting = done.meeting
        outcome = Outcome(
            action if done.is_changed else "unchanged",
            f"meeting {meeting.id} at {meeting.text(MEET_TIME)}",
            {"meeting_id": meeting.id},
            done.warnings,
        )
        return outcome, self._view(meeting, call)

    def _view(self, meeting: Meeting, call: Call) -> dict[str, Any]:
        links = join_links(
            meeting,
            lambda meeting_id: self._seeds.join_keys_of(meeting_id, call.place.seed_secret),
        )
        return view(meeting, links, call.now, self._settings.longest)


def _of_caller(agenda: Iterator[Meeting], caller: str) -> Iterator[Meeting]:
    return (each for each in agenda if each.text(SCHEDULED_BY) == caller)


def _range_of(call: Call) -> tuple[str, str, Meeting | None]:
    """Read from when until when, and after which meeting. Raises RefusedError."""
    times = {"from": call.now - PAST, "to": _LAST}
    errors = {}
    for name, default in list(times.items()):
        text = call.request.query.get(name)
        found = parse_time(text) if text else default
        if found is None:
            errors[name] = "must be a time such as 2026-11-21T15:30:00Z"
        else:
            times[name] = found
    since, until = format_time(times["from"]), format_time(times["to"])
    cursor = _CURSOR.fullmatch(text) if (text := call.request.query.get("next")) else None
    if text and cursor is None:
        errors["next"] = "must be what the answer before had as next"
    if errors:
        raise wrong(errors)
    if cursor is None:
        return since, until, None
    made = {AGENDA: call.place.prefix, MEET_TIME: cursor["time"]}
    return since, until, Meeting.made(cursor["id"], made)


def _not_found() -> RefusedError:
    return refused(404, "there is no such meeting, or another key has scheduled it")

"""Requests of people and front ends: authorized by a key, always answered, reported once."""

from __future__ import annotations

import re
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import format_time, time_at
from chalicelib.deadline import Deadline, OutOfTimeError
from chalicelib.meeting_row.meeting import MEET_TIME
from chalicelib.meeting_row.table import RowChangedError, RowFullError
from chalicelib.meetings.authorizer import UnauthorizedError
from chalicelib.meetings.http import json_answer, preflight, with_cors
from chalicelib.meetings.reservation import NotReservedError
from chalicelib.meetings.schedules import ScheduleError
from chalicelib.resource_names import StageNames
from chalicelib.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.meetings.authorizer import Authorizer
    from chalicelib.meetings.http import Answer, Request
    from chalicelib.meetings.limits import LimitError
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Outcome, Reporter

LARGEST_BODY: Final = 8192

_JSON = re.compile(r"application/(?:[a-z0-9.-]+\+)?json\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)


class RefusedError(Exception):
    """The request is refused; the answer, and the reason in a word or two for the log."""

    def __init__(self, reason: str, answer: Answer) -> None:
        self.reason = reason
        self.answer = answer
        super().__init__(reason)


@dataclass(frozen=True)
class Call:
    """An authorized request: whose it is, where it is answered, and until when."""

    request: Request
    caller: str
    place: StageNames
    deadline: Deadline
    now: datetime


class People:
    """Answers requests of people; one for each execution environment."""

    def __init__(
        self,
        *,
        settings: MeetingsSettings,
        authorizer: Authorizer,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._origins = settings.allowed_origins
        self._authorizer = authorizer
        self._reporter = reporter
        self._clock = clock

    def answer(
        self,
        request: Request,
        context: LambdaContext,
        methods: tuple[str, ...],
        act: Callable[[Call], tuple[Outcome, Answer]],
        failed: str,
    ) -> Answer:
        """Answer any request, even on errors, and report once.

        401 without a key; 400, 413 and 415 for a request that cannot be read; what `act` returns
        or raises as RefusedError; 503 with the message `failed` if AWS failed or others have filled
        the row, after which a retry may help; 500 for a bug of ours. Each can be read by pages of
        the configured origins.
        """
        if request.method == "OPTIONS":
            return preflight(request, self._origins, methods)
        return with_cors(self._run(request, context, act, failed), request, self._origins, methods)

    def _run(
        self,
        request: Request,
        context: LambdaContext,
        act: Callable[[Call], tuple[Outcome, Answer]],
        failed: str,
    ) -> Answer:
        fields: dict[str, Any] = {"request_id": context.aws_request_id}
        try:
            call = self._read(request, context)
            fields["caller"] = call.caller
            _require_readable(request)
            outcome, answer = act(call)
        except RefusedError as refused:
            fields |= {"action": "refused", "reason": refused.reason}
            self._reporter.succeeded(fields, {"Ignored": 1})
            return refused.answer
        except (
            NotReservedError,
            ScheduleError,
            RowChangedError,
            RowFullError,
            SecretError,
            OutOfTimeError,
            ClientError,
            BotoCoreError,
        ) as error:
            self._reporter.failed(fields, {"Failed": 1}, error)
            return json_answer(503, {"message": failed}, Retry_After="5")
        except Exception as error:  # noqa: BLE001 (a page can read no answer but ours)
            trace = traceback.extract_tb(error.__traceback__)
            fields["trace"] = [f"{each.filename}:{each.lineno} {each.name}" for each in trace]
            self._reporter.failed(fields, {"Failed": 1}, error)
            return json_answer(500, {"message": "Something went wrong on our side."})
        self._reporter.succeeded(fields | outcome.to_dict(), outcome.counts)
        return answer

    def _read(self, request: Request, context: LambdaContext) -> Call:
        deadline = Deadline.of(context, self._clock)
        place = StageNames.of(context.invoked_function_arn)
        authorization = request.headers.get("authorization")
        try:
            caller = self._authorizer.caller_of(authorization, place.schedule_secret)
        except UnauthorizedError as error:
            raise refused(401, str(error), WWW_Authenticate="Bearer") from error
        return Call(request, caller.name, place, deadline, time_at(self._clock()))


def refused(status: int, message: str, **headers: str) -> RefusedError:
    """Return the refusal with this status and message."""
    said = {"message": f"{message[0].upper()}{message[1:]}."}
    return RefusedError(message, json_answer(status, said, **headers))


def wrong(errors: Mapping[str, str]) -> RefusedError:
    """Return the refusal of a request with these errors, by field."""
    said = {"message": "The request is invalid; see errors.", "errors": dict(errors)}
    return RefusedError(f"wrong: {', '.join(sorted(errors))}", json_answer(400, said))


def unchangeable(errors: Mapping[str, str]) -> RefusedError:
    """Return the refusal of a change that the meeting's state does not allow."""
    said = {
        "message": "The meeting cannot be changed like that; see errors.",
        "errors": dict(errors),
    }
    return RefusedError(f"unchangeable: {', '.join(sorted(errors))}", json_answer(409, said))


def no_room(error: LimitError) -> RefusedError:
    """Return the refusal of a meeting for which there is no room."""
    said = {
        "message": "There is no room for the meeting at that time; see errors.",
        "errors": {MEET_TIME: str(error)},
        "limit": error.limit,
        "free_at": format_time(error.free_at) if error.free_at else None,
    }
    return RefusedError(f"limit: {error.limit}", json_answer(409, said))


def _require_readable(request: Request) -> None:
    if not request.base_url:
        raise refused(400, "the header Host is missing or wrong")
    if len(request.body) > LARGEST_BODY:
        raise refused(413, f"the body is larger than {LARGEST_BODY} bytes")
    if not _JSON.fullmatch(request.headers.get("content-type", "application/json")):
        raise refused(415, "send JSON, and the header 'Content-Type: application/json'")

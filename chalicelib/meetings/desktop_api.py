"""The desktops' API: `GET /desktop`, `POST /desktop/healthy` and `POST /desktop/finished`.

API Gateway lets only callers in that sign with a role that may invoke these routes; a desktop can
speak for itself alone, whatever it sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import time_at
from chalicelib.ec2.instances import IncompleteAnswerError
from chalicelib.meeting_row.table import RowChangedError, RowFullError, decide_again
from chalicelib.meetings.desktop_caller import (
    EndedError,
    NotOursError,
    NotYetError,
    instance_of,
)
from chalicelib.meetings.desktop_reports import (
    LARGEST_DATA,
    BadDataError,
    NoAddressError,
    description,
    report_connected,
    report_finished,
    report_healthy,
)
from chalicelib.meetings.http import json_answer
from chalicelib.resource_names import StageNames

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.meeting_row.meeting import RowUpdate
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.desktop_caller import Speaker, Speakers
    from chalicelib.meetings.http import Answer, Request
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Reporter

ATTEMPTS: Final = 3
"""Attempts to decide when the row is changed between reading and writing."""
_ASKS: Final = "describe"
_SOON: Final = "5"
"""Seconds after which a desktop should ask again."""

Decide = Callable[["Speaker", "datetime"], "RowUpdate | None"]


class DesktopApi:
    """Answers desktops; one for each execution environment.

    Every answer is JSON, with a `message` if it is no success: 403 if the caller is no desktop of
    this stage or its role has another one, 410 `{status, reason}` if its meeting is over, 404 if it
    is not known yet, 409 if nobody could reach it yet, 503 if AWS failed: the last three with
    Retry-After.
    """

    def __init__(
        self,
        *,
        settings: MeetingsSettings,
        speakers: Speakers,
        table: Meetings,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._speakers = speakers
        self._table = table
        self._reporter = reporter
        self._clock = clock

    def describe(self, request: Request, context: LambdaContext) -> Answer:
        """Describe its meeting to a desktop; record that somebody is connected, if it says so."""
        is_connected = request.query.get("connections", "0").strip("0") != ""

        def decide(speaker: Speaker, now: datetime) -> RowUpdate | None:
            return report_connected(speaker, now) if is_connected else None

        return self._answer(_ASKS, request, context, decide)

    def healthy(self, request: Request, context: LambdaContext) -> Answer:
        """Open the door of its role; the status becomes HEALTHY if it is an earlier one."""
        return self._answer("healthy", request, context, report_healthy)

    def finished(self, request: Request, context: LambdaContext) -> Answer:
        """Keep what its session leaves, a JSON object; the first one counts."""
        if len(request.body) > LARGEST_DATA:
            said = {"message": f"The data are larger than {LARGEST_DATA} bytes."}
            return json_answer(413, said)
        return self._answer(
            "finished", request, context, lambda speaker, _: report_finished(speaker, request.body)
        )

    def _answer(
        self, what: str, request: Request, context: LambdaContext, decide: Decide
    ) -> Answer:
        """Recognize the caller, decide and write, and report once."""
        fields: dict[str, Any] = {"request_id": context.aws_request_id, "request": what}
        try:
            stage = StageNames.of(context.invoked_function_arn)
            instance_id = instance_of(request.caller_arn, stage)
            fields["instance_id"] = instance_id
            speaker, is_new = decide_again(
                ATTEMPTS, lambda: self._attempt(instance_id, what, decide)
            )
        except (NotOursError, BadDataError, EndedError, NotYetError, NoAddressError) as refusal:
            fields |= {"action": "refused", "reason": str(refusal)}
            self._reporter.succeeded(fields, {})
            return _refused(refusal)
        except (
            RowChangedError,
            RowFullError,
            IncompleteAnswerError,
            ClientError,
            BotoCoreError,
        ) as error:
            self._reporter.failed(fields, {"Failed": 1}, error)
            return json_answer(503, {"message": "Please try again."}, Retry_After=_SOON)
        fields |= {"meeting_id": speaker.meeting.id, "role": speaker.role}
        fields |= {"action": "written" if is_new else "unchanged", "reason": what}
        self._reporter.succeeded(fields, {})
        return json_answer(200, description(speaker, self._settings.longest))

    def _attempt(self, instance_id: str, what: str, decide: Decide) -> tuple[Speaker, bool]:
        speaker = self._speakers.recognize(instance_id, fresh=what != _ASKS)
        update = decide(speaker, time_at(self._clock()))
        if update is None:
            return speaker, False
        return replace(speaker, meeting=self._table.update_row(update)), True


def _refused(refusal: Exception) -> Answer:
    said = {"message": str(refusal)}
    if isinstance(refusal, EndedError):
        return json_answer(410, said | {"status": refusal.status, "reason": refusal.reason})
    if isinstance(refusal, NotOursError):
        return json_answer(403, said)
    if isinstance(refusal, BadDataError):
        return json_answer(400, said)
    status = 404 if isinstance(refusal, NotYetError) else 409
    return json_answer(status, said, Retry_After=_SOON)

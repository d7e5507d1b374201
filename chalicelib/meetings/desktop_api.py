"""The desktops' API: `GET /desktop`, `POST /desktop/healthy` and `POST /desktop/finished`.

API Gateway admits only requests signed by a role that may invoke these routes, and a desktop can
ask and report for itself only.
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
    BadDataError,
    NoAddressError,
    TooMuchDataError,
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
    from chalicelib.meetings.desktop_caller import CallingDesktop, CallingDesktops
    from chalicelib.meetings.http import Answer, Request
    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.telemetry import Reporter

_ASKS: Final = "describe"
_SOON: Final = "5"
"""Seconds after which a desktop should ask again."""

_STATUS_CODES: Final[dict[type[Exception], int]] = {
    BadDataError: 400,
    NotOursError: 403,
    NotYetError: 404,
    NoAddressError: 409,
    EndedError: 410,
    TooMuchDataError: 413,
}

Decide = Callable[["CallingDesktop", "datetime"], "RowUpdate | None"]


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
        callers: CallingDesktops,
        table: Meetings,
        reporter: Reporter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._callers = callers
        self._table = table
        self._reporter = reporter
        self._clock = clock

    def describe(self, request: Request, context: LambdaContext) -> Answer:
        """Describe its meeting to a desktop; record that somebody is connected, if it says so."""
        is_connected = request.query.get("connections", "0").strip("0") != ""

        def decide(desktop: CallingDesktop, now: datetime) -> RowUpdate | None:
            return report_connected(desktop, now) if is_connected else None

        return self._answer(_ASKS, request, context, decide)

    def healthy(self, request: Request, context: LambdaContext) -> Answer:
        """Open the door of its role; the status becomes HEALTHY if it is an earlier one."""
        return self._answer("healthy", request, context, report_healthy)

    def finished(self, request: Request, context: LambdaContext) -> Answer:
        """Keep what its session leaves, a JSON object; the first one counts."""
        return self._answer(
            "finished", request, context, lambda desktop, _: report_finished(desktop, request.body)
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
            desktop, is_new = decide_again(lambda: self._attempt(instance_id, what, decide))
        except tuple(_STATUS_CODES) as refusal:
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
        fields |= {"meeting_id": desktop.meeting.id, "role": desktop.role}
        fields |= {"action": "written" if is_new else "unchanged", "reason": what}
        self._reporter.succeeded(fields, {})
        return json_answer(200, description(desktop, self._settings.longest))

    def _attempt(self, instance_id: str, what: str, decide: Decide) -> tuple[CallingDesktop, bool]:
        desktop = self._callers.recognize(instance_id, fresh=what != _ASKS)
        update = decide(desktop, time_at(self._clock()))
        if update is None:
            return desktop, False
        return replace(desktop, meeting=self._table.update_row(update)), True


def _refused(refusal: Exception) -> Answer:
    said = {"message": str(refusal)}
    if isinstance(refusal, EndedError):
        said |= {"status": refusal.status, "reason": refusal.reason}
    later = {"Retry_After": _SOON} if isinstance(refusal, (NotYetError, NoAddressError)) else {}
    return json_answer(_STATUS_CODES[type(refusal)], said, **later)

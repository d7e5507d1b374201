"""The self-test of meetings: one is booked, entered by its link, and cancelled."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import urllib3

from chalicelib.clock import format_time
from chalicelib.ec2.instances import MEETING_TAG
from chalicelib.meeting_row.meeting import REASON, ROLES, Status
from ops.account import AwsError, readable_errors
from ops.stage_meetings import StageMeetings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.account import Account
    from ops.selftest.promises import Promises
    from ops.selftest.resolution import Resolution
    from ops.stages import Stage

_BOOKED: Final = 60.0
_READY: Final = 1200.0
_END: Final = 600.0
_DNS: Final = 120.0
_OK = 200
_BOOKED_STATUSES: Final = (201, _OK)
_TIMEOUT: Final = urllib3.Timeout(connect=10, read=30)


@dataclass(frozen=True)
class Api:
    """The stage's API, with a key of the stage."""

    address: str
    key: str = field(repr=False)
    _pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager, repr=False)

    def time(self) -> datetime:
        """Ask for the API's time, since this machine's clock may be wrong."""
        answer = self._pool.request("GET", self.address, timeout=_TIMEOUT, retries=False)
        said = answer.headers.get("Date")
        return parsedate_to_datetime(said) if said else datetime.now(UTC)

    def ask(
        self, method: str, path: str, body: object = None, request: str | None = None
    ) -> tuple[int, Any]:
        """Send a request; return the status and the answer's JSON. Raises urllib3's HTTPError."""
        headers = {"Authorization": f"Bearer {self.key}"}
        if request:
            headers["Idempotency-Key"] = request
        return self._answer(method, f"{self.address.rstrip('/')}{path}", headers, body)

    def open(self, link: str) -> tuple[int, Any]:
        """Open a join link as a program does."""
        return self._answer("GET", link, {})

    def _answer(
        self, method: str, url: str, headers: dict[str, str], body: object = None
    ) -> tuple[int, Any]:
        headers["Accept"] = "application/json"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        answer = self._pool.request(
            method, url, body=data, headers=headers, timeout=_TIMEOUT, retries=False, redirect=False
        )
        try:
            return answer.status, json.loads(answer.data)
        except ValueError:
            return answer.status, {}


class MeetingWalk:
    """Books a meeting that starts now, waits for its desktops, enters by the link, cancels it."""

    def __init__(
        self,
        stage: Stage,
        account: Account,
        api: Api,
        resolution: Resolution,
        promises: Promises,
    ) -> None:
        self._stage = stage
        self._api = api
        self._meetings = StageMeetings(stage, account)
        self._resolution = resolution
        self._promises = promises
        self._ec2 = account.client("ec2")
        self._doctor = f"elephant doctor {stage.name}"
        self._id = ""
        self._start = ""
        self._request = f"selftest-{token_hex(8)}"
        self._links: dict[str, str] = {}
        self._address = ""

    def run(self) -> None:
        """Go through it all; a meeting that cannot be booked has nothing else."""
        try:
            if not self._promises.wait(
                "API: a meeting is booked", self._book, _BOOKED, self._doctor
            ):
                return
            shown = f"elephant meetings {self._stage.name} show {self._id}"
            if self._promises.wait(
                "Meeting: the student's link leads to a desktop",
                self._entrance,
                _READY,
                f"{shown}; the desktop's journal: docs/desktops.md",
            ):
                self._promises.wait(
                    "DNS: a public resolver resolves that desktop's name",
                    self._unresolved,
                    _DNS,
                    self._doctor,
                )
        finally:
            self._cancel()

    def _book(self) -> str:
        """Book it; if the answer was lost, the same request makes no second one."""
        if not self._start:
            self._start = format_time(self._api.time() + timedelta(minutes=1))
        names = dict.fromkeys(("teacher_name", "student_name"), "Self-test")
        body = names | {"meet_time": self._start}
        status, answer = self._api.ask("POST", "/schedule", body, self._request)
        if status not in _BOOKED_STATUSES:
            return _said(status, answer)
        self._id = str(answer["meeting_id"])
        self._links = {role: str(answer[f"{role}_link"]) for role in ROLES}
        return ""

    def _entrance(self) -> str:
        status, answer = self._api.open(self._links["student"])
        self._address = str(answer.get("dcv_url", ""))
        if not self._address:
            return _said(status, answer)
        meetings = self._stage.settings.meetings
        if (
            meetings
            and meetings.signs_in
            and "authToken" not in parse_qs(urlsplit(self._address).query)
        ):
            return "the desktop's address has no ticket"
        return ""

    def _unresolved(self) -> str:
        host = urlsplit(self._address).hostname or ""
        return "" if self._resolution.public(host) else f"{host} has no address"

    def _cancel(self) -> None:
        if not self._id:
            return
        remedy = f"elephant meetings {self._stage.name} cancel {self._id}"
        self._promises.wait("API: the meeting is cancelled", self._refusal, _END, remedy)
        self._promises.wait(
            "Meeting: it has ended, and neither of its desktops runs", self._left, _END, remedy
        )

    def _refusal(self) -> str:
        status, answer = self._api.ask("DELETE", f"/meetings/{self._id}")
        return "" if status == _OK else f"it answers {status}: {answer.get('message')}"

    def _left(self) -> str:
        with readable_errors("list the meeting's desktops"):
            pages = self._ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": f"tag:{MEETING_TAG}", "Values": [self._id]}]
            )
            states = [
                each["State"]["Name"]
                for page in pages
                for part in page["Reservations"]
                for each in part["Instances"]
            ]
        if running := [each for each in states if each != "terminated"]:
            return f"its desktops are {', '.join(running)}"
        row = self._meetings.read(self._id)
        if row.text("status") != Status.TERMINATED:
            return f"its row is {row.text('status')} ({row.text(REASON) or 'no reason'})"
        return ""


def _said(status: int, answer: dict[str, Any]) -> str:
    errors = [f"{name}: {text}" for name, text in (answer.get("errors") or {}).items()]
    return "; ".join([f"it answers {status}: {answer.get('message')}", *errors])


def first_key(keys: Mapping[str, tuple[str, ...]]) -> str:
    """Return a key with which to book. Raises AwsError if there is none."""
    for of_name in keys.values():
        return of_name[0]
    raise AwsError("the stage has no key to book with: make one with `elephant keys NAME add WHO`")

"""The routes of the API on moto's AWS, with faults at any of the calls to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from chalicelib.meeting_row.meeting import typed
from chalicelib.meetings.http import Request
from chalicelib.resource_names import StageNames
from tests.functions import Functions
from tests.meetings.faults import LOST, REFUSED, UNREACHED, Faults, FaultyClient
from tests.meetings.launches import ID, MEETINGS
from tests.world import ACCOUNT, REGION, TABLE, Context, Reports, make_settings, make_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.session import Session

    from chalicelib.meetings.desktop_api import DesktopApi
    from chalicelib.meetings.http import Answer
    from chalicelib.meetings.scheduling import Scheduling

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:elephant-test"
PLACE = StageNames.of(ARN)
KEY = "k3y-0f-the-front-end-0123456789abcdef"
JOIN_KEY = "the-students-key"
SEED = "s33d-0f-the-stage-0123456789abcdefgh"
ROOM = "https://meet.example.com/{meeting_id}"
ORIGIN = "https://app.example.com"
BASE = "https://api.example.com/api"
BODY = {
    "teacher_name": "Ada Lovelace",
    "student_name": "Zoë",
    "teacher_email": "ada@example.com",
    "meet_time": "2026-11-21T15:30:00+01:00",
}
MEET_TIME = "2026-11-21T14:30:00Z"

FAULTS = (REFUSED, UNREACHED, LOST)


class Api(Faults):
    """Both routes as a new execution environment has them.

    `calls` holds the calls to AWS of the last request by their operation; `faults` says, by their
    number, which of them fail and how, and `meanwhile` what happens just before one.
    """

    def __init__(self, session: Session, *, is_first: bool = True, **variables: str) -> None:
        super().__init__(code="ThrottlingException")
        self._session = session
        self._variables = variables
        clients: dict[str, Any] = {
            name: session.create_client(name, region_name=REGION)
            for name in ("dynamodb", "scheduler", "secretsmanager", "ec2")
        }
        self.dynamodb, self.scheduler, self.secrets, self.ec2 = clients.values()
        self._clients = {name: FaultyClient(client, self) for name, client in clients.items()}
        if is_first:
            self._furnish()
        self.now = NOW.timestamp()
        self.context = Context(invoked_function_arn=ARN)
        self.reports = Reports()
        self.scheduling = self.new_scheduling()

    def _furnish(self) -> None:
        make_table(self.dynamodb)
        self.scheduler.create_schedule_group(Name=PLACE.schedule_group)
        self.secrets.create_secret(Name=PLACE.schedule_secret, SecretString=KEY)
        self.secrets.create_secret(Name=PLACE.seed_secret, SecretString=SEED)

    def new_scheduling(self, **variables: str) -> Scheduling:
        return self._functions(**self._variables, **variables).meetings.scheduling

    def _functions(self, **variables: str) -> Functions:
        more = {"ALLOWED_ORIGINS": ORIGIN, "ROOM_URL": ROOM} | variables
        settings = make_settings(**(MEETINGS | more))
        return Functions(settings, self._clients, self.reports, lambda: self.now)

    def call(self, name: str, do: Callable[..., Any], request: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call AWS; the stage's seed is read once and for all, so it is not among the calls."""
        if request.get("SecretId") == PLACE.seed_secret:
            return do(**request)
        return super().call(name, do, request)

    def post(
        self,
        body: object = BODY,
        key: str | None = None,
        bearer: str | None = KEY,
        base: str = BASE,
        **headers: str,
    ) -> Answer:
        """Send a request; a body that is no bytes is sent as JSON, and `key` makes it repeatable.

        A header's name is written with underscores.
        """
        sent = {"content-type": "application/json", "origin": ORIGIN}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"authorization": f"Bearer {bearer}"} if bearer is not None else {}
        sent |= {"idempotency-key": key} if key is not None else {}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.calls.clear()
        request = Request("POST", "/api/schedule", sent, {}, raw, base)
        return self.scheduling.handle(request, self.context)

    def own(
        self,
        meeting_id: str | None = None,
        method: str = "GET",
        body: object = None,
        bearer: str | None = KEY,
        **query: str,
    ) -> Answer:
        """Send a request for a caller's meetings, or for one of them; upper case is a setting."""
        variables = {name: query.pop(name) for name in list(query) if name.isupper()}
        own = self._functions(**self._variables, **variables).meetings.own_meetings
        sent = {"content-type": "application/json", "origin": ORIGIN}
        sent |= {"authorization": f"Bearer {bearer}"} if bearer is not None else {}
        raw = b"" if body is None else json.dumps(body).encode()
        request = Request(method, f"/api/meetings/{meeting_id or ''}", sent, query, raw, BASE)
        self.calls.clear()
        if meeting_id is None:
            return own.list_all(request, self.context)
        return own.handle(request, self.context, meeting_id)

    def ask(  # noqa: PLR0913 (all that a request may differ in)
        self,
        role: str = "student",
        meeting_id: str = ID,
        *,
        key: str | None = JOIN_KEY,
        accept: str | None = "application/json",
        more: Mapping[str, str] | None = None,
        join_keys: str = "required",
        sign_in: str = "none",
        **query: str,
    ) -> Answer:
        join = self._functions(JOIN_KEYS=join_keys, DESKTOP_SIGN_IN=sign_in).meetings.join
        headers = ({} if accept is None else {"accept": accept}) | dict(more or {})
        query |= {} if key is None else {"key": key}
        path = f"/api/join/{meeting_id}/{role}"
        self.calls.clear()
        return join.handle(Request("GET", path, headers, query, b"", BASE), meeting_id, role)

    def new_desktop_api(self) -> DesktopApi:
        return self._functions().meetings.desktop_api

    def desktop(
        self,
        what: str,
        caller: str,
        body: bytes = b"",
        environment: DesktopApi | None = None,
        **query: str,
    ) -> Answer:
        """Call the desktops' API, a new one by default, with the signature of this ARN."""
        request = Request("POST", f"/api/desktop/{what}", {}, query, body, BASE, caller)
        self.calls.clear()
        answer: Answer = getattr(environment or self.new_desktop_api(), what)(request, self.context)
        return answer

    def dcv(self, instance_id: str, body: bytes) -> Answer:
        """Ask as the DCV server of a desktop does."""
        self.calls.clear()
        request = Request("POST", f"/api/dcv/{instance_id}", {}, {}, body, BASE)
        return self._functions().meetings.sign_in.handle(request, instance_id)

    def rows(self) -> dict[str, dict[str, str]]:
        items = self.dynamodb.scan(TableName=TABLE)["Items"]
        return {
            item["id"]["S"]: {name: next(iter(value.values())) for name, value in item.items()}
            for item in items
        }

    def meetings(self) -> list[str]:
        """Return the ids of the rows that count as meetings."""
        return [key for key, row in self.rows().items() if "termination_reason" not in row]

    def schedules(self) -> set[str]:
        found = self.scheduler.list_schedules(GroupName=PLACE.schedule_group)
        return {each["Name"] for each in found["Schedules"]}

    def schedule(self, name: str) -> dict[str, Any]:
        found = self.scheduler.get_schedule(Name=name, GroupName=PLACE.schedule_group)
        return dict(found)

    def put_row(self, row: dict[str, str]) -> None:
        self.dynamodb.put_item(TableName=TABLE, Item=typed(row))

    def change_row(self, key: str, **texts: str) -> None:
        """Write attributes of a row, as the other functions do."""
        self.put_row(self.rows()[key] | texts)

    def clear_rows(self) -> None:
        get_backend("dynamodb")[ACCOUNT][REGION].tables[TABLE].items.clear()

    @cached_property
    def rival(self) -> Api:
        """The API in another execution environment."""
        return Api(self._session, is_first=False)

    def reset(self) -> None:
        """Leave AWS as it was at first, and let it answer: much faster than new mocks."""
        self.clear_rows()
        group = get_backend("scheduler")[ACCOUNT][REGION].schedule_groups[PLACE.schedule_group]
        group.schedules.clear()
        for api in (self, self.rival):
            api.context = Context(invoked_function_arn=ARN)
            api.reports = Reports()
            api.calls.clear()
            api.faults, api.meanwhile = {}, {}
            api.now = NOW.timestamp()
            api.scheduling = api.new_scheduling()

    def store_keys(self, keys: str | dict[str, str | list[str]]) -> None:
        text = keys if isinstance(keys, str) else json.dumps(keys)
        self.secrets.put_secret_value(SecretId=PLACE.schedule_secret, SecretString=text)


def read(answer: Answer) -> dict[str, Any]:
    """Read an answer, which is JSON that the configured page may read."""
    document = json.loads(answer.body)
    assert isinstance(document, dict)
    assert document["message"]
    assert answer.content_type == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    return document

"""`POST /schedule`: one request, one meeting with two schedules; otherwise a clear answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.meeting_row.meeting import ROLES
from chalicelib.meetings import reservation
from chalicelib.meetings.keys import Seed, hash_of, join_keys
from chalicelib.telemetry import LogReporter
from tests.meetings.api import ARN, BASE, BODY, KEY, MEET_TIME, NOW, PLACE, SEED, Api, read
from tests.meetings.faults import REFUSED, UNREACHED

if TYPE_CHECKING:
    from botocore.session import Session

Change = Callable[[Api], object]
Repetition = Callable[[Api, str], object]
OTHER_KEY = "k3y-0f-the-office-0123456789abcdefgh"
WRONG = "wrong-0123456789abcdef"
LATE = BODY | {"meet_time": "2026-11-20T12:00:00Z"}


def keys_in(document: dict[str, Any]) -> dict[str, str]:
    return {role: parse_qs(urlsplit(document[f"{role}_link"]).query)["key"][0] for role in ROLES}


def is_empty(api: Api) -> bool:
    return (api.rows(), api.schedules()) == ({}, set())


# A meeting


def test_a_meeting_is_scheduled_with_row_links_and_report(api: Api) -> None:
    """Nothing may start that nothing would end, and nothing for a meeting that does not exist."""
    before_the_second: list[str] = []
    api.meanwhile = {4: lambda: before_the_second.extend(api.schedules())}

    answer = api.post()

    document = read(answer)
    key = document["meeting_id"]
    assert answer.status == 201
    assert document == {
        "message": "Meeting scheduled",
        "meeting_id": key,
        "teacher_link": f"{BASE}/join/{key}/teacher?key={keys_in(document)['teacher']}",
        "student_link": f"{BASE}/join/{key}/student?key={keys_in(document)['student']}",
        "jitsi_url": f"https://meet.example.com/{key}",
        "meet_time": MEET_TIME,
    }
    assert api.rows()[key].items() >= {
        "status": "SCHEDULED",
        "student_name": "Zoë",
        "scheduled_at": "2026-11-21T12:00:00Z",
        "teacher_key_hash": hash_of(keys_in(document)["teacher"]),
        "student_key_hash": hash_of(keys_in(document)["student"]),
    }.items()  # fmt: skip
    fields = {
        "request_id": api.context.aws_request_id,
        "caller": "default",
        "action": "scheduled",
        "reason": f"meeting {key} at {MEET_TIME}",
        "meeting_id": key,
    }
    assert api.reports.lines == [("succeeded", fields, {"Warnings": 0, "Scheduled": 1})]
    schedules = ["create_schedule", "create_schedule"]
    assert api.calls == ["get_secret_value", "query", "put_item", *schedules, "update_item"]
    assert [name[:6] for name in before_the_second] == ["safety"]


@pytest.mark.parametrize(
    ("meet_time", "launch_at", "check_at"),
    [(MEET_TIME, "14:20:00", "14:45:00"), (NOW.isoformat(), "12:01:00", "12:15:00")],
    ids=["later", "now"],
)
def test_both_functions_are_started_in_time(
    api: Api, meet_time: str, launch_at: str, check_at: str
) -> None:
    key = read(api.post(BODY | {"meet_time": meet_time}))["meeting_id"]

    assert api.schedules() == {f"launch-{key}", f"safety-{key}"}
    for name, at, function, parameter in (
        ("launch", launch_at, "launch_ec2", "meeting_id"),
        ("safety", check_at, "safety_net", "meetingId"),
    ):
        schedule = api.schedule(f"{name}-{key}")
        assert schedule["ScheduleExpression"] == f"at(2026-11-21T{at})"
        assert schedule["Target"]["Arn"] == PLACE.function_arn(function)
        assert json.loads(schedule["Target"]["Input"]) == {parameter: key}


def test_a_stage_may_do_without_keys_in_its_links(api: Api, session: Session) -> None:
    with_keys = read(api.post(key="order-1"))
    other = Api(session, is_first=False, JOIN_KEYS="off")

    document = read(other.post())

    key = document["meeting_id"]
    assert document["teacher_link"] == f"{BASE}/join/{key}/teacher"
    assert not [name for name in api.rows()[key] if name.endswith("key_hash")]
    # A meeting that was made with keys keeps them.
    assert read(other.post(key="order-1"))["teacher_link"] == with_keys["teacher_link"]


def test_a_stage_may_have_no_rooms(session: Session, api: Api) -> None:
    document = read(Api(session, is_first=False, ROOM_URL="").post())

    assert document["jitsi_url"] is None
    assert "jitsi_url" not in api.rows()[document["meeting_id"]]


# The same request again

OVER, FAILED = {"status": "TERMINATED"}, "LAUNCH_FAILED"
REPEATED: dict[str, Repetition] = {
    "at once": lambda _, __: None,
    "when launched": lambda api, key: api.change_row(key, status="LAUNCHED"),
    "when over": lambda api, key: api.change_row(key, **OVER, termination_reason="SUCCESS"),
    "when failed": lambda api, key: api.change_row(key, **OVER, termination_reason=FAILED),
    "hours later": lambda api, _: setattr(api, "now", api.now + 5 * 3600),
    "in a new environment": lambda api, _: setattr(api, "scheduling", api.new_scheduling()),
}


@pytest.mark.parametrize("change", REPEATED.values(), ids=REPEATED)
@pytest.mark.parametrize("body", [BODY, BODY | {"meet_time": MEET_TIME, "note": 1}])
def test_a_repeated_request_gets_the_same_answer_and_makes_nothing(
    api: Api, change: Repetition, body: dict[str, Any]
) -> None:
    """A client that lost the answer may repeat it hours later, written differently."""
    first = api.post(key="order-1")
    key = read(first)["meeting_id"]
    change(api, key)
    for name in api.schedules():  # they have fired, and must not be made again
        api.scheduler.delete_schedule(Name=name, GroupName=PLACE.schedule_group)

    second = api.post(body, key="order-1")

    assert (first.status, second.status) == (201, 200)
    assert read(second) == read(first) | {"message": "Meeting was already scheduled"}
    assert set(api.calls) <= {"get_item", "get_secret_value"}
    assert (list(api.rows()), api.schedules()) == ([key], set())
    assert api.reports.lines[-1][2] == {"Warnings": 0, "Scheduled": 0}


def test_the_same_idempotency_key_for_another_meeting_is_refused(api: Api) -> None:
    first = read(api.post(key="order-1"))
    before = api.rows()

    answer = api.post(BODY | {"student_name": "Bob"}, key="order-1")

    assert answer.status == 409
    assert read(answer) == {"message": "This Idempotency-Key was used to schedule another meeting."}
    assert first["teacher_link"] not in answer.body
    assert api.rows() == before
    assert len(api.schedules()) == 2
    assert api.post(LATE, key="order-1").status == 409


def test_other_keys_other_callers_and_no_key_make_other_meetings(api: Api) -> None:
    api.store_keys({"front end": KEY, "office": OTHER_KEY})

    made = [api.post(key=key) for key in (None, None, "1", "~" * 255)]
    made.append(api.post(key="1", bearer=OTHER_KEY))

    assert [each.status for each in made] == [201] * 5
    assert (len(api.rows()), len(api.schedules())) == (5, 10)
    assert [line[1]["caller"] for line in api.reports.lines] == ["front end"] * 4 + ["office"]


@pytest.mark.parametrize("stored", [[KEY, OTHER_KEY], OTHER_KEY], ids=["both", "the new one"])
def test_a_callers_key_is_rotated_without_a_second_meeting(
    api: Api, stored: str | list[str]
) -> None:
    first = read(api.post(key="order-1"))

    api.store_keys({"default": stored})
    api.scheduling = api.new_scheduling()
    again = api.post(key="order-1", bearer=OTHER_KEY)

    assert read(again)["teacher_link"] == first["teacher_link"]


def test_a_meetings_links_come_from_the_stages_seed_and_no_callers_key(api: Api) -> None:
    """So no caller can compute those of a request whose Idempotency-Key they know, or guess."""
    meeting_id = Seed.derived(SEED.encode(), "default", "order-1").meeting_id

    document = read(api.post(key="order-1"))

    assert document["meeting_id"] == meeting_id
    assert keys_in(document) == join_keys(SEED.encode(), meeting_id)


@pytest.mark.parametrize("text", [None, "too short"])
def test_without_its_seed_the_stage_makes_no_meeting(api: Api, text: str | None) -> None:
    """Another seed would make a second one of a request that was made before, and other links."""
    api.scheduling = api.new_scheduling()
    api.secrets.delete_secret(SecretId=PLACE.seed_secret, ForceDeleteWithoutRecovery=True)
    if text:
        api.secrets.create_secret(Name=PLACE.seed_secret, SecretString=text)

    answer, other = api.post(key="order-1"), api.post()

    api.secrets.delete_secret(SecretId=PLACE.seed_secret, ForceDeleteWithoutRecovery=True)
    api.secrets.create_secret(Name=PLACE.seed_secret, SecretString=SEED)
    assert (answer.status, other.status) == (503, 503)
    assert f"secret '{PLACE.seed_secret}'" in api.reports.lines[0][0]
    assert ("32 or more" if text else "elephant deploy") in api.reports.lines[0][0]


def test_an_idempotency_key_whose_attempts_all_failed_is_given_up(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservation, "MOST_ATTEMPTS", 3)
    api.post(key="order-1")
    for _ in range(3):
        for key in api.meetings():
            row = api.rows()[key] | {"status": "TERMINATED", "termination_reason": FAILED}
            row.pop("scheduled_at", None)
            api.put_row(row)
        answer = api.post(key="order-1")

    assert answer.status == 409
    assert "use a new key" in read(answer)["message"]
    assert api.post(key="order-2").status == 201
    api.now += timedelta(hours=5).total_seconds()
    assert api.post(key="order-1").status == 400


# Refusals


@pytest.mark.parametrize("authorization", [None, f"Basic {KEY}", f"Bearer {WRONG}"])
def test_nobody_without_a_key_can_schedule_or_learns_what_else_is_wrong(
    api: Api, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}

    answers = [
        api.post(body, bearer=None, key=key, **headers)
        for body in (BODY, {}, b"no JSON", b"x" * 10_000)
        for key in (None, "\n")
    ]

    assert {each.status for each in answers} == {401}
    assert {each.headers["WWW-Authenticate"] for each in answers} == {"Bearer"}
    assert len({each.body for each in answers}) == 1
    assert set(read(answers[0])) == {"message"}
    assert is_empty(api)
    assert api.reports.lines[-1][2] == {"Ignored": 1}


TYPE = "Content-Type: application/json"
INVALID: dict[str, tuple[object, dict[str, str], int, str]] = {
    "no JSON": (b"{", {}, 400, "send a JSON object"),
    "no field": ({}, {}, 400, "is missing"),
    "too late to be a repetition": (LATE, {"key": "order-1"}, 400, "has passed"),
    "too large": (b" " * 8193, {}, 413, "larger than 8192 bytes"),
    "JSON and its charset": ({}, {"content_type": "Application/JSON; charset=x"}, 400, "missing"),
    "a kind of JSON": ({}, {"content_type": "application/vnd.api+json"}, 400, "missing"),
    "sent as text": (BODY, {"content_type": "text/plain"}, 415, TYPE),
    "sent by a form": (BODY, {"content_type": "application/x-www-form-urlencoded"}, 415, TYPE),
    "sent as nothing": (BODY, {"content_type": ""}, 415, TYPE),
    "sent as json": (BODY, {"content_type": "json"}, 415, TYPE),
    "without a Host for the links": (BODY, {"base": ""}, 400, "Host"),
}


@pytest.mark.parametrize(("body", "sent", "status", "error"), INVALID.values(), ids=INVALID)
def test_an_invalid_request_is_refused_with_its_errors(
    api: Api, body: object, sent: dict[str, Any], status: int, error: str
) -> None:
    answer = api.post(body, **sent)

    assert answer.status == status
    read(answer)
    assert error in answer.body
    assert is_empty(api)
    assert api.reports.lines[-1][1]["action"] == "refused"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "k\u00e9y", "a\tb", "\ud800"])
def test_a_wrong_idempotency_key_is_reported_beside_what_else_is_wrong(api: Api, key: str) -> None:
    for wrong in ({"student_name": "", "meet_time": "2020-01-01T00:00Z"}, LATE, {}):
        answer = api.post(BODY | wrong, key=key)

        assert answer.status == 400
        fields = {name for name in wrong if BODY[name] != wrong[name]}
        assert set(read(answer)["errors"]) == {"Idempotency-Key"} | fields


# What fails


def run_as(arn: str) -> Change:
    return lambda api: setattr(api.context, "invoked_function_arn", arn)


def out_of_time_before(number: int) -> Change:
    def pass_time(api: Api) -> None:
        api.now += 58.5

    return lambda api: api.meanwhile.update({number - 1: partial(pass_time, api)})


REFUSAL = "schedule 'safety-.*ThrottlingException.*everything was undone$"
NO_SECRET = "'elephant-other-schedule-key': it does not exist"
FAILURES: dict[str, tuple[Change, int, str]] = {
    "AWS refuses": (lambda api: api.faults.update({3: REFUSED}), 503, REFUSAL),
    "no secret": (run_as(ARN.replace("-test", "-other")), 503, NO_SECRET),
    "no time": (lambda api: setattr(api.context, "milliseconds", 1500), 503, "to create the row"),
    "no time after the row": (out_of_time_before(3), 503, "no time left"),
    "no time after a schedule": (out_of_time_before(4), 503, "no time left"),
    "no time after both": (out_of_time_before(5), 503, "no time left"),
    "our mistake": (run_as(""), 500, "''"),
}
ANSWERS = {
    503: ("The meeting could not be scheduled now. Please try again.", "5"),
    500: ("Something went wrong on our side.", None),
}


@pytest.mark.parametrize(("change", "status", "error"), FAILURES.values(), ids=FAILURES)
def test_a_failure_leaves_nothing_and_is_answered_and_reported(
    api: Api, change: Change, status: int, error: str
) -> None:
    change(api)

    answer = api.post()

    assert answer.status == status
    received = read(answer)["message"], answer.headers.get("Retry-After")
    assert received == ANSWERS[status]
    assert is_empty(api)
    report, fields, counts = api.reports.lines[-1]
    assert re.search(error, report)
    assert counts == {"Failed": 1}
    assert ("resource_names.py" in str(fields.get("trace"))) == (status == 500)


def test_no_key_and_no_name_is_logged(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.reports = LogReporter("schedule_meeting", "elephant:test")  # type: ignore[assignment]
    api.scheduling = api.new_scheduling()
    secrets = [KEY, WRONG, "Lovelace", *keys_in(read(api.post(key="order-1"))).values()]
    api.post(bearer=WRONG)
    for number in range(7):
        api.faults = {number: UNREACHED}
        api.post(key="order-2")
    api.context.invoked_function_arn = "arn"
    api.post(key="order-1")

    logged = capsys.readouterr()
    lines = [json.loads(line) for line in logged.out.splitlines()]
    assert len([line for line in lines if "level" in line]) == 10
    assert not [secret for secret in secrets if secret in logged.out + logged.err]

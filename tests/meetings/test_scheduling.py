"""`POST /schedule`: one request, one meeting with two schedules; whatever else, a clear answer."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from moto import mock_aws

from chalicelib.meeting_row.meeting import ROLES
from chalicelib.meetings import reservation
from chalicelib.meetings.keys import Seed, hash_of
from chalicelib.telemetry import LogReporter
from tests.meetings.front_desk import (
    ARN,
    BASE,
    BODY,
    KEY,
    MEET_TIME,
    NOW,
    PLACE,
    REFUSED,
    SEED,
    UNREACHED,
    FrontDesk,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session

NEW = ["GetSecretValue", "PutItem", "CreateSchedule", "CreateSchedule", "UpdateItem"]
AGAIN = ["GetItem"]


@pytest.fixture(scope="module")
def one_desk(session: Session) -> Iterator[FrontDesk]:
    with mock_aws():
        yield FrontDesk(session)


@pytest.fixture
def desk(one_desk: FrontDesk) -> FrontDesk:
    one_desk.begin_anew()
    return one_desk


def keys_in(document: dict[str, Any]) -> dict[str, str]:
    return {role: parse_qs(urlsplit(document[f"{role}_link"]).query)["key"][0] for role in ROLES}


# A meeting


def test_a_meeting_is_scheduled(desk: FrontDesk) -> None:
    answer = desk.post()

    document = read(answer)
    key = document["meeting_id"]
    assert answer.status == 201
    assert document == {
        "message": "Meeting scheduled",
        "meeting_id": key,
        "teacher_link": f"{BASE}/join/{key}/teacher?key={keys_in(document)['teacher']}",
        "student_link": f"{BASE}/join/{key}/student?key={keys_in(document)['student']}",
        "jitsi_url": f"https://meet.jit.si/{key}",
        "meet_time": MEET_TIME,
    }
    row = desk.rows()[key]
    assert row.items() >= {
        "status": "SCHEDULED",
        "teacher_name": "Ada Lovelace",
        "student_name": "Zoë",
        "teacher_email": "ada@example.com",
        "meet_time": MEET_TIME,
        "jitsi_url": f"https://meet.jit.si/{key}",
        "created_at": "2026-11-21T12:00:00Z",
        "scheduled_at": "2026-11-21T12:00:00Z",
    }.items()  # fmt: skip
    for role in ROLES:
        assert row[f"{role}_key_hash"] == hash_of(keys_in(document)[role])


def test_the_row_comes_first_and_the_safety_net_before_the_launch(desk: FrontDesk) -> None:
    """Nothing may start that nothing would end, and nothing for a meeting that there is not."""
    desk.post()

    assert desk.calls == NEW
    names = [each["Name"][:6] for each in desk.requests if "ScheduleExpression" in each]
    assert names == ["safety", "launch"]


def test_both_functions_are_started_in_time(desk: FrontDesk) -> None:
    key = read(desk.post())["meeting_id"]

    assert desk.schedules() == {f"launch-{key}", f"safety-{key}"}
    launch, safety = desk.schedule(f"launch-{key}"), desk.schedule(f"safety-{key}")
    assert launch["ScheduleExpression"] == "at(2026-11-21T14:20:00)"
    assert safety["ScheduleExpression"] == "at(2026-11-21T14:45:00)"
    assert launch["Target"]["Arn"] == PLACE.function_arn("launch_ec2")
    assert safety["Target"]["Arn"] == PLACE.function_arn("safety_net")
    assert json.loads(launch["Target"]["Input"]) == {"meeting_id": key}
    assert json.loads(safety["Target"]["Input"]) == {"meetingId": key}


def test_a_meeting_that_begins_at_once_is_launched_at_once(desk: FrontDesk) -> None:
    key = read(desk.post(BODY | {"meet_time": NOW.isoformat()}))["meeting_id"]

    launch, safety = desk.schedule(f"launch-{key}"), desk.schedule(f"safety-{key}")
    assert launch["ScheduleExpression"] == "at(2026-11-21T12:01:00)"
    assert safety["ScheduleExpression"] == "at(2026-11-21T12:15:00)"


def test_two_requests_make_two_meetings(desk: FrontDesk) -> None:
    first, second = read(desk.post()), read(desk.post())

    assert first["meeting_id"] != second["meeting_id"]
    assert len(desk.rows()) == 2
    assert len(desk.schedules()) == 4


def test_a_stage_may_do_without_keys_in_its_links(desk: FrontDesk, session: Session) -> None:
    other = FrontDesk(session, is_first=False, JOIN_KEYS="off")

    document = read(other.post())

    key = document["meeting_id"]
    assert document["teacher_link"] == f"{BASE}/join/{key}/teacher"
    assert not [name for name in desk.rows()[key] if name.endswith("key_hash")]


def test_a_repeated_request_gets_the_same_links_whatever_the_stage_has_come_to(
    desk: FrontDesk, session: Session
) -> None:
    first = read(desk.post(key="order-1"))

    again = FrontDesk(session, is_first=False, JOIN_KEYS="off").post(key="order-1")

    assert read(again)["teacher_link"] == first["teacher_link"]


def test_the_run_reports_who_scheduled_what(desk: FrontDesk) -> None:
    key = read(desk.post())["meeting_id"]

    assert desk.reports.lines == [
        (
            "succeeded",
            {
                "request_id": desk.context.aws_request_id,
                "caller": "default",
                "action": "scheduled",
                "reason": f"meeting {key} at {MEET_TIME}",
                "meeting_id": key,
            },
            {"Scheduled": 1},
        )
    ]


# The same request again


def test_the_same_request_again_makes_no_second_meeting(desk: FrontDesk) -> None:
    first, second = desk.post(key="order-1"), desk.post(key="order-1")

    assert (first.status, second.status) == (201, 200)
    assert read(second) == read(first) | {"message": "Meeting was already scheduled"}
    assert len(desk.rows()) == 1
    assert len(desk.schedules()) == 2
    assert desk.calls == AGAIN, "a schedule that has fired must not be made again"
    assert desk.reports.lines[-1][2] == {"Scheduled": 0}


def test_it_may_be_spelled_otherwise(desk: FrontDesk) -> None:
    first = read(desk.post(key="order-1"))

    again = read(desk.post(BODY | {"meet_time": MEET_TIME, "note": 1}, key="order-1"))

    assert again["meeting_id"] == first["meeting_id"]


def test_a_new_environment_knows_it_too(desk: FrontDesk) -> None:
    first = read(desk.post(key="order-1"))
    desk.scheduling = desk.new_scheduling()

    assert read(desk.post(key="order-1"))["teacher_link"] == first["teacher_link"]


@pytest.mark.parametrize(
    "since",
    [
        {"status": "LAUNCHED"},
        {"status": "TERMINATED", "termination_reason": "SUCCESS"},
        {"status": "TERMINATED", "termination_reason": "LAUNCH_FAILED"},
    ],
)
def test_a_meeting_that_went_on_is_still_the_same(desk: FrontDesk, since: dict[str, str]) -> None:
    first = read(desk.post(key="order-1"))
    desk.change_row(first["meeting_id"], **since)
    for name in desk.schedules():
        desk.scheduler.delete_schedule(Name=name, GroupName=PLACE.schedule_group)

    answer = desk.post(key="order-1")

    assert answer.status == 200
    assert read(answer)["teacher_link"] == first["teacher_link"]
    assert desk.schedules() == set()


def test_it_is_the_same_even_after_its_time(desk: FrontDesk) -> None:
    """A client that lost the answer may ask again hours later."""
    first = read(desk.post(key="order-1"))
    desk.now += timedelta(hours=5).total_seconds()

    answer = desk.post(key="order-1")
    assert (answer.status, read(answer)["meeting_id"]) == (200, first["meeting_id"])

    other = desk.post(key="order-2")
    assert other.status == 400
    assert "has passed" in read(other)["errors"]["meet_time"]
    assert len(desk.rows()) == 1


def test_the_same_key_for_another_meeting_is_refused(desk: FrontDesk) -> None:
    first = read(desk.post(key="order-1"))
    before = desk.rows()

    answer = desk.post(BODY | {"student_name": "Bob"}, key="order-1")

    assert answer.status == 409
    assert read(answer) == {"message": "This Idempotency-Key was used to schedule another meeting."}
    assert first["teacher_link"] not in answer.body
    assert desk.rows() == before
    assert len(desk.schedules()) == 2
    late = desk.post(BODY | {"meet_time": "2026-11-20T12:00:00Z"}, key="order-1")
    assert late.status == 409


def test_two_callers_may_use_the_same_key(desk: FrontDesk) -> None:
    other = "k3y-0f-the-office-0123456789abcdefgh"
    desk.store_keys({"front end": KEY, "office": other})

    first, second = desk.post(key="1"), desk.post(key="1", bearer=other)
    desk.store_keys(KEY)

    assert (first.status, second.status) == (201, 201)
    assert read(first)["meeting_id"] != read(second)["meeting_id"]
    assert [line[1]["caller"] for line in desk.reports.lines] == ["front end", "office"]


def test_a_key_to_schedule_with_is_rotated_without_a_second_meeting(desk: FrontDesk) -> None:
    new = "k3y-0f-the-front-end-that-is-new-0123"
    first = read(desk.post(key="order-1"))

    links = []
    stores: tuple[dict[str, str | list[str]], ...] = ({"default": [KEY, new]}, {"default": new})
    for stored in stores:
        desk.store_keys(stored)
        desk.scheduling = desk.new_scheduling()
        links.append(read(desk.post(key="order-1", bearer=new))["teacher_link"])
    desk.store_keys(KEY)

    assert links == [first["teacher_link"]] * 2


def test_who_holds_the_key_to_schedule_with_cannot_compute_a_meetings_links(
    desk: FrontDesk,
) -> None:
    """Not those of a request whose Idempotency-Key they know, or guess."""
    made = read(desk.post(key="order-1"))

    guesses = [Seed.derived(each.encode(), "default", "order-1") for each in (KEY, "default", "")]
    assert made["meeting_id"] not in {each.meeting_id for each in guesses}
    assert keys_in(made)["teacher"] == (
        Seed.derived(SEED.encode(), "default", "order-1").join_key("teacher")
    )


@pytest.mark.parametrize("text", [None, "too short"])
def test_without_its_seed_a_request_makes_no_meeting(desk: FrontDesk, text: str | None) -> None:
    """Another seed would make a second one of a request that was made before."""
    desk.scheduling = desk.new_scheduling()
    seed = desk.secrets.get_secret_value(SecretId=PLACE.seed_secret)["SecretString"]
    desk.secrets.delete_secret(SecretId=PLACE.seed_secret, ForceDeleteWithoutRecovery=True)
    if text:
        desk.secrets.create_secret(Name=PLACE.seed_secret, SecretString=text)

    answer, other = desk.post(key="order-1"), desk.post()

    store = desk.secrets.put_secret_value if text else desk.secrets.create_secret
    store(**{"SecretId" if text else "Name": PLACE.seed_secret}, SecretString=seed)
    assert (answer.status, other.status) == (503, 201)
    assert f"secret '{PLACE.seed_secret}'" in desk.reports.lines[0][0]
    assert ("32 or more" if text else "elephant deploy") in desk.reports.lines[0][0]


def test_a_key_that_always_comes_to_nothing_is_given_up(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservation, "MOST_ATTEMPTS", 3)
    desk.post(key="order-1")
    for _ in range(3):
        for key in desk.meetings():
            desk.end_unfinished(key)
        answer = desk.post(key="order-1")

    assert answer.status == 409
    assert "use a new key" in read(answer)["message"]
    assert desk.post(key="order-2").status == 201
    desk.now += timedelta(hours=5).total_seconds()
    assert desk.post(key="order-1").status == 400


# What fails


def test_what_cannot_be_made_now_is_told_so(desk: FrontDesk) -> None:
    desk.faults = {2: REFUSED}

    answer = desk.post()

    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert "try again" in read(answer)["message"]
    said, fields, counts = desk.reports.lines[-1]
    assert "schedule 'safety-" in said
    assert "ThrottlingException" in said
    assert said.endswith("everything was undone")
    assert (fields["caller"], counts) == ("default", {"Failed": 1})


def test_a_stage_without_its_secret_schedules_nothing(desk: FrontDesk) -> None:
    desk.context.invoked_function_arn = ARN.replace("elephant-test", "elephant-other")

    assert desk.post().status == 503
    assert "'elephant-other-schedule-key': it does not exist" in desk.reports.lines[-1][0]


def test_without_time_nothing_is_begun(desk: FrontDesk) -> None:
    desk.context.milliseconds = 1500

    assert desk.post().status == 503
    assert desk.rows() == {}
    assert "no time left to create the row" in desk.reports.lines[-1][0]


@pytest.mark.parametrize("number", [2, 3, 4])
def test_when_time_runs_out_what_was_made_is_taken_back(desk: FrontDesk, number: int) -> None:
    def pass_time() -> None:
        desk.now += 58.5

    desk.meanwhile = {number - 1: pass_time}

    assert desk.post().status == 503
    assert (desk.rows(), desk.schedules()) == ({}, set())
    assert "no time left" in desk.reports.lines[-1][0]


def test_a_mistake_of_ours_is_answered_too(desk: FrontDesk) -> None:
    desk.context.invoked_function_arn = ""

    answer = desk.post()

    assert answer.status == 500
    assert read(answer) == {"message": "Something went wrong on our side."}
    said, fields, counts = desk.reports.lines[-1]
    assert said.startswith("failed: ''")
    assert counts == {"Failed": 1}
    assert "resource_names.py" in fields["trace"][-1]


# What is never shown


def test_no_key_is_logged(desk: FrontDesk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.reports = LogReporter("schedule_meeting", "elephant:test")  # type: ignore[assignment]
    desk.scheduling = desk.new_scheduling()
    secrets = [KEY, "wrong-0123456789abcdef"]
    document = read(desk.post(key="order-1"))
    secrets += keys_in(document).values()
    desk.post(bearer="wrong-0123456789abcdef")
    for number in range(6):
        desk.faults = {number: UNREACHED}
        desk.post(key="order-2")
    desk.context.invoked_function_arn = "arn"
    desk.post(key="order-1")

    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert len([line for line in lines if "level" in line]) == 9
    assert not [secret for secret in secrets if secret in said.out + said.err]
    assert "Lovelace" not in said.out, "nor are people"

"""A desktop speaks for itself alone, in the role that AWS and the row say it has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.meetings import desktop_caller
from chalicelib.meetings.desktop_reports import LARGEST_DATA
from tests.meetings.api import NOW, PLACE, ROOM, Api
from tests.meetings.faults import REFUSED
from tests.world import ACCOUNT, OWNER, link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.meetings.http import Answer

ID = "abcdefgh12345678"
TAGS = {"Project": "Elephant", "elephant:owner": OWNER, "MeetingID": ID, "Role": "student"}
WHATS = ("describe", "healthy", "finished")


@pytest.fixture
def desktop(api: Api) -> str:
    return launched(api)


def launched(api: Api, **tags: str | None) -> str:
    """Launch a desktop, and note it in a row as it is before it has its address."""
    every = {name: value for name, value in (TAGS | tags).items() if value}
    named = [{"Key": name, "Value": value} for name, value in every.items()]
    answer = api.ec2.run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": named}],
    )
    instance_id = str(answer["Instances"][0]["InstanceId"])
    put(api, instance_id)
    return instance_id


def put(api: Api, instance_id: str, **texts: str) -> None:
    row = {
        "id": ID,
        "status": "LAUNCHED",
        "meet_time": "2026-11-21T12:10:00Z",
        "teacher_name": "Ada",
        "student_name": "Zoë",
        "teacher_email": "ada@example.com",
        "jitsi_url": ROOM,
        "student_ec2_id": instance_id,
    }
    api.put_row(row | texts)


def arn_of(instance_id: str, role: str = PLACE.instance_profile) -> str:
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{instance_id}"


def document(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_a_desktop_learns_its_meeting_and_nothing_of_the_other_side_but_the_name(
    api: Api, desktop: str
) -> None:
    put(api, desktop, teacher_ec2_link="https://i-…", teacher_session_data="secret")
    answer = api.desktop("describe", arn_of(desktop))

    assert (answer.status, document(answer)) == (
        200,
        {
            "meeting_id": ID,
            "role": "student",
            "teacher_name": "Ada",
            "student_name": "Zoë",
            "meet_time": "2026-11-21T12:10:00Z",
            "ends_at": "2026-11-21T15:10:00Z",
            "room_url": ROOM,
            "status": "LAUNCHED",
            "desktop": "starting",
        },
    )
    assert api.calls == ["describe_instances", "get_item"]


def test_a_healthy_desktop_opens_its_door_once_people_can_reach_it(api: Api, desktop: str) -> None:
    early = api.desktop("healthy", arn_of(desktop))
    assert (early.status, early.headers["Retry-After"]) == (409, "5")

    put(api, desktop, status="DNS_WRITTEN", student_ec2_link=link(desktop))
    answer = api.desktop("healthy", arn_of(desktop))
    assert (answer.status, document(answer)["desktop"]) == (200, "healthy")
    row = api.rows()[ID]
    assert (row["status"], row["student_healthy_desktop"]) == ("HEALTHY", desktop)

    again = api.desktop("healthy", arn_of(desktop))
    assert (again.status, api.calls) == (200, ["describe_instances", "get_item"])


def test_a_second_desktop_that_is_healthy_does_not_set_the_meeting_back(
    api: Api, desktop: str
) -> None:
    put(api, desktop, status="IN_PROGRESS", student_ec2_link=link(desktop))
    assert api.desktop("healthy", arn_of(desktop)).status == 200
    assert api.rows()[ID]["status"] == "IN_PROGRESS"


def test_the_first_data_of_a_finished_session_stay(api: Api, desktop: str) -> None:
    for body in (b'{"recording": "s3://a"}', b'{"recording": "s3://b"}'):
        answer = api.desktop("finished", arn_of(desktop), body)
        assert (answer.status, document(answer)["desktop"]) == (200, "finished")
    assert json.loads(api.rows()[ID]["student_session_data"]) == {"recording": "s3://a"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((body, 400) for body in (b"", b"[1]", b'"x"', b"\xff", b"{", b"[" * 8000, b'{"x": NaN}')),
        (b'{"x": 1e999}', 400),
        (b"{" + b" " * LARGEST_DATA + b"}", 413),
        (b'{"a": "' + b"x" * (LARGEST_DATA - 9) + b'"}', 200),
        (b'{"a": "\\ud800"}', 200),
    ],
)
def test_data_are_a_small_object(api: Api, desktop: str, body: bytes, status: int) -> None:
    assert api.desktop("finished", arn_of(desktop), body).status == status
    assert ("student_session_data" in api.rows()[ID]) == (status == 200)


@pytest.mark.parametrize("most", [0, desktop_caller.MOST_KNOWN])
def test_ec2_is_asked_again_for_every_report_and_every_five_minutes(
    api: Api, desktop: str, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """EC2 would not answer it once a minute for each of hundreds of desktops."""
    monkeypatch.setattr(desktop_caller, "MOST_KNOWN", most)
    calls = []
    environment = api.new_desktop_api()
    for seconds, what in ((0, "describe"), (299, "describe"), (300, "describe"), (301, "finished")):
        api.now = NOW.timestamp() + seconds
        api.desktop(what, arn_of(desktop), b"{}", environment)
        calls.append(api.calls[0])
    assert calls == ["describe_instances", "get_item", *["describe_instances"] * 2]


@pytest.mark.parametrize(("connections", "is_written"), [("0", False), ("1", True), ("12", True)])
def test_somebody_connected_is_recorded_once_a_minute(
    api: Api, desktop: str, connections: str, *, is_written: bool
) -> None:
    writes = []
    for seconds in (0, 59, 60):
        api.now = NOW.timestamp() + seconds
        api.desktop("describe", arn_of(desktop), connections=connections)
        writes.append(api.calls.count("update_item"))
    assert writes == ([1, 0, 1] if is_written else [0, 0, 0])


STRANGERS: Mapping[str, str] = {
    "nobody": "",
    "a person": f"arn:aws:iam::{ACCOUNT}:user/ada",
    "another stage's desktop": arn_of("i-0123456789abcdef0", "elephant-dev-desktop"),
    "another account's": arn_of("i-0123456789abcdef0").replace(ACCOUNT, "999999999999"),
    "a person in the role": arn_of("ada"),
    "one that says it is more": arn_of("i-0123456789abcdef0/i-0123456789abcdef1"),
}


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("caller", STRANGERS.values(), ids=STRANGERS)
def test_whoever_is_no_desktop_of_the_stage_is_refused_without_a_call(
    api: Api, desktop: str, caller: str, what: str
) -> None:
    assert desktop
    answer = api.desktop(what, caller, b"{}")
    assert (answer.status, api.calls) == (403, [])


RETAGGED: Mapping[str, Mapping[str, str | None]] = {
    "no project": {"Project": None},
    "another project": {"Project": "Other"},
    "another stage": {"elephant:owner": "elephant:other"},
    "no owner": {"elephant:owner": None},
    "no meeting": {"MeetingID": None},
    "a meeting without a row": {"MeetingID": "unknown"},
    "no role": {"Role": None},
    "a role that is none": {"Role": "admin"},
    "the other role": {"Role": "teacher"},
}


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("tags", RETAGGED.values(), ids=RETAGGED)
def test_tags_that_are_not_a_desktops_give_no_right(
    api: Api, tags: Mapping[str, str | None], what: str
) -> None:
    instance_id = launched(api, **tags)
    put(api, instance_id, teacher_ec2_id="i-0123456789abcdef1")
    before = api.rows()
    assert api.desktop(what, arn_of(instance_id), b"{}").status == 403
    assert api.rows() == before


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize(
    ("texts", "status"),
    [
        ({"student_ec2_id": "i-0123456789abcdef1"}, 403),
        ({"student_ec2_id": ""}, 404),
        ({"status": "TERMINATED"}, 410),
        ({"termination_reason": "NO_SHOW_TIMEOUT"}, 410),
    ],
)
def test_a_desktop_without_a_role_in_a_living_meeting_changes_nothing(
    api: Api, desktop: str, texts: dict[str, str], status: int, what: str
) -> None:
    put(api, desktop, **texts)
    before = api.rows()
    answer = api.desktop(what, arn_of(desktop), b"{}", connections="1")
    assert (answer.status, api.rows()) == (status, before)
    if status == 410:
        reason = texts.get("termination_reason", "")
        assert document(answer)["reason"] == reason


def test_an_instance_that_ends_or_is_unknown_changes_nothing(api: Api, desktop: str) -> None:
    assert api.desktop("healthy", arn_of("i-0123456789abcdef0")).status == 404
    api.ec2.terminate_instances(InstanceIds=[desktop])
    assert api.desktop("finished", arn_of(desktop), b"{}").status == 410


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_failure_of_aws_is_reported_and_asked_for_again(
    api: Api, desktop: str, number: int
) -> None:
    api.faults = {number: REFUSED}
    answer = api.desktop("finished", arn_of(desktop), b"{}")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert [line[2] for line in api.reports.lines] == [{"Failed": 1}]


def test_a_row_that_changes_meanwhile_is_read_again(api: Api, desktop: str) -> None:
    over = {"termination_reason": "CANCELLED"}
    api.meanwhile = {2: lambda: api.change_row(ID, **over)}
    assert api.desktop("finished", arn_of(desktop), b"{}").status == 410


def test_each_request_is_reported_once(api: Api, desktop: str) -> None:
    api.desktop("finished", arn_of(desktop), b'{"secret": 1}')
    api.desktop("finished", arn_of(desktop), b"[]")
    about = {"request_id": api.context.aws_request_id, "request": "finished"}
    about |= {"instance_id": desktop}
    done = {"meeting_id": ID, "role": "student", "action": "written", "reason": "finished"}
    refused = {"action": "refused", "reason": "send a JSON object"}
    assert api.reports.lines == [
        ("succeeded", about | done, {}),
        ("succeeded", about | refused, {}),
    ]

"""A join link leads to the desktop's screen by a ticket, which DCV's server has verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest

from chalicelib.meetings.keys import hash_of
from chalicelib.meetings.sign_in import LARGEST_QUESTION
from tests.meetings.api import JOIN_KEY, NOW, Api
from tests.meetings.faults import REFUSED
from tests.meetings.launches import ID
from tests.world import link

if TYPE_CHECKING:
    from chalicelib.meetings.http import Answer

A = "i-0123456789abcdef0"
ROW = {
    "id": ID,
    "status": "HEALTHY",
    "meet_time": "2026-11-21T12:00:00Z",
    "student_ec2_id": A,
    "student_ec2_link": link(A),
    "student_healthy_desktop": A,
    "student_key_hash": hash_of(JOIN_KEY),
}
YES = '<auth result="yes"><username>elephant</username></auth>'


@pytest.fixture
def ready(api: Api) -> Api:
    api.put_row(ROW)
    return api


def enter(api: Api, sign_in: str = "dcv", **query: Any) -> Answer:  # noqa: ANN401
    return api.ask(accept="text/html", sign_in=sign_in, enter="1", **query)


def ticket_in(answer: Answer) -> str:
    query = urlsplit(answer.headers["Location"]).query
    return query.removeprefix("authToken=")


def ask(api: Api, ticket: str, instance_id: str = A, session: str = "elephant") -> Answer:
    form = {"sessionId": session, "authenticationToken": ticket, "clientAddress": "192.0.2.1"}
    return api.dcv(instance_id, urlencode(form).encode())


def test_a_click_leads_in_and_only_being_in_begins_the_meeting(ready: Api) -> None:
    answer = enter(ready)
    ticket = ticket_in(answer)
    assert (answer.status, answer.headers["Location"]) == (
        303,
        f"{link(A)}/?authToken={ticket}#elephant",
    )
    assert "joined_at" not in ready.rows()[ID]

    verified = ask(ready, ticket)
    assert (verified.status, verified.body) == (200, YES)
    assert verified.content_type.startswith("text/xml")
    row = ready.rows()[ID]
    assert (row["status"], row["joined_at"]) == ("IN_PROGRESS", "2026-11-21T12:00:00Z")
    assert ask(ready, ticket).body == YES  # as after a short break
    counts = [line[2] for line in ready.reports.lines if line[1]["action"] == "joined"]
    assert counts == [{"Joined": 1}, {"Joined": 0}]


def test_a_program_and_a_native_client_get_a_ticket_as_well(ready: Api) -> None:
    program = ready.ask(sign_in="dcv")
    assert f'"dcv_url": "{link(A)}/?authToken=' in program.body
    file = enter(ready, **{"as": "dcv"})
    assert file.status == 200
    assert (file.content_type, file.headers["Content-Disposition"]) == (
        "application/x-dcv",
        'attachment; filename="desktop.dcv"',
    )
    ticket = file.body.split("authtoken=")[1].strip()
    assert ask(ready, ticket).body == YES


@pytest.mark.parametrize("more", [{}, {"as": "dcv"}])
def test_without_sign_in_there_is_no_ticket_and_no_file(ready: Api, more: dict[str, str]) -> None:
    answer = enter(ready, "none", **more)
    assert (answer.status, answer.headers["Location"]) == (303, link(A))
    assert not [name for name in ready.rows()[ID] if "ticket" in name]


@pytest.mark.parametrize(("sign_in", "is_offered"), [("dcv", True), ("none", False)])
def test_the_page_offers_the_file_where_there_is_one(
    ready: Api, sign_in: str, *, is_offered: bool
) -> None:
    page = ready.ask(accept="text/html", sign_in=sign_in).body
    assert ("Open it with the DCV client" in page) == is_offered
    assert ("as=dcv" in page) == is_offered


@pytest.mark.parametrize("headers", [{"sec-purpose": "prefetch"}, {"elephant-waiting": "1"}])
def test_who_only_looks_gets_no_ticket(ready: Api, headers: dict[str, str]) -> None:
    answer = ready.ask(sign_in="dcv", more=headers)
    assert answer.status == 202
    assert ready.rows()[ID] == ROW


@pytest.mark.parametrize(
    ("ticket", "instance_id", "asked_for"),
    [
        (None, "i-0123456789abcdef1", "elephant"),
        (None, A, "console"),
        ("guess", A, "elephant"),
        ("dW5rbm93bg.student.guess", A, "elephant"),
        ("<script>", "<script>", "elephant"),
    ],
)
def test_a_wrong_question_is_answered_no_and_changes_nothing(
    ready: Api, ticket: str | None, instance_id: str, asked_for: str
) -> None:
    offered = ticket_in(enter(ready))
    before = ready.rows()
    answer = ask(ready, ticket or offered, instance_id, asked_for)
    assert answer.status == 200
    assert answer.body.startswith('<auth result="no"><message>')
    assert "<script>" not in answer.body
    assert ready.rows() == before
    assert offered not in str(ready.reports.lines)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"sessionId=elephant", 400),
        (b"authenticationToken=x", 400),
        (b"\xff\xfe", 400),
        (b"&".join([b"a=1"] * 20), 400),
        (b"x" * (LARGEST_QUESTION + 1), 413),
    ],
)
def test_what_no_dcv_server_asks_is_refused_without_a_call(
    ready: Api, body: bytes, status: int
) -> None:
    assert ready.dcv(A, body).status == status
    assert ready.calls == []
    assert [line[1]["action"] for line in ready.reports.lines] == ["refused"]


def test_guesses_cost_a_read_each_and_open_nothing(ready: Api) -> None:
    ticket = ticket_in(enter(ready))
    before = ready.rows()
    for number in range(100):
        answer = ask(ready, f"{ticket[:-4]}{number:04}")
        assert "yes" not in answer.body
        assert ready.calls == ["get_item"]
    assert ready.rows() == before


@pytest.mark.parametrize("number", [0, 1])
def test_a_failure_of_aws_lets_nobody_in_and_is_reported(ready: Api, number: int) -> None:
    ticket = ticket_in(enter(ready))
    ready.reports.lines.clear()
    ready.faults = {number: REFUSED}
    answer = ask(ready, ticket)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert [line[2] for line in ready.reports.lines] == [{"Failed": 1}]


def test_a_meeting_that_is_ended_meanwhile_lets_nobody_in(ready: Api) -> None:
    ticket = ticket_in(enter(ready))
    ready.meanwhile = {1: lambda: ready.change_row(ID, termination_reason="CANCELLED")}
    assert "over" in ask(ready, ticket).body


def test_a_ticket_is_dead_after_a_minute(ready: Api) -> None:
    ticket = ticket_in(enter(ready))
    ready.now = NOW.timestamp() + 61
    assert "expired" in ask(ready, ticket).body
    assert ready.rows()[ID]["status"] == "HEALTHY"

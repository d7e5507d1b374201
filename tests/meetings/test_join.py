"""Programs get the guide's contract, people a page; a link opens its meeting for its role alone."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings.admission import Phase
from chalicelib.meetings.http import Answer, Request
from chalicelib.meetings.join import ATTEMPTS, Join
from chalicelib.meetings.keys import hash_of
from chalicelib.meetings.page import HEADERS, HEADLINES
from tests.world import TABLE, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.world import World

A, B = "i-0123456789abcdef0", "i-0123456789abcdef1"
ID = "abcdefgh12345678"
KEY, TEACHERS_KEY = "the-students-key", "the-teachers-key"
ORIGIN = "https://app.example.com"
SOON = datetime(2026, 11, 21, 15, 25, tzinfo=UTC).timestamp()
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
READY = {"student_ec2_id": A, "student_ec2_link": link(A)}
LIBRARY = "*/*"
FETCH = {"sec-fetch-dest": "empty", "sec-fetch-mode": "cors"}


def make_join(world: World, now: float = SOON, **variables: str) -> Join:
    settings = make_settings(
        FEATURES="meetings",
        AMI_ID="ami-0123456789abcdef0",
        SECURITY_GROUP_IDS="sg-0123456789abcdef0",
        ALLOWED_ORIGINS=ORIGIN,
        **variables,
    )
    assert settings.meetings
    return Join(
        settings=settings,
        meetings=settings.meetings,
        table=Meetings(world.app_dynamodb, TABLE),
        reporter=world.reports,
        clock=lambda: now,
    )


def put(world: World, status: str = "LAUNCHED", **attributes: str) -> None:
    row = {
        "status": status,
        "meet_time": "2026-11-21T15:30:00Z",
        "student_name": "Zoë",
        "teacher_name": "Ada",
        "student_key_hash": hash_of(KEY),
        "teacher_key_hash": hash_of(TEACHERS_KEY),
    }
    world.put_row(ID, **(row | attributes))


def ask(  # noqa: PLR0913 (all that a request may differ in)
    join: Join,
    role: str = "student",
    meeting_id: str = ID,
    *,
    key: str | None = KEY,
    accept: str | None = "application/json",
    origin: str | None = None,
    more: Mapping[str, str] | None = None,
    **query: str,
) -> Answer:
    headers = {"accept": accept, "origin": origin, **(more or {})}
    request = Request(
        method="GET",
        path=f"/api/join/{meeting_id}/{role}",
        headers={name: value for name, value in headers.items() if value is not None},
        query=query | ({} if key is None else {"key": key}),
        body=b"",
        base_url="https://api.example.com/api",
    )
    return join.handle(request, meeting_id, role)


def document(answer: Answer) -> dict[str, Any]:
    assert answer.content_type == "application/json"
    found: dict[str, Any] = json.loads(answer.body)
    return found


# The contract for programs


@pytest.mark.parametrize(
    "role", ["Teacher", "STUDENT", "admin", "", "student ", "status", "student\n"]
)
def test_a_role_that_there_is_not_is_refused_without_a_look(world: World, role: str) -> None:
    put(world, "HEALTHY", **READY)

    answer = ask(make_join(world), role)

    assert answer.status == 400
    assert set(document(answer)) == {"message"}
    assert world.aws_calls == []
    assert world.reports.lines[-1][1]["action"] == "refused"


@pytest.mark.parametrize(
    ("status", "row"),
    [
        ("SCHEDULED", {}),
        ("LAUNCHED", {}),
        ("DNS_WRITTEN", READY),
        ("HEALTHY", {"teacher_ec2_link": link(B)}),
        ("IN_PROGRESS", {"student_ec2_id": A}),
    ],
)
def test_until_the_desktop_is_ready_one_is_asked_to_come_again(
    world: World, status: str, row: dict[str, str]
) -> None:
    put(world, status, **row)

    answer = ask(make_join(world))

    assert answer.status == 202
    assert set(document(answer)) == {"message", "status"}
    assert document(answer)["status"] == status
    assert int(answer.headers["Retry-After"]) > 0
    assert world.aws_calls == ["GetItem"]
    assert world.row(ID)["status"] == status


def test_the_first_one_in_makes_a_healthy_meeting_one_in_progress(world: World) -> None:
    put(world, "HEALTHY", **READY)
    before = world.row(ID)

    answer = ask(make_join(world))

    assert answer.status == 200
    assert set(document(answer)) == {"message", "dcv_url"}
    assert document(answer)["dcv_url"] == link(A)
    assert "Retry-After" not in answer.headers
    now = {"status": "IN_PROGRESS", "joined_at": "2026-11-21T15:25:00Z"}
    assert world.row(ID) == before | now
    assert world.aws_calls == ["GetItem", "UpdateItem"]


def test_those_who_come_after_write_nothing(world: World) -> None:
    put(world, "IN_PROGRESS", **READY)

    assert document(ask(make_join(world)))["dcv_url"] == link(A)
    assert world.aws_calls == ["GetItem"]


@pytest.mark.parametrize("status", ["IN_PROGRESS", "HEALTHY", "TERMINATED"])
def test_a_meeting_that_is_being_ended_lets_nobody_in(world: World, status: str) -> None:
    put(world, status, termination_reason="MAX_LENGTH_TIMEOUT", **READY)

    answer = ask(make_join(world))

    assert answer.status == 202
    assert document(answer)["status"] == status
    assert "Retry-After" not in answer.headers
    assert world.row(ID)["status"] == status


def test_a_foreign_address_is_kept_back_and_warned_of(world: World) -> None:
    put(world, "HEALTHY", student_ec2_link="https://evil.example/")

    answer = ask(make_join(world))

    assert answer.status == 202
    assert "evil" not in answer.body
    outcome, fields, counts = world.reports.lines[-1]
    assert (outcome, counts) == ("succeeded", {"Joined": 0, "Warnings": 1})
    assert fields["warnings"] == [
        "student_ec2_link is not a link to a desktop of this stage: 'https://evil.example/'"
    ]


# Those who wait

WAITING = {"elephant-waiting": "1"}
"""What the page says while nobody sees it, or until its button is pressed."""
LATE = datetime(2026, 11, 21, 15, 41, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("status", ["HEALTHY", "IN_PROGRESS"])
def test_a_page_that_only_waits_learns_that_all_is_ready_and_does_not_enter(
    world: World, status: str
) -> None:
    put(world, status, **READY)

    answer = ask(make_join(world), more=WAITING | FETCH)

    assert (answer.status, answer.headers["Elephant-Phase"]) == (202, "ready")
    assert document(answer)["message"].startswith("You may enter now.")
    assert A not in answer.body + str(answer.headers)
    assert world.row(ID)["status"] == status
    assert world.aws_calls == ["GetItem"]
    assert world.reports.lines[-1][2]["Joined"] == 0


@pytest.mark.parametrize(
    ("status", "more", "is_written"),
    [
        ("HEALTHY", WAITING, True),
        ("LAUNCHED", WAITING, True),
        ("LAUNCHED", {}, True),
        ("IN_PROGRESS", WAITING, False),
        ("LAUNCHED", {"elephant-waiting": "0", "accept": LIBRARY}, False),
        ("HEALTHY", WAITING | {"sec-purpose": "prefetch;prerender"}, False),
    ],
)
def test_late_in_the_wait_the_row_says_who_waits(
    world: World, status: str, more: dict[str, str], *, is_written: bool
) -> None:
    """Who asks to enter waits as well, and a front end's visitor like the page's."""
    put(world, status, **READY)
    before = world.row(ID)

    ask(make_join(world, LATE), more=more)

    written = {"student_waiting_at": "2026-11-21T15:41:07Z"} if is_written else {}
    assert world.row(ID) == before | written
    assert world.aws_calls == ["GetItem", "UpdateItem"][: 1 + is_written]
    ask(make_join(world, LATE + 59), more=more)
    assert world.row(ID) == before | written


@pytest.mark.parametrize("became", ["IN_PROGRESS", "TERMINATED"])
def test_presence_is_not_written_over_what_has_changed_meanwhile(world: World, became: str) -> None:
    put(world)
    world.meanwhile("UpdateItem", lambda: put(world, became))

    assert ask(make_join(world, LATE), more=WAITING).status == 202
    assert "student_waiting_at" not in world.row(ID)
    assert world.aws_calls == ["GetItem", "UpdateItem"]
    assert world.reports.lines[-1][2]["Warnings"] == 0


def test_presence_that_cannot_be_written_spoils_no_answer(world: World) -> None:
    put(world)
    world.fail("UpdateItem", "AccessDeniedException")

    answer = ask(make_join(world, LATE), more=WAITING)

    assert (answer.status, answer.headers["Elephant-Phase"]) == (202, "late")
    outcome, fields, counts = world.reports.lines[-1]
    assert (outcome, counts) == ("succeeded", {"Joined": 0, "Warnings": 1})
    assert fields["warnings"][0].startswith("could not record that the student waits: ")


# Keys


@pytest.mark.parametrize("accept", ["application/json", BROWSER])
def test_a_wrong_key_is_answered_like_a_meeting_that_there_is_not(
    world: World, accept: str
) -> None:
    join = make_join(world)
    unknown = ask(join, meeting_id="another", accept=accept)
    work = list(world.aws_calls)
    put(world, "HEALTHY", **READY)

    for key in ("wrong", "", None, TEACHERS_KEY, hash_of(KEY), KEY.upper(), "\ud800", "é"):
        world.forget_calls()
        assert ask(join, key=key, accept=accept) == unknown
        assert world.aws_calls == work == ["GetItem"]

    assert unknown.status == 404
    assert world.row(ID)["status"] == "HEALTHY"
    assert {line[1]["action"] for line in world.reports.lines} == {"refused"}


def test_the_time_of_an_answer_tells_no_wrong_key_from_an_unknown_meeting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world)
    world.put_row("guides", status="HEALTHY", **READY)
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def noting(one: bytes, another: bytes) -> bool:
        compared.append((len(one), len(another)))
        return compare(one, another)

    monkeypatch.setattr(hmac, "compare_digest", noting)

    for meeting_id in (ID, "another", "guides", "x" * 256):
        assert ask(make_join(world), meeting_id=meeting_id, key="wrong").status == 404
    assert compared == [(64, 64)] * 4


def test_a_program_is_told_of_an_unknown_meeting_in_a_message_alone(world: World) -> None:
    assert set(document(ask(make_join(world)))) == {"message"}


def test_each_role_has_its_own_key(world: World) -> None:
    put(world)
    join = make_join(world)

    assert ask(join, "teacher", key=TEACHERS_KEY).status == 202
    assert ask(join, "teacher", key=KEY).status == 404


@pytest.mark.parametrize("key", [KEY, "", None])
def test_a_row_without_a_hash_opens_for_nobody_where_keys_are_required(
    world: World, key: str | None
) -> None:
    world.put_row(ID, status="HEALTHY", **READY)
    world.put_row("empty", status="HEALTHY", student_key_hash="", **READY)

    assert ask(make_join(world), key=key).status == 404
    assert ask(make_join(world), meeting_id="empty", key=key).status == 404


@pytest.mark.parametrize("key", [None, "whatever"])
def test_where_keys_are_off_a_row_of_the_guides_own_opens(world: World, key: str | None) -> None:
    world.put_row(ID, status="HEALTHY", **READY)

    answer = ask(make_join(world, JOIN_KEYS="off"), key=key)

    assert document(answer)["dcv_url"] == link(A)
    assert ask(make_join(world, JOIN_KEYS="off"), meeting_id="another").status == 404


@pytest.mark.parametrize("meeting_id", ["", "x" * 256, "a\nb", "a\x00", "\ud800", "\u202eabc"])
@pytest.mark.parametrize("keys", ["required", "off"])
def test_an_id_that_there_cannot_be_is_unknown_without_a_look(
    world: World, meeting_id: str, keys: str
) -> None:
    answer = ask(make_join(world, JOIN_KEYS=keys), meeting_id=meeting_id)

    assert answer.status == 404
    assert world.aws_calls == []


@pytest.mark.parametrize("meeting_id", ["../x", "é", "a b", "%2e", "x' OR '1'='1", "x" * 255])
def test_an_odd_id_is_an_id_like_any_other(world: World, meeting_id: str) -> None:
    assert ask(make_join(world), meeting_id=meeting_id).status == 404
    world.put_row(meeting_id, status="LAUNCHED", student_key_hash=hash_of(KEY))
    assert ask(make_join(world), meeting_id=meeting_id).status == 202


def test_no_key_is_ever_reported(world: World) -> None:
    put(world, "HEALTHY", **READY)
    ask(make_join(world))
    ask(make_join(world), key="a-wrong-one", accept=BROWSER)
    world.fail("GetItem", "AccessDeniedException")
    ask(make_join(world))

    assert len(world.reports.lines) == 3
    assert KEY not in str(world.reports.lines)
    assert "a-wrong-one" not in str(world.reports.lines)


# Others write the row at the same time


def test_of_two_who_come_at_once_both_enter_and_one_writes(world: World) -> None:
    put(world, "HEALTHY", **READY, teacher_ec2_link=link(B))
    join = make_join(world)
    answers: list[Answer] = []

    def teacher() -> None:
        answers.append(ask(join, "teacher", key=TEACHERS_KEY))

    world.meanwhile("UpdateItem", teacher)
    answers.append(ask(join))

    assert [document(each)["dcv_url"] for each in answers] == [link(B), link(A)]
    assert world.row(ID)["status"] == "IN_PROGRESS"
    assert world.aws_calls.count("UpdateItem") == 2


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        ({"termination_reason": "NO_SHOW_TIMEOUT", "status": "HEALTHY", **READY}, "over"),
        ({"status": "TERMINATED", **READY}, "over"),
        ({"status": "HEALTHY", "student_ec2_id": A}, "address"),
    ],
)
def test_what_has_ended_meanwhile_is_not_begun_again(
    world: World, row: dict[str, str], phase: str
) -> None:
    """Neither is a link handed out that was taken away between reading and writing."""
    put(world, "HEALTHY", **READY)
    world.meanwhile("UpdateItem", lambda: put(world, **row))

    answer = ask(make_join(world))

    assert (answer.status, answer.headers["Elephant-Phase"]) == (202, phase)
    assert world.row(ID)["status"] == row["status"]


def test_a_row_that_is_removed_meanwhile_is_not_made_again(world: World) -> None:
    put(world, "HEALTHY", **READY)
    world.meanwhile(
        "UpdateItem",
        lambda: world.dynamodb.delete_item(TableName=TABLE, Key={"id": {"S": ID}}),
    )

    assert ask(make_join(world)).status == 404
    assert world.rows() == []


def test_a_desktop_that_is_replaced_meanwhile_is_the_one_that_is_entered(world: World) -> None:
    put(world, "HEALTHY", **READY)
    world.meanwhile("UpdateItem", lambda: put(world, "HEALTHY", student_ec2_link=link(B)))

    assert document(ask(make_join(world)))["dcv_url"] == link(B)


def test_a_row_that_keeps_changing_is_left_after_three_attempts(world: World) -> None:
    put(world, "HEALTHY", **READY)
    numbers = count()

    def change() -> None:
        put(world, "HEALTHY", student_ec2_link=link(f"i-{next(numbers):017x}"))
        world.meanwhile("UpdateItem", change)

    world.meanwhile("UpdateItem", change)
    answer = ask(make_join(world))

    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert next(numbers) == ATTEMPTS
    assert world.reports.lines[-1][0].startswith("failed: row 'abcdefgh12345678' was changed")


# What fails


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
@pytest.mark.parametrize("accept", ["application/json", BROWSER])
def test_what_aws_refuses_is_reported_and_answered_so_that_one_tries_again(
    world: World, operation: str, accept: str
) -> None:
    """A write that is refused may not pass for one: the safety net would end a live meeting."""
    put(world, "HEALTHY", **READY)
    world.fail(operation, "AccessDeniedException")

    answer = ask(make_join(world), accept=accept, origin=ORIGIN, enter="1")

    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert link(A) not in answer.body
    outcome, fields, counts = world.reports.lines[-1]
    assert "AccessDeniedException" in outcome
    assert (fields["meeting_id"], counts) == (ID, {"Failed": 1})


# The page


def test_a_browser_gets_the_page_with_the_same_status(world: World) -> None:
    join = make_join(world)
    found = {"404": ask(join, accept=BROWSER), "400": ask(join, "Student", accept=BROWSER)}
    put(world)
    found["202"] = ask(join, accept=BROWSER)
    put(world, "HEALTHY", **READY)
    found["200"] = ask(join, accept=BROWSER)

    for status, answer in found.items():
        assert str(answer.status) == status
        assert answer.content_type == "text/html; charset=utf-8"
        assert answer.body.startswith("<!doctype html>")
        assert HEADERS.items() <= answer.headers.items()
    assert HEADLINES[Phase.STARTING] in found["202"].body


def test_looking_at_the_page_starts_nothing(world: World) -> None:
    """Mail programs and messengers look at links before people do."""
    put(world, "HEALTHY", **READY)

    answer = ask(make_join(world), accept=BROWSER)

    assert answer.status == 200
    assert world.aws_calls == ["GetItem"]
    assert world.row(ID)["status"] == "HEALTHY"
    assert f'href="?key={KEY}&amp;enter=1"' in answer.body
    assert link(A) not in answer.body
    assert world.reports.lines[-1][1]["action"] == "shown"


@pytest.mark.parametrize("status", ["HEALTHY", "IN_PROGRESS"])
@pytest.mark.parametrize(
    ("accept", "more"),
    [
        (LIBRARY, {}),
        (None, {}),
        ("", {}),
        ("text/*", {}),
        ("application/xhtml+xml", {}),
        ("image/avif,image/*,*/*;q=0.8", {"sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"}),
        ("application/json+oembed", {}),
        (LIBRARY, {"sec-fetch-dest": "empty", "sec-fetch-mode": "no-cors"}),
        ("application/json", {"sec-purpose": "prefetch"}),
        (LIBRARY, {**FETCH, "sec-purpose": "prefetch;prerender"}),
        ("application/json", {"purpose": "prefetch"}),
        ("application/json", {"x-moz": "prefetch"}),
        ("application/json", {"range": "bytes=0-65535"}),
    ],
)
def test_a_preview_neither_joins_nor_learns_the_address(
    world: World, status: str, accept: str | None, more: dict[str, str]
) -> None:
    put(world, status, **READY)

    answer = ask(make_join(world), accept=accept, more=more, enter="1")

    assert answer.status == 202
    assert set(document(answer)) == {"message", "status"}
    assert "Accept: application/json" in document(answer)["message"]
    assert A not in answer.body + str(answer.headers)
    assert world.aws_calls == ["GetItem"]
    assert world.reports.lines[-1][1]["action"] == "shown"


@pytest.mark.parametrize(
    ("accept", "more"),
    [
        ("application/json, text/plain, */*", {}),
        (LIBRARY, FETCH),
        (LIBRARY, FETCH | {"sec-fetch-mode": "same-origin"}),
        (None, {"origin": ORIGIN}),
    ],
)
def test_a_front_end_enters_by_what_its_browser_says(
    world: World, accept: str | None, more: dict[str, str]
) -> None:
    """The guide's asks by fetch(), which accepts anything; older browsers send Origin alone."""
    put(world, "HEALTHY", **READY)

    assert document(ask(make_join(world), accept=accept, more=more))["dcv_url"] == link(A)
    assert world.row(ID)["status"] == "IN_PROGRESS"


def test_a_button_that_is_prefetched_enters_nobody(world: World) -> None:
    put(world, "HEALTHY", **READY)

    more = {"sec-purpose": "prefetch"}
    assert ask(make_join(world), accept=BROWSER, more=more, enter="1").status == 200
    assert world.row(ID)["status"] == "HEALTHY"


def test_the_button_enters(world: World) -> None:
    put(world, "HEALTHY", **READY)

    answer = ask(make_join(world), accept=BROWSER, enter="1")

    assert (answer.status, answer.headers["Location"], answer.body) == (303, link(A), "")
    assert world.row(ID)["status"] == "IN_PROGRESS"
    assert world.reports.lines[-1][1]["action"] == "joined"
    assert world.reports.lines[-1][2] == {"Joined": 1, "Warnings": 0}


@pytest.mark.parametrize("enter", ["0", "", "yes"])
def test_only_the_buttons_own_address_enters(world: World, enter: str) -> None:
    put(world, "HEALTHY", **READY)

    assert ask(make_join(world), accept=BROWSER, enter=enter).status == 200
    assert world.row(ID)["status"] == "HEALTHY"


def test_a_button_that_is_pressed_too_early_shows_the_page(world: World) -> None:
    put(world)

    answer = ask(make_join(world), accept=BROWSER, enter="1")

    assert answer.status == 202
    assert "<h1" in answer.body


def test_the_button_repeats_the_key_as_it_was_and_nothing_else(world: World) -> None:
    odd = 'a&b="c"/é'
    put(world, "HEALTHY", student_key_hash=hash_of(odd), **READY)

    answer = ask(make_join(world), key=odd, accept=BROWSER, utm="tracking")

    assert 'href="?key=a%26b%3D%22c%22%2F%C3%A9&amp;enter=1"' in answer.body
    assert "tracking" not in answer.body


@pytest.mark.parametrize("key", ["\ud800", "\x00", "x" * 5000])
def test_no_key_is_too_odd_for_an_answer(world: World, key: str) -> None:
    put(world, "HEALTHY", **READY)

    for keys, status in (("required", 404), ("off", 200)):
        answer = ask(make_join(world, JOIN_KEYS=keys), key=key, accept=BROWSER)
        assert answer.status == status
        assert answer.body.encode()


def test_where_keys_are_off_the_button_needs_none(world: World) -> None:
    put(world, "HEALTHY", **READY)

    answer = ask(make_join(world, JOIN_KEYS="off"), key=None, accept=BROWSER)

    assert 'href="?enter=1"' in answer.body


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("application/json, TEXT/HTML;q=0.5", True),
        ("application/json", False),
        ("*/*", False),
        ("text/htmlx", False),
        ("", False),
        (None, False),
    ],
)
def test_only_who_accepts_html_gets_a_page(
    world: World,
    accept: str | None,
    is_page: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    assert ask(make_join(world), accept=accept).body.startswith("<") is is_page


# What every answer has


def every_answer(world: World, origin: str | None) -> list[Answer]:
    join = make_join(world)
    states: list[Callable[[], object]] = [
        lambda: None,
        lambda: put(world),
        lambda: put(world, "HEALTHY", **READY),
        lambda: put(world, "TERMINATED"),
        lambda: world.fail("GetItem", "InternalServerError"),
    ]
    answers = []
    for prepare in states:
        prepare()
        for accept in (BROWSER, "application/json"):
            for role in ("student", "nobody"):
                answers.append(ask(join, role, accept=accept, origin=origin))  # noqa: PERF401
    return answers


def test_no_answer_is_kept_guessed_at_or_told_of(world: World) -> None:
    for answer in every_answer(world, None):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Accept" in answer.headers["Vary"]
        assert answer.headers["Elephant-Phase"] in HEADLINES
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_configured_front_end_may_read_every_answer_and_no_other_may(world: World) -> None:
    for answer in every_answer(world, ORIGIN):
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert {"Accept", "Origin"} <= set(answer.headers["Vary"].split(", "))
    world.recover()
    for answer in every_answer(world, "https://elsewhere.example"):
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_each_request_is_reported_once_with_what_it_came_to(world: World) -> None:
    put(world)
    ask(make_join(world))
    ask(make_join(world), meeting_id="x" * 5000, role="student")

    (_, waiting, counts), (_, refused, _) = world.reports.lines
    assert waiting == {
        "meeting_id": ID,
        "role": "student",
        "page": False,
        "action": "waiting",
        "reason": "starting",
        "status": "LAUNCHED",
    }
    assert counts == {"Joined": 0, "Warnings": 0}
    assert refused["meeting_id"] == "x" * 255
    assert refused["reason"] == "unknown"

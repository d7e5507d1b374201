"""Programs get the guide's contract, people a page; a link opens its meeting for its role alone."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from chalicelib.meeting_row.table import ATTEMPTS
from chalicelib.meetings.admission import Phase
from chalicelib.meetings.keys import hash_of
from chalicelib.meetings.page import HEADERS, HEADLINES
from tests.meetings.api import JOIN_KEY as KEY
from tests.meetings.api import ORIGIN, Api
from tests.meetings.faults import REFUSED
from tests.meetings.launches import ID
from tests.world import link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.meetings.http import Answer

A, B = "i-0123456789abcdef0", "i-0123456789abcdef1"
TEACHERS_KEY = "the-teachers-key"
SOON = datetime(2026, 11, 21, 15, 25, tzinfo=UTC).timestamp()
LATE = datetime(2026, 11, 21, 15, 41, 7, tzinfo=UTC).timestamp()
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PROGRAM = "application/json"
LIBRARY = "*/*"
FETCH = {"sec-fetch-dest": "empty", "sec-fetch-mode": "cors"}
WAITING = {"elephant-waiting": "1"}
"""What the page says while nobody sees it, or until its button is pressed."""
READY = {
    "status": "HEALTHY",
    "student_ec2_id": A,
    "student_ec2_link": link(A),
    "student_healthy_desktop": A,
}
ROW = {
    "id": ID,
    "status": "LAUNCHED",
    "meet_time": "2026-11-21T15:30:00Z",
    "student_name": "Zoë",
    "teacher_name": "Ada",
    "student_key_hash": hash_of(KEY),
    "teacher_key_hash": hash_of(TEACHERS_KEY),
}


def replaced_by(instance_id: str) -> dict[str, str]:
    return {"student_ec2_link": link(instance_id), "student_healthy_desktop": instance_id}


@pytest.fixture
def api(api: Api) -> Api:
    api.now = SOON
    return api


def put(api: Api, row: Mapping[str, str] | None = None, **attributes: str) -> None:
    api.put_row(ROW | dict(row or {}) | attributes)


def document(answer: Answer) -> dict[str, Any]:
    assert answer.content_type == "application/json"
    found: dict[str, Any] = json.loads(answer.body)
    return found


# Who enters, who waits, and who only looks

IN_PROGRESS = {"status": "IN_PROGRESS"}
JOINED = IN_PROGRESS | {"joined_at": "2026-11-21T15:25:00Z"}
ENDING = READY | {"termination_reason": "MAX_LENGTH_TIMEOUT"}
OTHERS = IN_PROGRESS | {"teacher_ec2_link": link(B)}
PREFETCH = {"sec-purpose": "prefetch"}
IMAGE = {"sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"}
NO_CORS, SAME_ORIGIN = (FETCH | {"sec-fetch-mode": mode} for mode in ("no-cors", "same-origin"))
BUTTON = {"accept": BROWSER, "enter": "1"}
LOOKS: dict[str, dict[str, Any]] = {
    "a library": {"accept": LIBRARY},
    "no Accept": {"accept": None},
    "an empty Accept": {"accept": ""},
    "any text": {"accept": "text/*"},
    "XHTML": {"accept": "application/xhtml+xml"},
    "nearly HTML": {"accept": "text/htmlx"},
    "an image": {"accept": "image/avif,image/*,*/*;q=0.8", "more": IMAGE},
    "oEmbed": {"accept": "application/json+oembed"},
    "not a front end's fetch()": {"accept": LIBRARY, "more": NO_CORS},
    "a prefetch": {"more": PREFETCH},
    "a prefetching fetch()": {"accept": LIBRARY, "more": FETCH | PREFETCH},
    "an old prefetch": {"more": {"purpose": "prefetch"}},
    "a Mozilla prefetch": {"more": {"x-moz": "prefetch"}},
    "a part": {"more": {"range": "bytes=0-65535"}},
    "a browser": {"accept": BROWSER},
    "a browser that prefetches the button": BUTTON | {"more": PREFETCH},
    "another value than the button's": BUTTON | {"enter": "yes"},
    "a value that says no": BUTTON | {"enter": "0"},
    "an empty value": BUTTON | {"enter": ""},
    "a page that waits": {"more": WAITING | FETCH},
}
Case = tuple[dict[str, str], dict[str, Any], int, dict[str, str], str]
CASES: dict[str, Case] = {
    "not ready": ({}, {}, 202, {}, "waiting"),
    "no link of one's own": (OTHERS, {}, 202, {}, "waiting"),
    "the first one in": (READY, {}, 200, JOINED, "joined"),
    "a later one": (READY | IN_PROGRESS, {}, 200, {}, "joined"),
    "being ended": (ENDING, {}, 202, {}, "refused"),
    "over": (READY | {"status": "TERMINATED"}, {}, 202, {}, "refused"),
    "axios": (READY, {"accept": "application/json, text/plain, */*"}, 200, JOINED, "joined"),
    "fetch()": (READY, {"accept": LIBRARY, "more": FETCH}, 200, JOINED, "joined"),
    "of the same origin": (READY, {"accept": LIBRARY, "more": SAME_ORIGIN}, 200, JOINED, "joined"),
    "an older one's": (READY, {"accept": None, "more": {"origin": ORIGIN}}, 200, JOINED, "joined"),
    "the page's button": (READY, BUTTON, 303, JOINED, "joined"),
}
CASES |= {
    f"{name}, {row['status']}": (row, ask, 200 if BROWSER in ask.values() else 202, {}, "shown")
    for name, ask in LOOKS.items()
    for row in (READY, READY | IN_PROGRESS)
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_only_a_visitor_who_asks_to_enter_a_ready_desktop_enters(api: Api, case: Case) -> None:
    """Mail programs and messengers open links before people do."""
    row, ask, status, written, action = case
    put(api, row)
    before = api.rows()[ID]

    answer = api.ask(**ask)

    assert (answer.status, api.rows()[ID]) == (status, before | written)
    assert api.calls == ["get_item", "update_item"][: 1 + bool(written)]
    enters = action == "joined"
    ((outcome, fields, counts),) = api.reports.lines
    assert (outcome, counts) == ("succeeded", {"Joined": enters, "Warnings": 0})
    assert fields == {
        "meeting_id": ID,
        "role": "student",
        "page": BROWSER in ask.values(),
        "action": action,
        "reason": answer.headers["Elephant-Phase"],
        "status": api.rows()[ID]["status"],
    }
    assert (A in answer.body + str(answer.headers)) is enters
    assert ("Retry-After" in answer.headers) is (action == "waiting")
    if status == 303:
        assert (answer.headers["Location"], answer.body) == (link(A), "")
    elif BROWSER in ask.values():
        assert f'href="?key={KEY}&amp;enter=1"' in answer.body
    else:
        body = document(answer)
        rest = {"dcv_url": link(A)} if enters else {"status": api.rows()[ID]["status"]}
        assert body == {"message": body["message"]} | rest
        needs_hint = action == "shown" and ask.get("more") != WAITING | FETCH
        assert ("Accept: application/json" in body["message"]) is needs_hint
    assert action != "shown" or answer.headers["Elephant-Phase"] == "ready"


@pytest.mark.parametrize("role", ["Teacher", "STUDENT", "admin", "", "student ", "student\n"])
def test_an_unknown_role_is_refused_without_a_read(api: Api, role: str) -> None:
    put(api, READY)

    answer = api.ask(role)

    assert (answer.status, set(document(answer)), api.calls) == (400, {"message"}, [])
    assert api.reports.lines[-1][1]["action"] == "refused"


# Waiting visitors


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
    api: Api, status: str, more: dict[str, str], *, is_written: bool
) -> None:
    """A visitor who asks to enter waits as well, and a front end's visitor like the page's."""
    put(api, READY, status=status)
    before = api.rows()[ID]

    for api.now, calls in ((LATE, 1 + is_written), (LATE + 59, 1)):
        api.ask(more=more)

        written = {"student_waiting_at": "2026-11-21T15:41:07Z"} if is_written else {}
        assert api.rows()[ID] == before | written
        assert api.calls == ["get_item", "update_item"][:calls]


@pytest.mark.parametrize("became", ["IN_PROGRESS", "TERMINATED", None])
def test_presence_is_not_written_over_a_change_and_a_failure_only_causes_a_warning(
    api: Api, became: str | None
) -> None:
    put(api)
    api.now = LATE
    api.meanwhile = {1: lambda: put(api, status=became)} if became else {}
    api.faults = {} if became else {1: REFUSED}

    answer = api.ask(more=WAITING)

    assert answer.status == 202
    assert became or answer.headers["Elephant-Phase"] == "late"
    assert "student_waiting_at" not in api.rows()[ID]
    assert api.calls == ["get_item", "update_item"]
    outcome, fields, counts = api.reports.lines[-1]
    assert (outcome, counts) == ("succeeded", {"Joined": 0, "Warnings": not became})
    said = "" if became else "could not record that the student waits: "
    assert "".join(fields.get("warnings", ())).startswith(said)


# Keys


@pytest.mark.parametrize("accept", [PROGRAM, BROWSER])
def test_a_wrong_key_is_answered_like_an_unknown_meeting(api: Api, accept: str) -> None:
    unknown = api.ask(meeting_id="another", accept=accept)
    assert (unknown.status, api.calls) == (404, ["get_item"])
    put(api, READY)

    for key in ("wrong", "", None, TEACHERS_KEY, hash_of(KEY), KEY.upper(), "\ud800", "é"):
        assert api.ask(key=key, accept=accept) == unknown
        assert api.calls == ["get_item"]

    assert accept == BROWSER or set(document(unknown)) == {"message"}
    assert "wrong" not in str(api.reports.lines)
    assert api.ask("teacher", key=KEY, accept=accept) == unknown
    assert {line[1]["action"] for line in api.reports.lines} == {"refused"}


def test_the_time_of_an_answer_tells_no_wrong_key_from_an_unknown_meeting(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(api)
    api.put_row({"id": "guides"} | READY)
    compare = Mock(wraps=hmac.compare_digest)
    monkeypatch.setattr(hmac, "compare_digest", compare)

    for meeting_id in (ID, "another", "guides", "x" * 256):
        assert api.ask(meeting_id=meeting_id, key="wrong").status == 404

    assert [tuple(map(len, call.args)) for call in compare.call_args_list] == [(64, 64)] * 4


@pytest.mark.parametrize("key", [KEY, "", None])
@pytest.mark.parametrize("stored", [{}, {"student_key_hash": ""}])
def test_a_row_without_a_hash_opens_only_where_keys_are_off(
    api: Api, key: str | None, stored: dict[str, str]
) -> None:
    api.put_row({"id": ID} | READY | stored)

    assert api.ask(key=key).status == 404
    assert document(api.ask(key=key, join_keys="off"))["dcv_url"] == link(A)
    assert api.ask(meeting_id="another", join_keys="off").status == 404


@pytest.mark.parametrize("meeting_id", ["", "x" * 256, "a\nb", "a\x00", "\ud800", "\u202eabc"])
@pytest.mark.parametrize("keys", ["required", "off"])
def test_an_impossible_id_is_unknown_without_a_read(api: Api, meeting_id: str, keys: str) -> None:
    assert api.ask(meeting_id=meeting_id, join_keys=keys).status == 404
    assert api.calls == []
    ((_, fields, _),) = api.reports.lines
    assert (fields["meeting_id"], fields["reason"]) == (meeting_id[:255], "unknown")


@pytest.mark.parametrize("meeting_id", ["../x", "é", "a b", "%2e", "x' OR '1'='1", "x" * 255])
def test_an_odd_id_is_an_id_like_any_other(api: Api, meeting_id: str) -> None:
    put(api, id=meeting_id)
    assert api.ask(meeting_id=meeting_id).status == 202


# Concurrent changes of the row


@pytest.mark.parametrize(
    ("row", "status", "phase"),
    [
        (READY | {"termination_reason": "NO_SHOW_TIMEOUT"}, 202, "over"),
        (READY | {"status": "TERMINATED"}, 202, "over"),
        ({"status": "HEALTHY", "student_ec2_id": A}, 202, "address"),
        (READY | replaced_by(B), 200, "ready"),
        (READY | JOINED, 200, "ready"),
        (None, 404, "unknown"),
    ],
    ids=["ending", "over", "without a link", "another desktop", "another joins", "removed"],
)
def test_a_row_that_changes_meanwhile_is_judged_again(
    api: Api, row: dict[str, str] | None, status: int, phase: str
) -> None:
    put(api, READY)
    api.meanwhile = {1: api.clear_rows if row is None else lambda: put(api, row)}

    answer = api.ask()

    assert (answer.status, answer.headers["Elephant-Phase"]) == (status, phase)
    shown = row["student_ec2_link"] if row and status == 200 else None
    assert document(answer).get("dcv_url") == shown
    written = JOINED if status == 200 else {}
    assert api.rows() == ({} if row is None else {ID: ROW | row | written})


def test_a_row_that_keeps_changing_is_given_up_after_three_attempts(api: Api) -> None:
    put(api, READY)
    addresses = iter(f"i-{number:017x}" for number in range(9))
    api.meanwhile = {
        number: lambda: put(api, READY | replaced_by(next(addresses))) for number in range(1, 9, 2)
    }

    answer = api.ask()

    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert api.calls == ["get_item", "update_item"] * ATTEMPTS
    assert api.reports.lines[-1][0].startswith("failed: row 'abcdefgh12345678' was changed")


# The page


@pytest.mark.parametrize(
    ("key", "join_keys", "href"),
    [
        ('a&b="c"/é', "required", "?key=a%26b%3D%22c%22%2F%C3%A9&amp;enter=1"),
        (None, "off", "?enter=1"),
        ("\ud800", "off", "?key=%3F&amp;enter=1"),
        ("\x00", "off", "?key=%00&amp;enter=1"),
        ("x" * 5000, "off", f"?key={'x' * 5000}&amp;enter=1"),
    ],
    ids=["special", "none", "surrogate", "null", "long"],
)
def test_the_button_repeats_the_key_and_nothing_else(
    api: Api, key: str | None, join_keys: str, href: str
) -> None:
    put(api, READY, student_key_hash=hash_of(key or ""))

    answer = api.ask(key=key, join_keys=join_keys, accept=BROWSER, utm="tracking")

    assert f'href="{href}"' in answer.body
    assert "tracking" not in answer.body
    assert answer.body.encode()


ANSWERS: dict[str, tuple[str, dict[str, str] | None, int | None, int, Phase]] = {
    "an unknown role": ("Student", None, None, 400, Phase.REFUSED),
    "no meeting": ("student", None, None, 404, Phase.UNKNOWN),
    "early": ("student", {}, None, 202, Phase.STARTING),
    "ready": ("student", READY, None, 200, Phase.READY),
    "over": ("student", {"status": "TERMINATED"}, None, 202, Phase.OVER),
    "no read": ("student", READY, 0, 503, Phase.TROUBLE),
    # It must not count: the safety net would end a live meeting.
    "no write": ("student", READY, 1, 503, Phase.TROUBLE),
}


@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("accept", [BROWSER, "application/json, TEXT/HTML;q=0.5", PROGRAM])
def test_every_answer_is_a_page_or_json_that_only_the_configured_front_end_may_read(
    api: Api, case: tuple[str, dict[str, str] | None, int | None, int, Phase], accept: str
) -> None:
    """Whoever accepts exactly HTML gets the page. No answer is cached."""
    role, row, fault, status, phase = case
    if row is not None:
        put(api, row)
    api.faults = {} if fault is None else {fault: REFUSED}
    query = {} if phase is Phase.READY else {"enter": "1"}  # too early, the page is shown

    for origin in (None, ORIGIN, "https://elsewhere.example"):
        more = {"origin": origin} if origin else {}
        answer = api.ask(role, accept=accept, more=more, **query)

        assert answer.status == status
        headers = answer.headers
        if accept == PROGRAM:
            assert document(answer)["message"]
        else:
            assert answer.content_type == "text/html; charset=utf-8"
            assert answer.body.startswith("<!doctype html>")
            assert HEADLINES[phase] in answer.body
            assert HEADERS.items() <= headers.items()
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Elephant-Phase"] == phase
        may_change = phase in {Phase.STARTING, Phase.TROUBLE}
        assert ("Retry-After" in headers) is may_change
        assert {"Accept", "Origin"} <= set(headers["Vary"].split(", "))
        allowed = ORIGIN if origin == ORIGIN else None
        assert headers.get("Access-Control-Allow-Origin") == allowed
        if fault is not None:
            assert link(A) not in answer.body
            outcome, fields, counts = api.reports.lines[-1]
            assert "ThrottlingException" in outcome
            assert (fields["meeting_id"], counts) == (ID, {"Failed": 1})
    assert KEY not in str(api.reports.lines)

"""The booking page in a real browser, served with its API as app.py does it behind API Gateway.

ELEPHANT_SCREENSHOTS=DIRECTORY keeps a picture of every state.
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from chalicelib.meetings import own_meetings
from tests.application import ARN, MEETINGS, STAGE, gateway_event, load_app
from tests.browser import CONTRASTS, KEPT_PAUSE, Browser, Tab
from tests.end_to_end.booking_page import (
    act,
    at,
    click,
    confirm,
    fill,
    focused,
    is_shown,
    keep,
    text,
)
from tests.notifications.harness import VARIABLES
from tests.servers import QuietHandler, QuietServer, serving
from tests.world import TABLE, Context, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from botocore.session import Session

KEY: Final = "k3y-0f-the-office-0123456789abcdef"
OTHER: Final = "k3y-0f-n0b0dy-0123456789abcdef"
PREFIX: Final = "/api"
NOTES: Final = {"FEATURES": "meetings,notifications"}
ROOM: Final = "https://meet.example.com/{meeting_id}"
PLANS: Final = {"teacher_name": "Ada Lovelace", "student_name": "Zoë <b>Müller</b>"}
ADDRESSES: Final = {"teacher_email": "ada@example.com", "student_email": "zoe@example.com"}


class Handler(QuietHandler):
    """Answers what its site does; no connection outlives its answer."""

    protocol_version = "HTTP/1.0"

    def take(self, body: bytes) -> None:
        assert isinstance(self.server, Site)
        answer = self.server.reply(self.command, self.path, dict(self.headers), body)
        if answer:
            headers = {name.replace("-", "_"): value for name, value in answer[1].items()}
            self.answer(answer[0], answer[2].encode(), **headers)


class Site(QuietServer):
    """The stage's API. `instead` is what it answers to the script instead, if anything."""

    def __init__(self, world: World, app: ModuleType) -> None:
        super().__init__(Handler)
        self.world = world
        self.asked: list[tuple[str, str]] = []
        self.instead: tuple[int, dict[str, str], str] | None = None
        self.lost: set[str] = set()
        """Methods whose next answer is lost."""
        self.held = threading.Event()
        """Answers to the script wait until it is set."""
        self.held.set()
        self.excused = ""
        self._app = app
        self._one = threading.Lock()  # an environment of Lambda handles one request at a time

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{PREFIX}"

    def reply(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], str] | None:
        """Answer a request; None loses the answer."""
        url = urlsplit(path)
        route, parameters = url.path.removeprefix(PREFIX) or "/", None
        if url.path == "/favicon.ico":
            return 204, {}, ""
        self.asked.append((method, path))
        if route != "/":
            self.held.wait()
        if route != "/" and self.instead:
            return self.instead
        if route.startswith("/meetings/"):
            parameters = {"meeting_id": unquote(route.removeprefix("/meetings/"))}
            route = "/meetings/{meeting_id}"
        event = gateway_event(
            method,
            route,
            url.path,
            headers=headers,
            pathParameters=parameters,
            multiValueQueryStringParameters=parse_qs(url.query) or None,
            body=body.decode() or None,
        )
        with self._one:
            answer = self._app.app(event, Context(invoked_function_arn=ARN))
        if method in self.lost:
            self.lost.remove(method)
            return None
        sent = {name: value for name, value in answer["headers"].items() if isinstance(value, str)}
        return answer["statusCode"], sent, answer["body"]

    def posts(self) -> int:
        return [method for method, _ in self.asked].count("POST")

    def meetings(self) -> dict[str, dict[str, str]]:
        rows = self.world.dynamodb.scan(TableName=TABLE)["Items"]
        texts = [{name: each["S"] for name, each in row.items() if "S" in each} for row in rows]
        return {row["id"]: row for row in texts if "scheduled_at" in row}

    def change(self, meeting: str, **texts: str) -> None:
        """Write attributes of a row, as the other functions do."""
        for name, value in texts.items():
            self.world.dynamodb.update_item(
                TableName=TABLE,
                Key={"id": {"S": meeting}},
                UpdateExpression="SET #name = :text",
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues={":text": {"S": value}},
            )


class Serve(Protocol):
    """Serves a stage with these variables until the test is over."""

    def __call__(self, **variables: str) -> Site: ...


@pytest.fixture
def serve(world: World, session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    names = {"schedule-key": json.dumps({"office": KEY}), "meeting-seed": "s33d" * 10}
    for name, value in names.items():
        world.secrets.create_secret(Name=f"elephant-test-{name}", SecretString=value)
    scheduler: Any = session.create_client("scheduler")
    scheduler.create_schedule_group(Name="elephant-test")
    with ExitStack() as served:

        def start(**variables: str) -> Site:
            more = {"ROOM_URL": ROOM, "CLOUDFLARE_API_URL": world.cloudflare.url} | variables
            site = Site(world, load_app(monkeypatch, STAGE | VARIABLES | MEETINGS | NOTES | more))
            served.enter_context(serving(site))
            served.callback(site.held.set)
            return site

        yield start


@pytest.fixture
def site(serve: Serve) -> Site:
    return serve()


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Tab]:
    """Open a tab; what its console says fails the test, but for what the test excuses."""
    with browser.open() as opened:
        opened.show(reduced_motion="reduce")
        yield opened
        complaints = opened.complaints
        assert [each for each in complaints if not site.excused or site.excused not in each] == []


def sign_in(site: Site, tab: Tab, key: str = KEY) -> None:
    tab.go(site.url)
    fill(tab, key=key)
    click(tab, "ask-go")
    tab.wait_for(f"{is_shown('app')} && {at('mine-list')}.ariaBusy === 'false'")


def book(tab: Tab, **more: str) -> None:
    """Book a meeting tomorrow."""
    fill(tab, **PLANS | more)
    click(tab, "book-go")
    tab.wait_for(is_shown("booked-title"))


def instant(row: dict[str, str]) -> datetime:
    return datetime.fromisoformat(row["meet_time"])


# Booking


def test_a_meeting_is_booked_and_its_links_are_copied(site: Site, tab: Tab) -> None:
    sign_in(site, tab)
    tab.find(
        "window.blobs = []; URL.createObjectURL = (blob) => { blobs.push(blob); return '#'; };"
        "navigator.clipboard.writeText = async (text) => { window.copied = text; };"
    )
    fill(tab, book__date="2027-06-01", book__time="15:30", book__zone="America/New_York")
    fill(tab, length="45")
    preview = text(tab, "book-preview")
    assert "Tuesday, 1 June 2027, 15:30 to 16:15 in New York (GMT-4)" in preview
    assert "For you: 21:30 to 22:15" in preview

    book(tab, **ADDRESSES)

    ((meeting, row),) = site.meetings().items()
    assert (row["meet_time"], row["duration_minutes"]) == ("2027-06-01T19:30:00Z", "45")
    assert {name: row[name] for name in PLANS | ADDRESSES} == PLANS | ADDRESSES
    assert row["time_zone"] == "America/New_York"
    assert focused(tab) == "booked-title"
    links = tab.find("Array.from(document.querySelectorAll('#booked .copy input'), (e) => e.value)")
    for link, role in zip(links, ("teacher", "student"), strict=True):
        assert link.startswith(f"{site.url}/join/{meeting}/{role}?key=")
    tab.find("document.querySelector('#booked .copy button').focus()")
    tab.press("Enter")
    tab.wait_for(f"{at('said')}.textContent === 'Copied'")
    assert tab.find("copied") == links[0]

    site.change(meeting, teacher_mail="invitation 0 sent", student_mail="invitation 0 bounced")
    tab.wait_for("document.querySelector('#booked-mails .warn') !== null")
    mails = text(tab, "booked-mails")
    assert "invitation was sent to ada@example.com." in mails
    assert "came back" in mails
    click(tab, "booked-calendar")
    tab.wait_for("blobs.length")
    tab.find("blobs[0].text().then((found) => { window.calendar = found; })")
    tab.wait_for("window.calendar")
    assert str(tab.find("calendar")).startswith("BEGIN:VCALENDAR")
    tab.wait_for("document.querySelector('.meetings h4') !== null")
    assert "Zoë <b>Müller</b>" in text(tab, "mine-list")


def test_without_invitations_it_says_that_the_links_must_be_passed_on(
    serve: Serve, browser: Browser
) -> None:
    site = serve(FEATURES="meetings")
    with browser.open() as tab:
        sign_in(site, tab)
        book(tab, **ADDRESSES)
        assert "pass each link on yourself" in text(tab, "booked-mails")


def test_errors_are_beside_their_fields_and_nothing_typed_is_lost(site: Site, tab: Tab) -> None:
    site.excused = "400"
    sign_in(site, tab)
    click(tab, "book-go")
    assert (focused(tab), site.posts()) == ("teacher_name", 0)
    fill(tab, teacher_name="Ada", student_name="\u2800", student_email="a@b", length="30")
    fill(tab, book__date="2020-01-01", book__time="12:00")
    click(tab, "book-go")

    tab.wait_for(f"{is_shown('student_name-error')} && {is_shown('book-meet_time-error')}")
    assert focused(tab) == "student_name"
    assert tab.find(f"{at('student_name')}.ariaInvalid") == "true"
    assert (
        tab.find(f"{at('student_name')}.getAttribute('aria-describedby')") == "student_name-error"
    )
    assert "must be an e-mail address" in text(tab, "student_email-error")
    assert "has passed" in text(tab, "book-meet_time-error")
    values = [tab.find(f"{at(name)}.value") for name in ("teacher_name", "student_email", "length")]
    assert values == ["Ada", "a@b", "30"]


def test_a_limit_is_said_in_words_and_the_next_free_time_is_taken_by_a_click(
    serve: Serve, browser: Browser
) -> None:
    site = serve(KEY_MEETINGS_AT_ONCE="1")
    with browser.open() as tab:
        sign_in(site, tab)
        book(tab)
        click(tab, "again")
        fill(tab, **PLANS)
        click(tab, "book-go")
        tab.wait_for(is_shown("book-meet_time-error"))
        assert "as many meetings at that time as your key allows" in text(
            tab, "book-meet_time-error"
        )

        tab.find(f"{at('book-meet_time-error')}.querySelector('button').click()")
        assert focused(tab) == "book-go"
        click(tab, "book-go")
        tab.wait_for(is_shown("booked-title"))
        one, other = sorted(instant(each) for each in site.meetings().values())
        assert other - one == timedelta(minutes=70)


def test_a_double_click_books_once(site: Site, tab: Tab) -> None:
    sign_in(site, tab)
    site.held.clear()
    fill(tab, **PLANS)
    for _ in range(2):
        click(tab, "book-go")
    assert text(tab, "book-go") == "Booking …"
    site.held.set()
    tab.wait_for(is_shown("booked-title"))

    assert (site.posts(), len(site.meetings())) == (1, 1)


HASTE: Final = f"""
  window.patient = window.setTimeout;
  window.setTimeout = (done, wait) => patient(done, wait === {KEPT_PAUSE} ? 1 : wait);
"""
"""Lets the page lose its patience at once."""


@pytest.mark.parametrize("kind", ["lost", "late", "busy", "odd"])
def test_after_a_lost_answer_the_same_button_books_once(site: Site, tab: Tab, kind: str) -> None:
    said = {"lost": "connection", "late": "20 seconds", "busy": "in 7 seconds", "odd": "went wrong"}
    site.excused = "Failed to load resource"
    sign_in(site, tab)
    if kind == "lost":
        site.lost = {"POST"}
    elif kind == "late":
        tab.find(HASTE)
        site.held.clear()
    else:
        status = {"busy": 503, "odd": 200}[kind]
        site.instead = (status, {"Retry-After": "7"}, "<html>")
    fill(tab, **PLANS)
    click(tab, "book-go")

    tab.wait_for(f"{at('book-alert')}.textContent !== ''")
    assert said[kind] in text(tab, "book-alert")
    assert "only once" in text(tab, "book-alert")
    tab.find("window.setTimeout = window.patient || window.setTimeout")
    site.held.set()
    site.instead = None
    click(tab, "book-go")
    tab.wait_for(is_shown("booked-title"))
    assert len(site.meetings()) == 1


def test_hours_that_clocks_skip_or_repeat_are_not_guessed(site: Site, tab: Tab) -> None:
    sign_in(site, tab)
    fill(tab, book__date="2027-03-28", book__time="02:30", **PLANS)
    assert "skip this time" in text(tab, "book-meet_time-error")
    click(tab, "book-go")
    assert (focused(tab), site.posts()) == ("book-time", 0)

    fill(tab, book__date="2027-10-31")
    assert not tab.find(is_shown("book-meet_time-error"))
    assert tab.find(is_shown("book-twice"))
    click(tab, "book-second")
    click(tab, "book-go")
    tab.wait_for(is_shown("booked-title"))
    (row,) = site.meetings().values()
    assert row["meet_time"] == "2027-10-31T01:30:00Z"


def test_the_suggested_time_goes_by_the_servers_clock(site: Site, tab: Tab) -> None:
    wrong = "(() => { const now = Date.now; Date.now = () => now() + 1e9; })()"
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=wrong)
    sign_in(site, tab)

    book(tab)

    (row,) = site.meetings().values()
    assert timedelta() < instant(row) - datetime.now(UTC) < timedelta(hours=2)


# The key


def test_the_key_is_kept_by_the_tab_or_if_one_wishes_by_the_device(site: Site, tab: Tab) -> None:
    kept = "[sessionStorage.length, localStorage.length]"
    sign_in(site, tab)
    assert tab.find(kept) == [1, 0]
    assert text(tab, "caller") == "office"
    tab.go(site.url)
    assert tab.find(is_shown("app"))

    fill(tab, teacher_name="Ada")
    click(tab, "leave")
    assert tab.find(kept) == [0, 0]
    assert tab.find(f"{at('teacher_name')}.value + {at('key')}.value") == ""
    assert tab.find(is_shown("ask"))

    click(tab, "remember")
    fill(tab, key=KEY)
    click(tab, "ask-go")
    tab.wait_for(is_shown("app"))
    assert tab.find(kept) == [0, 1]
    assert KEY not in str(site.asked) + str(tab.find("location.href + document.body.outerHTML"))


def test_a_wrong_key_is_said_so_and_one_that_expires_loses_nothing(site: Site, tab: Tab) -> None:
    site.excused = "401"
    tab.go(site.url)
    for key, said in ((OTHER, "not valid"), ("schlüssel", "not a key")):
        fill(tab, key=key)
        click(tab, "ask-go")
        tab.wait_for(f"{at('key-error')}.textContent.includes({said!r})")
    assert tab.find("sessionStorage.length + localStorage.length") == 0

    sign_in(site, tab)
    fill(tab, **PLANS)
    site.instead = (401, {}, "{}")
    click(tab, "book-go")
    tab.wait_for(is_shown("ask"))
    assert "not valid any more" in text(tab, "ask-alert")
    site.instead = None
    fill(tab, key=KEY)
    click(tab, "ask-go")
    tab.wait_for(is_shown("book"))
    click(tab, "book-go")
    tab.wait_for(is_shown("booked-title"))


# My meetings


def test_a_meeting_is_moved_extended_and_cancelled_each_after_a_question(
    site: Site, tab: Tab
) -> None:
    sign_in(site, tab)
    book(tab, **ADDRESSES)
    (meeting,) = site.meetings()
    site.change(meeting, teacher_mail="invitation 0 sent", student_mail="invitation 0 failed")
    tab.wait_for(f"{at('mine-list')}.textContent.includes('could not be sent')")

    act(tab, "Move")
    assert focused(tab) == "move-date"
    assert "The teacher gets an e-mail with the new time." in text(tab, "confirm-text")
    assert "let the student know yourself" in text(tab, "confirm-text")
    fill(tab, move__date="2027-06-01", move__time="09:00")
    assert "The meeting is on Tuesday, 1 June 2027, 9:00" in confirm(tab)
    tab.wait_for("document.activeElement.tagName === 'H4'")
    assert site.meetings()[meeting]["meet_time"] == "2027-06-01T07:00:00Z"

    act(tab, "Change length")
    fill(tab, **{"new-length": "90"})
    assert "1 hour 30 minutes long" in confirm(tab)
    assert site.meetings()[meeting]["duration_minutes"] == "90"

    act(tab, "Cancel")
    assert focused(tab) == "confirm-no"
    tab.press("Escape")
    tab.wait_for(f"!{at('confirm')}.open")
    assert "termination_reason" not in site.meetings()[meeting]
    act(tab, "Cancel")
    assert "cancelled" in confirm(tab)
    assert site.meetings()[meeting]["termination_reason"] == "CANCELLED"
    tab.wait_for("!document.querySelector('.meetings button')")


def test_a_meeting_in_progress_is_ended_and_the_list_follows_by_itself(
    site: Site, tab: Tab
) -> None:
    sign_in(site, tab)
    book(tab)
    (meeting,) = site.meetings()
    site.change(meeting, status="IN_PROGRESS", joined_at="2026-01-01T00:00:00Z")
    tab.wait_for(f"{at('mine-list')}.textContent.includes('End now')")

    act(tab, "End now")
    assert "not saved elsewhere is lost" in text(tab, "confirm-text")
    assert "ended" in confirm(tab)
    assert site.meetings()[meeting]["termination_reason"] == "CANCELLED"


def test_what_the_api_refuses_is_said_in_the_dialog(site: Site, tab: Tab) -> None:
    site.excused = "Failed to load resource"
    sign_in(site, tab)
    book(tab)
    (meeting,) = site.meetings()
    tab.wait_for("document.querySelector('.meetings button') !== null")
    act(tab, "Move")
    fill(tab, move__date="2020-01-01", move__time="09:00")
    click(tab, "confirm-yes")
    tab.wait_for(is_shown("move-meet_time-error"))
    assert "The time has passed" in text(tab, "move-meet_time-error")

    site.instead = (404, {}, '{"message": "There is no such meeting."}')
    fill(tab, move__date="2027-06-01")
    click(tab, "confirm-yes")
    tab.wait_for(f"{at('confirm-alert')}.textContent === 'There is no such meeting.'")
    site.instead = None
    click(tab, "confirm-no")
    assert "termination_reason" not in site.meetings()[meeting]


def test_a_long_list_is_shown_in_parts(
    site: Site, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_meetings, "PAGE", 1)
    sign_in(site, tab)
    for day in ("01", "02"):
        fill(tab, book__date=f"2027-06-{day}")
        book(tab)
        click(tab, "again")
    tab.wait_for(is_shown("more"))
    assert tab.find("document.querySelectorAll('.meetings h4').length") == 1

    click(tab, "more")
    tab.wait_for("document.querySelectorAll('.meetings h4').length === 2")
    assert not tab.find(is_shown("more"))


def test_odd_answers_do_no_harm(site: Site, tab: Tab) -> None:
    """Also what is not what the API says it answers is shown as text, or not at all."""
    view = {
        "meeting_id": "m1",
        "state": "upcoming",
        "teacher_name": "<img src=x onerror=alert(1)>",
        "student_name": 7,
        "meet_time": "never",
        "time_zone": "../../etc",
        "message": None,
        "teacher_link": "javascript:alert(1)",
        "jitsi_url": "javascript:alert(1)",
        "actions": "cancel",
    }
    listed = {"meetings": [view, None, "x", {"meeting_id": {}}], "caller": ["<b>"], "next": 5}
    site.instead = (200, {}, json.dumps(listed))

    sign_in(site, tab)

    tab.wait_for("document.querySelectorAll('.meetings h4').length === 1")
    assert "<img src=x onerror=alert(1)>" in text(tab, "mine-list")
    assert not tab.find("document.querySelector('main img, main a[href^=javascript]')")

    site.excused = "400"
    errors = {"constructor": "a", "teacher_name": {}, "meet_time": "<b>b</b>"}
    site.instead = (400, {}, json.dumps({"message": 5, "errors": errors, "limit": ["toString"]}))
    fill(tab, **PLANS)
    click(tab, "book-go")
    tab.wait_for(is_shown("book-meet_time-error"))
    assert "<b>b</b>" in text(tab, "book-meet_time-error")


# For those who do not see it, use no mouse, have a small screen, or no script


STEPS: Final = ("ask", "form", "errors", "booked", "dialog")


def test_every_view_fits_is_readable_and_names_its_controls(site: Site, tab: Tab) -> None:
    for step in STEPS:
        if step == "ask":
            tab.go(site.url)
        elif step == "form":
            sign_in(site, tab)
        elif step == "errors":
            click(tab, "book-go")
        elif step == "booked":
            book(tab, student_name="W" * 100, **ADDRESSES)
            tab.wait_for("document.querySelector('.meetings details') !== null")
            tab.find("document.querySelector('.meetings details').open = true")
        else:
            act(tab, "Move")
        for width in (1280, 390, 320):
            for scheme in ("light", "dark"):
                tab.show(width, color_scheme=scheme, reduced_motion="reduce")
                assert tab.find("document.documentElement.scrollWidth") <= width
                assert min(tab.find(CONTRASTS)) >= 4.5
                assert tab.find("document.getAnimations().length") == 0
                keep(tab, f"booking-{step}-{scheme}-{width}")
        check_names(tab, step)


VISIBLE: Final = "(each) => each.checkVisibility()"


def check_names(tab: Tab, step: str) -> None:
    """Check that a screen reader finds landmarks, one main heading, and a name for each control."""
    tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    nodes = [
        (each["role"]["value"], each.get("name", {}).get("value", ""))
        for each in tree
        if not each["ignored"]
    ]
    roles = {role for role, _ in nodes}
    controls = {"button", "textbox", "combobox", "checkbox", "radio", "link", "Date", "InputTime"}
    unnamed = [role for role, name in nodes if role in controls | {"dialog"} and not name.strip()]
    assert unnamed == [], step
    if step == "dialog":
        assert ("dialog", "Move this meeting?") in nodes
    else:
        assert {"banner", "main", "contentinfo", "region"} <= roles
    headings = f"Array.from(document.querySelectorAll('h1')).filter({VISIBLE})"
    assert tab.find(f"{headings}.length") == 1


def test_a_meeting_is_booked_by_keyboard_alone(site: Site, tab: Tab) -> None:
    tab.go(site.url)
    for typed, name in ((KEY, "key"), ("Ada", "teacher_name"), ("Zoë", "student_name")):
        for _ in range(9):
            if focused(tab) == name:
                break
            tab.press("Tab")
        assert focused(tab) == name
        tab.call("Input.insertText", text=typed)
        if name == "key":
            tab.press("Enter")
            tab.wait_for("document.activeElement.id === 'book-title'")
    tab.press("Enter")
    tab.wait_for("document.activeElement.id === 'booked-title'")

    tab.press("Tab")
    tab.press("Tab")
    assert tab.find("document.activeElement.textContent") == "Copy"
    assert tab.find("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    tab.press("Enter")
    tab.wait_for("document.activeElement.textContent === 'Copied'")


def test_without_script_it_says_what_it_needs(site: Site, tab: Tab) -> None:
    tab.without_script()
    tab.go(site.url)

    assert "needs JavaScript" in str(tab.find("document.body.innerText"))
    assert not tab.find(is_shown("key"))

"""The waiting page in a real browser, served as it is by `Join` over HTTP.

ELEPHANT_SCREENSHOTS=DIRECTORY keeps a picture of every state.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings.admission import Phase
from chalicelib.meetings.http import Answer, Request
from chalicelib.meetings.join import Join
from chalicelib.meetings.keys import hash_of
from chalicelib.meetings.lifetime import LookAgain, verdict
from chalicelib.meetings.page import HEADLINES, TITLES
from tests.browser import CONTRASTS, Browser, Tab
from tests.meetings.launches import SETTINGS
from tests.servers import QuietHandler, QuietServer, serving
from tests.world import TABLE, link

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.world import World

A: Final = "i-0123456789abcdef0"
ID: Final = "abcdefgh12345678"
KEY: Final = "the-students-key"
MINUTE: Final = timedelta(minutes=1)
DESKTOP: Final = link(A) + "/?authToken="


@dataclass(frozen=True)
class State:
    """A state of the row, how long before the meeting it is, and what the page then says."""

    phase: str
    status: str = "LAUNCHED"
    row: dict[str, str] = field(default_factory=dict)
    before: timedelta = 5 * MINUTE


LINKED = {"student_ec2_id": A, "student_ec2_link": link(A)}
STATES: Final = {
    "scheduled": State("scheduled", "SCHEDULED", before=25 * MINUTE),
    "starting": State("starting"),
    "address": State("address", row={"student_ec2_id": A, "teacher_name": "W" * 100}),
    "checking": State("checking", "DNS_WRITTEN", LINKED),
    "ready": State("ready", "HEALTHY", LINKED | {"student_healthy_desktop": A}),
    "late": State("late", "LAUNCHED", {"student_ec2_id": A}, before=-3 * MINUTE),
    "over": State("over", "TERMINATED", {"termination_reason": "SUCCESS"}, before=-70 * MINUTE),
    "failed": State("over", "TERMINATED", {"termination_reason": "LAUNCH_FAILED"}),
}
LOOKS: Final = [(width, scheme) for width in (1024, 320) for scheme in ("light", "dark")]


class Handler(QuietHandler):
    """Answers what its site does; no connection outlives its answer."""

    protocol_version = "HTTP/1.0"

    def take(self, _: bytes) -> None:
        assert isinstance(self.server, Site)
        answer = self.server.answer(self.path, dict(self.headers))
        headers = {"Content-Type": answer.content_type, **answer.headers}
        self.answer(answer.status, answer.body.encode(), **headers)


class Site(QuietServer):
    """Serves a `Join` over HTTP, and counts what it is asked."""

    daemon_threads = False

    def __init__(self, world: World) -> None:
        super().__init__(Handler)
        self.world = world
        self.asked: list[str] = []
        self.instead: Answer | None = None
        self.excused = ""
        assert SETTINGS.meetings
        self._join = Join(
            settings=SETTINGS,
            meetings=SETTINGS.meetings,
            table=Meetings(world.app_dynamodb, TABLE),
            reporter=world.reports,
        )

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"{self.base}/join/{ID}/student?key={KEY}"

    @property
    def polls(self) -> int:
        return len(self.asked) - self.asked.count("page")

    def put(self, state: State, **more: str) -> None:
        meet_time = datetime.now(UTC) + state.before
        row = {
            "meet_time": f"{meet_time:%Y-%m-%dT%H:%M:%SZ}",
            "status": state.status,
            "teacher_name": "Ada Lovelace",
            "student_name": "Zoë <b>Müller</b>",
            "student_key_hash": hash_of(KEY),
        }
        self.world.put_row(ID, **(row | state.row | more))

    def answer(self, path: str, given: Mapping[str, str]) -> Answer:
        url = urlsplit(path)
        if not url.path.startswith("/join/"):
            return Answer(404, "{}")
        headers = {name.lower(): value for name, value in given.items()}
        is_page = "text/html" in headers.get("accept", "")
        how = "waits" if "elephant-waiting" in headers else "JSON"
        self.asked.append("page" if is_page else how)
        if self.instead and not is_page:
            return self.instead
        *_, meeting_id, role = url.path.split("/")
        request = Request("GET", path, headers, dict(parse_qsl(url.query)), b"", self.base)
        return self._join.handle(request, meeting_id, role)


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    made = Site(world)
    with serving(made):
        yield made


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Tab]:
    """Open a tab; what its console says fails the test, but for what the test excuses."""
    with browser.open() as opened:
        yield opened
        complaints = opened.complaints
        assert [each for each in complaints if not site.excused or site.excused not in each] == []


def see(tab: Tab, *, seen: bool) -> float:
    """Let the page believe that it came to the front, or went to the back; return its pause."""
    hidden = HIDE % str(not seen).lower()
    event = "document.dispatchEvent(new Event('visibilitychange'));"
    return float(tab.find(f"{hidden} {event} pauses.at(-1)"))


def are_slow(pauses: list[float]) -> bool:
    """Tell whether the page asks about once a minute, as often as a browser lets a hidden tab."""
    return all(30 <= each / 1000 <= 60 for each in pauses)


def visible_text(tab: Tab) -> str:
    return str(tab.find("document.body.innerText"))


def keep(tab: Tab, name: str) -> None:
    """Keep a picture, if somebody wants to look at it."""
    if directory := os.environ.get("ELEPHANT_SCREENSHOTS"):
        tab.find("document.fonts.ready")
        (Path(directory) / f"{name}.png").write_bytes(tab.screenshot())


def shown(tab: Tab, phase: str) -> None:
    tab.wait_for(f"document.body.dataset.phase === '{phase}'")
    assert tab.find("document.querySelector('h1').textContent") == HEADLINES[Phase(phase)]
    title = TITLES.get(Phase(phase), HEADLINES[Phase(phase)])
    assert tab.find("document.title") == title + TITLE_END


def visit(site: Site, tab: Tab, name: str) -> None:
    """Open the link of a meeting in this state."""
    site.put(STATES[name])
    tab.go(site.url)
    shown(tab, name)


def entered(site: Site, tab: Tab) -> None:
    """Wait until it is at the desktop; DCV's question about the ticket begins the meeting."""
    tab.wait_for(f"location.href.startsWith('{DESKTOP}')")
    assert "student_ticket_hash" in site.world.row(ID)


HIDE: Final = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
"""Lets the page believe that nobody, or somebody, sees it."""

STILL = Answer(503, "nothing that a program can read")
"""Keeps a page as it was sent, since its polls learn nothing."""
LATER = Answer(503, "nothing that a program can read", headers={"Retry-After": "3600"})
"""The same, and the page does not even say that it cannot reach anybody."""

TITLE_END: Final = " \N{EN DASH} Elephant"


@pytest.mark.parametrize("name", [*STATES, "unknown", "trouble"])
def test_every_state_is_shown_in_every_look_and_asked_for_again_if_it_can_change(
    site: Site, tab: Tab, name: str
) -> None:
    state = STATES.get(name, State(name))
    if name in STATES:
        site.put(state)
    if name == "trouble":
        site.world.fail("GetItem", "InternalServerError")
    site.instead = LATER
    site.excused = "404" if name == "unknown" else "503"

    for width, scheme in LOOKS:
        tab.show(width, color_scheme=scheme, reduced_motion="reduce")
        tab.go(site.url)
        shown(tab, state.phase)
        keep(tab, f"{name}-{scheme}-{width}")
        assert tab.find("document.documentElement.scrollWidth") <= width
        contrasts = tab.find(CONTRASTS)
        assert len(contrasts) >= 3
        assert min(contrasts) >= 4.5
        assert tab.find("document.getAnimations().length") == 0

    is_final = name in {"over", "failed", "unknown"}
    assert (tab.find("pauses") == []) is is_final
    assert set(site.asked) == {"page"} or not is_final


@pytest.mark.parametrize(("waits", "ends"), [("ready", "over"), ("late", "failed")])
def test_a_meeting_that_ends_while_one_waits_says_so_and_is_not_asked_for_again(
    site: Site, tab: Tab, waits: str, ends: str
) -> None:
    visit(site, tab, waits)
    site.put(STATES[ends])

    shown(tab, "over")

    assert ("could not be started" in visible_text(tab)) == (ends == "failed")
    assert tab.find("document.getElementById('steps').hidden")
    assert tab.find("document.getElementById('enter').hidden")
    assert site.asked == ["page", *["waits" if waits == "ready" else "JSON"] * site.polls]
    pauses = len(tab.find("pauses"))
    tab.find("dispatchEvent(new Event('online'))")
    assert len(tab.find("pauses")) == pauses


@pytest.mark.parametrize(
    ("name", "retry_after", "expected"),
    [
        ("checking", None, [2] * 5 + [5] * 10 + [15] * 3),
        ("scheduled", None, [60] * 3),
        ("checking", "37", [2] + [37] * 2),
    ],
)
def test_the_page_asks_less_and_less_often_or_when_the_server_says(
    site: Site, tab: Tab, name: str, retry_after: str | None, expected: list[int]
) -> None:
    if retry_after:
        site.instead = Answer(429, "{}", headers={"Retry-After": retry_after})
        site.excused = "429"
    visit(site, tab, name)

    tab.wait_for(f"pauses.length >= {len(expected)}")

    pauses = [each / 1000 for each in tab.find("pauses")]
    for seconds, pause in zip(expected, pauses, strict=False):
        assert seconds * 0.95 <= pause <= seconds * 1.1, pauses


def test_a_visitor_is_shown_each_step_and_taken_to_the_desktop(site: Site, tab: Tab) -> None:
    visit(site, tab, "scheduled")
    for name in ("scheduled", "starting", "address", "checking"):
        site.put(STATES[name])
        shown(tab, name)
        done = tab.find("document.querySelectorAll('li.done').length")
        assert done == {"scheduled": 1, "starting": 1, "address": 2, "checking": 3}[name]
        assert tab.find("document.querySelector('[aria-current=step]').dataset.step") == name
    assert site.world.row(ID)["status"] == "DNS_WRITTEN"

    site.put(STATES["ready"])
    entered(site, tab)
    assert site.asked.count("page") == 1
    entries = tab.call("Page.getNavigationHistory")["entries"]
    assert [each["url"].partition("=")[0] + "=" for each in entries] == ["about:blank=", DESKTOP]


def test_a_page_that_is_opened_when_all_is_ready_enters_by_a_click(site: Site, tab: Tab) -> None:
    """A scanner of links opens it like this as well, scripts and all, and clicks nothing."""
    visit(site, tab, "ready")

    assert tab.find("document.title") == "\N{BLACK CIRCLE} Ready" + TITLE_END
    tab.wait_for("pauses.length >= 3")
    assert are_slow(tab.find("pauses"))
    assert tab.find("document.getElementById('promise').hidden") is True
    assert set(site.asked) == {"page", "waits"}
    assert site.world.row(ID)["status"] == "HEALTHY"

    tab.find("document.getElementById('open').click()")
    entered(site, tab)


def test_a_page_that_nobody_sees_asks_slowly_and_enters_as_soon_as_it_is_seen(
    site: Site, tab: Tab
) -> None:
    """Meanwhile its visitor is present: the meeting is no no-show 15 minutes after its start."""
    begun = replace(STATES["checking"], before=-14 * MINUTE)
    site.put(begun)
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=HIDE % "true")
    tab.go(site.url)
    shown(tab, "late")
    tab.wait_for("pauses.length >= 4")
    assert are_slow(tab.find("pauses"))
    assert tab.find("document.title") == HEADLINES[Phase.LATE] + TITLE_END
    keep(tab, "hidden-late")

    seen = site.world.row(ID)["student_waiting_at"]
    site.put(replace(STATES["ready"], before=begun.before), student_waiting_at=seen)
    shown(tab, "ready")
    polls = site.polls
    tab.wait_for(f"pauses.length >= {polls + 3}")
    assert are_slow(tab.find("pauses"))
    assert tab.find("document.title") == "\N{BLACK CIRCLE} Ready" + TITLE_END
    assert tab.find("document.getElementById('open').href") == site.url + "&enter=1"
    keep(tab, "hidden-ready")
    assert set(site.asked) == {"page", "waits"}
    assert site.world.row(ID)["status"] == "HEALTHY"
    meeting = Meetings(site.world.app_dynamodb, TABLE).read_row(ID)
    found = verdict(meeting, (), datetime.now(UTC) + MINUTE, timedelta(hours=3))
    assert isinstance(found, LookAgain)

    assert see(tab, seen=True) == 0
    entered(site, tab)
    assert site.asked.count("JSON") == 1


def test_a_page_that_is_seen_no_more_asks_slowly_and_enters_by_no_poll(
    site: Site, tab: Tab
) -> None:
    visit(site, tab, "scheduled")
    see(tab, seen=False)
    site.put(STATES["ready"])

    shown(tab, "ready")

    assert site.world.row(ID)["status"] == "HEALTHY"
    tab.find("document.getElementById('open').click()")
    entered(site, tab)


def test_a_page_that_could_show_nothing_becomes_whole_by_itself(site: Site, tab: Tab) -> None:
    site.put(STATES["starting"])
    site.world.fail("GetItem", "InternalServerError")
    site.excused = "503"
    tab.go(site.url)
    shown(tab, "trouble")
    assert "Ada Lovelace" not in visible_text(tab)

    site.world.recover()
    shown(tab, "starting")

    assert "Ada Lovelace" in visible_text(tab)


def test_a_lost_connection_is_said_and_recovers(site: Site, tab: Tab) -> None:
    site.instead, site.excused = STILL, "503"
    visit(site, tab, "checking")
    tab.wait_for("document.getElementById('note').textContent.includes('connection')")
    shown(tab, "checking")
    keep(tab, "lost")

    site.instead = None
    tab.wait_for("document.getElementById('note').textContent === ''")
    site.put(STATES["ready"])
    entered(site, tab)


def test_an_address_that_is_no_desktop_is_not_gone_to(site: Site, tab: Tab) -> None:
    site.put(STATES["checking"])
    answer = '{"message": "Go.", "dcv_url": "javascript:document.title=1"}'
    site.instead = Answer(200, answer, headers={"Elephant-Phase": "ready"})

    tab.go(site.url)
    shown(tab, "ready")

    assert tab.find("location.href") == site.url
    assert "javascript" not in tab.find("document.getElementById('open').href")


UNTIL: Final = "document.getElementById('until').textContent"
SOON: Final = {"(in 25 minutes)", "(in 24 minutes)"}


def test_times_are_shown_in_the_visitors_own_zone(site: Site, tab: Tab) -> None:
    tab.call("Emulation.setTimezoneOverride", timezoneId="Asia/Kolkata")

    visit(site, tab, "scheduled")

    start = datetime.fromisoformat(str(tab.find("document.querySelector('time').dateTime")))
    there = start + timedelta(hours=5, minutes=30)
    text = str(tab.find("document.querySelector('time').textContent"))
    assert f"{there:%A}" in text
    assert f"{there:%H:%M}" in text
    assert "+5:30" in text
    assert tab.find(UNTIL) in SOON


def test_how_long_it_is_until_then_goes_by_the_servers_clock(site: Site, tab: Tab) -> None:
    """Also when the visitor's own is set while the page is open."""
    wrong = "(() => { const now = Date.now; Date.now = () => now() + %d * 3600000; })();"
    ticker = "window.setInterval = (done) => { window.tick = done; };"
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=ticker + wrong % 5)
    visit(site, tab, "scheduled")
    assert tab.find(UNTIL) in SOON

    polls = site.polls
    tab.find(wrong % -7 + "dispatchEvent(new Event('online'))")
    tab.wait_for(f"pauses.length >= {polls + 3}")
    assert tab.find(f"tick(); {UNTIL}") in SOON


def test_the_policy_is_in_force(site: Site, tab: Tab) -> None:
    """What is not the page's own neither runs nor is fetched; so silence elsewhere says much."""
    site.excused = "Content Security Policy"
    visit(site, tab, "over")

    tab.find(
        "document.body.append("
        "Object.assign(document.createElement('script'), {text: 'window.x = 1'}), "
        "Object.assign(new Image(), {src: '/join/picture'}))"
    )
    tab.wait_for("document.images.length === 1")

    assert tab.find("window.x") is None
    assert len(tab.complaints) == 2


# Without script


def test_without_script_the_page_loads_itself_and_the_button_enters(site: Site, tab: Tab) -> None:
    tab.without_script()

    visit(site, tab, "checking")
    assert "loads itself again every 15 seconds" in visible_text(tab)
    keep(tab, "without-script")

    visit(site, tab, "ready")
    assert site.world.row(ID)["status"] == "HEALTHY"
    assert site.polls == 0

    tab.find("document.querySelector('#open').focus()")
    tab.press("Enter")
    entered(site, tab)


# For those who do not see it, or use no mouse


def test_assistive_technology_finds_landmarks_one_heading_and_a_live_state(
    site: Site, tab: Tab
) -> None:
    visit(site, tab, "starting")

    tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    nodes = [each for each in tree if not each["ignored"]]
    roles = [each["role"]["value"] for each in nodes]
    names = {each["role"]["value"]: each.get("name", {}).get("value") for each in nodes}
    assert {"banner", "main", "contentinfo", "list"} <= set(roles)
    assert roles.count("heading") == 1
    assert names["heading"] == HEADLINES[Phase.STARTING]
    assert names["list"] == "Progress"
    assert tab.find("document.querySelector('h1').closest('[aria-live=polite]') !== null")


def test_a_state_that_stays_is_not_read_out_again(site: Site, tab: Tab) -> None:
    visit(site, tab, "starting")
    tab.find(
        "window.changes = 0;"
        "new MutationObserver((all) => { changes += all.length; }).observe("
        "document.getElementById('state'), {childList: true, subtree: true, characterData: true})"
    )

    tab.wait_for("pauses.length >= 4")
    assert tab.find("changes") == 0

    site.put(STATES["checking"])
    tab.wait_for("changes > 0")


def test_the_keyboard_reaches_the_button_and_the_file_and_nothing_else(
    site: Site, tab: Tab
) -> None:
    site.instead, site.excused = STILL, "503"
    visit(site, tab, "ready")

    tab.press("Tab")

    assert tab.find("document.activeElement.id") == "open"
    assert tab.find("document.querySelectorAll('a[href], button, input, [tabindex]').length") == 2
    assert tab.find("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    keep(tab, "focus")
    tab.press("Tab")
    assert tab.find("document.activeElement.id") == "file"
    assert tab.find("document.querySelector('#open').getBoundingClientRect().height") >= 44


def test_the_step_that_goes_on_moves_unless_one_prefers_stillness(site: Site, tab: Tab) -> None:
    tab.show(reduced_motion="no-preference")
    visit(site, tab, "starting")
    assert tab.find("document.getAnimations().length") == 1

    tab.show(reduced_motion="reduce")
    tab.wait_for("document.getAnimations().length === 0")

"""The page works without script, loads nothing, and shows names as text."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Final

import pytest

from chalicelib.meeting_row.meeting import Meeting
from chalicelib.meetings.admission import REFUSED, STEPS, TROUBLE, UNKNOWN, Admission, Phase
from chalicelib.meetings.page import HEADERS, HEADLINES, SCRIPT, STYLE, render
from tests.documents import Document

WAITING: Final = Admission(Phase.ADDRESS, "Wait.", "LAUNCHED", None, Phase.ADDRESS, 2)
READY: Final = Admission(Phase.READY, "Go.", "HEALTHY", "https://x", Phase.READY)
OVER: Final = Admission(Phase.OVER, "It is over.", "TERMINATED")
NOW: Final = datetime(2026, 11, 1, 5, 0, 9, tzinfo=UTC)
NAMES: Final = {"teacher_name": "Ada", "student_name": "Zoë", "meet_time": "2026-11-01T05:07:00Z"}


def row(**attributes: str) -> Meeting:
    return Meeting("m1", {name: {"S": text} for name, text in attributes.items()})


def page(admission: Admission = WAITING, meeting: Meeting | None = None) -> Document:
    return Document(render(admission, meeting or row(**NAMES), "student", "?key=k&enter=1", NOW))


@pytest.mark.parametrize("admission", [WAITING, READY, OVER, UNKNOWN, REFUSED, TROUBLE])
def test_title_and_heading_say_the_state(admission: Admission) -> None:
    document = page(admission)

    headline = HEADLINES[admission.phase]
    assert document.texts["h1"] == [headline]
    is_ready = admission.phase is Phase.READY
    title = "\N{BLACK CIRCLE} Ready" if is_ready else headline
    assert document.texts["title"][0] == f"{title} \N{EN DASH} Elephant"
    assert document.one("body")["data-now"] == "2026-11-01T05:00:09Z"
    assert admission.message in document.texts["p"]
    assert document.one("body")["data-phase"] == admission.phase
    assert document.one("body")["data-retry"] == str(admission.retry_after or 0)


def test_every_phase_has_its_own_headline() -> None:
    assert len(set(HEADLINES.values())) == len(HEADLINES) == len(Phase)
    assert all(headline in SCRIPT for headline in HEADLINES.values())


def test_style_and_script_are_allowed_by_their_hashes_and_nothing_else_is() -> None:
    document = page()
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))

    for directive, tag, text in (("style-src", "style", STYLE), ("script-src", "script", SCRIPT)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy.pop(directive) == f"'sha256-{digest}'"
        assert "".join(document.texts[tag]) == text
    assert policy.pop("connect-src") == "'self'"
    assert set(policy) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}


@pytest.mark.parametrize("admission", [WAITING, READY, OVER, UNKNOWN])
def test_nothing_is_loaded_or_contradicts_the_policy(admission: Admission) -> None:
    for tag, attributes in page(admission).elements:
        assert tag not in {"link", "img", "iframe", "form", "object"}
        assert not {name for name in attributes if name in {"style", "src"} or name[:2] == "on"}
    assert not re.search(r"url\(|@import", STYLE)


def test_names_are_text_in_a_bounded_length() -> None:
    name = '</dd><script>alert("1")</script>&amp;'
    document = page(meeting=row(student_name=name, teacher_name="$headline" * 50))

    assert "".join(document.texts["bdi"]) == ("$headline" * 50)[:200] + name
    document.one("script")


@pytest.mark.parametrize(
    ("room", "is_shown"),
    [
        ('https://meet.example.com/m1?a=1&b="><script>', True),
        ("javascript:alert(1)", False),
        (f"https://{'x' * 2000}", False),
        ("", False),
    ],
)
def test_the_room_is_a_link_to_a_web_page(room: str, *, is_shown: bool) -> None:
    document = page(meeting=row(jitsi_url=room))

    links = [attributes.get("href") for tag, attributes in document.elements if tag == "a"]
    assert links == [None, *([room] if is_shown else [])]
    assert ("Talk at" in document.texts.get("dt", ())) == is_shown


def test_the_time_is_in_utc_and_readable_by_the_script() -> None:
    document = page()

    assert document.texts["time"] == ["Sunday 1 November 2026, 05:07 UTC"]
    assert document.one("time")["datetime"] == "2026-11-01T05:07:00Z"


def test_without_names_the_page_says_who_you_are_and_without_a_row_nothing() -> None:
    document = page(meeting=row())
    assert (document.texts["dt"], document.texts["dd"]) == (["Student"], ["you"])

    unknown = Document(render(UNKNOWN, None, "student", "?enter=1", NOW))
    assert not {"dl", "ol"} & unknown.tags


@pytest.mark.parametrize(("retry", "seconds"), [(2, "15"), (60, "60")])
def test_without_script_it_loads_itself_again_while_there_is_something_to_wait_for(
    retry: int, seconds: str
) -> None:
    waiting = Admission(Phase.STARTING, "Wait.", retry_after=retry, step=Phase.STARTING)
    refresh = {"http-equiv": "refresh", "content": seconds}

    assert page(waiting).one("meta", **refresh)
    assert sum(tag == "noscript" for tag, _ in page(waiting).elements) == 2
    for final in (READY, OVER, UNKNOWN, REFUSED):
        assert all("http-equiv" not in attributes for _, attributes in page(final).elements)


def test_only_a_ready_desktop_shows_the_button() -> None:
    assert "hidden" not in page(READY).one("p", id="enter")
    assert page(READY).one("a", id="open")["href"] == "?key=k&enter=1"
    for admission in (WAITING, OVER, UNKNOWN):
        assert "hidden" in page(admission).one("p", id="enter")
        assert "href" not in page(admission).one("a", id="open")


@pytest.mark.parametrize("step", STEPS)
def test_each_step_says_in_words_and_by_a_mark_whether_it_is_done(step: Phase) -> None:
    document = page(Admission(step, "", step=step))

    items = [attributes for tag, attributes in document.elements if tag == "li"]
    assert [each["data-step"] for each in items] == list(STEPS)
    current = [each for each in items if "aria-current" in each]
    assert [each["data-step"] for each in current] == [step]
    words = document.texts["span"][1:]
    done = [each["class"] == "done" for each in items].count(True)
    now = [each["class"] == "now" for each in items].count(True)
    assert words[: done + now] == [" (done)"] * done + [" (now)"] * now
    at_once = step in {Phase.SCHEDULED, Phase.READY}
    assert (done, now) == (STEPS.index(step) + at_once, 0 if at_once else 1)


def test_the_script_knows_the_same_steps() -> None:
    for name, phases in (
        ("REACHED", [Phase.SCHEDULED, Phase.READY]),
        ("FINAL", [Phase.OVER, Phase.UNKNOWN, Phase.REFUSED]),
    ):
        found = re.search(rf"const {name} = \[(.*?)\]", SCRIPT)
        assert found
        assert re.findall(r'"(\w+)"', found[1]) == phases


def test_it_says_its_language_and_is_kept_out_of_search_engines() -> None:
    document = page()

    assert document.one("html")["lang"] == "en"
    assert document.one("meta", name="robots")["content"] == "noindex, nofollow"
    assert HEADERS["X-Robots-Tag"] == "noindex, nofollow"
    assert document.one("meta", name="viewport")["content"] == "width=device-width, initial-scale=1"


# Contrast: https://www.w3.org/TR/WCAG22/#contrast-minimum and #non-text-contrast


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colors_have_enough_contrast(scheme: int) -> None:
    root = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]
    colors = dict(re.findall(r"--([\w-]+): (#\w{6});", root))
    pairs = {
        4.5: "text/card text/ground quiet/card quiet/ground on-accent/accent warn/warn-ground",
        3: "accent/card done/card warn/card accent/ground",
    }

    for least, named in pairs.items():
        for pair in named.split():
            one, other = pair.split("/")
            assert contrast(colors[one], colors[other]) >= least, pair

"""An e-mail says the same in HTML and in plain text, in any mail program, whatever is in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from chalicelib.notifications.layout import lay_out
from chalicelib.notifications.notice import Action, Fact, Notice
from tests.browser import Browser, find_chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NASTY = "<script>alert(1)</script>&\"'{{ 7*7 }}"
NOTICE = Notice(
    subject="web-3 terminated",
    label="Instance terminated",
    heading="web-3 was terminated",
    summary="It failed its check.",
    facts=(
        Fact("Instance", "i-0123456789abcdef0", "https://example.com/i?a=1&b=2", is_code=True),
        Fact("Zone", "us-west-2b", more="the second"),
        Fact("Error", "HEALTH_CONSTRAINTS", is_code=True),
        Fact("Group", "web", "https://example.com/web"),
    ),
    action=Action("Open it", "https://example.com/web"),
    quote="At 15:30 an instance was taken out of service in response to a health check failure.",
    advice="See whether it has enough memory.",
)
NARROW, WIDE = 320, 900


class Words(HTMLParser):
    """Collects the words, links and elements of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.elements: list[str] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self._hidden += tag in {"style", "title"}
        self.links += [value for name, value in attrs if name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_both_forms_say_the_same() -> None:
    mail = lay_out(NOTICE, "Sent by elephant:prod.")
    page = Words(mail.html)

    assert mail.subject == NOTICE.subject
    plain = " ".join(mail.text.split())
    for said in (
        *("web-3 was terminated", "It failed its check.", "i-0123456789abcdef0"),
        *("us-west-2b, the second", "HEALTH_CONSTRAINTS", "Open it", "Sent by elephant:prod."),
        *(NOTICE.quote, NOTICE.advice),
    ):
        assert said in page.text
        assert said in plain
    assert page.links == [
        "https://example.com/i?a=1&b=2",
        "https://example.com/web",
        "https://example.com/web",
    ]
    assert re.findall(r"https://\S+", mail.text) == page.links[:2]


def test_the_plain_text_is_laid_out_for_reading() -> None:
    assert lay_out(NOTICE, "Sent by elephant:prod.").text == (
        "INSTANCE TERMINATED\n"
        "\n"
        "web-3 was terminated\n"
        "It failed its check.\n"
        "\n"
        "Instance: i-0123456789abcdef0\n"
        "          https://example.com/i?a=1&b=2\n"
        "Zone:     us-west-2b, the second\n"
        "Error:    HEALTH_CONSTRAINTS\n"
        "Group:    web\n"
        "\n"
        "AWS says:\n"
        "  At 15:30 an instance was taken out of service in response to a health\n"
        "  check failure.\n"
        "\n"
        "See whether it has enough memory.\n"
        "\n"
        "Open it:\n"
        "https://example.com/web\n"
        "\n"
        "-- \n"
        "Sent by elephant:prod.\n"
    )


def test_what_there_is_nothing_to_say_of_is_left_out() -> None:
    bare = Notice("s", "l", "h", "s", (), Action("Open it", "https://example.com"), is_good=True)

    mail = lay_out(bare, "f")

    assert "AWS says" not in mail.text
    assert "AWS says" not in mail.html


def test_nothing_in_a_notice_becomes_html_or_a_template() -> None:
    nasty = Notice(
        *(NASTY,) * 4,
        facts=(Fact(NASTY, NASTY, f"https://example.com/{NASTY}", more=NASTY), Fact(NASTY, NASTY)),
        action=Action(NASTY, f"https://example.com/{NASTY}"),
        quote=NASTY,
        advice=NASTY,
    )

    mail = lay_out(nasty, NASTY)

    page = Words(mail.html)
    assert "script" not in page.elements
    assert page.text.count(NASTY) == 13
    assert "49" not in mail.html + mail.text
    assert set(page.links) == {f"https://example.com/{NASTY}"}
    assert NASTY in mail.text


def test_a_text_of_several_lines_cannot_pretend_to_be_another_fact() -> None:
    notice = Notice(
        "s", "l", "h", "s", (Fact("Name", "web\nGroup: x"),), Action("Open it", "https://x.example")
    )
    assert "\nName: web Group: x\n" in lay_out(notice, "f").text


def test_it_asks_for_nothing_from_outside() -> None:
    html = lay_out(NOTICE, "f").html

    assert not {"img", "script", "link", "iframe"} & set(Words(html).elements)
    assert "url(" not in html
    assert "@import" not in html


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("there is no Chromium here")
    with Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_is_read_on_a_phone_and_in_the_dark(
    browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    """Nothing runs out of the screen, and every text stands out from what is behind it."""
    long = "s3://a-bucket-with-a-long-name/" + "x" * 120
    notice = Notice(
        *("subject", "Deployment failed", long, long),
        facts=(*NOTICE.facts, Fact("Revision", long, is_code=True), Fact("x" * 60, long, "https://x.example")),
        action=NOTICE.action,
        quote=long,
        advice=long,
        is_good=True,
    )  # fmt: skip
    file = tmp_path / "mail.html"
    file.write_text(lay_out(notice, "Sent by elephant:prod.").html, encoding="utf-8")

    with browser.open() as tab:
        tab.show(width, 800, color_scheme=scheme)
        tab.go(file.as_uri())

        assert tab.find("document.documentElement.scrollWidth") <= width
        assert tab.find(CONTRASTS) >= 4.5


CONTRASTS = """
  (() => {
    const channel = (value) =>
      value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
    const light = ([red, green, blue]) =>
      0.2126 * channel(red / 255) + 0.7152 * channel(green / 255) + 0.0722 * channel(blue / 255);
    const behind = (element) => {
      for (; element; element = element.parentElement) {
        const found = rgb(getComputedStyle(element).backgroundColor);
        if (found.length < 4 || found[3] > 0) return found;
      }
      return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let least = 21;
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.textContent.trim() || !element.offsetParent) continue;
      const [one, other] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
      least = Math.min(least, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
    }
    return least;
  })()
"""
"""The least contrast of any text on its background: https://www.w3.org/TR/WCAG21/#contrast-minimum"""

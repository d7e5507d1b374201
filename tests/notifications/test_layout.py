"""An e-mail says the same in HTML and in plain text, safely and readably in any program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from chalicelib.notifications.layout import lay_out
from chalicelib.notifications.notice import Action, Fact, Notice
from tests.browser import CONTRASTS
from tests.documents import Document

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import Browser

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


def test_both_forms_say_the_same() -> None:
    mail = lay_out(NOTICE, "Sent by elephant:prod.")
    page = Document(mail.html)

    assert mail.subject == NOTICE.subject
    for text in (
        *("web-3 was terminated", "It failed its check.", "i-0123456789abcdef0"),
        *("us-west-2b, the second", "HEALTH_CONSTRAINTS", "Open it", "Sent by elephant:prod."),
        *(NOTICE.quote, NOTICE.advice),
    ):
        assert text in page.text
        assert text in " ".join(mail.text.split())
    web = "https://example.com/web"
    assert page.links == ["https://example.com/i?a=1&b=2", web, web]
    assert re.findall(r"https://\S+", mail.text) == page.links[:2]
    assert not {"img", "script", "link", "iframe"} & set(page.tags)
    assert not re.search(r"url\(|@import", mail.html), "nothing is loaded"


def test_the_plain_text_is_laid_out_for_reading() -> None:
    assert (
        lay_out(NOTICE, "Sent by elephant:prod.").text
        == """\
INSTANCE TERMINATED

web-3 was terminated
It failed its check.

Instance: i-0123456789abcdef0
          https://example.com/i?a=1&b=2
Zone:     us-west-2b, the second
Error:    HEALTH_CONSTRAINTS
Group:    web

AWS says:
  At 15:30 an instance was taken out of service in response to a health
  check failure.

See whether it has enough memory.

Open it:
https://example.com/web

--\x20
Sent by elephant:prod.
"""
    )


def test_facts_are_one_line_each_and_what_is_empty_is_left_out() -> None:
    action = Action("Open it", "https://example.com")
    bare = Notice("s", "l", "h", "s", (Fact("Name", "web\nGroup: x"),), action, is_good=True)

    mail = lay_out(bare, "f")

    assert "\nName: web Group: x\n" in mail.text
    assert "AWS says" not in mail.text + mail.html


def test_nothing_in_a_notice_becomes_html_or_a_template() -> None:
    link = f"https://example.com/{NASTY}"
    facts = Fact(NASTY, NASTY, link, more=NASTY), Fact(NASTY, NASTY)
    nasty = Notice(*(NASTY,) * 4, facts, Action(NASTY, link), quote=NASTY, advice=NASTY)

    mail = lay_out(nasty, NASTY)

    page = Document(mail.html)
    assert "script" not in page.tags
    assert page.text.count(NASTY) == 13
    assert "49" not in mail.html + mail.text
    assert set(page.links) == {link}
    assert NASTY in mail.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_is_readable_on_a_phone_and_in_dark_mode(
    browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    """Nothing is wider than the screen, and every text has enough contrast."""
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
        assert min(tab.find(CONTRASTS)) >= 4.5

"""E-mail layout: HTML and plain text with the same contents.

The HTML is limited to what mail programs support: tables, inline styles, nothing external. The
contents of a notice come from tags and from AWS, so all of it is escaped.
https://www.caniemail.com/
"""

from __future__ import annotations

import textwrap
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from chalicelib.notifications.mailer import Mail
from chalicelib.notifications.notice import one_line

if TYPE_CHECKING:
    from chalicelib.notifications.notice import Fact, Notice

_FONT: Final = (
    "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
)
_WRAP: Final = "overflow-wrap:anywhere;word-break:break-word;"
_CODE: Final = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px;"
_GOOD: Final = {"tone": "good", "colour": "#19703f"}
_BAD: Final = {"tone": "bad", "colour": "#b3261e"}

_FACT: Final = Template(
    '<tr>\n<td class="label soft line" width="132" valign="top" style="width:132px;padding:8px 0;'
    f"{_FONT}font-size:14px;line-height:20px;color:#5a646e;border-top:1px solid #e6eaed;"
    f'{_WRAP}">$label</td>\n'
    '<td class="value strong line" valign="top" style="padding:8px 0 8px 12px;'
    f"{_FONT}font-size:14px;line-height:20px;color:#1b1f23;border-top:1px solid #e6eaed;"
    f'{_WRAP}">$value$more</td>\n</tr>\n'
)
_LINK: Final = Template(
    '<a class="link" href="$link" style="color:#1756b8;text-decoration:underline;$style">$text</a>'
)
_QUOTE: Final = Template(
    '<tr><td class="inside" style="padding:16px 28px 0;">\n'
    f'<p class="soft" style="margin:0 0 6px;{_FONT}font-size:13px;line-height:18px;'
    'color:#5a646e;">AWS says</p>\n'
    '<div class="quote" style="padding:12px 14px;background-color:#f2f4f6;border-radius:6px;'
    f'{_FONT}font-size:14px;line-height:21px;color:#2b3137;{_WRAP}">$text</div>\n</td></tr>\n'
)
_ADVICE: Final = Template(
    f'<tr><td class="inside strong" style="padding:16px 28px 0;{_FONT}font-size:14px;'
    f'line-height:21px;color:#1b1f23;{_WRAP}">$text</td></tr>\n'
)
_ACTION: Final = Template(
    '<a class="button" href="$link" style="display:inline-block;padding:10px 18px;'
    f"background-color:#1756b8;border:1px solid #1756b8;border-radius:6px;{_FONT}font-size:15px;"
    'line-height:20px;font-weight:600;color:#ffffff;text-decoration:none;">$text</a>'
)

_LABEL_WIDTH: Final = 20
"""The width of labels in plain text: enough for all but very long names."""
_LONGEST_LINE: Final = 500


def lay_out(notice: Notice, footer: str) -> Mail:
    """Build the e-mail; the footer says which stage sent it."""
    return Mail(notice.subject, html=_html(notice, footer), text=_text(notice, footer))


@cache
def _page() -> Template:
    return Template(Path(__file__).with_name("notice.html").read_text(encoding="utf-8"))


def _html(notice: Notice, footer: str) -> str:
    texts = {
        "subject": notice.subject,
        "label": notice.label,
        "heading": notice.heading,
        "summary": notice.summary,
        "footer": footer,
    }
    return _page().substitute(
        {name: escape(text) for name, text in texts.items()},
        **(_GOOD if notice.is_good else _BAD),
        font=_FONT,
        wrap=_WRAP,
        facts="".join(map(_fact, notice.facts)),
        action=(
            _ACTION.substitute(link=escape(notice.action.link), text=escape(notice.action.text))
            if notice.action
            else ""
        ),
        quote=_QUOTE.substitute(text=escape(notice.quote)) if notice.quote else "",
        advice=_ADVICE.substitute(text=escape(notice.advice)) if notice.advice else "",
    )


def _fact(fact: Fact) -> str:
    value, style = escape(fact.text), _CODE if fact.is_code else ""
    if fact.link:
        value = _LINK.substitute(link=escape(fact.link), style=style, text=value)
    elif style:
        value = f'<span style="{style}">{value}</span>'
    more = f", {escape(fact.more)}" if fact.more else ""
    return _FACT.substitute(label=escape(fact.label), value=value, more=more)


def _text(notice: Notice, footer: str) -> str:
    lines = [notice.label.upper(), "", notice.heading, notice.summary, ""]
    width = min(_LABEL_WIDTH, max((len(fact.label) for fact in notice.facts), default=0)) + 1
    for fact in notice.facts:
        value = f"{fact.text}, {fact.more}" if fact.more else fact.text
        lines.append(f"{f'{fact.label}:':{width}} {one_line(value, _LONGEST_LINE)}")
        if fact.link and fact.link not in {fact.text, notice.action and notice.action.link}:
            lines.append(f"{'':{width}} {fact.link}")
    if notice.quote:
        lines += ["", "AWS says:", textwrap.indent(_wrapped(notice.quote, 72), "  ")]
    if notice.advice:
        lines += ["", _wrapped(notice.advice, 74)]
    if notice.action:
        lines += ["", f"{notice.action.text}:", notice.action.link]
    lines += ["", "-- ", footer]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.fill(line, width) for line in text.splitlines())

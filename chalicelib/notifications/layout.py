"""Laying out notices as e-mails, from the templates beside this module.

The HTML is what mail programs take: tables, styles at each element, nothing from outside. What
is in a notice comes from tags and from AWS, so all of it is escaped.
https://www.caniemail.com/
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from chalicelib.notifications.mailer import Mail
from chalicelib.notifications.notice import one_line

if TYPE_CHECKING:
    from chalicelib.notifications.notice import Notice


def lay_out(notice: Notice, footer: str) -> Mail:
    """Make the e-mail; the footer says whose it is."""
    # Wide enough for the longest label and its colon, unless that is somebody's whole name.
    width = min(20, max((len(fact.label) for fact in notice.facts), default=0)) + 1
    said = {"notice": notice, "footer": footer, "width": width}
    return Mail(
        subject=notice.subject,
        html=_templates().get_template("notice.html").render(said),
        text=_templates().get_template("notice.txt").render(said),
    )


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["one_line"] = partial(one_line, longest=500)
    return templates

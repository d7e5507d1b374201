"""The waiting page, which a visitor's browser shows until the desktop is ready and afterwards.

The script (page.js) requests the page's own address as a program would, and gets its texts from
here.
"""

from __future__ import annotations

import json
from html import escape
from string import Template
from typing import TYPE_CHECKING, Final

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import ROLES, ROOM_URL
from chalicelib.meetings.admission import STEPS, Phase
from chalicelib.meetings.inline import page_headers, read_part
from chalicelib.meetings.state import meet_time_of

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.meetings.admission import Admission

HEADLINES: Final = {
    Phase.SCHEDULED: "Your meeting is booked",
    Phase.STARTING: "Your desktop is starting",
    Phase.ADDRESS: "Your desktop is almost there",
    Phase.CHECKING: "Your desktop is being checked",
    Phase.READY: "Your desktop is ready",
    Phase.LATE: "Your desktop is late",
    Phase.OVER: "This meeting is over",
    Phase.UNKNOWN: "This link opens no meeting",
    Phase.REFUSED: "This link is not complete",
    Phase.TROUBLE: "Something went wrong",
}
"""The page's heading in each phase; its title is the same, except for TITLES."""
TITLES: Final = {Phase.READY: "\N{BLACK CIRCLE} Ready"}
"""Titles for visitors who see only the page's tab."""

_STEPS: Final = {
    Phase.SCHEDULED: "Meeting booked",
    Phase.STARTING: "Starting your desktop",
    Phase.ADDRESS: "Giving it an address",
    Phase.CHECKING: "Checking that it works",
    Phase.READY: "Ready for you",
}
_REACHED: Final = (Phase.SCHEDULED, Phase.READY)
"""Steps that are done as soon as they are reached."""
_FOOTER: Final = (
    '<p id="promise" hidden>This page takes you to your desktop by itself. '
    "If you are in another tab by then, it does so when you come back.</p>"
    "<p>The link is yours alone: please do not pass it on.</p>"
)
_FILE: Final = Template(' <a id="file"$href>Open it with the DCV client</a>')
_LEAST_REFRESH: Final = 15
_LONGEST_TEXT: Final = 200
_LONGEST_LINK: Final = 2000

STYLE: Final = read_part("style.css") + read_part("page.css")
SCRIPT: Final = (
    read_part("page.js")
    .replace("{/* headlines */}", json.dumps(HEADLINES))
    .replace("{/* titles */}", json.dumps(TITLES))
)
_LOGO: Final = read_part("logo.svg").rstrip()
_PAGE: Final = Template(read_part("page.html"))

HEADERS: Final = page_headers(STYLE, SCRIPT)
"""The page's headers, in addition to those of every answer at this address."""


def render(  # noqa: PLR0913 (what differs from page to page)
    admission: Admission,
    meeting: Meeting | None,
    role: str,
    enter: str,
    now: datetime,
    *,
    file: str | None = None,
) -> str:
    """Write the page for a visitor; `enter` is the address that enters by a click.

    `file` is that of a file for DCV's native clients, if there is one.

    The address is in the page once it may be used; before, the page contains nothing of the
    request. `now` is there because the visitor's own clock may be wrong.

    From a meeting's row it shows the time and the names, as text. Without script the page reloads
    itself while there is something to wait for, and the button enters.
    """
    phase, retry = admission.phase, admission.retry_after
    is_ready = phase is Phase.READY
    refresh = footer = without_script = ""
    if retry is not None:
        seconds = max(retry, _LEAST_REFRESH)
        refresh = f'<noscript><meta http-equiv="refresh" content="{seconds}"></noscript>'
        without_script = (
            f"<noscript><p>Your browser runs no script, so this page loads itself again every "
            f"{seconds} seconds.</p></noscript>"
        )
    if admission.step:
        footer = _FOOTER
    return _PAGE.substitute(
        phase=phase,
        logo=_LOGO,
        now=format_time(now),
        title=escape(TITLES.get(phase, HEADLINES[phase])),
        headline=escape(HEADLINES[phase]),
        message=escape(admission.message),
        retry=retry or 0,
        refresh=refresh,
        hidden="" if is_ready else " hidden",
        href=f' href="{escape(enter)}"' if is_ready else "",
        file=_FILE.substitute(href=f' href="{escape(file)}"' if is_ready else "") if file else "",
        steps=_steps(admission.step) if admission.step else "",
        facts=_facts(meeting, role) if meeting else "",
        footer=footer,
        without_script=without_script,
        style=STYLE,
        script=SCRIPT,
    )


def _steps(current: Phase) -> str:
    """List the steps; what color and shape show is said in words as well."""
    items = []
    reached = STEPS.index(current)
    for position, step in enumerate(STEPS):
        is_done = position < reached or (position == reached and step in _REACHED)
        kind, said = ("done", " (done)") if is_done else ("", "")
        if position == reached and not is_done:
            kind, said = "now", " (now)"
        current_step = ' aria-current="step"' if position == reached else ""
        items.append(
            f'<li class="{kind}" data-step="{step}"{current_step}>'
            f'<span class="mark"></span>{escape(_STEPS[step])}<span class="said">{said}</span></li>'
        )
    listed = "\n".join(items)
    return f'<ol id="steps" aria-label="Progress">\n{listed}\n</ol>'


def _facts(meeting: Meeting, role: str) -> str:
    """List the time and the names; the script shows the time in the visitor's time zone."""
    entries = []
    if at := meet_time_of(meeting):
        written = f"{at:%A} {at.day} {at:%B %Y, %H:%M} UTC"
        time = f'<time datetime="{format_time(at)}">{written}</time>'
        entries.append(("Time", f'{time} <span id="until"></span>'))
    for each in ROLES:
        name = (meeting.text(f"{each}_name") or "").strip()[:_LONGEST_TEXT]
        you = " (you)" if each == role else ""
        if name or you:
            shown = f"<bdi>{escape(name)}</bdi>{you}" if name else "you"
            entries.append((each.capitalize(), shown))
    room = meeting.text(ROOM_URL) or ""
    if room.startswith("https://") and len(room) <= _LONGEST_LINK:
        shown = f'<a href="{escape(room)}" target="_blank" rel="noreferrer">{escape(room)}</a>'
        entries.append(("Talk at", shown))
    listed = "\n".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in entries)
    return f"<dl>\n{listed}\n</dl>"

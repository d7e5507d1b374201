"""Notices: the contents of an e-mail, before layout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_LONGEST_SUBJECT: Final = 120
_SECONDS_COUNT_BELOW: Final = 600
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")

_TURNING = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
"""Characters that change the reading order of a text: names are untrusted."""


@dataclass(frozen=True)
class Fact:
    """One fact, with a link to see it if there is one."""

    label: str
    text: str
    link: str | None = None
    is_code: bool = False
    """Whether it is an identifier that people compare letter by letter, and copy."""
    more: str = ""
    """Text that follows it and is not part of the link."""


@dataclass(frozen=True)
class Action:
    """Where to look first: a button."""

    text: str
    link: str


@dataclass(frozen=True)
class Notice:
    """The contents, most important first. Every text is plain, without HTML."""

    subject: str
    label: str
    """The kind of notice, in a word or two."""
    heading: str
    summary: str
    facts: tuple[Fact, ...]
    action: Action | None
    is_good: bool = False
    quote: str = ""
    """What AWS said, in its own words."""
    advice: str = ""


def one_line(text: str, longest: int = _LONGEST_SUBJECT) -> str:
    """Reduce a text to one line of limited length, as a subject must be."""
    line = _UNPRINTABLE.sub(" ", _TURNING.sub("", text)).strip()
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def time_in_words(moment: datetime) -> str:
    """Format a time for people: `21 Nov 2026, 15:30:05 UTC`."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC"


def duration_in_words(duration: timedelta) -> str:
    """Format a duration for people: `4 min 27 s`, or `3 h 12 min`, or `2 d 4 h`."""
    seconds = max(0, round(duration.total_seconds()))
    if seconds >= _SECONDS_COUNT_BELOW:
        seconds -= seconds % 60
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    units = ((days, "d"), (hour, "h"), (minute, "min"), (second, "s"))
    first = next((index for index, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count) or "0 s"

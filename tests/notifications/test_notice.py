"""Times, durations and subjects are written for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.notifications.notice import one_line, duration_in_words, time_in_words


def test_a_time_is_written_in_utc() -> None:
    there = timezone(timedelta(hours=2))

    assert time_in_words(datetime(2026, 11, 1, 9, 5, 7, tzinfo=UTC)) == "1 Nov 2026, 09:05:07 UTC"
    assert time_in_words(datetime(2026, 11, 1, 1, 0, tzinfo=there)) == "31 Oct 2026, 23:00:00 UTC"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (599, "9 min 59 s"),
        (606, "10 min"),
        (3600, "1 h"),
        (3605, "1 h"),
        (11520, "3 h 12 min"),
        (86400 * 2 + 3600 * 4 + 59, "2 d 4 h"),
        (86400 * 400, "400 d"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, written: str) -> None:
    assert duration_in_words(timedelta(seconds=seconds)) == written


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (" a\r\nBcc: x@example.com\t\x00\u2028b  ", "a Bcc: x@example.com b"),
        ("web\u202e3-\u2066gpj\u200f", "web3-gpj"),
        ("x" * 120, "x" * 120),
        ("x" * 118 + " yz", "x" * 118 + "…"),
    ],
    ids=["line breaks", "reading order", "longest", "too long"],
)
def test_a_subject_is_one_line_of_limited_length(text: str, line: str) -> None:
    assert one_line(text) == line

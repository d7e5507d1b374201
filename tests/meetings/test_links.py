"""A meeting's links are shown again, unless its keys cannot be derived again."""

from __future__ import annotations

import pytest

from chalicelib.meeting_row.meeting import Meeting
from chalicelib.meetings.keys import hash_of
from chalicelib.meetings.links import join_links

BASE = "https://api.example.com/api"
HASHES = {"teacher_key_hash": hash_of("t"), "student_key_hash": hash_of("of a former release")}


@pytest.mark.parametrize(
    ("texts", "base", "links"),
    [
        ({"api_url": BASE} | HASHES, None, (f"{BASE}/join/m1/teacher?key=t", None)),
        ({"api_url": "https://old"} | HASHES, BASE, (f"{BASE}/join/m1/teacher?key=t", None)),
        (HASHES, None, (None, None)),
        ({"api_url": BASE}, None, (f"{BASE}/join/m1/teacher", f"{BASE}/join/m1/student")),
        ({}, None, (None, None)),
    ],
)
def test_a_link_has_the_key_that_the_row_has_the_hash_of(
    texts: dict[str, str], base: str | None, links: tuple[str | None, str | None]
) -> None:
    asked: list[str] = []

    def keys_of(meeting_id: str) -> dict[str, str]:
        asked.append(meeting_id)
        return {"teacher": "t", "student": "s"}

    found = join_links(Meeting.made("m1", texts), keys_of, base)

    assert (found["teacher"], found["student"]) == links
    assert asked == (["m1"] if "teacher_key_hash" in texts else [])

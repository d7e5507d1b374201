"""A record says whose it is, and Cloudflare's answers are read for what they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.cloudflare.record_format import parse_record, to_json
from chalicelib.dns.record import LONGEST_COMMENT, Record, ownership_comment
from chalicelib.meeting_row.meeting import Assignment

OWNER = "elephant:prod/us-west-2"
LONGEST_OWNER = "elephant:" + "o" * 55
NAME = "i-0123456789abcdef0.desktops.example.com"
WRITTEN: dict[str, Any] = {
    "name": NAME,
    "type": "A",
    "content": "198.51.100.4",
    "proxied": True,
    "ttl": 1,
    "comment": f"{OWNER} m=abc r=teacher",
}
ANSWERED = WRITTEN | {
    "id": "372e67954025e0ba6aaa6d586b9e0b59",
    "proxiable": True,
    "settings": {},
    "meta": {},
    "tags": [],
    "created_on": "2025-03-17T20:37:05.368097Z",
    "modified_on": "2026-03-17T20:37:05.368097Z",
}
CREATED = datetime(2025, 3, 17, 20, 37, 5, 368097, tzinfo=UTC)
MODIFIED = CREATED.replace(year=2026)
READ = Record(id=ANSWERED["id"], **WRITTEN, modified_at=MODIFIED, created_at=CREATED)
WANTED = Record.address(NAME, "198.51.100.4", proxied=True, ttl=1, comment=WRITTEN["comment"])


def record(**members: object) -> Record:
    """Read Cloudflare's answer with some members changed."""
    return parse_record(ANSWERED | members)


def record_without(*members: str) -> Record:
    return parse_record({key: value for key, value in ANSWERED.items() if key not in members})


def test_an_answered_record_is_read() -> None:
    assert record() == READ
    assert record(name=NAME.upper()).name == NAME
    assert record(comment=None).comment == record(comment="").comment == ""


def test_members_that_cloudflare_leaves_out_have_its_own_meaning() -> None:
    read = record_without("proxied", "ttl", "comment", "created_on", "modified_on")

    assert (read.proxied, read.ttl, read.comment) == (False, 0, "")
    assert (read.modified_at, read.created_at) == (None, None)
    assert record_without("modified_on").modified_at == CREATED


@pytest.mark.parametrize("text", ["20:37:05Z", "20:37:05", "20:37:05+00:00", "22:37:05+02:00"])
def test_a_time_is_in_utc_unless_it_says_otherwise(text: str) -> None:
    """A time without a zone cannot be compared with one that has it, so a sweep would fail."""
    assert record(modified_on=f"2026-03-17T{text}").modified_at == MODIFIED.replace(microsecond=0)


@pytest.mark.parametrize("member", ["id", "type", "name", "content"])
def test_what_lacks_an_essential_member_is_no_record(member: str) -> None:
    with pytest.raises(KeyError, match=member):
        record_without(member)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"ttl": "soon"},
        {"ttl": None},
        {"modified_on": "yesterday"},
        {"modified_on": 5},
        {"created_on": "x"},
    ],
)
def test_what_has_a_senseless_member_is_no_record(spoilt: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        record(**spoilt)


@pytest.mark.parametrize(
    ("comment", "owner"),
    [
        (f"{OWNER} m=abc r=teacher", OWNER),
        (OWNER, OWNER),
        (f"{OWNER}1 m=abc r=teacher", f"{OWNER}1"),
        (f" {OWNER} x", OWNER),
        ("elephant:", "elephant:"),
        ("", None),
        ("  ", None),
        ("made by hand", None),
        (f"see {OWNER}", None),
        (OWNER.title(), None),
        ("elephant", None),
    ],
)
def test_the_owner_is_the_comments_first_word_if_a_marker(comment: str, owner: str | None) -> None:
    assert record(comment=comment).owner == owner


@pytest.mark.parametrize(
    ("name", "instance_id"),
    [
        (NAME, "i-0123456789abcdef0"),
        ("I-01234567.Example.Org", "i-01234567"),
        ("i-01234567", "i-01234567"),
        (f"x.{NAME}", None),
        (f"x{NAME}", None),
        ("i-1.desktops.example.com", None),
        ("desktops.example.com", None),
    ],
)
def test_a_record_names_an_instance_under_any_domain(name: str, instance_id: str | None) -> None:
    assert record(name=name).instance_id == instance_id


@pytest.mark.parametrize(
    ("comment", "assignment"),
    [
        (f"{OWNER} m=abc r=teacher", Assignment("abc", "teacher")),
        (f"{OWNER} m=a%20b r=50%25", Assignment("a b", "50%")),
        (f"{OWNER} managed by Elephant", None),
        (f"{OWNER} m=abc", None),
        (f"{OWNER} r=teacher m=abc", None),
        (OWNER, None),
        ("m=abc r=teacher", None),
    ],
)
def test_only_a_marked_comment_names_a_meeting(comment: str, assignment: Assignment | None) -> None:
    assert record(comment=comment).assignment == assignment


ROOM = 100 - len(f"{OWNER} m= r=teacher")


@pytest.mark.parametrize(
    ("assignment", "text"),
    [
        (Assignment("2026-11-20/a:b+c=d&e", "co-host:1"), "m=2026-11-20/a:b+c=d&e r=co-host:1"),
        (None, "managed by Elephant"),
        (Assignment("x" * ROOM, "teacher"), f"m={'x' * ROOM} r=teacher"),
        (Assignment("x" * (ROOM + 1), "teacher"), "managed by Elephant"),
    ],
    ids=["plain characters stay readable", "no meeting", "just fits", "too long"],
)
def test_the_comment_names_the_owner_and_the_whole_meeting_or_none(
    assignment: Assignment | None, text: str
) -> None:
    assert LONGEST_COMMENT == 100
    assert ownership_comment(OWNER, assignment) == f"{OWNER} {text}"


@example(meeting="%41", role="%25", owner="elephant:m=1")
@given(
    meeting=st.text(min_size=1, max_size=3) | st.text(min_size=1),
    role=st.text(min_size=1, max_size=3) | st.text(min_size=1),
    owner=st.sampled_from(["elephant:x", "elephant:m=1", OWNER, LONGEST_OWNER]),
)
def test_any_comment_is_one_line_that_fits_and_begins_with_the_owner(
    meeting: str, role: str, owner: str
) -> None:
    """Three characters of any script always fit; one owner looks like a meeting on purpose."""
    assignment = Assignment(meeting, role)

    comment = ownership_comment(owner, assignment)

    assert comment.startswith(f"{owner} ")
    assert len(comment) <= 100
    assert comment.isascii()
    assert comment.isprintable()
    assert comment == " ".join(comment.split())
    assert record(comment=comment).owner == owner
    is_short = max(len(meeting), len(role)) <= 3 and owner == "elephant:m=1"
    assert record(comment=comment).assignment in {assignment, assignment if is_short else None}


def test_every_member_is_written() -> None:
    assert to_json(WANTED) == WRITTEN


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("name", f"x{NAME}"),
        ("content", "198.51.100.5"),
        ("proxied", False),
        ("ttl", 120),
        ("comment", f"{OWNER} m=abc r=student"),
        ("comment", None),
    ],
)
def test_a_record_that_differs_in_anything_needs_writing(member: str, value: object) -> None:
    assert record(id="another", modified_on="2027-01-01T00:00:00Z").matches(WANTED)
    assert not record(**{member: value}).matches(WANTED)

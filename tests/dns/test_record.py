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
ANSWERED: dict[str, Any] = {
    "id": "372e67954025e0ba6aaa6d586b9e0b59",
    "name": NAME,
    "type": "A",
    "content": "198.51.100.4",
    "proxiable": True,
    "proxied": True,
    "ttl": 1,
    "settings": {},
    "meta": {},
    "comment": f"{OWNER} m=abc r=teacher",
    "tags": [],
    "created_on": "2025-03-17T20:37:05.368097Z",
    "modified_on": "2026-03-17T20:37:05.368097Z",
}


def record(**members: object) -> Record:
    """Read Cloudflare's answer with some members changed."""
    return parse_record(ANSWERED | members)


def answered_without(*members: str) -> dict[str, Any]:
    return {key: value for key, value in ANSWERED.items() if key not in members}


def test_an_answered_record_is_read() -> None:
    assert parse_record(ANSWERED) == Record(
        id="372e67954025e0ba6aaa6d586b9e0b59",
        type="A",
        name=NAME,
        content="198.51.100.4",
        proxied=True,
        ttl=1,
        comment=f"{OWNER} m=abc r=teacher",
        modified_at=datetime(2026, 3, 17, 20, 37, 5, 368097, tzinfo=UTC),
        created_at=datetime(2025, 3, 17, 20, 37, 5, 368097, tzinfo=UTC),
    )


def test_a_records_name_is_compared_in_lower_case() -> None:
    assert record(name="I-0123456789ABCDEF0.Desktops.Example.COM").name == NAME


@pytest.mark.parametrize("comment", [None, ""])
def test_no_comment_is_an_empty_one(comment: str | None) -> None:
    assert record(comment=comment).comment == ""
    assert parse_record(answered_without("comment")).comment == ""


def test_members_that_cloudflare_leaves_out_have_its_own_meaning() -> None:
    read = parse_record(answered_without("proxied", "ttl", "comment", "created_on", "modified_on"))

    assert (read.proxied, read.ttl, read.comment) == (False, 0, "")
    assert (read.modified_at, read.created_at) == (None, None)


def test_a_record_that_was_never_modified_is_as_old_as_it_is() -> None:
    read = parse_record(answered_without("modified_on"))

    assert read.modified_at == datetime(2025, 3, 17, 20, 37, 5, 368097, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-17T20:37:05Z",
        "2026-03-17T20:37:05",
        "2026-03-17T20:37:05+00:00",
        "2026-03-17T22:37:05+02:00",
    ],
)
def test_a_time_is_in_utc_unless_it_says_otherwise(text: str) -> None:
    """A time without a zone cannot be compared with one that has it, so a sweep would fail."""
    moment = record(modified_on=text).modified_at

    assert moment == datetime(2026, 3, 17, 20, 37, 5, tzinfo=UTC)


@pytest.mark.parametrize("member", ["id", "type", "name", "content"])
def test_what_lacks_an_essential_member_is_no_record(member: str) -> None:
    with pytest.raises(KeyError, match=member):
        parse_record(answered_without(member))


@pytest.mark.parametrize(
    "members",
    [
        {"ttl": "soon"},
        {"ttl": None},
        {"modified_on": "yesterday"},
        {"modified_on": 5},
        {"created_on": "x"},
    ],
)
def test_what_has_a_senseless_member_is_no_record(members: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        record(**members)


@pytest.mark.parametrize(
    ("comment", "owner"),
    [
        ("elephant:prod/us-west-2 m=abc r=teacher", "elephant:prod/us-west-2"),
        ("elephant:prod/us-west-2", "elephant:prod/us-west-2"),
        ("elephant:prod/us-west-21 m=abc r=teacher", "elephant:prod/us-west-21"),
        ("elephant:", "elephant:"),
        ("", None),
        ("made by hand", None),
        ("see elephant:prod/us-west-2", None),
        (" elephant:prod/us-west-2 x", "elephant:prod/us-west-2"),
        ("  ", None),
        ("Elephant:prod/us-west-2", None),
        ("elephant", None),
    ],
)
def test_the_owner_is_the_comments_first_word_if_it_is_a_marker(
    comment: str, owner: str | None
) -> None:
    assert record(comment=comment).owner == owner


@pytest.mark.parametrize(
    ("name", "instance_id"),
    [
        (NAME, "i-0123456789abcdef0"),
        ("i-01234567.example.org", "i-01234567"),
        ("I-01234567.Example.Org", "i-01234567"),
        ("i-01234567", "i-01234567"),
        (f"x.{NAME}", None),
        (f"x{NAME}", None),
        ("i-1.desktops.example.com", None),
        ("i-0123456789abcdefg.desktops.example.com", None),
        ("i-01234567x.desktops.example.com", None),
        ("desktops.example.com", None),
    ],
)
def test_a_record_is_named_after_an_instance_under_whatever_domain(
    name: str, instance_id: str | None
) -> None:
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
def test_the_meeting_is_read_from_a_marked_comment_only(
    comment: str, assignment: Assignment | None
) -> None:
    assert record(comment=comment).assignment == assignment


def test_the_comment_names_owner_meeting_and_role() -> None:
    assert ownership_comment(OWNER, Assignment("abc", "teacher")) == f"{OWNER} m=abc r=teacher"


def test_the_comment_of_an_instance_without_a_meeting_names_the_owner() -> None:
    assert ownership_comment(OWNER, None) == f"{OWNER} managed by Elephant"


def test_a_comment_of_just_the_longest_length_names_the_meeting() -> None:
    # given a meeting whose comment is as long as Cloudflare takes one, and one that is longer
    room = 100 - len(f"{OWNER} m= r=teacher")
    fits, too_long = Assignment("x" * room, "teacher"), Assignment("x" * (room + 1), "teacher")

    # then the first is named, and the second left out whole
    assert LONGEST_COMMENT == 100
    assert ownership_comment(OWNER, fits) == f"{OWNER} m={'x' * room} r=teacher"
    assert ownership_comment(OWNER, too_long) == f"{OWNER} managed by Elephant"


def test_plain_characters_stay_readable_in_the_comment() -> None:
    assignment = Assignment("2026-11-20/a:b+c=d&e", "co-host:1")

    assert ownership_comment(OWNER, assignment) == f"{OWNER} m=2026-11-20/a:b+c=d&e r=co-host:1"


@given(
    meeting=st.text(min_size=1),
    role=st.text(min_size=1),
    owner=st.sampled_from(
        [
            "elephant:x",
            OWNER,
            LONGEST_OWNER,
        ]
    ),
)
def test_any_comment_is_one_line_that_fits_and_begins_with_the_owner(
    meeting: str, role: str, owner: str
) -> None:
    comment = ownership_comment(owner, Assignment(meeting, role))

    assert comment.startswith(f"{owner} ")
    assert len(comment) <= 100
    assert comment.isascii()
    assert comment.isprintable()
    assert comment == " ".join(comment.split())
    assert record(comment=comment).owner == owner


@example(meeting="%41", role="%25")
@given(meeting=st.text(min_size=1, max_size=3), role=st.text(min_size=1, max_size=3))
def test_any_meeting_and_role_that_fit_are_read_back_as_they_were(meeting: str, role: str) -> None:
    """Three characters of any script always fit; the owner looks like a meeting on purpose."""
    assignment = Assignment(meeting, role)

    comment = ownership_comment("elephant:m=1", assignment)

    assert record(comment=comment).assignment == assignment


@given(text=st.text(min_size=1))
def test_a_meeting_that_does_not_fit_is_left_out_whole(text: str) -> None:
    assignment = Assignment(text, text)

    comment = ownership_comment(LONGEST_OWNER, assignment)

    assert record(comment=comment).assignment in {assignment, None}
    if len(text) > 100:
        assert comment == f"{LONGEST_OWNER} managed by Elephant"


WANTED = Record.address(NAME, "198.51.100.4", proxied=True, ttl=1, comment=ANSWERED["comment"])


def test_every_member_is_spelled_out_when_written() -> None:
    assert to_json(WANTED) == {
        "type": "A",
        "name": NAME,
        "content": "198.51.100.4",
        "proxied": True,
        "ttl": 1,
        "comment": f"{OWNER} m=abc r=teacher",
    }


def test_a_record_as_wanted_needs_no_writing() -> None:
    assert record().matches(WANTED)
    assert record(id="another", modified_on="2027-01-01T00:00:00Z").matches(WANTED)


@pytest.mark.parametrize(
    "difference",
    [
        {"name": f"x{NAME}"},
        {"content": "198.51.100.5"},
        {"proxied": False},
        {"ttl": 120},
        {"comment": f"{OWNER} m=abc r=student"},
        {"comment": None},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_a_record_that_differs_in_anything_needs_writing(difference: dict[str, object]) -> None:
    assert not record(**difference).matches(WANTED)

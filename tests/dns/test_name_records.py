"""Whose the records of one instance are: ours by their marker, the others by exactly its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib.dns.name_records import NameRecords
from chalicelib.meeting_row.meeting import Assignment
from tests.surveys import NOW, SETTINGS, A, ago, record
from tests.world import DOMAIN, OWNER

if TYPE_CHECKING:
    from chalicelib.dns.record import Record

NAME = f"{A}.{DOMAIN}"
OURS = record()
ELSEWHERE = record(name=f"{A}.old.example.com")
UNMARKED = record(comment="made by hand")
THEIRS = record(comment="elephant:other m=m1 r=teacher")
CNAME = record(kind="CNAME", comment="")


def held(*records: Record) -> NameRecords:
    return NameRecords.of(records, NAME, SETTINGS, NOW)


def test_records_are_sorted_by_whose_they_are() -> None:
    holding = held(OURS, UNMARKED, THEIRS, CNAME)

    assert (holding.ours, holding.unmarked, holding.others) == (
        (OURS,),
        (UNMARKED,),
        (THEIRS, CNAME),
    )


def test_ours_are_ours_under_whatever_domain() -> None:
    assert held(OURS, ELSEWHERE).ours == (OURS, ELSEWHERE)


@pytest.mark.parametrize("stranger", [UNMARKED, THEIRS, CNAME])
@pytest.mark.parametrize("name", [f"{A}.old.example.com", f"x.{NAME}", f"{NAME}.example.org"])
def test_what_is_not_ours_counts_under_exactly_the_name(stranger: Record, name: str) -> None:
    holding = held(replace(stranger, name=name))

    assert (holding.ours, holding.unmarked, holding.others) == ((), (), ())


@pytest.mark.parametrize("kind", ["TXT", "AAAA", "MX", "HTTPS"])
@pytest.mark.parametrize("comment", [OURS.comment, THEIRS.comment, ""])
def test_what_may_stand_beside_an_address_record_is_passed_over(kind: str, comment: str) -> None:
    holding = held(record(kind=kind, comment=comment))

    assert (holding.ours, holding.unmarked, holding.others) == ((), (), ())


@pytest.mark.parametrize("comment", [OURS.comment, "", "by hand", THEIRS.comment])
def test_a_cname_is_in_the_way_whatever_its_comment(comment: str) -> None:
    cname = record(kind="CNAME", comment=comment)

    assert held(cname).others == (cname,)


@pytest.mark.parametrize(
    "comment", [f"{OWNER}1 m=m1 r=teacher", f"{OWNER}/x", "elephant:", OWNER[:-1]]
)
def test_an_owner_is_the_whole_word(comment: str) -> None:
    near = record(comment=comment)

    assert held(near).others == (near,)


@pytest.mark.parametrize(
    ("ages", "fresh"),
    [
        ([], False),
        ([600], False),
        ([599], True),
        ([7200, 599], True),
        ([7200, 600], False),
        ([-60], True),
    ],
)
def test_it_is_fresh_if_one_of_ours_is(ages: list[float], *, fresh: bool) -> None:
    records = [record(content=f"192.0.2.{last}", age=age) for last, age in enumerate(ages)]

    assert held(*records).fresh is fresh


def test_a_record_of_unknown_age_is_fresh() -> None:
    assert held(replace(OURS, modified_at=None)).fresh


@pytest.mark.parametrize("stranger", [UNMARKED, THEIRS, CNAME])
def test_what_is_not_ours_makes_nothing_fresh(stranger: Record) -> None:
    young = replace(stranger, modified_at=ago(1))

    assert not held(OURS, young).fresh


def test_what_our_comments_note_is_listed_once_each() -> None:
    notes = [
        record(content="192.0.2.1", meeting=None),
        record(content="192.0.2.2", meeting="m2"),
        record(content="192.0.2.3"),
        record(content="192.0.2.4", meeting="m2"),
    ]

    assert held(*notes, THEIRS).assignments == (
        Assignment("m2", "teacher"),
        Assignment("m1", "teacher"),
    )

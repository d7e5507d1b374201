"""Filters, order and pages of a list."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudflare import Api, Plan, Zone
from localcloud.cloudflare.jsonvalue import Json, JsonObject
from tests.localcloud.cloudflare.caller import RECORDS, Caller, Clock


@pytest.fixture
def caller(clock: Clock) -> Caller:
    """Four records, apart in everything that can be asked for."""
    caller = Caller(Api([Zone(plan=Plan.PRO)], clock=clock))
    caller.create("alpha", "198.51.100.1", comment="Hello, world", tags=["team:DNS", "urgent"])
    caller.create("beta", "198.51.100.2", proxied=True, comment="elephant:prod m=1")
    caller.create("alphabet", "198.51.100.1", ttl=300, tags=["team:Web"])
    caller.result("POST", RECORDS, {"type": "TXT", "name": "alpha", "content": '"Zebra"'})
    return caller


def names(caller: Caller, query: str) -> list[str]:
    """Return type and label of what a query finds, in order."""
    found = caller.results(f"{RECORDS}?{query}")
    return [f"{item['type']} {str(item['name']).partition('.')[0]}" for item in found]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=alpha.example.com", ["A alpha", "TXT alpha"]),
        ("name=ALPHA.Example.com", ["A alpha", "TXT alpha"]),
        ("name=alpha", []),
        ("name.exact=beta.example.com", ["A beta"]),
        ("name.contains=LPHA", ["A alpha", "A alphabet", "TXT alpha"]),
        ("name.startswith=alphab", ["A alphabet"]),
        ("name.endswith=a.example.com", ["A alpha", "A beta", "TXT alpha"]),
        ("content=198.51.100.2", ["A beta"]),
        ("content.exact=198.51.100.1", ["A alpha", "A alphabet"]),
        ("content.contains=zebra", ["TXT alpha"]),
        ("content.startswith=198.51", ["A alpha", "A beta", "A alphabet"]),
        ("content.endswith=.2", ["A beta"]),
        ("comment=hello, WORLD", ["A alpha"]),
        ("comment.exact=hello", []),
        ("comment.contains=prod", ["A beta"]),
        ("comment.startswith=elephant:prod ", ["A beta"]),
        ("comment.endswith=world", ["A alpha"]),
        ("comment.present=", ["A alpha", "A beta"]),
        ("comment.present=false", ["A alpha", "A beta"]),
        ("comment.absent=true", ["A alphabet", "TXT alpha"]),
        ("type=A", ["A alpha", "A beta", "A alphabet"]),
        ("type=TXT", ["TXT alpha"]),
        ("type=MX", []),
        ("proxied=true", ["A beta"]),
        ("proxied=false", ["A alpha", "A alphabet", "TXT alpha"]),
        ("search=zebra", ["TXT alpha"]),
        ("search=urgent", ["A alpha"]),
        ("tag=urgent", ["A alpha"]),
        ("tag=team", ["A alpha", "A alphabet"]),
        ("tag=TEAM:dns", ["A alpha"]),
        ("tag.present=team", ["A alpha", "A alphabet"]),
        ("tag.absent=team", ["A beta", "TXT alpha"]),
        ("tag.exact=team:web", ["A alphabet"]),
        ("tag.contains=team:n", ["A alpha"]),
        ("tag.startswith=team:w", ["A alphabet"]),
        ("tag.endswith=team:eb", ["A alphabet"]),
        ("tag.unheard=of", ["A alpha", "A beta", "A alphabet", "TXT alpha"]),
        ("name.unheard=of&also=this", ["A alpha", "A beta", "A alphabet", "TXT alpha"]),
    ],
)
def test_every_filter_finds_what_it_names(caller: Caller, query: str, found: list[str]) -> None:
    assert names(caller, query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=A&content=198.51.100.1", ["A alpha", "A alphabet"]),
        ("type=A&content=198.51.100.1&match=all", ["A alpha", "A alphabet"]),
        ("type=TXT&content=198.51.100.2&match=any", ["A beta", "TXT alpha"]),
        ("name=beta.example.com&name=alpha.example.com", []),
        (
            "match=any&name=beta.example.com&name=alphabet.example.com",
            ["A beta", "A alphabet"],
        ),
        ("tag=urgent&tag=team:web", []),
        ("tag=urgent&tag=team:web&tag_match=any", ["A alpha", "A alphabet"]),
        ("tag=urgent&tag=team:web&tag_match=any&name.startswith=alphab", ["A alphabet"]),
        ("tag=urgent&tag=team:dns&match=any&proxied=true", ["A alpha", "A beta"]),
    ],
)
def test_match_combines_filters_and_tag_match_those_on_tags(
    caller: Caller, query: str, found: list[str]
) -> None:
    assert names(caller, query) == found


@pytest.mark.parametrize(
    "query", ["name=contains:alpha", "name=alpha.example.com,beta.example.com"]
)
def test_operators_and_lists_within_a_name_ended_in_2025(caller: Caller, query: str) -> None:
    assert names(caller, query) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["A alpha", "A beta", "A alphabet", "TXT alpha"]),
        ("order=type&direction=desc", ["TXT alpha", "A alpha", "A beta", "A alphabet"]),
        ("order=name", ["A alpha", "TXT alpha", "A alphabet", "A beta"]),
        ("order=content", ["TXT alpha", "A alpha", "A alphabet", "A beta"]),
        ("order=ttl&direction=desc", ["A alphabet", "A alpha", "A beta", "TXT alpha"]),
        ("order=proxied&direction=desc", ["A beta", "A alpha", "A alphabet", "TXT alpha"]),
    ],
)
def test_lists_are_ordered_by_type_or_as_asked(
    caller: Caller, query: str, found: list[str]
) -> None:
    assert names(caller, query) == found


def info(caller: Caller, query: str) -> JsonObject:
    return cast("JsonObject", caller.call("GET", f"{RECORDS}?{query}").json()["result_info"])


def test_a_list_tells_its_page_and_the_number_of_all(caller: Caller) -> None:
    expected = {"page": 2, "per_page": 3, "count": 1, "total_count": 4, "total_pages": 2}
    assert info(caller, "page=2&per_page=3") == expected
    assert info(caller, "")["per_page"] == 100


def test_a_page_beyond_the_last_is_empty(caller: Caller) -> None:
    assert names(caller, "page=9&per_page=3") == []
    assert info(caller, "page=9&per_page=3")["total_pages"] == 2


def test_an_empty_list_has_one_page(caller: Caller) -> None:
    expected = {"page": 1, "per_page": 100, "count": 0, "total_count": 0, "total_pages": 1}
    assert info(caller, "name=none") == expected


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=x",
        "page=-1",
        "per_page=0",
        "per_page=5000001",
        "order=id",
        "direction=up",
        "match=some",
        "tag_match=some",
    ],
)
def test_a_parameter_outside_its_range_is_refused(caller: Caller, query: str) -> None:
    assert caller.error("GET", f"{RECORDS}?{query}") == (400, 1004)


@given(count=st.integers(0, 25), per_page=st.integers(1, 30))
def test_the_pages_together_hold_every_record_once(count: int, per_page: int) -> None:
    caller = Caller(Api(clock=Clock()))
    posts: list[Json] = [
        {"type": "A", "name": f"h{number}", "content": "192.0.2.1"} for number in range(count)
    ]
    if posts:
        caller.result("POST", f"{RECORDS}/batch", {"posts": posts})
    found: list[Json] = []
    page, pages = 1, 1
    while page <= pages:
        answer = caller.call("GET", f"{RECORDS}?page={page}&per_page={per_page}").json()
        found += [item["id"] for item in cast("list[JsonObject]", answer["result"])]
        pages = cast("int", cast("JsonObject", answer["result_info"])["total_pages"])
        page += 1
    assert len(found) == len({*cast("list[str]", found)}) == count

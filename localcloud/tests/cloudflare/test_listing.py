"""Filters and pages of a list."""

import pytest

from localcloud.tests.cloudflare.client import RECORDS, Client

ALL = ["A alpha", "A beta", "A alphabet", "TXT alpha"]


@pytest.fixture
def client(client: Client) -> Client:
    """Four records."""
    client.create("alpha", "198.51.100.1", comment="Hello, world")
    client.create("beta", "198.51.100.2", comment="elephant:prod m=1")
    client.create("alphabet", "198.51.100.1")
    client.result("POST", RECORDS, {"type": "TXT", "name": "alpha", "content": '"Zebra"'})
    return client


def names(client: Client, query: str) -> list[str]:
    """Return type and label of what a query finds, in order."""
    found = client.results(f"{RECORDS}?{query}")
    return [f"{item['type']} {str(item['name']).partition('.')[0]}" for item in found]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("page=1", ALL),
        ("name=ALPHA.Example.com", ["A alpha", "TXT alpha"]),
        ("name=alpha", []),
        ("name.exact=beta.example.com", ["A beta"]),
        ("name.startswith=alphab", ["A alphabet"]),
        ("content=198.51.100.2", ["A beta"]),
        ("content.startswith=198.51", ["A alpha", "A beta", "A alphabet"]),
        ("comment=hello, WORLD", ["A alpha"]),
        ("comment.exact=hello", []),
        ("comment.startswith=elephant:prod ", ["A beta"]),
        ("type=TXT", ["TXT alpha"]),
        ("type=A&content=198.51.100.1", ["A alpha", "A alphabet"]),
        ("type=TXT&content=198.51.100.2&match=any", ["A beta", "TXT alpha"]),
        ("name=beta.example.com&name=alpha.example.com", []),
        ("match=any&name=beta.example.com&name=alphabet.example.com", ["A beta", "A alphabet"]),
        ("page=2&per_page=3", ["TXT alpha"]),
        ("page=9&per_page=3", []),
    ],
)
def test_filters_and_pages_select_records_by_type_and_age(
    client: Client, query: str, found: list[str]
) -> None:
    assert names(client, query) == found


@pytest.mark.parametrize(
    ("query", "page", "per_page", "count", "total", "pages"),
    [("page=2&per_page=3", 2, 3, 1, 4, 2), ("name=none", 1, 100, 0, 0, 1)],
)
def test_a_list_shows_its_page_and_the_total(  # noqa: PLR0913, PLR0917 (the figures)
    client: Client, query: str, page: int, per_page: int, count: int, total: int, pages: int
) -> None:
    answer = client.call("GET", f"{RECORDS}?{query}").json()
    assert answer["result_info"] == {
        "page": page,
        "per_page": per_page,
        "count": count,
        "total_count": total,
        "total_pages": pages,
    }


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "per_page=5000001", "tag=a", "name.contains=a", "order=name"]
)
def test_a_parameter_that_is_out_of_range_or_not_emulated_is_refused(
    client: Client, query: str
) -> None:
    assert client.error("GET", f"{RECORDS}?{query}") == (400, 1004)

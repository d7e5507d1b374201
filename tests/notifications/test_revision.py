"""A revision has the name and the version by which people know it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.notifications.revision import Revision, version_of


@pytest.mark.parametrize(
    ("key", "version"),
    [
        ("shop-1.4.2.zip", "1.4.2"),
        ("releases/shop/shop-1.4.2.tar.gz", "1.4.2"),
        ("releases/shop-v1.4.2.tgz", "1.4.2"),
        ("shop-1.4.2-rc.1.zip", "1.4.2-rc.1"),
        ("1.4.2/shop.zip", "1.4.2"),
        ("shop/v1.4.2/bundle.zip", "1.4.2"),
        ("2.0/shop-1.4.2.zip", "1.4.2"),
        ("builds/481.zip", "481"),
        ("shop-build-481.zip", "shop-build-481"),
        ("shop.v2", "shop.v2"),
        ("appspec.yaml", "appspec"),
        ("/shop-1.4.2.ZIP", "1.4.2"),
        ("", ""),
    ],
)
def test_a_releases_version_is_taken_from_its_key(key: str, version: str) -> None:
    assert version_of(key) == version


@given(st.text("019.-+_@vaB", max_size=16))
def test_a_name_gives_the_version_that_trying_every_reading_gives(name: str) -> None:
    """The plain way to write the pattern, whose time doubles with each letter."""
    plain = r"(?:^|(?<=[-_.v]))v?(\d+(?:\.\d+)+(?:[-+_.]?[0-9A-Za-z]+)*)$"
    found = re.search(plain, name, re.IGNORECASE)

    assert version_of(f"x/{name}.zip") == (found[1] if found else name)


@pytest.mark.parametrize("end", ["@main", " (2)", "-"])
def test_a_name_costs_no_more_than_its_length(end: str) -> None:
    """Trying every reading of these would outlast the sun."""
    name = f"shop-1.4.2-{COMMIT * 2}{end}"

    assert version_of(f"{name}.zip") == name
    assert version_of(f"shop-{'1.2' * 300}{end}.zip").endswith(end)


COMMIT = "5f1c2a9d8e7b6a5f4c3d2e1f0a9b8c7d6e5f4a3b"
KEY = {"bucket": "releases", "key": "shop/shop-1.4.2.zip"}
LINK = f"https://github.com/acme/shop/commit/{COMMIT}"
NAME = "s3://releases/shop/shop-1.4.2.zip"


def github(repository: str) -> dict[str, object]:
    return {"gitHubLocation": {"repository": repository, "commitId": COMMIT}}


@pytest.mark.parametrize(
    ("location", "revision"),
    [
        ({"s3Location": KEY | {"version": "rXm1l0vH"}}, Revision(NAME, "1.4.2", "rXm1l0vH")),
        ({"s3Location": KEY}, Revision(NAME, "1.4.2")),
        (github("acme/shop"), Revision(f"acme/shop@{COMMIT}", "5f1c2a9", link=LINK)),
        *(
            (github(repository), Revision(f"{repository}@{COMMIT}", "5f1c2a9"))
            for repository in ("shop", "../acme/shop", "acme/shop?x", "")
        ),
        ({}, None),
        ({"revisionType": "String"}, None),
        ({"appSpecContent": {}}, None),
    ],
)
def test_a_revision_has_a_name_a_version_and_a_link(
    location: dict[str, object], revision: Revision | None
) -> None:
    assert Revision.parse(location) == revision

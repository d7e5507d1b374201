"""Batches: all operations or none, in their order."""

from collections.abc import Callable
from functools import partial
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudflare import Api, ApiError, Record, Zone, ZoneStore
from localcloud.cloudflare.jsonvalue import Json, JsonObject
from localcloud.tests.cloudflare.client import BATCH, OTHER_ID, Client, Clock, a


def test_a_batch_deletes_patches_puts_and_posts_in_this_order(client: Client) -> None:
    """Each operation needs the one before: the addresses move on."""
    first, second, third = (client.create("x", f"198.51.100.{n}") for n in (1, 2, 3))
    done = client.result(
        "POST",
        BATCH,
        {
            "posts": [a("x", "198.51.100.3")],
            "puts": [{"id": third, **a("x", "198.51.100.2")}],
            "patches": [{"id": second, "content": "198.51.100.1"}],
            "deletes": [{"id": first}],
        },
    )
    items = cast("dict[str, list[JsonObject]]", done)
    contents = {kind: [item["content"] for item in items[kind]] for kind in items}
    assert contents == {
        "deletes": ["198.51.100.1"],
        "patches": ["198.51.100.1"],
        "puts": ["198.51.100.2"],
        "posts": ["198.51.100.3"],
    }


def test_the_first_failure_undoes_a_batch_and_is_the_only_error(client: Client) -> None:
    kept, changed = client.create("kept"), client.create("changed", "198.51.100.1")
    before = client.results()
    body: Json = {
        "deletes": [{"id": kept}],
        "patches": [{"id": changed, "content": "198.51.100.2"}],
        "posts": [a("new"), a("new"), a("bad", "?")],
    }
    assert client.error("POST", BATCH, body) == (400, 81058)
    assert client.results() == before


@pytest.mark.parametrize("kind", ["deletes", "patches", "puts"])
def test_a_missing_id_fails_a_batch_like_a_single_call(client: Client, kind: str) -> None:
    body: Json = {kind: [{"id": OTHER_ID, **a("www")}], "posts": [a("new")]}
    assert client.error("POST", BATCH, body) == (404, 81044)
    assert client.results() == []


def test_a_full_zone_accepts_a_batch_that_makes_room_first(clock: Clock) -> None:
    client = Client(Api([Zone(record_quota=1)], clock=clock))
    body: Json = {"posts": [a("b")], "deletes": [{"id": client.create("a")}]}
    client.result("POST", BATCH, body)
    assert [record["name"] for record in client.results()] == ["b.example.com"]


def test_the_free_plan_allows_200_operations_in_a_batch(client: Client) -> None:
    posts: list[Json] = [a(f"h{number}") for number in range(201)]
    assert client.error("POST", BATCH, {"posts": posts}) == (400, 9208)
    assert client.results() == []
    client.result("POST", BATCH, {"posts": posts[:200]})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"posts": []},
        {"posts": {}},
        {"posts": ["x"]},
        {"deletes": [{}]},
        {"patches": [{"id": 5}]},
    ],
)
def test_an_empty_or_malformed_batch_is_refused(client: Client, body: Json) -> None:
    assert client.error("POST", BATCH, body) == (400, 9207)


NAMES = st.sampled_from(["a", "b", "@"])
CONTENTS = st.sampled_from(["198.51.100.1", "198.51.100.2", "target.example.net", "?"])
FULL = st.fixed_dictionaries(
    {"type": st.sampled_from(["A", "CNAME", "TXT"]), "name": NAMES, "content": CONTENTS}
)
INDEX = st.integers(0, 5)
CHANGE = st.fixed_dictionaries(
    {}, optional={"content": CONTENTS, "name": NAMES, "comment": st.just("c")}
)
BATCHES = st.fixed_dictionaries(
    {
        "deletes": st.lists(st.tuples(INDEX, st.just({})), max_size=2),
        "patches": st.lists(st.tuples(INDEX, CHANGE), max_size=2),
        "puts": st.lists(st.tuples(INDEX, FULL), max_size=2),
        "posts": st.lists(st.tuples(INDEX, FULL), min_size=1, max_size=3),
    }
)


def one_by_one(store: ZoneStore, batch: dict[str, list[dict[str, Json]]]) -> int:
    """Do a batch's operations singly; return the code of the first refusal, or 0."""
    steps: list[Callable[[], Record]] = [
        *(partial(store.delete, str(body["id"])) for body in batch["deletes"]),
        *(partial(store.patch, str(body["id"]), body) for body in batch["patches"]),
        *(partial(store.put, str(body["id"]), body) for body in batch["puts"]),
        *(partial(store.create, body) for body in batch["posts"]),
    ]
    return next((code for step in steps if (code := refusal(step))), 0)


def refusal(step: Callable[[], object]) -> int:
    try:
        step()
    except ApiError as error:
        return error.code
    return 0


@given(present=st.lists(FULL, max_size=5), operations=BATCHES)
def test_a_batch_does_what_its_operations_do_one_by_one_or_nothing(
    present: list[dict[str, Json]], operations: dict[str, list[tuple[int, dict[str, Json]]]]
) -> None:
    together, singly = (ZoneStore(Zone(), Clock()) for _ in range(2))
    for body in present:
        assert refusal(partial(together.create, body)) == refusal(partial(singly.create, body))
    ids = [OTHER_ID, *(record.id for record in together.records)]
    batch = {
        kind: [{**body, "id": ids[index % len(ids)]} for index, body in items]
        for kind, items in operations.items()
    }
    before, changes = together.records, len(together.history)

    code = refusal(partial(together.batch, cast("JsonObject", batch)))

    assert code == one_by_one(singly, batch)
    assert together.records == (before if code else singly.records)
    assert len(together.history) == changes + (not code), "a batch is one change of the history"

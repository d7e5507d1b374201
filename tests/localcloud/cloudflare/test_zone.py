"""Writes to a zone: alone and in batches, and the quota of records."""

from collections.abc import Callable
from functools import partial
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudflare import Api, ApiError, Plan, Record, Zone, ZoneStore
from localcloud.cloudflare.jsonvalue import Json, JsonObject
from tests.localcloud.cloudflare.caller import BATCH, MISSING_ID, RECORDS, Caller, Clock


def a(name: str, content: str = "198.51.100.4") -> dict[str, Json]:
    return {"type": "A", "name": name, "content": content}


def contents(caller: Caller) -> dict[str, str]:
    return {str(item["name"]): str(item["content"]) for item in caller.results(RECORDS)}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_record_that_is_not_there_is_404(caller: Caller, method: str) -> None:
    body: Json = None if method in {"GET", "DELETE"} else a("www")
    assert caller.error(method, f"{RECORDS}/{MISSING_ID}", body) == (404, 81044)


def test_a_create_answers_200_with_the_record(caller: Caller) -> None:
    answer = caller.call("POST", RECORDS, a("www"))
    assert answer.status == 200
    stored = cast("JsonObject", answer.json()["result"])
    assert caller.result("GET", f"{RECORDS}/{stored['id']}") == stored


def test_a_delete_answers_with_the_id_alone(caller: Caller) -> None:
    record_id = caller.create("www")
    answer = caller.call("DELETE", f"{RECORDS}/{record_id}", headers=None)
    assert answer.json() == {
        "result": {"id": record_id},
        "success": True,
        "errors": [],
        "messages": [],
    }
    assert caller.error("DELETE", f"{RECORDS}/{record_id}") == (404, 81044)


def test_the_record_quota_refuses_one_more_and_a_delete_makes_room(clock: Clock) -> None:
    caller = Caller(Api([Zone(record_quota=2)], clock=clock))
    first = caller.create("a")
    caller.create("b")
    assert caller.error("POST", RECORDS, a("c")) == (400, 81045)
    caller.result("DELETE", f"{RECORDS}/{first}")
    caller.create("c")


def test_a_full_zone_still_takes_a_batch_that_makes_room_first(clock: Clock) -> None:
    caller = Caller(Api([Zone(record_quota=1)], clock=clock))
    first = caller.create("a")
    caller.result("POST", BATCH, {"posts": [a("b")], "deletes": [{"id": first}]})
    assert contents(caller) == {"b.example.com": "198.51.100.4"}


@pytest.mark.parametrize(
    ("zone", "quota"),
    [(Zone(), 200), (Zone(plan=Plan.PRO), 3500), (Zone(plan=Plan.ENTERPRISE), None)],
)
def test_usage_tells_the_number_of_records_and_the_quota(
    clock: Clock, zone: Zone, quota: int | None
) -> None:
    caller = Caller(Api([zone], clock=clock))
    caller.create("www")
    usage = caller.result("GET", f"{RECORDS}/usage")
    assert usage == {"record_usage": 1, "record_quota": quota}


def test_a_batch_deletes_patches_puts_and_posts_in_this_order(caller: Caller) -> None:
    """Each step needs the one before: the address moves on through all four."""
    gone = caller.create("x", "198.51.100.1")
    patched = caller.create("x", "198.51.100.2")
    overwritten = caller.create("x", "198.51.100.3")
    done = caller.result(
        "POST",
        BATCH,
        {
            "posts": [a("x", "198.51.100.3")],
            "puts": [{"id": overwritten, **a("x", "198.51.100.2")}],
            "patches": [{"id": patched, "content": "198.51.100.1"}],
            "deletes": [{"id": gone}],
        },
    )
    assert {kind: len(cast("list[Json]", done[kind])) for kind in done} == {
        "deletes": 1,
        "patches": 1,
        "puts": 1,
        "posts": 1,
    }
    (deleted,) = cast("list[JsonObject]", done["deletes"])
    assert deleted["content"] == "198.51.100.1", "a delete answers the whole record"


def test_the_first_failure_undoes_a_batch_and_is_the_only_error(caller: Caller) -> None:
    kept = caller.create("kept")
    changed = caller.create("changed", "198.51.100.1")
    before = caller.results(RECORDS)
    body: Json = {
        "deletes": [{"id": kept}],
        "patches": [{"id": changed, "content": "198.51.100.2"}],
        "posts": [a("new"), a("new"), {"type": "A", "name": "bad", "content": "?"}],
    }
    assert caller.error("POST", BATCH, body) == (400, 81058)
    assert caller.results(RECORDS) == before


@pytest.mark.parametrize("kind", ["deletes", "patches", "puts"])
def test_a_missing_id_fails_a_batch_like_a_single_call(caller: Caller, kind: str) -> None:
    body: Json = {kind: [{"id": MISSING_ID, **a("www")}], "posts": [a("new")]}
    assert caller.error("POST", BATCH, body) == (404, 81044)
    assert caller.results(RECORDS) == []


def test_the_free_plan_takes_200_operations_in_a_batch(caller: Caller) -> None:
    posts = [a(f"h{number}") for number in range(201)]
    status, code = caller.error("POST", BATCH, cast("Json", {"posts": posts}))
    assert (status, code) == (400, 9208)
    assert caller.results(RECORDS) == []
    caller.result("POST", BATCH, cast("Json", {"posts": posts[:200]}))
    assert len(caller.results(f"{RECORDS}?per_page=500")) == 200


def test_the_limit_counts_all_kinds_together_and_can_be_set(clock: Clock) -> None:
    caller = Caller(Api([Zone(batch_limit=1)], clock=clock))
    record_id = caller.create("www")
    body: Json = {"deletes": [{"id": record_id}], "posts": [a("www")]}
    assert caller.error("POST", BATCH, body) == (400, 9208)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"posts": []},
        {"posts": None},
        {"posts": {}},
        {"posts": ["x"]},
        {"deletes": [{}]},
        {"patches": [{"id": 5}]},
    ],
)
def test_a_batch_that_says_nothing_or_is_misshapen_is_refused(caller: Caller, body: Json) -> None:
    assert caller.error("POST", BATCH, body) == (400, 9207)


def test_a_batch_is_one_change_of_the_history(api: Api, caller: Caller) -> None:
    caller.create("one")
    caller.result("POST", BATCH, {"posts": [a("two"), a("three")]})
    assert [len(change.steps) for change in api.zones[0].history] == [1, 2]


def test_ids_are_32_hexadecimal_digits_and_the_same_in_every_run() -> None:
    stores = [ZoneStore(Zone(), Clock()) for _ in range(2)]
    ids = [[store.create(a(name)).id for name in ("a", "b")] for store in stores]
    assert ids[0] == ids[1]
    assert len({*ids[0]}) == 2
    assert all(len(bytes.fromhex(record_id)) == 16 for record_id in ids[0])


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


@given(
    present=st.lists(FULL, max_size=5),
    operations=BATCHES,
)
def test_a_batch_does_what_its_operations_do_one_by_one_or_nothing(
    present: list[dict[str, Json]],
    operations: dict[str, list[tuple[int, dict[str, Json]]]],
) -> None:
    together, singly = (ZoneStore(Zone(), Clock()) for _ in range(2))
    for body in present:
        assert refusal(partial(together.create, body)) == refusal(partial(singly.create, body))
    ids = [MISSING_ID, *(record.id for record in together.records)]
    batch = {
        kind: [{**body, "id": ids[index % len(ids)]} for index, body in items]
        for kind, items in operations.items()
    }
    before = together.records

    code = refusal(partial(together.batch, cast("JsonObject", batch)))

    assert code == one_by_one(singly, batch)
    assert together.records == (before if code else singly.records)

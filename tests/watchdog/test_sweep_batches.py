"""However much there is to repair, it is a few calls, and what fails holds up nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.cloudflare import Fault, FaultKind, When
from tests.transports import Noting
from tests.world import RECORDS, Context, World, link

LIST = ("GET", RECORDS)
BATCH = ("POST", f"{RECORDS}/batch")
BATCHES = "/zones/*/dns_records/batch"
ORDER = ("deletes", "patches", "posts")


def batches(world: World) -> list[dict[str, int]]:
    """Return how many operations of each kind each batch held, in the order of its members."""
    bodies = [json.loads(call.body) for call in world.cloudflare.calls if call.path == BATCH[1]]
    return [{kind: len(operations) for kind, operations in body.items()} for body in bodies]


def done(result: dict[str, Any]) -> tuple[int, int, int]:
    counts = result["done"]
    return counts["created"], counts["updated"], counts["deleted"]


# How many calls


@pytest.mark.parametrize(
    ("count", "sizes"), [(2, [2]), (200, [200]), (201, [200, 1]), (450, [200, 200, 50])]
)
def test_n_repairs_are_one_list_and_a_batch_for_200(
    world: World, count: int, sizes: list[int]
) -> None:
    world.put_ended(count)
    world.pass_time()

    result = world.swept()

    assert done(result) == (0, 0, count)
    assert world.dns_calls[0] == LIST
    assert len(world.dns_calls) == 1 + len(sizes)
    bodies = [each["deletes"] for each in batches(world)]
    assert bodies == [size for size in sizes if size > 1]  # one alone goes by its own endpoint
    assert world.records() == ()


def test_a_batch_holds_as_many_as_the_stage_says(world: World) -> None:
    world.put_ended(150)
    world.pass_time()

    world.swept(SWEEP_BATCH_SIZE="40")

    assert batches(world) == [{"deletes": 40}] * 3 + [{"deletes": 30}]


def test_deletions_come_before_updates_before_creations(world: World) -> None:
    """So a full zone has room, and no name is ever served at two addresses for longer."""
    for instance_id in world.launch_many(60)[:30]:
        world.put_own(instance_id, "192.0.2.9", meeting=None)
    world.put_ended(30)
    world.pass_time()

    result = world.swept(SWEEP_BATCH_SIZE="25")

    assert done(result) == (30, 30, 30)
    assert batches(world) == [
        {"deletes": 25},
        {"deletes": 5, "patches": 20},
        {"patches": 10, "posts": 15},
        {"posts": 15},
    ]


def test_a_whole_class_is_one_list_one_batch_and_two_reads_of_aws(world: World) -> None:
    for number in range(40):
        world.put_row(f"m{number}", status="LAUNCHED")
        for role in ("teacher", "student"):
            world.desktop(role, f"m{number}")

    result = world.swept()

    assert result["done"] == {"created": 80, "updated": 0, "deleted": 0, "rows": 40}
    assert world.dns_calls == [LIST, BATCH]
    assert sorted(each for each in world.aws_calls if each != "UpdateItem") == [
        "BatchGetItem",
        "DescribeInstances",
        "GetSecretValue",
    ]
    assert world.aws_calls.count("UpdateItem") == 40
    assert all(len(world.row(each)) == 3 for each in world.rows())


# Order


def test_what_is_sent_holds_no_more_than_it_should(world: World) -> None:
    """Every member of a record is spelled out, so that none keeps a default."""
    for _ in range(2):
        world.desktop()

    world.swept()

    (_, batch) = world.cloudflare.calls
    for sent in json.loads(batch.body)["posts"]:
        assert sent.keys() == {"type", "name", "content", "proxied", "ttl", "comment"}


def test_rows_are_told_after_their_records(world: World) -> None:
    world.put_row("m1", status="LAUNCHED")
    world.put_row("m2", status="HEALTHY")
    world.desktop(meeting="m1")
    ended = world.desktop(meeting="m2")
    world.put_own(ended, meeting="m2")
    world.terminate(ended)

    world.sweep(transport=Noting(world.aws_calls)).handle(Context())

    assert world.aws_calls == [
        "GetSecretValue",
        "GET dns_records",
        "DescribeInstances",
        "BatchGetItem",
        "POST batch",
        "UpdateItem",
        "UpdateItem",
    ]
    assert (world.row("m1")["status"], world.row("m2")["status"]) == ("DNS_WRITTEN", "TERMINATED")


def test_a_row_to_which_only_the_record_leads_is_told_before_it(world: World) -> None:
    world.put_row(status="HEALTHY", teacher_ec2_link=link("i-00000001"))
    world.put_own("i-00000001")
    world.pass_time()

    world.sweep(transport=Noting(world.aws_calls)).handle(Context())

    (record_id,) = [each for each in world.aws_calls if each.startswith("DELETE ")]
    assert world.aws_calls == [
        "GetSecretValue",
        "GET dns_records",
        "DescribeInstances",
        "BatchGetItem",
        "DescribeInstances",
        "UpdateItem",
        record_id,
    ]


# What fails passingly


def in_tens(world: World) -> dict[str, Any]:
    return world.swept(SWEEP_BATCH_SIZE="10")


def linked(world: World) -> int:
    return sum("teacher_ec2_link" in world.row(each) for each in world.rows())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.EDGE_ERROR, path=BATCHES, skip=1),
        Fault(FaultKind.EDGE_ERROR, path=BATCHES, skip=1, status=503),
        Fault(FaultKind.DROP, path=BATCHES, skip=1),
        Fault(FaultKind.UNSUCCESSFUL, path=BATCHES, skip=1),
        Fault(FaultKind.REFUSED, path=BATCHES, skip=1, status=500, code=1000),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status or ''}",
)
def test_a_batch_that_fails_passingly_is_left_and_the_next_run_does_it(
    thirty: World, fault: Fault
) -> None:
    thirty.cloudflare.faults.add(fault)

    first = in_tens(thirty)

    assert thirty.dns_calls == [LIST, BATCH, BATCH, BATCH]
    assert (first["action"], done(first), first["skipped"]) == ("repaired", (20, 0, 0), 10)
    assert all("could not confirm POST" in each for each in first["left"])
    assert (len(thirty.records()), linked(thirty)) == (20, 20)

    second = in_tens(thirty)

    assert (done(second), second["done"]["rows"], second["skipped"]) == ((10, 0, 0), 10, 0)
    assert (len(thirty.records()), linked(thirty)) == (30, 30)


def test_a_batch_whose_answer_was_lost_is_not_made_twice(thirty: World) -> None:
    """Its rows are told by the next run, which sees the records."""
    thirty.cloudflare.faults.add(Fault(FaultKind.DROP, path=BATCHES, when=When.AFTER, skip=1))

    first = in_tens(thirty)
    assert (done(first), len(thirty.records()), linked(thirty)) == ((20, 0, 0), 30, 20)
    thirty.forget_calls()
    second = in_tens(thirty)

    assert (done(second), second["done"]["rows"]) == ((0, 0, 0), 10)
    assert thirty.dns_calls == [LIST]
    assert (len(thirty.records()), linked(thirty)) == (30, 30)


def test_after_a_429_no_call_is_made_and_the_rest_is_left(thirty: World) -> None:
    thirty.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, path=BATCHES, skip=1, seconds=120))

    first = in_tens(thirty)

    assert thirty.dns_calls == [LIST, BATCH, BATCH]
    assert (done(first), first["skipped"], linked(thirty)) == ((10, 0, 0), 20, 10)
    assert all("no calls for 120 s" in each for each in first["left"])
    thirty.forget_calls()

    second = in_tens(thirty)

    assert second["action"] == "deferred"
    assert thirty.calls == ([], [])

    thirty.pass_time(121)
    assert done(in_tens(thirty)) == (20, 0, 0)


def test_our_half_of_the_quota_is_not_exceeded(thirty: World) -> None:
    """The list and two batches take our half of these calls; nothing of the others' is spent."""
    thirty.limit_calls(5)

    first = in_tens(thirty)

    assert thirty.dns_calls == [LIST, BATCH, BATCH]
    assert (done(first), first["skipped"]) == ((20, 0, 0), 10)
    assert "Cloudflare's quota is kept for others" in first["left"][0]
    thirty.forget_calls()

    second = in_tens(thirty)

    assert second["action"] == "deferred"
    assert second["reason"].startswith("deferred to the next run: Cloudflare's quota is kept for")
    assert thirty.calls == ([], [])
    assert thirty.reports.lines[-1][2] == {"Deferred": 1, "QuotaLeft": 2}


def test_a_quota_that_is_spent_by_the_list_leaves_everything(thirty: World) -> None:
    thirty.limit_calls(1)

    result = in_tens(thirty)

    assert (result["action"], result["skipped"]) == ("deferred", 30)
    assert thirty.dns_calls == [LIST]
    assert linked(thirty) == 0
    assert thirty.reports.lines[-1][2]["Deferred"] == 1


def test_a_list_that_is_answered_429_is_deferred(thirty: World) -> None:
    thirty.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, method="GET", seconds=60))

    result = in_tens(thirty)

    assert (result["action"], thirty.dns_calls) == ("deferred", [LIST])
    assert "DescribeInstances" not in thirty.aws_calls
    assert thirty.reports.lines[-1][2] == {"Deferred": 1, "QuotaLeft": 0}

"""A sweep: what it asks and in which order, what it reports, and what it does when calls fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.cloudflare.transport import NotSentError
from chalicelib.deadline import OutOfTimeError
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from tests.transports import Noting, Tampering, storing
from tests.world import DOMAIN, OWNER, RECORDS, Context, World, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = ("GET", RECORDS)
CREATE = ("POST", RECORDS)
BATCH = ("POST", f"{RECORDS}/batch")
CONTEXT = Context()
UNKNOWN = "i-0123456789abcdef0"


# What it asks and answers


def test_a_lost_start_is_repaired(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    name, address = f"{instance_id}.{DOMAIN}", world.address(instance_id)
    world.pass_time(3600)

    result = world.swept()

    assert result.pop("oldest_drift_seconds") in {3600, 3601, 3602, 3603}
    assert result == {
        "action": "repaired",
        "reason": "1 created, 1 row updated",
        "running": 1,
        "records": 0,
        "done": {"created": 1, "updated": 0, "deleted": 0, "rows": 1},
        "skipped": 0,
        "repaired": [
            f"create {name} at {address}",
            "the row 'm1': teacher_ec2_link set, status DNS_WRITTEN",
        ],
    }
    assert world.standing() == [(name, address, f"{OWNER} m=m1 r=teacher")]
    (record,) = world.records()
    assert (record.type, record.fields.proxied, record.fields.ttl) == ("A", True, 1)
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(instance_id)}
    assert world.calls == (
        ["BatchGetItem", "BatchGetItem", "DescribeInstances", "GetSecretValue", "UpdateItem"],
        [LIST, CREATE],
    )


def test_an_empty_stage_is_two_calls_and_the_token_and_counts_nothing(world: World) -> None:
    result = world.swept()

    assert (result["action"], result["running"], result["records"]) == ("unchanged", 0, 0)
    assert world.calls == (["DescribeInstances", "GetSecretValue"], [LIST])
    ((_, _, counts),) = world.reports.lines
    assert set(counts.values()) == {0}
    assert "Deferred" not in counts


def lost_start(world: World, meeting: str = "m1") -> None:
    world.put_row(meeting, status="LAUNCHED")
    world.desktop(meeting=meeting)


def test_a_stage_without_a_table_repairs_dns_alone(world: World) -> None:
    world.put_row(status="LAUNCHED", student_ec2_link=link(UNKNOWN))
    before = world.row()
    live = world.desktop()
    world.put_own(UNKNOWN, meeting="m2")
    world.pass_time()

    result = world.swept(TABLE_NAME="")

    assert result["done"] == {"created": 1, "updated": 0, "deleted": 1, "rows": 0}
    assert [name for name, _, _ in world.standing()] == [f"{live}.{DOMAIN}"]
    assert world.row() == before
    assert sorted(world.aws_calls) == ["DescribeInstances", "DescribeInstances", "GetSecretValue"]


def test_a_sweep_reports_once_what_it_did_and_counts_it(world: World) -> None:
    lost_start(world)
    world.put_own(world.launch(), "192.0.2.9", meeting=None)
    world.put_own(UNKNOWN, meeting=None)
    world.pass_time()

    result = world.swept()

    ((kind, fields, counts),) = world.reports.lines
    assert (kind, fields) == ("succeeded", result | {"request_id": CONTEXT.aws_request_id})
    assert counts.pop("DriftSeconds") == result["oldest_drift_seconds"] >= 3600
    assert counts == {
        "Created": 1,
        "Updated": 1,
        "Deleted": 1,
        "Repaired": 4,
        "Rejected": 0,
        "Warnings": 0,
    }


# Calls to Cloudflare that fail


def test_our_half_of_the_quota_is_not_exceeded(world: World) -> None:
    """The list and two batches take our half of these calls; no row links to what is left."""
    for number in range(6):
        lost_start(world, f"m{number}")
    world.limit_calls(5)

    first = world.swept(SWEEP_BATCH_SIZE="2")

    assert world.dns_calls == [LIST, BATCH, BATCH]
    assert first["done"] == {"created": 4, "updated": 0, "deleted": 0, "rows": 4}
    assert first["skipped"] == 2
    assert "Cloudflare's quota is kept for others" in first["left"][0]
    world.forget_calls()
    second = world.swept()
    assert second["action"] == "deferred"
    assert second["reason"].startswith("deferred to the next run: Cloudflare's quota is kept for")
    assert world.calls == ([], [])
    assert world.reports.lines[-1][2] == {"Deferred": 1, "Warnings": 0, "QuotaLeft": 2}


def test_a_record_that_is_rejected_is_reported_and_the_others_are_created(world: World) -> None:
    world.put_row("bad", status="LAUNCHED")
    bad = world.desktop(meeting="bad")
    world.associate(bad, "127.0.0.1")  # Cloudflare cannot proxy to it
    world.put_row("good", status="LAUNCHED")
    good = world.desktop(meeting="good")

    result = world.swept()

    (refused,) = result["refused"]
    assert refused.startswith(f"create {bad}.{DOMAIN} at 127.0.0.1: POST {RECORDS}: HTTP 400, 9003")
    assert "set PROXIED to 'false'" in refused
    assert result["warnings"] == [refused]
    assert world.row("bad") == {"status": "LAUNCHED"}
    assert world.row("good") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(good)}
    counts = world.reports.lines[-1][2]
    assert (counts["Rejected"], counts["Warnings"], counts["Created"]) == (1, 1, 1)


def test_a_record_that_cloudflare_stores_with_another_ttl_is_linked_and_reported(
    world: World,
) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()

    result = world.sweep(transport=storing(ttl=60)).handle(CONTEXT)

    (refused,) = result["refused"]
    assert refused.endswith(f"Cloudflare stored {instance_id}.{DOMAIN} with ttl 60 instead of 1")
    assert world.row()["teacher_ec2_link"] == link(instance_id)
    assert world.reports.lines[0][2]["Rejected"] == 1


# Time


@pytest.mark.parametrize("operation", ["DescribeInstances", "BatchGetItem"])
def test_time_that_runs_out_while_reading_changes_nothing(world: World, operation: str) -> None:
    world.put_row(status="LAUNCHED", student_ec2_link=link(UNKNOWN))
    world.put_own(world.desktop(), "192.0.2.9")
    before = (world.records(), world.row())
    world.meanwhile(operation, lambda: world.pass_time(59.5))

    with pytest.raises(OutOfTimeError):
        world.swept()

    assert (world.records(), world.row()) == before
    assert world.dns_calls == [LIST]


def test_a_row_for_which_time_runs_out_is_left_to_the_next_run(world: World) -> None:
    lost_start(world)
    world.launch_many(3)

    def take_time(answer: dict[str, Any]) -> None:
        world.pass_time(30 if "posts" in answer["result"] else 0)

    settings = make_settings(SWEEP_BATCH_SIZE="2")
    result = world.sweep(settings, Tampering(take_time)).handle(CONTEXT)

    assert (result["action"], result["done"]["created"], result["skipped"]) == ("repaired", 4, 1)
    assert result["left"] == ["the row 'm1': its snapshot is 30 s old"]
    assert world.row() == {"status": "LAUNCHED"}
    assert world.swept()["done"]["rows"] == 1


def at_first_batch(world: World, do: Callable[[], object]) -> dict[str, Any]:
    """Sweep in batches of two; the survey grows old and something happens at the first one."""

    def before(note: str) -> None:
        if note == "POST batch" and not world.elapsed:
            world.pass_time(11)
            do()

    settings = make_settings(SWEEP_BATCH_SIZE="2")
    return world.sweep(settings, Noting([], before)).handle(CONTEXT)


def test_changes_while_batches_are_applied_are_seen_before_more_is_written(world: World) -> None:
    """Nobody gets a record by a plan that is older than ten seconds."""
    ids = world.launch_many(6)

    result = at_first_batch(world, lambda: world.terminate(*ids))

    assert result["done"] == {"created": 2, "updated": 0, "deleted": 2, "rows": 0}
    assert world.records() == ()
    assert world.dns_calls == [LIST, BATCH] * 2


def test_a_quota_that_is_spent_while_batches_are_applied_ends_the_run(world: World) -> None:
    world.launch_many(6)

    result = at_first_batch(world, lambda: world.limit_calls(3))

    assert (result["action"], result["done"]["created"], result["skipped"]) == ("repaired", 2, 4)


def test_a_change_that_could_not_be_sent_in_time_is_not_sent_any_more(world: World) -> None:
    world.launch()
    sent: list[str] = []

    def refuse(note: str) -> None:
        if note == "POST dns_records":
            world.pass_time(11)
            raise NotSentError("connection refused")

    result = world.sweep(transport=Noting(sent, refuse)).handle(CONTEXT)

    assert (result["action"], sent, world.pauses) == ("deferred", ["GET dns_records"], [])
    assert "connection refused" in result["left"][0]


# Rows that fail


def test_rows_that_cannot_be_written_fail_the_run_after_everything_else(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    world.fail("UpdateItem", "AccessDeniedException")

    with pytest.raises(RowsNotUpdatedError, match=r"rejected 1 request.*AccessDenied"):
        world.swept()

    assert len(world.records()) == 1
    counts = world.reports.lines[0][2]
    assert (counts["Failed"], counts["Created"], "QuotaLeft" in counts) == (1, 1, False)
    world.recover()
    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 1}
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(instance_id)}

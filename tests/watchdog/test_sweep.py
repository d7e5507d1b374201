"""A sweep: what it asks and in which order, what it reports, and what it does when calls fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.cloudflare.transport import NotSentError
from tests.transports import Noting, Tampering, storing
from tests.world import DOMAIN, RECORDS, UNKNOWN, Context, World, link

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = ("GET", RECORDS)
CREATE = ("POST", RECORDS)
BATCH = ("POST", f"{RECORDS}/batch")


# What it asks and answers


def test_an_empty_stage_is_two_calls_and_the_token_and_counts_nothing(world: World) -> None:
    result = world.swept()

    assert (result["action"], result["running"], result["records"]) == ("unchanged", 0, 0)
    assert world.calls == (["DescribeInstances", "GetSecretValue"], [LIST])
    ((_, _, counts),) = world.reports.lines
    assert set(counts.values()) == {0}
    assert "Deferred" not in counts


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
    world.launched()
    world.put_own(world.launch(), "192.0.2.9", meeting=None)
    world.put_own(UNKNOWN, meeting=None)
    world.pass_time()

    result = world.swept()

    assert len(result["repaired"]) == 4
    ((kind, fields, counts),) = world.reports.lines
    assert (kind, fields) == ("succeeded", result | {"request_id": Context().aws_request_id})
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
        world.launched(f"m{number}")
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
    bad, good = world.launched("bad"), world.launched("good")
    world.associate(bad, "127.0.0.1")  # Cloudflare cannot proxy to it

    result = world.swept()

    (refused,) = result["refused"]
    assert refused.startswith(f"create {bad}.{DOMAIN} at 127.0.0.1: POST {RECORDS}: HTTP 400, 9003")
    assert "set PROXIED to 'false'" in refused
    assert result["warnings"] == [refused]
    assert world.row("bad") == {"status": "LAUNCHED"}
    assert world.row("good") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(good)}
    counts = world.reports.lines[-1][2]
    assert (counts["Rejected"], counts["Warnings"], counts["Created"]) == (1, 1, 1)


def test_a_record_that_is_stored_with_another_ttl_is_linked_and_reported(world: World) -> None:
    instance_id = world.launched()

    result = world.swept(storing(ttl=60))

    (refused,) = result["refused"]
    assert refused.endswith(f"Cloudflare stored {instance_id}.{DOMAIN} with ttl 60 instead of 1")
    assert world.row()["teacher_ec2_link"] == link(instance_id)
    assert world.reports.lines[0][2]["Rejected"] == 1


# Time


def test_a_row_for_which_time_runs_out_is_left_to_the_next_run(world: World) -> None:
    world.launched()
    world.launch_many(3)

    def take_time(answer: dict[str, Any]) -> None:
        world.pass_time(30 if "posts" in answer["result"] else 0)

    result = world.swept(Tampering(take_time), SWEEP_BATCH_SIZE="2")

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

    return world.swept(Noting([], before), SWEEP_BATCH_SIZE="2")


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

    result = world.swept(Noting(sent, refuse))

    assert (result["action"], sent, world.pauses) == ("deferred", ["GET dns_records"], [])
    assert "connection refused" in result["left"][0]

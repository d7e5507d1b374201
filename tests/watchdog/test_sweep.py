"""A sweep: what it asks and in which order, what it reports, and what it does when calls fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.cloudflare.transport import NotSentError
from chalicelib.deadline import OutOfTimeError
from chalicelib.secrets import Token
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from tests.transports import Noting, Tampering
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


def test_a_second_sweep_writes_nothing_and_reads_no_token(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.desktop()
    sweep = world.sweep()
    sweep.handle(CONTEXT)
    before = (world.records(), world.row())
    world.forget_calls()

    assert sweep.handle(CONTEXT)["action"] == "unchanged"

    assert (world.records(), world.row()) == before
    assert world.calls == (["BatchGetItem", "DescribeInstances"], [LIST])


def lost_start(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.desktop()


def start_and_end(world: World) -> None:
    lost_start(world)
    world.terminate(world.serving(meeting="m2"))


def orphan(world: World) -> None:
    world.put_row(status="HEALTHY", teacher_ec2_link=link(UNKNOWN))
    world.put_own(UNKNOWN)
    world.pass_time()


@pytest.mark.parametrize(
    ("drift", "later"),
    [
        (lost_start, ["BatchGetItem", "POST dns_records", "UpdateItem"]),
        (start_and_end, ["BatchGetItem", "POST batch", "UpdateItem", "UpdateItem"]),
        (orphan, ["DescribeInstances", "BatchGetItem", "UpdateItem", "DELETE"]),
    ],
    ids=["a start", "a start and an end", "a row that only the record leads to"],
)
def test_records_are_read_before_instances_before_rows_and_written_before_rows(
    world: World, drift: Callable[[World], None], later: list[str]
) -> None:
    drift(world)
    ids = {record.id for record in world.records()}

    world.sweep(transport=Noting(world.aws_calls)).handle(CONTEXT)

    assert [each.partition(" ")[0] if each[-32:] in ids else each for each in world.aws_calls] == [
        "GetSecretValue",
        "GET dns_records",
        "DescribeInstances",
        "BatchGetItem",
        *later,
    ]


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


def test_a_whole_class_is_one_list_one_batch_and_two_reads_of_aws(world: World) -> None:
    for number in range(40):
        world.put_row(f"m{number}", status="LAUNCHED")
        for role in ("teacher", "student"):
            world.desktop(role, f"m{number}")

    result = world.swept()

    assert result["done"] == {"created": 80, "updated": 0, "deleted": 0, "rows": 40}
    reads = ["BatchGetItem", "BatchGetItem", "DescribeInstances", "GetSecretValue"]
    assert world.calls == ([*reads, *["UpdateItem"] * 40], [LIST, BATCH])
    assert all(len(world.row(each)) == 3 for each in world.rows())


# Calls to Cloudflare that fail


def test_our_half_of_the_quota_is_not_exceeded(world: World) -> None:
    """The list and two batches take our half of these calls."""
    world.launch_many(6)
    world.limit_calls(5)

    first = world.swept(SWEEP_BATCH_SIZE="2")

    assert world.dns_calls == [LIST, BATCH, BATCH]
    assert (first["done"]["created"], first["skipped"]) == (4, 2)
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
    sweep = world.sweep()

    result = sweep.handle(CONTEXT)

    (refused,) = result["refused"]
    assert refused.startswith(f"create {bad}.{DOMAIN} at 127.0.0.1: POST {RECORDS}: HTTP 400, 9003")
    assert "set PROXIED to 'false'" in refused
    assert result["warnings"] == [refused]
    assert world.row("bad") == {"status": "LAUNCHED"}
    assert world.row("good") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(good)}
    counts = world.reports.lines[-1][2]
    assert (counts["Rejected"], counts["Warnings"], counts["Created"]) == (1, 1, 1)
    world.forget_calls()
    again = sweep.handle(CONTEXT)
    assert (again["action"], again["reason"]) == ("unchanged", "1 rejected by the DNS provider")
    assert world.dns_calls == [LIST, CREATE]


def test_a_record_that_cloudflare_stores_with_another_ttl_is_linked_and_reported(
    world: World,
) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()

    def spoil(envelope: dict[str, Any]) -> None:
        if isinstance(envelope["result"], dict):
            envelope["result"]["ttl"] = 60

    result = world.sweep(transport=Tampering(spoil)).handle(CONTEXT)

    (refused,) = result["refused"]
    assert refused.endswith(f"Cloudflare stored {instance_id}.{DOMAIN} with ttl 60 instead of 1")
    assert world.row()["teacher_ec2_link"] == link(instance_id)
    assert world.reports.lines[0][2]["Rejected"] == 1


# Time


def test_a_run_out_of_time_begins_nothing(world: World) -> None:
    with pytest.raises(OutOfTimeError):
        world.sweep().handle(Context(milliseconds=500))

    assert world.calls == ([], [])
    assert world.reports.lines[0][2] == {"Failed": 1}


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


def with_slow_batches(world: World, seconds: float) -> dict[str, Any]:
    """Sweep in batches of two, each of which takes so long to be answered."""

    def pass_time(answer: dict[str, Any]) -> None:
        world.pass_time(seconds if "posts" in answer["result"] else 0)

    settings = make_settings(SWEEP_BATCH_SIZE="2")
    return world.sweep(settings, Tampering(pass_time)).handle(CONTEXT)


def test_a_row_for_which_time_runs_out_is_left_to_the_next_run(world: World) -> None:
    lost_start(world)
    world.launch_many(3)

    result = with_slow_batches(world, 30)

    assert (result["action"], result["done"]["created"], result["skipped"]) == ("repaired", 4, 1)
    assert result["left"] == ["the row 'm1': its snapshot is 30 s old"]
    assert world.row() == {"status": "LAUNCHED"}
    assert world.swept()["done"]["rows"] == 1


def test_a_batch_for_which_there_is_no_time_is_not_begun(world: World) -> None:
    world.launch_many(6)

    result = with_slow_batches(world, 59)

    assert (result["done"]["created"], result["skipped"]) == (2, 4)
    assert "its snapshot is 59 s old" in result["left"][0]
    assert world.dns_calls == [LIST, BATCH]


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


def test_a_change_for_which_the_token_came_too_late_is_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.launch()
    sweep = world.sweep()
    survey = sweep.survey(world.steps())
    world.pass_time(9)
    read = Token.value

    def slow(token: Token) -> str:
        world.pass_time(2)
        return read(token)

    monkeypatch.setattr(Token, "value", slow)

    repair = sweep.repair(survey, world.steps())

    assert "was not sent: its snapshot is 11 s old" in repair.left[0]


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

"""A sweep: what it asks and in which order, what it reports, and what it does when calls fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.cloudflare.transport import NotSentError
from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.provider import WrongZoneError
from chalicelib.secrets import Token
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from localcloud.cloudflare import Fault, FaultKind, When
from tests.transports import Noting, Tampering
from tests.world import DOMAIN, OWNER, RECORDS, Context, World, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = ("GET", RECORDS)
CREATE = ("POST", RECORDS)
BATCH = ("POST", f"{RECORDS}/batch")
BATCHES = "/zones/*/dns_records/batch"
CONTEXT = Context()
UNKNOWN = "i-0123456789abcdef0"


def done(result: dict[str, Any]) -> tuple[int, int, int]:
    """Return the numbers of records created, updated and deleted."""
    counts = result["done"]
    return counts["created"], counts["updated"], counts["deleted"]


def in_tens(world: World) -> dict[str, Any]:
    return world.swept(SWEEP_BATCH_SIZE="10")


def linked(world: World) -> int:
    """Count the rows with a link."""
    return sum("teacher_ec2_link" in world.row(each) for each in world.rows())


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
        ["BatchGetItem", "DescribeInstances", "GetSecretValue", "UpdateItem"],
        [LIST, CREATE],
    )


def test_an_empty_stage_is_two_calls_and_the_token_and_counts_nothing(world: World) -> None:
    result = world.swept()

    assert (result["action"], result["running"], result["records"]) == ("unchanged", 0, 0)
    assert world.calls == (["DescribeInstances", "GetSecretValue"], [LIST])
    ((_, _, counts),) = world.reports.lines
    assert counts.pop("QuotaLeft") == 1199
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
        (lost_start, ["POST dns_records", "UpdateItem"]),
        (start_and_end, ["POST batch", "UpdateItem", "UpdateItem"]),
        (orphan, ["DescribeInstances", "UpdateItem", "DELETE"]),
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
        "QuotaLeft": 1198,
    }


# Many changes


def test_n_deletions_are_one_list_and_a_batch_for_200(world: World) -> None:
    world.put_ended(450)
    world.pass_time()

    assert done(world.swept()) == (0, 0, 450)

    assert world.dns_calls == [LIST, BATCH, BATCH, BATCH]
    assert world.records() == ()


def test_deletions_come_before_updates_before_creations(world: World) -> None:
    """So a full zone has room, and no name has two addresses for longer than necessary."""
    for instance_id in world.launch_many(60)[:30]:
        world.put_own(instance_id, "192.0.2.9", meeting=None)
    world.put_ended(30)
    world.pass_time()

    assert done(world.swept(SWEEP_BATCH_SIZE="25")) == (30, 30, 30)

    bodies = [json.loads(call.body) for call in world.cloudflare.calls if call.path == BATCH[1]]
    assert [{kind: len(changes) for kind, changes in body.items()} for body in bodies] == [
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
    reads = ["BatchGetItem", "DescribeInstances", "GetSecretValue"]
    assert world.calls == ([*reads, *["UpdateItem"] * 40], [LIST, BATCH])
    assert all(len(world.row(each)) == 3 for each in world.rows())


# Calls to Cloudflare that fail


def test_a_batch_that_fails_temporarily_is_left_to_the_next_run(thirty: World) -> None:
    thirty.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, path=BATCHES, skip=1))

    first = in_tens(thirty)

    assert thirty.dns_calls == [LIST, BATCH, BATCH, BATCH]
    assert (first["action"], done(first), first["skipped"]) == ("repaired", (20, 0, 0), 10)
    assert all("could not confirm POST" in each for each in first["left"])
    assert (len(thirty.records()), linked(thirty)) == (20, 20)
    second = in_tens(thirty)
    assert (done(second), second["done"]["rows"], second["skipped"]) == ((10, 0, 0), 10, 0)
    assert (len(thirty.records()), linked(thirty)) == (30, 30)


def test_a_batch_whose_answer_was_lost_is_not_applied_twice(thirty: World) -> None:
    """Its rows are updated by the next run, which sees the records."""
    thirty.cloudflare.faults.add(Fault(FaultKind.DROP, path=BATCHES, when=When.AFTER, skip=1))
    first = in_tens(thirty)
    assert (done(first), len(thirty.records()), linked(thirty)) == ((20, 0, 0), 30, 20)
    thirty.forget_calls()

    second = in_tens(thirty)

    assert (done(second), second["done"]["rows"]) == ((0, 0, 0), 10)
    assert thirty.dns_calls == [LIST]
    assert (len(thirty.records()), linked(thirty)) == (30, 30)


def test_after_a_429_no_call_is_made_until_it_may_be(thirty: World) -> None:
    thirty.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, path=BATCHES, skip=1, seconds=120))

    first = in_tens(thirty)

    assert thirty.dns_calls == [LIST, BATCH, BATCH]
    assert (done(first), first["skipped"], linked(thirty)) == ((10, 0, 0), 20, 10)
    assert all("no calls for 120 s" in each for each in first["left"])
    thirty.forget_calls()
    assert in_tens(thirty)["action"] == "deferred"
    assert thirty.calls == ([], [])
    thirty.pass_time(121)
    assert done(in_tens(thirty)) == (20, 0, 0)


def test_our_half_of_the_quota_is_not_exceeded(thirty: World) -> None:
    """The list and two batches take our half of these calls."""
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
    assert thirty.reports.lines[-1][2] == {"Deferred": 1, "Warnings": 0, "QuotaLeft": 2}


def test_a_quota_that_is_spent_by_the_list_leaves_everything(thirty: World) -> None:
    thirty.limit_calls(1)

    result = in_tens(thirty)

    assert (result["action"], result["skipped"], linked(thirty)) == ("deferred", 30, 0)
    assert thirty.dns_calls == [LIST]
    assert thirty.reports.lines[-1][2]["Deferred"] == 1


def test_a_list_that_is_answered_429_is_deferred(thirty: World) -> None:
    thirty.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, method="GET", seconds=60))

    assert in_tens(thirty)["action"] == "deferred"

    assert thirty.calls == (["GetSecretValue"], [LIST])
    assert thirty.reports.lines[-1][2] == {"Deferred": 1, "Warnings": 0, "QuotaLeft": 0}


def test_a_record_that_is_rejected_is_reported_and_the_others_are_created(world: World) -> None:
    world.put_row("bad", status="LAUNCHED")
    bad = world.desktop(meeting="bad")
    world.associate(bad, "127.0.0.1")  # Cloudflare cannot proxy to it
    world.launch_many(198)
    world.put_row("good", status="LAUNCHED")
    good = world.desktop(meeting="good")
    sweep = world.sweep()

    result = sweep.handle(CONTEXT)

    assert (done(result), len(world.records())) == ((199, 0, 0), 199)
    (refused,) = result["refused"]
    assert refused.startswith(f"create {bad}.{DOMAIN} at 127.0.0.1: POST {RECORDS}: HTTP 400, 9003")
    assert "set PROXIED to 'false'" in refused
    assert result["warnings"] == [refused]
    assert world.row("bad") == {"status": "LAUNCHED"}
    assert world.row("good") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(good)}
    assert len(world.dns_calls) <= 1 + 1 + 2 * 8
    counts = world.reports.lines[-1][2]
    assert (counts["Rejected"], counts["Warnings"], counts["Created"]) == (1, 1, 199)
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


@pytest.mark.parametrize("count", [1, 3])
def test_the_wrong_zone_is_refused_and_keeps_no_misplaced_record(world: World, count: int) -> None:
    world.launch_many(count)

    with pytest.raises(WrongZoneError, match="set ZONE_ID"):
        world.swept(DOMAIN_ROOT="desktops.example.org")

    assert world.records() == ()
    assert world.reports.lines[-1][2]["Failed"] == 1


def test_a_token_that_is_refused_between_batches_fails_the_run(thirty: World) -> None:
    thirty.cloudflare.faults.add(Fault(FaultKind.REFUSED, path=BATCHES, skip=1, times=None))

    with pytest.raises(TokenRefusedError):
        in_tens(thirty)

    assert thirty.dns_calls == [LIST, BATCH, BATCH]
    assert linked(thirty) == 0
    thirty.cloudflare.faults.clear()
    assert in_tens(thirty)["done"]["rows"] == 30
    assert linked(thirty) == 30


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


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServerError"])
def test_rows_that_cannot_be_written_fail_the_run_after_everything_else(
    world: World, code: str
) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    world.fail("UpdateItem", code)

    with pytest.raises(RowsNotUpdatedError, match=f"rejected 1 request.*{code}"):
        world.swept()

    assert len(world.records()) == 1
    counts = world.reports.lines[0][2]
    assert (counts["Failed"], counts["Created"], counts["QuotaLeft"]) == (1, 1, 1198)
    world.recover()
    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 1}
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(instance_id)}


def test_a_row_is_not_updated_for_a_record_that_was_rejected(world: World) -> None:
    world.put_row("up", status="LAUNCHED")
    world.associate(world.desktop(meeting="up"), "127.0.0.1")
    stopped = world.serving(meeting="down")
    world.stop(stopped)
    world.cloudflare.faults.add(
        Fault(FaultKind.REFUSED, path=BATCHES, status=400, code=9999, times=None),
        Fault(FaultKind.REFUSED, method="DELETE", status=400, code=9999, times=None),
    )

    result = world.swept()

    assert (len(result["refused"]), result["done"]["rows"]) == (2, 0)
    assert world.row("up") == {"status": "LAUNCHED"}
    assert world.row("down") == {"status": "HEALTHY", "teacher_ec2_link": link(stopped)}

"""A sweep: what it asks, what it says of itself, and what it does when time or rows fail it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.cloudflare.transport import NotSentError
from chalicelib.deadline import OutOfTimeError
from chalicelib.secrets import SecretError, Token
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from localcloud.cloudflare import Fault, FaultKind
from tests.transports import Noting, Tampering
from tests.world import (
    DOMAIN,
    OWNER,
    RECORDS,
    TABLE,
    Context,
    World,
    link,
    make_settings,
)

LIST = ("GET", RECORDS)
CREATE = ("POST", RECORDS)
CONTEXT = Context()
NO_TABLE = {"TABLE_NAME": ""}


# What it asks and answers


def test_a_start_that_was_missed_is_made_good(world: World) -> None:
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


def test_everything_is_asked_and_told_in_this_order(world: World) -> None:
    """Records before instances before rows; records are written before rows are told."""
    world.put_row(status="LAUNCHED")
    world.desktop()

    world.sweep(transport=Noting(world.aws_calls)).handle(CONTEXT)

    assert world.aws_calls == [
        "GetSecretValue",
        "GET dns_records",
        "DescribeInstances",
        "BatchGetItem",
        "POST dns_records",
        "UpdateItem",
    ]


def test_an_empty_stage_is_two_calls_and_the_token(world: World) -> None:
    result = world.swept()

    assert (result["action"], result["running"], result["records"]) == ("unchanged", 0, 0)
    assert world.calls == (["DescribeInstances", "GetSecretValue"], [LIST])


def test_a_second_sweep_writes_nothing(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.desktop()
    sweep = world.sweep()
    sweep.handle(CONTEXT)
    before = (world.records(), world.row())
    world.forget_calls()

    result = sweep.handle(CONTEXT)

    assert result["action"] == "unchanged"
    assert (world.records(), world.row()) == before
    assert world.calls == (["BatchGetItem", "DescribeInstances"], [LIST])


def test_the_token_is_read_once_for_many_sweeps(world: World) -> None:
    sweep = world.sweep()
    for _ in range(3):
        sweep.handle(CONTEXT)

    assert world.aws_calls.count("GetSecretValue") == 1


def test_the_result_is_json(world: World) -> None:
    world.desktop("co-host")

    result = world.swept()

    assert json.loads(json.dumps(result)) == result


def test_a_row_is_never_made(world: World) -> None:
    world.desktop()
    ended = world.desktop("student")
    world.terminate(ended)

    assert world.swept()["done"]["created"] == 1
    assert world.rows() == []


# DNS only


def test_a_stage_without_a_table_repairs_dns_alone(world: World) -> None:
    world.dynamodb.delete_table(TableName=TABLE)
    live, gone = world.desktop(), "i-0123456789abcdef0"
    world.put_own(gone, meeting="m2")
    world.pass_time()

    result = world.swept(**NO_TABLE)

    assert result["done"] == {"created": 1, "updated": 0, "deleted": 1, "rows": 0}
    assert [name for name, _, _ in world.standing()] == [f"{live}.{DOMAIN}"]
    assert sorted(world.aws_calls) == ["DescribeInstances", "DescribeInstances", "GetSecretValue"]


def test_a_stage_without_a_table_touches_none_that_is_there(world: World) -> None:
    world.put_row(status="LAUNCHED", student_ec2_link=link("i-0123456789abcdef0"))
    before = world.row()
    world.desktop()

    world.swept(**NO_TABLE)

    assert world.row() == before


# Reports and metrics


def test_a_sweep_reports_once_what_it_did_and_counts_it(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.desktop()
    world.put_own(world.launch(), "192.0.2.9", meeting=None)
    world.put_own("i-0123456789abcdef0", meeting=None)
    world.pass_time()

    result = world.swept()

    ((kind, fields, counts),) = world.reports.lines
    assert kind == "succeeded"
    assert fields == result | {"request_id": CONTEXT.aws_request_id}
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


def test_a_sweep_that_found_nothing_counts_nothing_and_is_still_counted(world: World) -> None:
    world.swept()

    ((_, _, counts),) = world.reports.lines
    assert counts.pop("QuotaLeft") == 1199
    assert set(counts.values()) == {0}
    assert "Deferred" not in counts


def test_what_stands_in_the_way_is_counted(world: World) -> None:
    world.put_record(f"{world.launch()}.{DOMAIN}", comment="elephant:other")

    world.swept()

    ((_, fields, counts),) = world.reports.lines
    assert len(fields["warnings"]) == counts["Warnings"] == 1
    assert counts["Rejected"] == 0


def test_a_fresh_record_that_waits_is_neither_work_nor_drift(world: World) -> None:
    world.put_own("i-0123456789abcdef0")

    assert world.swept()["skipped"] == 1

    ((_, _, counts),) = world.reports.lines
    assert "Deferred" not in counts
    assert (counts["DriftSeconds"], counts["Repaired"]) == (0, 0)


def test_a_failure_is_reported_once_and_raised(world: World) -> None:
    world.fail("DescribeInstances", "InternalError")

    with pytest.raises(Exception, match="InternalError"):
        world.swept()

    ((kind, fields, counts),) = world.reports.lines
    assert "InternalError" in kind
    assert fields == {"request_id": CONTEXT.aws_request_id}
    assert counts == {"Failed": 1, "QuotaLeft": 1199}


def test_before_cloudflare_has_answered_nothing_is_said_of_the_quota(world: World) -> None:
    world.fail("GetSecretValue", "AccessDeniedException")

    with pytest.raises(SecretError):
        world.swept()

    assert world.reports.lines[0][2] == {"Failed": 1}


# Time


def test_a_run_out_of_time_begins_nothing(world: World) -> None:
    with pytest.raises(OutOfTimeError):
        world.sweep().handle(Context(milliseconds=500))

    assert world.calls == ([], [])
    assert world.reports.lines[0][2] == {"Failed": 1}


@pytest.mark.parametrize("operation", ["DescribeInstances", "BatchGetItem"])
def test_time_that_runs_out_while_looking_changes_nothing(world: World, operation: str) -> None:
    world.put_row(status="LAUNCHED", student_ec2_link=link("i-0123456789abcdef0"))
    world.put_own(world.desktop(), "192.0.2.9")
    before = (world.records(), world.row())
    world.meanwhile(operation, lambda: world.pass_time(59.5))

    with pytest.raises(OutOfTimeError):
        world.swept()

    assert (world.records(), world.row()) == before
    assert world.dns_calls == [LIST]


def test_time_that_runs_out_while_writing_leaves_the_rest_and_says_so(world: World) -> None:
    """What was done is done; the next run does the rest."""
    world.put_row(status="LAUNCHED")
    world.desktop()
    for _ in range(3):
        world.launch()

    def pass_time(answer: dict[str, Any]) -> None:
        world.pass_time(30 if "posts" in answer["result"] else 0)

    result = world.sweep(make_settings(SWEEP_BATCH_SIZE="2"), Tampering(pass_time)).handle(CONTEXT)

    assert (result["action"], result["done"]["created"], result["skipped"]) == ("repaired", 4, 1)
    assert result["left"] == ["the row 'm1': its snapshot is 30 s old"]
    assert world.row() == {"status": "LAUNCHED"}
    assert world.swept()["done"]["rows"] == 1


def test_a_batch_for_which_there_is_no_time_is_not_begun(world: World) -> None:
    for _ in range(6):
        world.launch()

    def pass_time(answer: dict[str, Any]) -> None:
        world.pass_time(59 if "posts" in answer["result"] else 0)

    result = world.sweep(make_settings(SWEEP_BATCH_SIZE="2"), Tampering(pass_time)).handle(CONTEXT)

    assert (result["done"]["created"], result["skipped"]) == (2, 4)
    assert "its snapshot is 59 s old" in result["left"][0]
    assert world.dns_calls == [LIST, ("POST", f"{RECORDS}/batch")]


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


def test_what_changed_while_batches_were_written_is_seen_before_more_is(world: World) -> None:
    """Nobody gets a record by a plan that is older than ten seconds."""
    ids = sorted(world.launch() for _ in range(6))

    def pass_time(note: str) -> None:
        if note == "POST batch" and not world.elapsed:
            world.pass_time(11)
            world.terminate(*ids)

    transport = Noting([], pass_time)
    result = world.sweep(make_settings(SWEEP_BATCH_SIZE="2"), transport).handle(CONTEXT)

    assert result["done"] == {"created": 2, "updated": 0, "deleted": 2, "rows": 0}
    assert world.records() == ()
    assert world.dns_calls == [LIST, ("POST", f"{RECORDS}/batch")] * 2


def test_a_quota_that_is_spent_while_batches_are_written_ends_the_run(world: World) -> None:
    for _ in range(6):
        world.launch()

    def pass_time(note: str) -> None:
        if note == "POST batch":
            world.pass_time(11)
            world.limit_calls(3)

    transport = Noting([], pass_time)
    result = world.sweep(make_settings(SWEEP_BATCH_SIZE="2"), transport).handle(CONTEXT)

    assert (result["action"], result["done"]["created"], result["skipped"]) == ("repaired", 2, 4)


# Rows that fail


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServerError"])
def test_rows_that_cannot_be_told_fail_the_run_after_everything_else(
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


def test_a_row_is_not_told_of_a_record_that_was_not_made(world: World) -> None:
    world.put_row("up", status="LAUNCHED")
    world.put_row("down", status="HEALTHY")
    world.associate(world.desktop(meeting="up"), "127.0.0.1")
    stopped = world.desktop(meeting="down")
    world.put_own(stopped, meeting="down")
    world.put_row("down", status="HEALTHY", teacher_ec2_link=link(stopped))
    world.ec2.stop_instances(InstanceIds=[stopped])
    world.cloudflare.faults.add(
        Fault(FaultKind.REFUSED, path=f"{RECORDS}/batch", status=400, code=9999, times=None),
        Fault(FaultKind.REFUSED, method="DELETE", status=400, code=9999, times=None),
    )

    result = world.swept()

    assert (len(result["refused"]), result["done"]["rows"]) == (2, 0)
    assert world.row("up") == {"status": "LAUNCHED"}
    assert world.row("down") == {"status": "HEALTHY", "teacher_ec2_link": link(stopped)}

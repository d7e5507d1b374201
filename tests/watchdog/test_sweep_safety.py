"""What a sweep never does: touch what is not ours, act on what it does not know, empty a zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.deadline import OutOfTimeError
from chalicelib.secrets import SecretError
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from localcloud.cloudflare import Fault, FaultKind
from tests.world import DOMAIN, OWNER, RECORDS, TABLE, UNKNOWN, Context, World, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = Context()


def everything(world: World) -> tuple[object, ...]:
    """Return all that a sweep could change, to the last member."""
    return world.records(), [(each, world.row(each)) for each in world.rows()]


# What is not ours


def put_strangers(world: World, instance_id: str) -> None:
    """Fill the zone with what is another's, or nobody's, as near to ours as can be."""
    name = f"{instance_id}.{DOMAIN}"
    comments = [f"{OWNER}1 m=m1 r=teacher", f"{OWNER}/x m=m1 r=teacher", "elephant:other m=m1 r=x"]
    for last, comment in enumerate(comments):
        world.put_record(name, f"192.0.2.{last}", comment)
    world.put_record(name, "hello", OWNER, "TXT")
    world.put_record(name, "2001:db8::1", f"{OWNER} m=m1 r=teacher", "AAAA")
    world.put_record(f"mail.{DOMAIN}", "hello", OWNER, "TXT")
    world.put_record("www.example.com")
    world.put_record(DOMAIN, comment="by hand")
    world.put_record(f"x.{name}")
    world.put_record(f"{UNKNOWN}.{DOMAIN}", comment="made by hand")
    world.put_record(f"i-0000000a.{DOMAIN}", "elsewhere.example.com", kind="CNAME")
    world.put_record(f"{instance_id}.old.example.com")


@pytest.mark.parametrize("has_ended", [False, True])
def test_what_is_anothers_or_nobodys_stays_byte_for_byte(world: World, *, has_ended: bool) -> None:
    instance_id = world.desktop()
    put_strangers(world, instance_id)
    strangers = world.records()
    world.put_own(instance_id)
    if has_ended:
        world.terminate(instance_id)
    world.pass_time()

    result = world.swept()

    kind = "deleted" if has_ended else "updated"
    assert result["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 0} | {kind: 1}
    assert world.records()[: len(strangers)] == strangers


# Reads that fail or are incomplete


@pytest.fixture
def broken(world: World) -> World:
    """Make a world in which everything is to be repaired, by reads of every kind."""
    world.put_own(UNKNOWN)
    world.put_own(world.desktop(), "192.0.2.9")
    ended = world.serving("student", teacher_ec2_link=link(UNKNOWN))
    world.terminate(ended)
    world.pass_time()
    return world


def refuse_look_up(world: World) -> None:
    """Refuse what is asked after the list of instances was read."""
    world.meanwhile("BatchGetItem", lambda: world.fail("DescribeInstances", "InternalError"))


def time_runs_out_at(operation: str) -> Callable[[World], None]:
    return lambda world: world.meanwhile(operation, lambda: world.pass_time(59.5))


@pytest.mark.parametrize(
    ("breaks", "error"),
    [
        (lambda world: world.fail("DescribeInstances", "InternalError"), ClientError),
        (refuse_look_up, ClientError),
        (lambda world: world.store_token("x" * 40), TokenRefusedError),
        (lambda world: world.fail("GetSecretValue", "InvalidRequestException"), SecretError),
        (time_runs_out_at("DescribeInstances"), OutOfTimeError),
        (time_runs_out_at("BatchGetItem"), OutOfTimeError),
    ],
    ids=["instances", "look-up of an instance", "records", "secret", "time", "time for rows"],
)
def test_a_read_that_fails_changes_nothing_and_is_reported_once(
    broken: World, breaks: Callable[[World], None], error: type[Exception]
) -> None:
    before = everything(broken)
    breaks(broken)

    with pytest.raises(error) as raised:
        broken.swept()

    assert everything(broken) == before
    assert {method for method, _ in broken.dns_calls} <= {"GET"}
    assert "UpdateItem" not in broken.aws_calls
    fields = {"request_id": CONTEXT.aws_request_id}
    assert broken.reports.lines == [(f"failed: {raised.value}", fields, {"Failed": 1})]


def leave_out(world: World, *meetings: str) -> None:
    """Let DynamoDB leave these rows out of every answer."""
    real = world.app_dynamodb.batch_get_item

    def answer(**request: Any) -> dict[str, Any]:  # noqa: ANN401
        keys = request["RequestItems"][TABLE]["Keys"]
        asked = [key for key in keys if key["id"]["S"] not in meetings]
        left = [key for key in keys if key["id"]["S"] in meetings]
        read = real(RequestItems={TABLE: {"Keys": asked}}) if asked else {"Responses": {}}
        return {**read, "UnprocessedKeys": {TABLE: {"Keys": left}} if left else {}}

    world.app_dynamodb.batch_get_item = answer


def test_a_row_that_cannot_be_read_keeps_its_last_trace_alone(broken: World) -> None:
    other = broken.launched("m2")
    leave_out(broken, "m1")

    result = broken.swept()

    assert result["done"] == {"created": 1, "updated": 1, "deleted": 1, "rows": 1}
    assert result["left"] == ["the row 'm1': missing from 5 answers of DynamoDB"]
    assert broken.row("m2") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(other)}
    assert broken.row()["status"] == "HEALTHY"
    assert f"{UNKNOWN}.{DOMAIN}" in {name for name, _, _ in broken.standing()}


def test_what_every_run_skips_is_a_drift_though_no_record_shows_its_age(world: World) -> None:
    world.launched()
    world.swept()
    leave_out(world, "m1")
    sweep = world.sweep()

    sweep.handle(CONTEXT)
    world.pass_time(900)
    sweep.handle(CONTEXT)

    before, after = (counts["DriftSeconds"] for _, _, counts in world.reports.lines[-2:])
    assert before == 0
    assert after >= 900


def test_a_table_that_cannot_be_read_keeps_no_record_but_last_traces(broken: World) -> None:
    broken.dynamodb.delete_table(TableName=TABLE)

    with pytest.raises(RowsNotUpdatedError, match="ResourceNotFound"):
        broken.swept()

    assert len(broken.records()) == 2
    ((kind, fields, counts),) = broken.reports.lines
    assert kind.startswith("failed: ")
    assert fields["done"] == {"created": 0, "updated": 1, "deleted": 1, "rows": 0}
    assert (counts["Failed"], counts["Updated"], counts["Deleted"]) == (1, 1, 1)


# Deletions without proof


def test_deletions_without_proof_beyond_the_limit_are_held_back_alone(world: World) -> None:
    """Everything else of the plan is done, deletions that EC2 proves included."""
    world.put_orphans(11)
    world.put_own(UNKNOWN)
    world.put_row(status="LAUNCHED", student_ec2_link=link(UNKNOWN))
    teacher = world.desktop()
    ended = world.launch_many(12)
    world.terminate(*ended)
    for each in ended:
        world.put_own(each, meeting=None)
    world.pass_time()

    result = world.swept()

    names = {name for name, _, _ in world.standing()}
    assert f"{teacher}.{DOMAIN}" in names
    assert len(names) == 1 + 12
    assert result["done"] == {"created": 1, "updated": 0, "deleted": 12, "rows": 1}
    assert world.row() == {
        "status": "DNS_WRITTEN",
        "teacher_ec2_link": link(teacher),
        "student_ec2_link": link(UNKNOWN),
    }
    assert (len(result["held_back"]), result["skipped"]) == (12, 12)
    assert result["held_back"][-1].endswith("EC2 no longer knows this instance")
    assert "apply it with `elephant sweep NAME --force`" in result["reason"]
    ((_, _, counts),) = world.reports.lines
    assert (counts["RefusedUnsafe"], counts["Deleted"], "Failed" in counts) == (12, 12, False)
    assert world.swept()["action"] == "deferred"


def test_deletions_before_an_error_count_against_the_limit(world: World) -> None:
    world.put_orphans(6)
    world.pass_time()
    limits = {"SWEEP_DELETE_LIMIT": "6", "SWEEP_DELETE_PERCENT": "1", "SWEEP_BATCH_SIZE": "2"}
    sweep = world.sweep(make_settings(**limits))
    refused = Fault(FaultKind.REFUSED, status=403, code=9109, path=f"{RECORDS}/batch", skip=1)
    world.cloudflare.faults.add(refused)
    with pytest.raises(TokenRefusedError):
        sweep.handle(CONTEXT)
    assert len(world.records()) == 4

    world.put_own(f"i-{99:017x}", meeting=None)
    world.pass_time()
    result = sweep.handle(CONTEXT)

    assert len(result["held_back"]) == 5
    assert len(world.records()) == 5


def test_what_is_held_back_is_done_when_a_person_forces_it(world: World) -> None:
    world.put_orphans(40)
    world.pass_time()
    sweep, steps, progress = world.sweep(), world.steps(), list[int]()
    survey = sweep.survey(steps)
    assert sweep.repair(survey, steps).counts["deleted"] == 0

    repair = sweep.repair(survey, steps, force=True, progress=progress.append)

    assert (repair.counts["deleted"], world.records(), progress) == (40, (), [40])


def test_another_deployment_that_creates_our_deleted_records_again_is_noticed(world: World) -> None:
    sweep = world.sweep()
    for _ in range(2):
        world.put_own(UNKNOWN, meeting=None)
        result = sweep.handle(CONTEXT)
        world.pass_time()
        sweep.handle(CONTEXT)

    (warning,) = result["warnings"]
    assert warning.startswith(f"{UNKNOWN}.{DOMAIN} was deleted because EC2 does not know")
    assert f"does another deployment use {OWNER}?" in warning

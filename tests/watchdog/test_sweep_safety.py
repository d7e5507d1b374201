"""What a sweep never does: touch what is not ours, act on what it does not know, empty a zone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.cloudflare import zone as zone_module
from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.dns.plan import Observation, decide
from chalicelib.dns.provider import UnavailableError
from chalicelib.ec2 import instances as instance_module
from chalicelib.ec2.instances import Instances
from chalicelib.secrets import SecretError
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from localcloud.cloudflare import Fault, FaultKind
from tests.transports import Tampering
from tests.world import DOMAIN, OWNER, RECORDS, SECRET, TABLE, Context, World, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = ("GET", RECORDS)
BATCH = ("POST", f"{RECORDS}/batch")
UNKNOWN = "i-0123456789abcdef0"


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


@pytest.mark.parametrize("state", ["running", "stopped", "terminated", "untagged", "unknown"])
def test_what_is_anothers_or_nobodys_stays_byte_for_byte(world: World, state: str) -> None:
    instance_id = "i-0123456789abcdef1" if state == "unknown" else world.desktop()
    put_strangers(world, instance_id)
    strangers = world.records()
    world.put_own(instance_id)
    if state == "stopped":
        world.ec2.stop_instances(InstanceIds=[instance_id])
    elif state == "terminated":
        world.terminate(instance_id)
    elif state == "untagged":
        world.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": "Project"}])
    world.pass_time()

    result = world.swept()

    kind = "updated" if state == "running" else "deleted"
    assert result["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 0} | {kind: 1}
    assert world.records()[: len(strangers)] == strangers


def test_what_stands_in_the_way_is_reported_and_nobody_is_sent_there(world: World) -> None:
    world.put_row(status="LAUNCHED")
    teacher, student = world.desktop("teacher"), world.desktop("student")
    world.put_record(f"{teacher}.{DOMAIN}", comment=f"{OWNER}1 m=m1 r=teacher")
    world.put_record(f"{student}.{DOMAIN}", "elsewhere.example.com", kind="CNAME")
    before = everything(world)

    result = world.swept()

    untouched = "left unchanged"
    assert result["action"] == "unchanged"
    assert set(result["warnings"]) == {
        f"the record {teacher}.{DOMAIN} at 192.0.2.200 belongs to {OWNER}1; {untouched}",
        f"conflicting CNAME record {student}.{DOMAIN} left unchanged",
    }
    assert everything(world) == before
    assert world.dns_calls == [LIST]


def test_two_owners_in_one_zone_leave_each_other_alone(world: World) -> None:
    """One owner's name is the beginning of the other's."""
    mine, theirs = world.launch(), world.launch(Project="Giraffe")
    other = {"OWNER": f"{OWNER}1", "PROJECT_TAG": "Project=Giraffe"}

    world.swept()
    world.swept(**other)
    both = world.records()
    world.terminate(mine, theirs)
    world.swept()

    assert [each.fields.comment for each in both] == [
        f"{OWNER} managed by Elephant",
        f"{OWNER}1 managed by Elephant",
    ]
    assert world.records() == both[1:]


# What is not known


def test_an_unknown_instance_keeps_its_record_until_the_grace_is_over(world: World) -> None:
    world.put_own(UNKNOWN)
    world.put_row(status="HEALTHY", teacher_ec2_link=link(UNKNOWN))
    before = everything(world)

    for minutes in (0, 9):
        world.elapsed = minutes * 60
        result = world.swept()
        assert result["action"] == "unchanged"
        assert result["reason"] == "1 waiting for more information"
        assert result["skipped"] == 1
        assert result["waiting"][0].startswith(f"{UNKNOWN}.{DOMAIN}: EC2 does not know")
        assert everything(world) == before

    world.elapsed = 10 * 60
    assert world.swept()["done"]["deleted"] == 1
    assert (world.records(), world.row()) == ((), {"status": "HEALTHY"})


def test_a_record_under_no_instances_name_stays_until_the_grace_is_over(world: World) -> None:
    world.put_record(f"www.{DOMAIN}", comment=f"{OWNER} managed by Elephant")

    assert world.swept()["skipped"] == 1
    assert len(world.records()) == 1

    world.elapsed = 10 * 60
    assert world.swept()["done"]["deleted"] == 1


def test_a_fresh_record_does_not_keep_others_from_being_repaired(world: World) -> None:
    world.put_own(UNKNOWN)
    instance_id = world.desktop()

    result = world.swept()

    assert (result["done"]["created"], result["skipped"]) == (1, 1)
    assert {name for name, _, _ in world.standing()} == {
        f"{UNKNOWN}.{DOMAIN}",
        f"{instance_id}.{DOMAIN}",
    }


# Reads that fail or are incomplete


@pytest.fixture
def broken(world: World) -> World:
    """Make a world in which everything waits to be repaired, by reads of every kind."""
    world.put_own(UNKNOWN)
    world.put_own(world.desktop(), "192.0.2.9")
    ended = world.desktop("student")
    world.put_own(ended, role="student")
    world.terminate(ended)
    world.put_row(status="HEALTHY", student_ec2_link=link(ended), teacher_ec2_link=link(UNKNOWN))
    world.pass_time()
    return world


def fails_whole(world: World, error: type[Exception], transport: Any = None) -> None:  # noqa: ANN401
    """Sweep, and hold that it fails, changes nothing, writes nothing and is reported."""
    before = everything(world)

    with pytest.raises(error):
        world.sweep(transport=transport).handle(Context())

    assert everything(world) == before
    assert {method for method, _ in world.dns_calls} <= {"GET"}
    assert "UpdateItem" not in world.aws_calls
    ((kind, _, counts),) = world.reports.lines
    assert kind.startswith("failed: ")
    assert (counts["Failed"], "RefusedUnsafe" in counts) == (1, False)


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "RequestLimitExceeded", "InternalError"])
def test_a_refusal_of_ec2_changes_nothing(broken: World, code: str) -> None:
    broken.fail("DescribeInstances", code)

    fails_whole(broken, ClientError)


def test_a_refusal_to_describe_who_is_only_named_changes_nothing(broken: World) -> None:
    broken.meanwhile("BatchGetItem", lambda: broken.fail("DescribeInstances", "InternalError"))

    fails_whole(broken, ClientError)


def test_a_second_page_of_instances_that_fails_changes_nothing(
    broken: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_module, "PAGE_SIZE", 5)
    for _ in range(5):
        broken.launch()
    of_project = Instances.of_project

    def fail_later(instances: Instances) -> object:
        real = instances._client.describe_instances

        def describe(**request: object) -> object:
            if "NextToken" in request:
                broken.fail("DescribeInstances", "RequestLimitExceeded")
            return real(**request)

        monkeypatch.setattr(instances._client, "describe_instances", describe)
        return of_project(instances)

    monkeypatch.setattr(Instances, "of_project", fail_later)

    fails_whole(broken, ClientError)
    assert broken.aws_calls.count("DescribeInstances") == 2


@pytest.mark.parametrize("kind", [FaultKind.EDGE_ERROR, FaultKind.DROP, FaultKind.UNSUCCESSFUL])
@pytest.mark.parametrize("page", [1, 2])
def test_a_page_of_records_that_fails_changes_nothing(
    broken: World, monkeypatch: pytest.MonkeyPatch, kind: FaultKind, page: int
) -> None:
    monkeypatch.setattr(zone_module, "PAGE_SIZE", 2)
    broken.cloudflare.faults.add(Fault(kind, times=None, skip=page - 1))

    fails_whole(broken, UnavailableError)


def halve(envelope: dict[str, Any]) -> None:
    envelope["result"] = envelope["result"][:1]


def empty(envelope: dict[str, Any]) -> None:
    envelope["result"] = []


def spoil(envelope: dict[str, Any]) -> None:
    envelope["result"] = None


def garble(envelope: dict[str, Any]) -> None:
    del envelope["result"][0]["name"]


@pytest.mark.parametrize("tamper", [halve, empty, spoil, garble])
def test_an_incomplete_list_of_records_changes_nothing(
    broken: World, tamper: Callable[[dict[str, Any]], None]
) -> None:
    fails_whole(broken, UnavailableError, Tampering(tamper))


# Rows that cannot be read


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


def test_a_row_that_dynamodb_leaves_out_keeps_nothing_but_its_last_trace(broken: World) -> None:
    broken.put_row("m2", status="LAUNCHED")
    other = broken.desktop(meeting="m2")
    leave_out(broken, "m1")

    result = broken.swept()

    assert result["done"] == {"created": 1, "updated": 1, "deleted": 1, "rows": 1}
    assert result["left"] == ["the row 'm1': missing from 5 answers of DynamoDB"]
    assert broken.row("m2") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(other)}
    assert broken.row()["status"] == "HEALTHY"
    assert f"{UNKNOWN}.{DOMAIN}" in {name for name, _, _ in broken.standing()}


def test_what_every_run_skips_is_a_drift_though_no_record_shows_its_age(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.desktop()
    world.swept()
    leave_out(world, "m1")
    sweep = world.sweep()

    sweep.handle(Context())
    world.pass_time(900)
    sweep.handle(Context())

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


def test_a_token_that_is_refused_changes_nothing(broken: World) -> None:
    broken.store_token("x" * 40)

    fails_whole(broken, TokenRefusedError)
    assert broken.dns_calls == [LIST]


def test_a_secret_that_is_missing_changes_nothing(broken: World) -> None:
    broken.secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)

    fails_whole(broken, SecretError)


# Deletions without proof


def test_deletions_without_proof_beyond_the_limit_are_held_back_alone(world: World) -> None:
    """Everything else of the plan is done, deletions that EC2 proves included."""
    world.put_orphans(11)
    world.put_own(UNKNOWN)
    world.put_row(status="LAUNCHED", student_ec2_link=link(UNKNOWN))
    teacher = world.desktop()
    world.put_ended(12)
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


def test_what_is_held_back_is_done_when_a_person_forces_it(world: World) -> None:
    world.put_orphans(40)
    world.pass_time()
    sweep, steps, progress = world.sweep(), world.steps(), list[int]()
    survey = sweep.survey(steps)
    assert sweep.repair(survey, steps).counts["deleted"] == 0

    repair = sweep.repair(survey, steps, force=True, progress=progress.append)

    assert (repair.counts["deleted"], world.records(), progress) == (40, (), [40])


@pytest.mark.parametrize("orphans", [10, 13])
def test_as_many_deletions_as_either_limit_allows_are_made(world: World, orphans: int) -> None:
    """10 are few whatever their share; 13 of 44 are less than 30 %."""
    if orphans > 10:
        for _ in range(31):
            instance_id = world.launch()
            world.put_own(instance_id, world.address(instance_id), meeting=None)
    world.put_orphans(orphans)
    world.pass_time()

    assert world.swept()["done"]["deleted"] == orphans


def test_a_slow_leak_does_not_empty_the_zone(world: World) -> None:
    """EC2 denies five more of 60 instances every minute; a day later it is another matter."""
    ids = [record.name.partition(".")[0] for record in world.put_orphans(60)]
    world.pass_time()
    sweep = world.sweep()
    instance = world.instances().find(world.launch())
    assert instance is not None
    shown = {each: replace(instance, id=each, address="192.0.2.200") for each in ids}

    def sweep_with(denied: int) -> dict[str, Any]:
        survey = sweep.survey(world.steps())
        known = {**dict.fromkeys(ids[:denied]), **{each: shown[each] for each in ids[denied:]}}
        plan = decide(Observation(survey.at, known, survey.records), make_settings())
        return sweep.repair(replace(survey, instances=known, plan=plan), world.steps()).to_dict()

    held = [len(sweep_with(denied).get("held_back", ())) for denied in range(5, 61, 5)]

    assert held == [0, 0, 0, 5, 10, 15, 20, *[20] * 5]
    assert len(world.records()) == 60 - 15
    world.pass_time(24 * 3600)
    assert "held_back" in sweep_with(60)


def test_another_deployment_that_makes_our_deleted_records_again_is_noticed(world: World) -> None:
    sweep = world.sweep()
    for _ in range(2):
        world.put_own(UNKNOWN, meeting=None)
        result = sweep.handle(Context())
        world.pass_time()
        sweep.handle(Context())

    (warning,) = result["warnings"]
    assert warning.startswith(f"{UNKNOWN}.{DOMAIN} was deleted because EC2 does not know")
    assert f"does another deployment use {OWNER}?" in warning


def test_a_mistaken_tag_does_not_empty_the_zone(world: World) -> None:
    for _ in range(11):
        world.launch()
    world.swept()
    world.pass_time()
    before = everything(world)

    result = world.swept(PROJECT_TAG="Project=elephant")

    assert len(result["held_back"]) == 11
    assert everything(world) == before


def test_another_domain_moves_every_record(world: World) -> None:
    ids = [world.launch() for _ in range(11)]
    world.swept()

    world.swept(DOMAIN_ROOT="other.example.com")

    moved = {f"{each}.other.example.com" for each in ids}
    assert {name for name, _, _ in world.standing()} == moved


def test_another_region_does_not_empty_the_zone(world: World) -> None:
    """EC2 answers without error, and shows none of the instances."""
    for _ in range(11):
        world.launch()
    world.swept()
    world.pass_time()
    before = everything(world)
    every = {"Reservations": list[object]()}
    world.app_ec2 = type("Elsewhere", (), {"describe_instances": lambda *_, **__: every})()

    result = world.swept()

    assert (len(result["waiting"]), result["action"]) == (11, "unchanged")
    assert everything(world) == before

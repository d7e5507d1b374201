"""What a sweep never does: touch what is not ours, act on what it does not know, empty a zone.

Nor does it undo what another sweep, an event or a person does while it runs.
"""

from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.cloudflare import zone as zone_module
from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.dns.provider import UnavailableError
from chalicelib.secrets import SecretError
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from localcloud.cloudflare import DEFAULT_ZONE_ID, Fault, FaultKind
from tests.transports import Noting, Tampering
from tests.world import DOMAIN, OWNER, RECORDS, SECRET, TABLE, Context, World, link

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = ("GET", RECORDS)
CONTEXT = Context()
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
        world.stop(instance_id)
    elif state == "terminated":
        world.terminate(instance_id)
    elif state == "untagged":
        world.untag(instance_id, "Project")
    world.pass_time()

    result = world.swept()

    kind = "updated" if state == "running" else "deleted"
    assert result["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 0} | {kind: 1}
    assert world.records()[: len(strangers)] == strangers


def test_conflicting_records_are_reported_and_nobody_is_sent_there(world: World) -> None:
    world.put_row(status="LAUNCHED")
    teacher, student = world.desktop("teacher"), world.desktop("student")
    world.put_record(f"{teacher}.{DOMAIN}", comment=f"{OWNER}1 m=m1 r=teacher")
    world.put_record(f"{student}.{DOMAIN}", "elsewhere.example.com", kind="CNAME")
    before = everything(world)

    result = world.swept()

    assert result["action"] == "unchanged"
    assert set(result["warnings"]) == {
        f"the record {teacher}.{DOMAIN} at 192.0.2.200 belongs to {OWNER}1; left unchanged",
        f"conflicting CNAME record {student}.{DOMAIN} left unchanged",
    }
    counts = world.reports.lines[0][2]
    assert (counts["Warnings"], counts["Rejected"]) == (2, 0)
    assert everything(world) == before
    assert world.dns_calls == [LIST]


def test_two_owners_in_one_zone_leave_each_other_alone(world: World) -> None:
    """One owner's name is the beginning of the other's."""
    mine, theirs = world.launch(), world.launch(Project="Giraffe")
    world.swept()
    world.swept(OWNER=f"{OWNER}1", PROJECT_TAG="Project=Giraffe")
    both = world.records()
    world.terminate(mine, theirs)
    world.swept()

    assert [each.fields.comment for each in both] == [
        f"{OWNER} managed by Elephant",
        f"{OWNER}1 managed by Elephant",
    ]
    assert world.records() == both[1:]


# What is not known


def test_an_unknown_instance_keeps_its_record_for_the_grace_period(world: World) -> None:
    world.put_own(UNKNOWN)
    world.put_record(f"www.{DOMAIN}", comment=f"{OWNER} managed by Elephant")
    world.put_row(status="HEALTHY", teacher_ec2_link=link(UNKNOWN))
    before = everything(world)

    for minutes in (0, 9):
        world.elapsed = minutes * 60
        result = world.swept()
        assert (result["action"], result["skipped"]) == ("unchanged", 2)
        assert result["reason"] == "2 waiting for more information"
        assert any(each.startswith(f"{UNKNOWN}.{DOMAIN}: EC2 does") for each in result["waiting"])
        assert everything(world) == before

    counts = world.reports.lines[0][2]
    assert (counts["DriftSeconds"], counts["Repaired"], "Deferred" in counts) == (0, 0, False)
    world.elapsed = 10 * 60
    assert world.swept()["done"]["deleted"] == 2
    assert (world.records(), world.row()) == ((), {"status": "HEALTHY"})


def test_a_fresh_record_does_not_keep_others_from_being_repaired(world: World) -> None:
    world.put_own(UNKNOWN)
    names = {f"{each}.{DOMAIN}" for each in (UNKNOWN, world.desktop())}

    result = world.swept()

    assert (result["done"]["created"], result["skipped"]) == (1, 1)
    assert {name for name, _, _ in world.standing()} == names


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


def fails_whole(
    world: World, error: type[Exception], tamper: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, int]:
    """Sweep, which must fail, change nothing and be reported once; return the counts."""
    before = everything(world)

    with pytest.raises(error):
        world.sweep(transport=Tampering(tamper) if tamper else None).handle(CONTEXT)

    assert everything(world) == before
    assert {method for method, _ in world.dns_calls} <= {"GET"}
    assert "UpdateItem" not in world.aws_calls
    ((kind, fields, counts),) = world.reports.lines
    assert kind.startswith("failed: ")
    assert fields == {"request_id": CONTEXT.aws_request_id}
    assert counts["Failed"] == 1
    assert counts.keys() <= {"Failed", "QuotaLeft"}
    return counts


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "RequestLimitExceeded", "InternalError"])
def test_a_refused_list_of_instances_changes_nothing(broken: World, code: str) -> None:
    broken.fail("DescribeInstances", code)

    assert fails_whole(broken, ClientError) == {"Failed": 1, "QuotaLeft": 1199}


def test_a_refusal_to_describe_an_instance_that_is_only_named_changes_nothing(
    broken: World,
) -> None:
    broken.meanwhile("BatchGetItem", lambda: broken.fail("DescribeInstances", "InternalError"))

    fails_whole(broken, ClientError)
    assert broken.aws_calls.count("DescribeInstances") == 2


def test_a_page_of_records_that_fails_changes_nothing(
    broken: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zone_module, "PAGE_SIZE", 2)
    broken.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, times=None, skip=1))

    fails_whole(broken, UnavailableError)
    assert len(broken.dns_calls) > 1


@pytest.mark.parametrize("shown", [[], slice(1), None], ids=["empty", "half", "no list"])
def test_an_incomplete_list_of_records_changes_nothing(broken: World, shown: object) -> None:
    def tamper(envelope: dict[str, Any]) -> None:
        whole = envelope["result"]
        envelope["result"] = whole[shown] if isinstance(shown, slice) else shown

    fails_whole(broken, UnavailableError, tamper)


def test_a_token_that_is_refused_changes_nothing(broken: World) -> None:
    broken.store_token("x" * 40)

    fails_whole(broken, TokenRefusedError)
    assert broken.dns_calls == [LIST]


def test_a_secret_that_is_missing_changes_nothing(broken: World) -> None:
    """Before Cloudflare has answered nothing is known of the quota."""
    broken.secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)

    assert fails_whole(broken, SecretError) == {"Failed": 1}


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


def test_another_deployment_that_creates_our_deleted_records_again_is_noticed(
    world: World,
) -> None:
    sweep = world.sweep()
    for _ in range(2):
        world.put_own(UNKNOWN, meeting=None)
        result = sweep.handle(CONTEXT)
        world.pass_time()
        sweep.handle(CONTEXT)

    (warning,) = result["warnings"]
    assert warning.startswith(f"{UNKNOWN}.{DOMAIN} was deleted because EC2 does not know")
    assert f"does another deployment use {OWNER}?" in warning


def test_a_mistaken_tag_does_not_empty_the_zone(world: World) -> None:
    world.launch_many(11)
    world.swept()
    world.pass_time()
    before = everything(world)

    result = world.swept(PROJECT_TAG="Project=elephant")

    assert len(result["held_back"]) == 11
    assert everything(world) == before


def test_another_region_does_not_empty_the_zone(world: World) -> None:
    """EC2 answers without error, and shows none of the instances."""
    world.launch_many(11)
    world.swept()
    world.pass_time()
    before = everything(world)
    world.app_ec2.describe_instances = lambda **_: {"Reservations": []}

    result = world.swept()

    assert (len(result["waiting"]), result["action"]) == (11, "unchanged")
    assert everything(world) == before


def test_another_domain_moves_every_record(world: World) -> None:
    ids = world.launch_many(11)
    world.swept()

    world.swept(DOMAIN_ROOT="other.example.com")

    moved = {f"{each}.other.example.com" for each in ids}
    assert {name for name, _, _ in world.standing()} == moved


# What happens while a sweep runs


@pytest.fixture
def drifted(world: World) -> dict[str, str]:
    """Make a world in which something of every kind is to be done; return the desktops."""
    ids = {meeting: world.desktop(meeting=meeting) for meeting in ("new", "moved", "ended")}
    for meeting in ("moved", "ended"):
        world.put_own(ids[meeting], "192.0.2.9", meeting)
        world.put_row(meeting, status="HEALTHY", teacher_ec2_link=link(ids[meeting]))
    world.terminate(ids["ended"])
    world.put_row("new", status="LAUNCHED")
    world.put_own(UNKNOWN, meeting="gone")
    world.put_row("gone", status="HEALTHY", teacher_ec2_link=link(UNKNOWN))
    world.pass_time()
    return ids


def is_settled(world: World, ids: dict[str, str]) -> bool:
    """Return whether everything is right, once each, after what a sweep may have left."""
    world.swept()
    assert world.swept()["action"] == "unchanged"
    right = sorted(
        (f"{ids[each]}.{DOMAIN}", world.address(ids[each]), f"{OWNER} m={each} r=teacher")
        for each in ("new", "moved")
    )
    rows = {
        "new": {"status": "DNS_WRITTEN", "teacher_ec2_link": link(ids["new"])},
        "moved": {"status": "HEALTHY", "teacher_ec2_link": link(ids["moved"])},
        "ended": {"status": "TERMINATED"},
        "gone": {"status": "HEALTHY"},  # EC2 does not show its end
    }
    return (world.standing(), {each: world.row(each) for each in world.rows()}) == (right, rows)


def test_two_sweeps_that_saw_the_same_do_no_harm(world: World, drifted: dict[str, str]) -> None:
    first, second, steps = world.sweep(), world.sweep(), world.steps()
    surveys = first.survey(steps), second.survey(steps)

    done = first.repair(surveys[0], steps)
    again = second.repair(surveys[1], steps)

    assert sum(done.counts.values()) == 7
    assert again.counts["created"] == 0
    assert (again.refused, again.warnings) == ((), ())
    assert is_settled(world, drifted)


def test_sweeps_side_by_side_do_no_harm(world: World, drifted: dict[str, str]) -> None:
    both, results = Barrier(2, timeout=20), list[dict[str, Any]]()

    def wait(note: str) -> None:
        if note.startswith("GET"):
            both.wait()

    sweeps = [world.sweep(transport=Noting([], wait)) for _ in range(2)]
    threads = [
        Thread(target=lambda sweep: results.append(sweep.handle(CONTEXT)), args=(sweep,))
        for sweep in sweeps
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(results) == 2
    assert all("refused" not in result for result in results)
    assert is_settled(world, drifted)


@pytest.mark.parametrize("meeting", ["new", "moved", "ended"])
@pytest.mark.parametrize("moment", ["DescribeInstances", "BatchGetItem", "UpdateItem"])
def test_an_event_in_between_does_no_harm(
    world: World, drifted: dict[str, str], meeting: str, moment: str
) -> None:
    world.meanwhile(moment, lambda: world.handle(drifted[meeting]))

    assert "refused" not in world.swept()

    assert is_settled(world, drifted)


@pytest.mark.parametrize("moment", ["GET", "BatchGetItem", "POST", "UpdateItem"])
@pytest.mark.parametrize("what", ["stop", "terminate"])
def test_a_desktop_that_goes_meanwhile_has_nothing_left_soon(
    world: World, what: str, moment: str
) -> None:
    """The sweep may write what was right when it looked; the next one takes it back."""
    instance_id = world.desktop()
    world.put_row(status="LAUNCHED")
    went: list[str] = []

    def go(note: str = moment) -> None:
        if note.startswith(moment) and not went:
            went.append(note)
            (world.stop if what == "stop" else world.terminate)(instance_id)
            world.handle(instance_id)

    world.meanwhile(moment, go)
    world.sweep(transport=Noting([], go)).handle(CONTEXT)
    world.swept()

    assert went
    assert world.standing() == []
    assert "teacher_ec2_link" not in world.row()
    assert (world.row()["status"] == "TERMINATED") is (what == "terminate")
    assert world.swept()["action"] == "unchanged"


def test_a_row_that_others_change_meanwhile_is_left_to_the_next_run(world: World) -> None:
    """What the health check wrote must not be undone."""
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    world.meanwhile("UpdateItem", lambda: world.put_row(status="HEALTHY"))

    first = world.swept()

    assert first["done"] == {"created": 1, "updated": 0, "deleted": 0, "rows": 0}
    assert first["left"] == ["the row 'm1': row 'm1' was changed concurrently"]
    assert world.row() == {"status": "HEALTHY"}
    assert world.swept()["done"]["rows"] == 1
    assert world.row() == {"status": "HEALTHY", "teacher_ec2_link": link(instance_id)}


def test_no_row_is_created(world: World) -> None:
    """Neither for a meeting without one, nor for one that is deleted meanwhile."""
    world.desktop()
    world.put_row("m2", status="LAUNCHED")
    world.desktop(meeting="m2")
    key = {"id": {"S": "m2"}}
    world.meanwhile("UpdateItem", lambda: world.dynamodb.delete_item(TableName=TABLE, Key=key))

    result = world.swept()

    assert (result["done"]["created"], result["skipped"], world.rows()) == (2, 1, [])


def test_another_owner_who_was_faster_keeps_the_name(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    comment = "elephant:other m=m1 r=teacher"
    world.meanwhile(
        "DescribeInstances",
        lambda: world.put_record(f"{instance_id}.{DOMAIN}", world.address(instance_id), comment),
    )

    assert world.swept()["skipped"] == 1

    assert [each for _, _, each in world.standing()] == [comment]
    assert world.row() == {"status": "LAUNCHED"}
    assert world.swept()["warnings"][0].endswith("belongs to elephant:other; left unchanged")


def test_a_record_that_is_deleted_meanwhile_does_not_hold_up_the_rest(world: World) -> None:
    ended = world.put_ended(50)
    world.pass_time()
    zone = world.cloudflare.api.zone(DEFAULT_ZONE_ID)
    world.meanwhile("DescribeInstances", lambda: zone.delete(ended[7].id))

    assert world.swept()["done"]["deleted"] == 50
    assert world.records() == ()


def test_a_record_that_is_created_meanwhile_is_left_to_the_next_run(thirty: World) -> None:
    thirty.put_row("new", status="LAUNCHED")
    instance_id = thirty.desktop(meeting="new")
    address = thirty.address(instance_id)
    thirty.meanwhile("DescribeInstances", lambda: thirty.put_own(instance_id, address, "new"))

    first = thirty.swept()

    assert (first["done"]["created"], first["done"]["rows"], first["skipped"]) == (30, 30, 1)
    assert "the zone has changed since it was read" in first["left"][0]
    assert thirty.row("new") == {"status": "LAUNCHED"}
    assert thirty.swept()["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 1}
    assert thirty.swept()["action"] == "unchanged"


def test_a_stale_list_is_repaired_by_the_next_run(world: World) -> None:
    """Cloudflare's lists may lag behind: what was just created seems to be missing."""
    instance_id = world.desktop()
    world.swept()
    world.cloudflare.faults.add(Fault(FaultKind.STALE, changes=1))

    first = world.swept()

    assert (first["done"]["created"], first["skipped"]) == (0, 1)
    assert [name for name, _, _ in world.standing()] == [f"{instance_id}.{DOMAIN}"]
    assert world.swept()["action"] == "unchanged"
